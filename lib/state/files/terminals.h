/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* terminals.h - what the kinds of open files that are terminals have in common. */
#ifndef MITOSIS_TERMINALS_H
#define MITOSIS_TERMINALS_H

#include "capture/capture.h"
#include "state/files/kind.h"

/* Payload of both kinds: a pair with both sides here, and the process's own terminal. */
struct terminal_state {
	struct capture_terminal now;
	uint32_t number;		/* N of /dev/pts/N, of a pair */
	uint32_t is_master;		/* of a pair: the side that emulates one */
};

#ifdef IN_SHADOW
/* What was noted of it at the instant; false: it is no terminal. */
bool terminal_noted(const struct descriptor_file *f, const char *noted,
		    struct terminal_state *state);
#endif

#ifdef IN_LIBRARY
bool terminal_is_well_formed(const struct terminal_state *state);
/* 0 or -errno; of both sides the modes are one side's. */
int terminal_set_modes(int fd, const struct capture_terminal *t);
#endif

#endif
