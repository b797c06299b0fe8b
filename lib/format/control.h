/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * control.h - messages between a child and its supervisor, over a SOCK_SEQPACKET pair.
 *
 * The child sends first; READY once its memory is laid out, FAILED instead when it cannot be. Later
 * its libmitosis may send STATS or DRAIN and awaits the reply of the same type.
 */
#ifndef MITOSIS_CONTROL_H
#define MITOSIS_CONTROL_H

#include <stdint.h>

enum control_type { CONTROL_UFFD = 1, CONTROL_READY, CONTROL_FAILED, CONTROL_STATS, CONTROL_DRAIN };

struct control_message {
	uint32_t type;			/* enum control_type */
	int32_t error;			/* FAILED: negative errno; replies: 0 or negative errno */
	uint32_t step;			/* FAILED: enum restore_step */
	uint32_t reserved;
	uint64_t address;		/* FAILED */
	uint64_t faults, zero_faults, fetched_pages, pushed_pages, hot_pages, missing_pages;
};

#endif
