// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* library.c - what libmitosis has to say, in the tool's own voice: see library.h. */
#include "library.h"

#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "tool.h"

static bool told;	/* the library has said why the call fails that is under way */

void library_log(enum mitosis_log_level level, const char *text, void *data)
{
	static const struct library_voice plain;
	const struct library_voice *voice = data ? data : &plain;

	if (level == MITOSIS_LOG_ERROR) {
		tool_error(NULL, "%s", text);
		told = true;
	} else if (level == MITOSIS_LOG_WARNING && !voice->quiet) {
		tool_warn(NULL, "%s", text);
	} else if (level > MITOSIS_LOG_WARNING && voice->verbose) {
		flockfile(stderr);
		progress_clear();
		fprintf(stderr, "%s: %s\n", tool_name, text);
		funlockfile(stderr);
	}
}

void library_failed(const char *what, int err)
{
	if (!told)
		tool_error(what, "%s", strerror(-err));
	told = false;
}
