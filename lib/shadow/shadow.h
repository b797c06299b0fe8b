/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* shadow.h - what the shadow is given by who made it: read in memory, never on the wire. */
#ifndef MITOSIS_SHADOW_H
#define MITOSIS_SHADOW_H

#include <stdint.h>

#include "capture/capture.h"

struct shadow_args {
	int32_t listen_fd;
	int32_t parent_pid;
	/* of a parent that is itself a child: its own, not to be carried over; else -1 */
	int32_t control_fd;
	/* engine kernel: /dev/mitosis, which holds the pages; else -1 */
	int32_t device_fd;
	/* a pidfd of the parent, whose end it shares; -1: it is its child and opens one */
	int32_t parent_fd;
	/* a pipe: it says what is in its way, or "", when it can serve; -1: nobody asks */
	int32_t outcome_fd;
	/* a pipe: the parent stands still until a byte comes of it; -1: it does not wait */
	int32_t held_fd[2];
	uint8_t uuid[16];
	char address[256];		/* HOST:PORT as in the reference */
	char label[64];
	uint64_t lifetime_ns;		/* 0: as long as the parent lives */
	/* most that is copied while the parent stands still (state/nameless.c) */
	uint64_t copy_bytes;
	uint64_t created_ns;

	/*
	 * Where a tracer brought all this and the program, which is no part of the snapshot; 0: it
	 * did not.
	 */
	uint64_t luggage, luggage_bytes;

	struct capture capture;
	uint64_t child_state;		/* of the parent's library; 0: it has none */
	uint64_t entry;			/* the same; 0: it is looked for */
};

#endif
