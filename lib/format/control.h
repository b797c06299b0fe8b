/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * control.h - messages between a child and its supervisor, over a SOCK_SEQPACKET pair.
 *
 * The child sends first: UFFD, with the descriptor, where its memory arrives on demand, else BEGUN;
 * or SAME_PID, if its process id is the parent's, and then it is not the child. READY follows once
 * its memory is laid out; FAILED instead of any of them when it cannot go on. Later its libmitosis
 * may send STATS or DRAIN and awaits the reply of the same type.
 */
#ifndef MITOSIS_CONTROL_H
#define MITOSIS_CONTROL_H

#include <stdint.h>

enum control_type {
	CONTROL_UFFD = 1, CONTROL_READY, CONTROL_FAILED, CONTROL_STATS, CONTROL_DRAIN,
	CONTROL_BEGUN, CONTROL_SAME_PID,
};

struct control_message {
	uint32_t type;			/* enum control_type */
	int32_t error;			/* FAILED: negative errno; replies: 0 or negative errno */
	uint32_t step;			/* FAILED: enum restore_step */
	uint32_t reserved;
	uint64_t address;		/* FAILED; READY: bits withheld of its coredump_filter */
	uint64_t faults, zero_faults, fetched_pages, pushed_pages, hot_pages, missing_pages;
};

#endif
