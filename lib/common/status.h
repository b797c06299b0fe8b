/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* status.h - the exit statuses of all tools. */
#ifndef STATUS_H
#define STATUS_H

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_SKIP = 77,		/* this host lacks what is needed */
	STATUS_CANNOT_RUN = 125,	/* tools that run a command: failed before it */
	STATUS_CANNOT_EXEC = 126,	/* the command was found but could not be executed */
	STATUS_NOT_FOUND = 127,		/* there is no such command */
};

#endif
