/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* sweep.h - what a client measures: all combinations of its lists, one after the other. */
#ifndef RCBENCH_SWEEP_H
#define RCBENCH_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "point.h"
#include "record.h"

/* Servers or devices: each element is used by itself, of "A+B" both at once. */
struct names {
	char *text;
	char **list;
	size_t n;
};

struct plan {
	struct names servers, devices;
	uint64_t *threads, *depths, *rates, *sizes, *outstandings;
	size_t thread_count, depth_count, rate_count, size_count, outstanding_count;
	bool user, kernel, serial, pipelined, operations[OPERATIONS];
	bool reuse, verify;
	uint64_t count, duration_ns, interval_ns, timeout_ns, wait_ns, max_failures, port;
	uint8_t run[16];
	struct record_stream *out;

	struct target **targets;	/* that were opened; they stay until the end */
	size_t target_count;
};

/* Measure it all. 0, or -1 after a message, or when a signal came. */
int sweep_run(struct plan *plan);
/* Say goodbye to the servers. */
void sweep_close(struct plan *plan);

#endif
