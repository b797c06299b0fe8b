/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* report.h - the answers, as records. Each returns an exit status. */
#ifndef STATS_REPORT_H
#define STATS_REPORT_H

#include "record.h"
#include "store.h"

struct report {
	struct store *st;
	enum record_format format;
	int argc;
	char **argv;
	struct names percentiles;	/* as written by the user */
};

extern const struct record_column report_summary_columns[];	/* for --help */
extern const size_t report_summary_ncolumns;

int report_summary(const struct report *r);
int report_histogram(const struct report *r, bool logarithmic);
int report_baseline(const struct report *r, const char *factor, const char *level);
int report_compare(const struct report *r, const char *old_name, const char *new_name);

#endif
