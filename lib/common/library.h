/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * library.h - what libmitosis has to say, in the tool's own voice.
 *
 * The library gives a reason for most of its errors, but not for those that an errno tells, such as
 * no memory or no descriptor left. So each of its errors goes through library_failed(), which
 * speaks if the library did not.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <stdbool.h>

#include "mitosis.h"

struct library_voice {
	bool quiet;		/* no warnings */
	bool verbose;		/* what is no warning, too */
};

/* For mitosis_set_logger(); data: a struct library_voice, or NULL for errors and warnings. */
void library_log(enum mitosis_log_level level, const char *text, void *data);
/*
 * A call returned err, a negative errno: "TOOL: what: reason", unless the library has told the
 * reason.
 */
void library_failed(const char *what, int err);

#endif
