// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* mitosis-stats - summarise and compare record streams. */
#include "config.h"

#include <errno.h>
#include <gsl/gsl_errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "stats/number.h"
#include "stats/reader.h"
#include "stats/report.h"
#include "tool.h"

enum {
	OPT_COLUMNS = 1, OPT_PERCENTILES, OPT_BY, OPT_WHERE, OPT_JSON, OPT_HISTOGRAM, OPT_BASELINE,
	OPT_COMPARE,
};

struct arguments {
	struct selection sel;
	struct report report;
	char *histogram;
	char *baseline;
	bool compare;
	const char **files;
	size_t nfiles;
};

static const struct tool_info info = {
	.synopsis = "[OPTION...] [FILE...]",
	.summary = "Summarise record streams: one record for each group and measured column.",
	.columns = report_summary_columns,
	.examples =
		"  mitosis-rcbench node2 | mitosis-stats\n"
		"  mitosis-stats --columns prepare_ns --where 'wss>=64M' runs.tsv\n"
		"  mitosis-stats --baseline engine=local runs.tsv\n"
		"  mitosis-stats --compare before.tsv after.tsv\n",
	.exit_status =
		"  0 done, 1 failed (malformed or empty stream, write error), 2 wrong usage\n",
};

/* A comma-separated list of names into names. */
static int add_names(const char *option, const char *list, struct names *names)
{
	size_t len;
	char *name;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (!len)
			return tool_usage_error(option, "a name is empty");
		name = duplicate(list, len);
		names_add(names, name);
		free(name);
		if (!list[len])
			return STATUS_OK;
	}
}

static int set_percentiles(struct names *names, const char *list)
{
	size_t i, len;
	double v;

	names_free(names);
	if (add_names("--percentiles", list, names))
		return STATUS_USAGE;
	for (i = 0; i < names->n; i++) {
		len = strlen(names->name[i]);
		if (len > 20 || !number_parse(names->name[i], len, &v) || !(v >= 0 && v <= 100) ||
		    names->name[i][strspn(names->name[i], "0123456789.")])
			return tool_usage_error("--percentiles", "'%s' is not a number "
						"from 0 to 100", names->name[i]);
	}
	return STATUS_OK;
}

static int set_once(const char *option, char **to, const char *value)
{
	if (*to)
		return tool_usage_error(option, "given twice");
	*to = duplicate(value, strlen(value));
	return STATUS_OK;
}

static int take_option(struct arguments *a, int opt, const char *value)
{
	switch (opt) {
	case OPT_COLUMNS:
		return add_names("--columns", value, &a->sel.columns);
	case OPT_PERCENTILES:
		return set_percentiles(&a->report.percentiles, value);
	case OPT_BY:
		a->sel.by_given = true;
		return *value ? add_names("--by", value, &a->sel.by) : STATUS_OK;
	case OPT_WHERE:
		if (selection_add_filter(&a->sel, value))
			return tool_usage_error("--where", "'%s' is not COLUMN=VALUE[,VALUE...] "
						"(or !=, or < <= > >= with one number)", value);
		return STATUS_OK;
	case OPT_JSON:
		a->report.format = RECORD_JSON;
		return STATUS_OK;
	case OPT_HISTOGRAM:
		if (strcmp(value, "log") && strcmp(value, "linear"))
			return tool_usage_error("--histogram", "'%s' is not log or linear", value);
		return set_once("--histogram", &a->histogram, value);
	case OPT_BASELINE:
		if (!strchr(value, '=') || *value == '=')
			return tool_usage_error("--baseline", "'%s' is not FACTOR=LEVEL", value);
		return set_once("--baseline", &a->baseline, value);
	default:
		a->compare = true;
		return STATUS_OK;
	}
}

static int check_arguments(struct arguments *a)
{
	size_t i;

	if ((a->histogram != NULL) + (a->baseline != NULL) + a->compare > 1)
		return tool_usage_error(NULL, "--histogram, --baseline and --compare "
					"exclude one another");
	if (a->compare && a->nfiles != 2)
		return tool_usage_error("--compare", "needs two files, OLD and NEW");
	for (i = 0; i < a->sel.by.n; i++) {
		if (names_find(&a->sel.columns, a->sel.by.name[i]) != SIZE_MAX)
			return tool_usage_error("--by", "%s: also in --columns", a->sel.by.name[i]);
	}
	return STATUS_OK;
}

static uint64_t total_bytes(const struct arguments *a)
{
	uint64_t total = 0;
	struct stat st;
	size_t i;

	for (i = 0; i < a->nfiles; i++) {
		if (stat(a->files[i], &st) || !S_ISREG(st.st_mode))
			return 0;
		total += (uint64_t)st.st_size;
	}
	return total;
}

static int read_files(struct arguments *a, struct store *st)
{
	uint64_t done = 0;
	int ret = 0;
	size_t i;

	progress_start("reading", total_bytes(a));
	for (i = 0; i < a->nfiles && !ret; i++)
		ret = reader_read(a->files[i], a->compare && i ? 1 : 0, &a->sel, st, &done);
	progress_finish();
	return ret;
}

/* A name the user gave that no file has is a slip, whatever else would come out. */
static int check_names(const struct selection *sel)
{
	const struct {
		const char *option;
		const struct names *names;
	} given[] = { { "--columns", &sel->columns }, { "--by", &sel->by } };
	size_t i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < given[i].names->n; j++) {
			if (names_find(&sel->seen, given[i].names->name[j]) == SIZE_MAX) {
				tool_error(given[i].option, "no column '%s' in the records",
					   given[i].names->name[j]);
				return STATUS_FAILED;
			}
		}
	}
	for (i = 0; i < sel->nfilters; i++) {
		if (!sel->filters[i].seen) {
			tool_error("--where", "no column '%s' in the records",
				   sel->filters[i].column);
			return STATUS_FAILED;
		}
	}
	return STATUS_OK;
}

static int answer(struct arguments *a, struct store *st)
{
	char *level;
	size_t i;

	/* the order of --by is the order of the columns */
	for (i = 0; i < a->sel.by.n; i++)
		names_add(&st->factors, a->sel.by.name[i]);
	if (read_files(a, st) || check_names(&a->sel))
		return STATUS_FAILED;
	if (!st->measured.n) {
		tool_error(NULL, "no measured column: no name ends in a unit; "
			   "say which with --columns");
		return STATUS_FAILED;
	}
	if (!st->ngroups) {
		tool_error("--where", "no record matches");
		return STATUS_FAILED;
	}
	if (a->histogram)
		return report_histogram(&a->report, !strcmp(a->histogram, "log"));
	if (a->compare)
		return report_compare(&a->report, a->files[0], a->files[1]);
	if (!a->baseline)
		return report_summary(&a->report);
	level = strchr(a->baseline, '=');
	*level++ = '\0';
	return report_baseline(&a->report, a->baseline, level);
}

int main(int argc, char **argv)
{
	const struct poptOption options[] = {
		{ "columns", '\0', POPT_ARG_STRING, NULL, OPT_COLUMNS,
		  "Measured columns to summarise (all whose name ends in a unit)", "LIST" },
		{ "by", '\0', POPT_ARG_STRING, NULL, OPT_BY,
		  "Group by these columns (all that are not measured, but iter and seq)", "LIST" },
		{ "where", '\0', POPT_ARG_STRING, NULL, OPT_WHERE,
		  "Only records with COL=VALUE[,VALUE...]; also != < <= > >=; repeatable", "COND" },
		{ "percentiles", '\0', POPT_ARG_STRING, NULL, OPT_PERCENTILES,
		  "Percentiles (50,90,99,99.9)", "LIST" },
		{ "histogram", '\0', POPT_ARG_STRING, NULL, OPT_HISTOGRAM,
		  "Count samples in buckets, \"log\" or \"linear\"", "KIND" },
		{ "baseline", '\0', POPT_ARG_STRING, NULL, OPT_BASELINE,
		  "Ratio of each median to that of FACTOR=LEVEL", "FACTOR=LEVEL" },
		{ "compare", '\0', POPT_ARG_NONE, NULL, OPT_COMPARE,
		  "Compare two files, OLD and NEW: Mann-Whitney U and effect size", NULL },
		{ "json", '\0', POPT_ARG_NONE, NULL, OPT_JSON, "Write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	static const char *standard_input[] = { "-" };
	struct store st = { 0 };
	struct arguments a = { .report = { .st = &st, .format = RECORD_AUTO, .argc = argc,
					   .argv = argv } };
	struct tool_info help = info;
	int opt, status = STATUS_OK;
	poptContext con;
	char *value;

	tool_init("mitosis-stats");
	gsl_set_error_handler_off();
	help.ncolumns = report_summary_ncolumns;
	con = tool_context(argc, argv, options, 0, &help);
	set_percentiles(&a.report.percentiles, "50,90,99,99.9");
	opt = tool_next(con);
	while (opt > 0 && status == STATUS_OK) {
		value = poptGetOptArg(con);
		status = take_option(&a, opt, value);
		free(value);
		if (status == STATUS_OK)
			opt = tool_next(con);
	}
	if (opt == TOOL_BAD_OPTION)
		status = STATUS_USAGE;
	if (status == STATUS_OK) {
		a.files = poptGetArgs(con);
		while (a.files && a.files[a.nfiles])
			a.nfiles++;
		if (!a.nfiles) {
			a.files = standard_input;
			a.nfiles = 1;
		}
		status = check_arguments(&a);
	}
	if (status == STATUS_OK && a.files == standard_input && isatty(STDIN_FILENO))
		status = tool_usage_error(NULL, "no file, and standard input is a terminal");
	if (status == STATUS_OK)
		status = answer(&a, &st);
	store_free(&st);
	selection_free(&a.sel);
	names_free(&a.report.percentiles);
	free(a.histogram);
	free(a.baseline);
	poptFreeContext(con);
	return status;
}
