/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * counters.h - what the module did, as pairs that must end equal and as single counts. The ground
 * that all else stands on: it knows no other file. debugfs.c shows them.
 */
#ifndef MITOSIS_COUNTERS_H
#define MITOSIS_COUNTERS_H

#include <linux/atomic.h>

#define MITOSIS_COUNTERS(X) \
	/* pairs: made, ended */ \
	X(snapshots_made) X(snapshots_released) \
	X(pages_held) X(pages_put) \
	X(regions_made) X(regions_freed) \
	X(served_made) X(served_closed) \
	X(connections_made) X(connections_closed) \
	X(remotes_made) X(remotes_freed) \
	X(reads_begun) X(reads_ended) \
	X(inodes_made) X(inodes_freed) \
	X(files_opened) X(files_closed) \
	X(mms_made) X(mms_freed) \
	X(bench_made) X(bench_ended) \
	/* single */ \
	X(reads_failed) X(read_pages) X(absent_pages) X(faults) X(zero_faults) X(discarded_pages) \
	X(reconnects) X(refused_requests) X(refused_messages)

enum mitosis_counter {
#define X(name) MITOSIS_COUNT_##name,
	MITOSIS_COUNTERS(X)
#undef X
	MITOSIS_COUNTER_MAX
};

extern atomic64_t mitosis_counters[MITOSIS_COUNTER_MAX];

#define mitosis_count(name)	atomic64_inc(&mitosis_counters[MITOSIS_COUNT_##name])
#define mitosis_count_n(name, n) atomic64_add(n, &mitosis_counters[MITOSIS_COUNT_##name])

#endif
