// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* log.c - the library's only voice: a callback, or stderr when MITOSIS_DEBUG asks for it. */
#include "api/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static void (*logger)(enum mitosis_log_level level, const char *text, void *data);
static void *logger_data;

EXPORT void mitosis_set_logger(void (*fn)(enum mitosis_log_level, const char *, void *), void *data)
{
	logger = fn;
	logger_data = data;
}

EXPORT const char *mitosis_version(void)
{
	return MITOSIS_VERSION;
}

void log_text(enum mitosis_log_level level, const char *format, ...)
{
	bool debug = getenv("MITOSIS_DEBUG") != NULL;
	char room[1024], *text = room, *longer = NULL;
	va_list ap;

	if (!logger && !debug)
		return;
	if (level == MITOSIS_LOG_DEBUG && !debug)
		return;
	va_start(ap, format);
	/* A list of what a child lacks may be long, and nothing of it is kept silent. */
	if (vsnprintf(room, sizeof(room), format, ap) >= (int)sizeof(room)) {
		va_end(ap);
		va_start(ap, format);
		if (vasprintf(&longer, format, ap) >= 0)
			text = longer;
		else
			longer = NULL;
	}
	va_end(ap);
	if (logger)
		logger(level, text, logger_data);
	else
		fprintf(stderr, "libmitosis: %s\n", text);
	free(longer);
}
