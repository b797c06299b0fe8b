// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * report.c - the answers, as records.
 *
 * Every record begins with the factors of its group and the name of the measured column; what
 * follows depends on the question. One group's one column is one record (one per bucket in a
 * histogram).
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "describe.h"
#include "number.h"
#include "report.h"
#include "tool.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIGNIFICANT 0.05

/* Output: the columns every answer shares */

struct output {
	struct record_stream *rs;
	struct record_column *cols;
	size_t nfactors, ncols;
	bool *numeric;		/* by factor */
	size_t answer;		/* index of the first column after the shared ones */
};

static enum record_type unit_of(const char *column)
{
	size_t len = strlen(column);

	if (len > 3 && !strcmp(column + len - 3, "_ns"))
		return RECORD_NS;
	if (!strcmp(column, "bytes") || (len > 6 && !strcmp(column + len - 6, "_bytes")))
		return RECORD_SIZE;
	return RECORD_DOUBLE;
}

/* A factor that is a size by its name; its unit is known and it is read better as such. */
static bool is_size(const char *factor)
{
	size_t len = strlen(factor);

	return !strcmp(factor, "wss") || !strcmp(factor, "size") ||
	       (len > 5 && !strcmp(factor + len - 5, "_size"));
}

static bool is_integer(const char *text)
{
	const char *digits = text + (*text == '-');
	size_t len = strlen(digits);

	return len && len <= 18 && strspn(digits, "0123456789") == len &&
	       (digits[0] != '0' || (len == 1 && digits == text));
}

/* Numbers that read back as they were written stay numbers, so that JSON has them as such. */
static bool is_number(const char *text)
{
	char again[32];
	double v;

	if (is_integer(text))
		return true;
	if (!number_parse(text, strlen(text), &v))
		return false;
	snprintf(again, sizeof(again), "%.15g", v);
	return !strcmp(text, again);
}

static void describe_factors(struct output *o, const struct store *st)
{
	size_t f, i, known;
	char *text;

	for (f = 0; f < o->nfactors; f++) {
		o->numeric[f] = true;
		for (i = 0, known = 0; i < st->ngroups && o->numeric[f]; i++) {
			text = group_factor(st->groups[i], f);
			if (strcmp(text, "NA")) {
				known++;
				o->numeric[f] = is_number(text);
			}
			free(text);
		}
		o->numeric[f] = o->numeric[f] && known;
		o->cols[f] = (struct record_column){ st->factors.name[f], RECORD_STRING, "factor" };
		if (o->numeric[f])
			o->cols[f].type = is_size(st->factors.name[f]) ? RECORD_SIZE :
									 RECORD_DOUBLE;
	}
}

/* The widest names are known before the first record is written. */
static void set_widths(struct output *o, const struct store *st)
{
	size_t f, i, len;
	char *text;

	for (f = 0; f < o->nfactors; f++) {
		for (i = 0; !o->numeric[f] && i < st->ngroups; i++) {
			text = group_factor(st->groups[i], f);
			len = strlen(text);
			record_set_width(o->rs, f, len > 40 ? 40 : (unsigned int)len);
			free(text);
		}
	}
	for (i = 0; i < st->measured.n; i++)
		record_set_width(o->rs, o->nfactors, (unsigned int)strlen(st->measured.name[i]));
}

static int output_open(struct output *o, const struct report *r,
		       const struct record_column *answer, size_t nanswer)
{
	int err;

	*o = (struct output){ .nfactors = r->st->factors.n };
	o->answer = o->nfactors + 1;
	o->ncols = o->answer + nanswer;
	o->cols = allocate(o->ncols, sizeof(*o->cols));
	o->numeric = allocate(o->nfactors, sizeof(*o->numeric));
	describe_factors(o, r->st);
	o->cols[o->nfactors] = (struct record_column){ "column", RECORD_STRING, "" };
	memcpy(o->cols + o->answer, answer, nanswer * sizeof(*answer));
	err = record_open(&o->rs, stdout, r->format, o->cols, o->ncols, NULL, r->argc, r->argv);
	if (err) {
		tool_error(NULL, "%s", strerror(-err));
		free(o->cols);
		free(o->numeric);
		return STATUS_FAILED;
	}
	set_widths(o, r->st);
	return STATUS_OK;
}

static int output_close(struct output *o)
{
	int err = record_close(o->rs);

	free(o->cols);
	free(o->numeric);
	return err ? STATUS_FAILED : STATUS_OK;
}

static void begin_record(struct output *o, const struct store *st, const struct group *g,
			 size_t column)
{
	char *text;
	double v;
	size_t f;

	record_begin(o->rs);
	for (f = 0; f < o->nfactors; f++) {
		text = group_factor(g, f);
		if (!strcmp(text, "NA"))
			;
		else if (!o->numeric[f])
			record_string(o->rs, f, text);
		else if (is_integer(text) && *text != '-')
			record_uint(o->rs, f, strtoull(text, NULL, 10));
		else if (is_integer(text))
			record_int(o->rs, f, strtoll(text, NULL, 10));
		else if (number_parse(text, strlen(text), &v))
			record_double(o->rs, f, v);
		free(text);
	}
	record_string(o->rs, o->nfactors, st->measured.name[column]);
}

/* A value in the unit of the measured column. */
static void put_value(struct output *o, size_t col, const char *column, double v)
{
	/* A difference of zero may be negative. */
	record_double(o->rs, o->answer + col, v == 0 ? 0 : v);
	record_show_as(o->rs, o->answer + col, unit_of(column));
}

static void put_count(struct output *o, size_t col, uint64_t v)
{
	record_uint(o->rs, o->answer + col, v);
}

static void put_plain(struct output *o, size_t col, double v)
{
	record_double(o->rs, o->answer + col, v);
}

/* Summary */

enum { HEAD_N, HEAD_MEAN, HEAD_SD, HEAD_MIN, NHEAD };
enum { TAIL_MAX, TAIL_MAD, TAIL_LOW, TAIL_HIGH, TAIL_MISSING, TAIL_OUTLIERS, NTAIL };

static const struct record_column summary_head[NHEAD] = {
	[HEAD_N] = { "n", RECORD_UINT, "" },
	[HEAD_MEAN] = { "mean", RECORD_DOUBLE, "" },
	[HEAD_SD] = { "sd", RECORD_DOUBLE, "" },
	[HEAD_MIN] = { "min", RECORD_DOUBLE, "" },
};

static const struct record_column summary_tail[NTAIL] = {
	[TAIL_MAX] = { "max", RECORD_DOUBLE, "" },
	[TAIL_MAD] = { "mad", RECORD_DOUBLE, "" },
	[TAIL_LOW] = { "median_low", RECORD_DOUBLE, "" },
	[TAIL_HIGH] = { "median_high", RECORD_DOUBLE, "" },
	[TAIL_MISSING] = { "missing", RECORD_UINT, "" },
	[TAIL_OUTLIERS] = { "outliers", RECORD_UINT, "" },
};

const struct record_column report_summary_columns[] = {
	{ "FACTOR...", RECORD_STRING, "one column for each factor: what the group has in common" },
	{ "column", RECORD_STRING, "the measured column; its unit is that of mean to median_high" },
	{ "n", RECORD_UINT, "samples" },
	{ "mean", RECORD_DOUBLE, "arithmetic mean" },
	{ "sd", RECORD_DOUBLE, "standard deviation" },
	{ "min", RECORD_DOUBLE, "least sample" },
	{ "pN", RECORD_DOUBLE, "the percentiles asked for: p50 p90 p99 p99.9" },
	{ "max", RECORD_DOUBLE, "greatest sample" },
	{ "mad", RECORD_DOUBLE, "median absolute deviation from the median" },
	{ "median_low", RECORD_DOUBLE, "95 % confidence interval of the median: its lower end" },
	{ "median_high", RECORD_DOUBLE, "and its upper end" },
	{ "missing", RECORD_UINT, "samples not measured (NA), not in n" },
	{ "outliers", RECORD_UINT, "samples beyond 3 interquartile ranges, all of them in n" },
};
const size_t report_summary_ncolumns = COUNT(report_summary_columns);

static void summarise(struct output *o, const struct report *r, const char *column,
		      struct samples *s)
{
	size_t tail = NHEAD + r->percentiles.n, i;
	struct description d;

	describe(s, &d);
	put_count(o, HEAD_N, s->n);
	put_value(o, HEAD_MEAN, column, d.mean);
	put_value(o, HEAD_SD, column, d.sd);
	put_value(o, HEAD_MIN, column, d.min);
	for (i = 0; i < r->percentiles.n; i++)
		put_value(o, NHEAD + i, column,
			  samples_percentile(s, strtold(r->percentiles.name[i], NULL)));
	put_value(o, tail + TAIL_MAX, column, d.max);
	put_value(o, tail + TAIL_MAD, column, d.mad);
	put_value(o, tail + TAIL_LOW, column, d.median_ci.low);
	put_value(o, tail + TAIL_HIGH, column, d.median_ci.high);
	put_count(o, tail + TAIL_MISSING, s->missing);
	put_count(o, tail + TAIL_OUTLIERS, d.outliers);
}

int report_summary(const struct report *r)
{
	size_t n = NHEAD + r->percentiles.n + NTAIL, i, c;
	struct record_column *answer = allocate(n, sizeof(*answer));
	char (*names)[32] = allocate(r->percentiles.n, sizeof(*names));
	struct store *st = r->st;
	struct samples *s;
	struct output o;
	int status;

	memcpy(answer, summary_head, sizeof(summary_head));
	for (i = 0; i < r->percentiles.n; i++) {
		snprintf(names[i], sizeof(names[i]), "p%s", r->percentiles.name[i]);
		answer[NHEAD + i] = (struct record_column){ names[i], RECORD_DOUBLE, "" };
	}
	memcpy(answer + NHEAD + r->percentiles.n, summary_tail, sizeof(summary_tail));

	status = output_open(&o, r, answer, n);
	if (status)
		goto out;
	for (i = 0; i < st->ngroups; i++) {
		for (c = 0; c < st->measured.n && !record_error(o.rs); c++) {
			s = group_has(st->groups[i], 0, c);
			if (!s)
				continue;
			begin_record(&o, st, st->groups[i], c);
			summarise(&o, r, st->measured.name[c], s);
			record_end(o.rs);
			samples_drop(s);
		}
	}
	status = output_close(&o);
out:
	free(answer);
	free(names);
	return status;
}

/* Histogram */

enum { HIST_LOW, HIST_HIGH, HIST_N, HIST_PERCENT, HIST_BAR };
#define BAR_WIDTH 40
#define LINEAR_BUCKETS 20

static const struct record_column histogram_columns[] = {
	[HIST_LOW] = { "low", RECORD_DOUBLE, "" },
	[HIST_HIGH] = { "high", RECORD_DOUBLE, "" },
	[HIST_N] = { "n", RECORD_UINT, "" },
	[HIST_PERCENT] = { "percent", RECORD_DOUBLE, "" },
	[HIST_BAR] = { "bar", RECORD_STRING, "" },
};

/*
 * Edges are numbers a person would choose: multiples of 1, 2 or 5 times a power of ten (linear),
 * or a series within each power of ten (logarithmic), finer where the samples span little.
 */
struct edges {
	bool logarithmic;
	double step;			/* linear */
	const double *series;
	size_t nseries;
	long position;			/* of the lower edge */
};

static double edge(const struct edges *e, long position)
{
	long n = (long)e->nseries, decade;

	if (!e->logarithmic)
		return (double)position * e->step;
	decade = position >= 0 ? position / n : -((n - 1 - position) / n);
	/* division is exact where multiplication by 10^-k is not */
	return decade >= 0 ? e->series[position - decade * n] * pow(10, (double)decade) :
			     e->series[position - decade * n] / pow(10, (double)-decade);
}

static void choose_edges(struct edges *e, bool logarithmic, double min, double max)
{
	static const double coarse[] = { 1, 2, 5 };
	static const double fine[] = { 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8 };
	double raw = (max - min) / LINEAR_BUCKETS, power;

	*e = (struct edges){ .logarithmic = logarithmic };
	if (logarithmic) {
		e->series = max / min > 1000 ? coarse : fine;
		e->nseries = max / min > 1000 ? COUNT(coarse) : COUNT(fine);
		e->position = (long)floor(log10(min)) * (long)e->nseries;
	} else {
		/* a step that is too small for the position to count it is no use */
		raw = fmax(raw, fmax(fabs(min), fabs(max)) * 1e-12);
		if (!(raw > 0))
			raw = 1;
		power = pow(10, floor(log10(raw)));
		e->step = power * (raw <= power ? 1 : raw <= 2 * power ? 2 :
				   raw <= 5 * power ? 5 : 10);
		e->position = (long)floor(min / e->step) - 1;
	}
	while (edge(e, e->position + 1) <= min)
		e->position++;
	while (edge(e, e->position) > min)
		e->position--;
}

static void put_bucket(struct output *o, const struct store *st, const struct group *g, size_t c,
		       double low, double high, size_t n, size_t all, bool bar)
{
	const char *column = st->measured.name[c];
	char text[BAR_WIDTH + 1];
	size_t len;

	begin_record(o, st, g, c);
	put_value(o, HIST_LOW, column, low);
	put_value(o, HIST_HIGH, column, high);
	put_count(o, HIST_N, n);
	put_plain(o, HIST_PERCENT, (double)n * 100 / (double)all);
	if (bar) {
		len = (size_t)ceil((double)n / (double)all * BAR_WIDTH);
		memset(text, '#', len);
		text[len] = '\0';
		record_string(o->rs, o->answer + HIST_BAR, text);
	}
	record_end(o->rs);
}

static void histogram(struct output *o, const struct store *st, const struct group *g, size_t c,
		      struct samples *s, bool logarithmic, bool bar)
{
	struct edges e;
	size_t i = 0, from;

	samples_sort(s);
	if (logarithmic) {
		while (i < s->n && s->v[i] <= 0)
			i++;
		if (i)
			put_bucket(o, st, g, c, s->v[0], 0, i, s->n, bar);
		if (i == s->n)
			return;
	}
	choose_edges(&e, logarithmic, s->v[i], s->v[s->n - 1]);
	for (; i < s->n && !record_error(o->rs); e.position++) {
		from = i;
		while (i < s->n && s->v[i] < edge(&e, e.position + 1))
			i++;
		put_bucket(o, st, g, c, edge(&e, e.position), edge(&e, e.position + 1), i - from,
			   s->n, bar);
	}
}

int report_histogram(const struct report *r, bool logarithmic)
{
	bool bar = r->format == RECORD_AUTO && isatty(STDOUT_FILENO);
	struct store *st = r->st;
	struct samples *s;
	struct output o;
	size_t i, c;

	if (output_open(&o, r, histogram_columns, COUNT(histogram_columns) - !bar))
		return STATUS_FAILED;
	for (i = 0; i < st->ngroups; i++) {
		for (c = 0; c < st->measured.n && !record_error(o.rs); c++) {
			s = group_has(st->groups[i], 0, c);
			if (!s || !s->n)
				continue;
			histogram(&o, st, st->groups[i], c, s, logarithmic, bar);
			samples_drop(s);
		}
	}
	return output_close(&o);
}

/* Baseline */

enum { BASE_N, BASE_BASE_N, BASE_MEDIAN, BASE_BASE_MEDIAN, BASE_RATIO, BASE_LOW, BASE_HIGH };

static const struct record_column baseline_columns[] = {
	[BASE_N] = { "n", RECORD_UINT, "" },
	[BASE_BASE_N] = { "base_n", RECORD_UINT, "" },
	[BASE_MEDIAN] = { "median", RECORD_DOUBLE, "" },
	[BASE_BASE_MEDIAN] = { "base_median", RECORD_DOUBLE, "" },
	[BASE_RATIO] = { "ratio", RECORD_DOUBLE, "" },
	[BASE_LOW] = { "ratio_low", RECORD_DOUBLE, "" },
	[BASE_HIGH] = { "ratio_high", RECORD_DOUBLE, "" },
};

static bool has_level(const struct group *g, size_t factor, const char *level)
{
	char *text = group_factor(g, factor);
	bool same = !strcmp(text, level);

	free(text);
	return same;
}

/* The group with the same factors but for one. */
static struct group *counterpart(const struct store *st, const struct group *g, size_t factor,
				 const char *level)
{
	size_t f, len = 0, used = 0, n;
	struct group *found;
	char *key, *text;

	key = allocate(g->key_len + strlen(level) + 3 * st->factors.n + 1, 1);
	for (f = 0; f < st->factors.n; f++) {
		text = f == factor ? duplicate(level, strlen(level)) : group_factor(g, f);
		n = strlen(text);
		memcpy(key + len, text, n);
		key[len + n] = SEPARATOR;
		len += n + 1;
		if (strcmp(text, "NA"))
			used = len;
		free(text);
	}
	found = store_find(st, key, used);
	free(key);
	return found;
}

/* "there are: a, b, c" for a message */
static char *listing(const struct names *names)
{
	char *text = duplicate("", 0);
	size_t i, len = 0, n;

	for (i = 0; i < names->n && len < 200; i++) {
		n = strlen(names->name[i]);
		text = reallocate(text, len + n + 8, 1);
		len += (size_t)sprintf(text + len, "%s%s", i ? ", " : "", names->name[i]);
	}
	if (i < names->n)
		strcpy(text + len, ", ...");
	return text;
}

static int no_such(const char *what, const char *name, const struct names *have)
{
	char *text = listing(have);

	tool_error("--baseline", "no %s '%s' in the records (there are: %s)", what, name, text);
	free(text);
	return STATUS_FAILED;
}

/* The level must exist: a comparison with nothing is not an empty answer but a mistake. */
static int check_level(const struct store *st, size_t factor, const char *level)
{
	struct names levels = { 0 };
	bool found = false;
	int status = STATUS_OK;
	char *what, *text;
	size_t i;

	for (i = 0; i < st->ngroups && !found; i++) {
		text = group_factor(st->groups[i], factor);
		found = !strcmp(text, level);
		names_add(&levels, text);
		free(text);
	}
	if (!found) {
		what = allocate(strlen(st->factors.name[factor]) + 10, 1);
		sprintf(what, "level of %s", st->factors.name[factor]);
		status = no_such(what, level, &levels);
		free(what);
	}
	names_free(&levels);
	return status;
}

int report_baseline(const struct report *r, const char *factor, const char *level)
{
	struct store *st = r->st;
	size_t f = names_find(&st->factors, factor), i, c, unmatched = 0;
	struct samples *s, *base;
	struct group *g, *other;
	struct effect ratio;
	struct output o;

	if (f == SIZE_MAX)
		return no_such("factor", factor, &st->factors);
	if (check_level(st, f, level))
		return STATUS_FAILED;
	if (output_open(&o, r, baseline_columns, COUNT(baseline_columns)))
		return STATUS_FAILED;
	for (i = 0; i < st->ngroups; i++) {
		g = st->groups[i];
		if (has_level(g, f, level))
			continue;
		other = counterpart(st, g, f, level);
		unmatched += !other;
		for (c = 0; c < st->measured.n && !record_error(o.rs); c++) {
			s = group_has(g, 0, c);
			base = other ? group_has(other, 0, c) : NULL;
			if (!s)
				continue;
			samples_sort(s);
			begin_record(&o, st, g, c);
			put_count(&o, BASE_N, s->n);
			put_value(&o, BASE_MEDIAN, st->measured.name[c], samples_percentile(s, 50));
			if (base) {
				samples_sort(base);
				put_count(&o, BASE_BASE_N, base->n);
				put_value(&o, BASE_BASE_MEDIAN, st->measured.name[c],
					  samples_percentile(base, 50));
				ratio_of_medians(base, s, &ratio);
				put_plain(&o, BASE_RATIO, ratio.value);
				put_plain(&o, BASE_LOW, ratio.ci.low);
				put_plain(&o, BASE_HIGH, ratio.ci.high);
			}
			record_end(o.rs);
			samples_drop(s);
		}
	}
	if (unmatched)
		tool_warn("--baseline", "%zu group%s no counterpart with %s=%s", unmatched,
			  unmatched == 1 ? " has" : "s have", factor, level);
	return output_close(&o);
}

/* Compare */

enum {
	CMP_OLD_N, CMP_NEW_N, CMP_OLD_MEDIAN, CMP_NEW_MEDIAN, CMP_RATIO, CMP_RATIO_LOW,
	CMP_RATIO_HIGH, CMP_SHIFT, CMP_SHIFT_LOW, CMP_SHIFT_HIGH, CMP_U, CMP_P, CMP_CHANGE,
};

static const struct record_column compare_columns[] = {
	[CMP_OLD_N] = { "old_n", RECORD_UINT, "" },
	[CMP_NEW_N] = { "new_n", RECORD_UINT, "" },
	[CMP_OLD_MEDIAN] = { "old_median", RECORD_DOUBLE, "" },
	[CMP_NEW_MEDIAN] = { "new_median", RECORD_DOUBLE, "" },
	[CMP_RATIO] = { "ratio", RECORD_DOUBLE, "" },
	[CMP_RATIO_LOW] = { "ratio_low", RECORD_DOUBLE, "" },
	[CMP_RATIO_HIGH] = { "ratio_high", RECORD_DOUBLE, "" },
	[CMP_SHIFT] = { "shift", RECORD_DOUBLE, "" },
	[CMP_SHIFT_LOW] = { "shift_low", RECORD_DOUBLE, "" },
	[CMP_SHIFT_HIGH] = { "shift_high", RECORD_DOUBLE, "" },
	[CMP_U] = { "u", RECORD_DOUBLE, "" },
	[CMP_P] = { "p", RECORD_DOUBLE, "" },
	[CMP_CHANGE] = { "change", RECORD_STRING, "" },
};

/* The least p that so many samples can give: that of complete separation. */
static bool can_be_significant(size_t n, size_t m)
{
	double a = (double)n, b = (double)m;

	return log(2) - (lgamma(a + b + 1) - lgamma(a + 1) - lgamma(b + 1)) <
	       log(SIGNIFICANT);
}

static void put_change(struct output *o, double p, const struct effect *ratio,
		       const struct effect *shift)
{
	char text[32];

	if (!(p < SIGNIFICANT) || (!(shift->value > 0) && !(shift->value < 0)))
		strcpy(text, "~");
	else if (isfinite(ratio->value))
		snprintf(text, sizeof(text), "%+.2f%%", (ratio->value - 1) * 100);
	else
		strcpy(text, shift->value > 0 ? "+" : "-");
	record_string(o->rs, o->answer + CMP_CHANGE, text);
}

static void compare(struct output *o, const char *column, struct samples *old,
		    struct samples *new)
{
	struct effect ratio, shift;
	double u, p;

	samples_sort(old);
	samples_sort(new);
	ratio_of_medians(old, new, &ratio);
	hodges_lehmann(old, new, &shift);
	mann_whitney(old, new, &u, &p);
	put_count(o, CMP_OLD_N, old->n);
	put_count(o, CMP_NEW_N, new->n);
	put_value(o, CMP_OLD_MEDIAN, column, samples_percentile(old, 50));
	put_value(o, CMP_NEW_MEDIAN, column, samples_percentile(new, 50));
	put_plain(o, CMP_RATIO, ratio.value);
	put_plain(o, CMP_RATIO_LOW, ratio.ci.low);
	put_plain(o, CMP_RATIO_HIGH, ratio.ci.high);
	put_value(o, CMP_SHIFT, column, shift.value);
	put_value(o, CMP_SHIFT_LOW, column, shift.ci.low);
	put_value(o, CMP_SHIFT_HIGH, column, shift.ci.high);
	put_plain(o, CMP_U, u);
	put_plain(o, CMP_P, p);
	put_change(o, p, &ratio, &shift);
}

static void warn_unmatched(const char *name, size_t n)
{
	if (n)
		tool_warn(name, "%zu column%s of a group %s no counterpart in the other file", n,
			  n == 1 ? "" : "s", n == 1 ? "has" : "have");
}

int report_compare(const struct report *r, const char *old_name, const char *new_name)
{
	size_t i, c, matched = 0, only_old = 0, only_new = 0;
	struct samples *old, *new;
	bool too_few = false;
	struct store *st = r->st;
	struct output o;

	if (output_open(&o, r, compare_columns, COUNT(compare_columns)))
		return STATUS_FAILED;
	for (i = 0; i < st->ngroups; i++) {
		for (c = 0; c < st->measured.n && !record_error(o.rs); c++) {
			old = group_has(st->groups[i], 0, c);
			new = group_has(st->groups[i], 1, c);
			only_old += old && !new;
			only_new += new && !old;
			if (!old || !new)
				continue;
			matched++;
			/* A column in which nothing was measured is no lack of samples. */
			too_few = too_few ||
				  (old->n && new->n && !can_be_significant(old->n, new->n));
			begin_record(&o, st, st->groups[i], c);
			compare(&o, st->measured.name[c], old, new);
			record_end(o.rs);
			samples_drop(old);
			samples_drop(new);
		}
	}
	if (output_close(&o))
		return STATUS_FAILED;
	if (!matched) {
		tool_error(new_name, "no group in common with %s", old_name);
		return STATUS_FAILED;
	}
	warn_unmatched(old_name, only_old);
	warn_unmatched(new_name, only_new);
	if (too_few)
		tool_warn(NULL, "too few samples for any difference to be significant: "
			  "take four or more on each side");
	return STATUS_OK;
}
