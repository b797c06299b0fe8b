/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* report.h - records of a client: one per connection or operation, or throughput per interval. */
#ifndef RCBENCH_REPORT_H
#define RCBENCH_REPORT_H

#include "point.h"
#include "record.h"

extern const struct record_column report_columns[];
extern const size_t report_column_count;

void report_samples(struct record_stream *out, const struct point *p, const struct worker *w);
/* What was done in the interval by one thread, or by all where w is NULL. */
void report_interval(struct record_stream *out, const struct point *p, const struct worker *w,
		     uint64_t done, uint64_t failed, uint64_t interval_ns);
/* "2 refused, 1 timeout" */
void report_outcomes(const uint64_t outcomes[OUTCOMES], char *text, size_t room);

#endif
