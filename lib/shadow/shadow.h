/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* shadow.h - what mitosis_prepare() hands to the shadow: read in memory, never on the wire. */
#ifndef MITOSIS_SHADOW_H
#define MITOSIS_SHADOW_H

#include <stdint.h>

#include "capture/capture.h"

struct shadow_args {
	int32_t listen_fd;
	int32_t parent_pid;
	int32_t control_fd;		/* of a parent that is itself a child: its own, not to be carried over; else -1 */
	int32_t device_fd;		/* engine kernel: /dev/mitosis, which holds the pages; else -1 */
	uint8_t uuid[16];
	char address[256];		/* HOST:PORT as in the reference */
	char label[64];
	uint64_t lifetime_ns;		/* 0: as long as the parent lives */
	uint64_t created_ns;

	struct capture capture;
	uint64_t child_state;		/* of the parent's library; 0: it has none */
};

#endif
