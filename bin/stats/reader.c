// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * reader.c - record streams into the store.
 *
 * A stream is one or more segments: an optional comment line "# mitosis-exp 1 ..." (in JSON Lines
 * an object with the key "meta"), a header line, rows. Each such comment begins a new segment, so
 * that the output of cat FILE... is a stream too. A row is split in place into cells; JSON objects
 * are turned into the same cells. What a column is gets decided once per header, see roles.c.
 *
 * The facts of the comment stand in for columns that the rows lack: the engine always, the others
 * and the file's name where --by or --where asks for them.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "number.h"
#include "progress.h"
#include "reader.h"
#include "tool.h"

#define BLOCK (1u << 20)
#define LINE_MAX_BYTES (64u << 20)
#define SLACK 8		/* readable bytes after the last line */
#define FORMAT_VERSION 1

static const char *const fact_names[] = { "tool", "version", "host", "kernel", "engine", "file" };

enum { FACT_ENGINE = 4, FACT_FILE = 5, NFACTS = 6 };

struct cell {
	char *text;
	size_t len;
};

struct column {
	char *name;
	enum role role;
	size_t index;		/* in the store's names, by role */
	char *owned;		/* JSON: the text of the cell */
};

struct filter_source {
	size_t cell;		/* SIZE_MAX: fact below */
	const char *fact;	/* NULL: no such column here */
};

struct reader {
	const char *name;
	int side;
	struct selection *sel;
	struct store *st;

	int fd;
	char *buf;
	size_t start, end, room;
	bool eof, unterminated;
	uint64_t line, rows, bytes;

	bool json, header_expected;
	char *facts[NFACTS];
	struct column *columns;
	size_t ncolumns;
	struct cell *cells;
	size_t cells_room;
	struct filter_source *sources;		/* one per filter */
	struct cell *defaults, *slots;		/* one per factor of the store */
	size_t nslots;
	char *key;
	size_t key_room;
};

__attribute__((format(printf, 2, 3)))
static int malformed(const struct reader *r, const char *fmt, ...)
{
	char where[4200], what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(where, sizeof(where), "%s:%" PRIu64, r->name, r->line);
	tool_error(where, "%s", what);
	return -1;
}

/* 1: a line, without its newline but with a byte after it; 0: end; -1: error */
static int next_line(struct reader *r, char **line, size_t *len)
{
	size_t searched = 0;
	ssize_t got;
	char *nl;

	for (;;) {
		nl = memchr(r->buf + r->start + searched, '\n', r->end - r->start - searched);
		if (nl || (r->eof && r->start < r->end)) {
			r->unterminated = !nl;
			*line = r->buf + r->start;
			*len = nl ? (size_t)(nl - *line) : r->end - r->start;
			r->start += *len + (nl ? 1 : 0);
			r->line++;
			if (*len && (*line)[*len - 1] == '\r')
				--*len;
			return 1;
		}
		if (r->eof)
			return 0;
		searched = r->end - r->start;
		if (searched > LINE_MAX_BYTES) {
			r->line++;
			return malformed(r, "line too long");
		}
		memmove(r->buf, r->buf + r->start, searched);
		r->start = 0;
		r->end = searched;
		if (r->room - r->end < BLOCK) {
			r->room = 2 * r->room + BLOCK;
			r->buf = reallocate(r->buf, r->room + SLACK, 1);
		}
		do
			got = read(r->fd, r->buf + r->end, BLOCK);
		while (got < 0 && errno == EINTR);
		if (got < 0) {
			tool_error(r->name, "%s", strerror(errno));
			return -1;
		}
		r->eof = got == 0;
		r->end += (size_t)got;
		r->bytes += (size_t)got;
	}
}

/* Header */

static void add_column(struct reader *r, const char *name, size_t len)
{
	struct column *c;

	r->columns = reallocate(r->columns, r->ncolumns + 1, sizeof(*r->columns));
	c = &r->columns[r->ncolumns++];
	*c = (struct column){ .name = duplicate(name, len) };
	names_add(&r->sel->seen, c->name);
	c->role = column_role(r->sel, c->name);
	if (c->role == ROLE_FACTOR)
		c->index = names_add(&r->st->factors, c->name);
	else if (c->role == ROLE_MEASURED)
		c->index = names_add(&r->st->measured, c->name);
	if (r->ncolumns > r->cells_room) {
		r->cells_room = 2 * r->ncolumns;
		r->cells = reallocate(r->cells, r->cells_room, sizeof(*r->cells));
	}
	r->cells[r->ncolumns - 1] = (struct cell){ 0 };
}

static size_t find_column(const struct reader *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->ncolumns; i++) {
		if (!strcmp(r->columns[i].name, name))
			return i;
	}
	return SIZE_MAX;
}

static void drop_columns(struct reader *r)
{
	size_t i;

	for (i = 0; i < r->ncolumns; i++) {
		free(r->columns[i].name);
		free(r->columns[i].owned);
	}
	r->ncolumns = 0;
}

static bool fact_is_factor(const struct reader *r, size_t fact)
{
	if (find_column(r, fact_names[fact]) != SIZE_MAX || !r->facts[fact])
		return false;
	if (names_find(&r->sel->by, fact_names[fact]) != SIZE_MAX)
		return true;
	return fact == FACT_ENGINE && !r->sel->by_given && strcmp(r->facts[fact], "-");
}

/* After the columns of a segment are known: the facts that act as columns, and the filters. */
static void settle_columns(struct reader *r)
{
	struct filter *f;
	size_t i, k;
	char *text;

	for (i = 0; i < NFACTS; i++) {
		if (fact_is_factor(r, i)) {
			names_add(&r->st->factors, fact_names[i]);
			names_add(&r->sel->seen, fact_names[i]);
		}
	}
	r->nslots = r->st->factors.n;
	r->defaults = reallocate(r->defaults, r->nslots, sizeof(*r->defaults));
	r->slots = reallocate(r->slots, r->nslots, sizeof(*r->slots));
	for (i = 0; i < r->nslots; i++)
		r->defaults[i] = (struct cell){ (char *)"NA", 2 };
	for (i = 0; i < NFACTS; i++) {
		if (fact_is_factor(r, i)) {
			text = r->facts[i];
			k = names_find(&r->st->factors, fact_names[i]);
			r->defaults[k] = (struct cell){ text, strlen(text) };
		}
	}
	r->sources = reallocate(r->sources, r->sel->nfilters, sizeof(*r->sources));
	for (i = 0; i < r->sel->nfilters; i++) {
		f = &r->sel->filters[i];
		r->sources[i] = (struct filter_source){ .cell = find_column(r, f->column) };
		for (k = 0; k < NFACTS; k++) {
			if (!strcmp(fact_names[k], f->column))
				r->sources[i].fact = r->facts[k];
		}
		f->seen = f->seen || r->sources[i].cell != SIZE_MAX || r->sources[i].fact;
	}
}

static void set_fact(struct reader *r, const char *name, const char *value, size_t len)
{
	size_t i;

	for (i = 0; i < FACT_FILE; i++) {
		if (!strcmp(name, fact_names[i])) {
			free(r->facts[i]);
			r->facts[i] = duplicate(value, len);
		}
	}
}

static void forget_facts(struct reader *r)
{
	size_t i;

	for (i = 0; i < FACT_FILE; i++) {
		free(r->facts[i]);
		r->facts[i] = NULL;
	}
}

/* "# mitosis-exp 1 tool=T ... args=..." */
static int read_comment(struct reader *r, const char *line, size_t len)
{
	char *copy, *token, *rest, *value;
	int version;

	copy = duplicate(line, len);
	version = atoi(copy + strlen("# mitosis-exp "));
	if (version > FORMAT_VERSION) {
		free(copy);
		return malformed(r, "format version %d is newer than this program", version);
	}
	forget_facts(r);
	r->header_expected = true;
	rest = copy;
	for (token = strsep(&rest, " "); token; token = strsep(&rest, " ")) {
		value = strchr(token, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(token, "args"))
			break;
		set_fact(r, token, value, strlen(value));
	}
	free(copy);
	return 0;
}

static int read_header(struct reader *r, char *line, size_t len)
{
	char *tab, *name;
	size_t n;

	drop_columns(r);
	line[len] = '\0';
	for (;;) {
		tab = memchr(line, '\t', len);
		n = tab ? (size_t)(tab - line) : len;
		if (!n)
			return malformed(r, "header: column %zu has no name", r->ncolumns + 1);
		if (n != strnlen(line, n))
			return malformed(r, "header: not text");
		name = duplicate(line, n);
		if (find_column(r, name) != SIZE_MAX) {
			malformed(r, "header: column '%s' appears twice", name);
			free(name);
			return -1;
		}
		add_column(r, name, n);
		free(name);
		if (!tab)
			break;
		line = tab + 1;
		len -= n + 1;
	}
	settle_columns(r);
	r->header_expected = false;
	return 0;
}

/* Rows */

static bool matches(const struct filter *f, const char *text, size_t len)
{
	bool missing = number_is_missing(text, len), is_number, found = false;
	const struct filter_value *v;
	double x = 0;
	size_t i;

	is_number = !missing && number_parse(text, len, &x);
	for (i = 0; i < f->nvalues && !found; i++) {
		v = &f->values[i];
		switch (f->op) {
		case OP_LT:
			return is_number && x < v->number;
		case OP_LE:
			return is_number && x <= v->number;
		case OP_GT:
			return is_number && x > v->number;
		case OP_GE:
			return is_number && x >= v->number;
		default:
			found = (strlen(v->text) == len && !memcmp(v->text, text, len)) ||
				(is_number && v->is_number && x == v->number);
		}
	}
	return found == (f->op == OP_EQ);
}

static bool passes_filters(const struct reader *r)
{
	const struct filter_source *s;
	const struct cell *c;
	size_t i;

	for (i = 0; i < r->sel->nfilters; i++) {
		s = &r->sources[i];
		if (s->cell != SIZE_MAX) {
			c = &r->cells[s->cell];
			if (!matches(&r->sel->filters[i], c->text, c->len))
				return false;
		} else if (!matches(&r->sel->filters[i], s->fact ? s->fact : "NA",
				    s->fact ? strlen(s->fact) : 2)) {
			return false;
		}
	}
	return true;
}

/* The key of the row's group. What would break it or the output becomes '?'. */
static size_t make_key(struct reader *r)
{
	size_t i, len = 0, used = 0, n;
	char *p;

	for (i = 0; i < r->nslots; i++)
		len += r->slots[i].len + 1;
	if (len > r->key_room) {
		r->key_room = 2 * len;
		r->key = reallocate(r->key, r->key_room, 1);
	}
	len = 0;
	for (i = 0; i < r->nslots; i++) {
		n = r->slots[i].len;
		memcpy(r->key + len, r->slots[i].text, n);
		for (p = r->key + len; p < r->key + len + n; p++) {
			if (*p == SEPARATOR || *p == '\0')
				*p = '?';
		}
		r->key[len + n] = SEPARATOR;
		len += n + 1;
		if (n != 2 || memcmp(r->slots[i].text, "NA", 2))
			used = len;
	}
	return used;
}

/* Whether the row is of the same group as the one before, as most are: no key is made for it. */
static bool same_group(const struct reader *r)
{
	const struct group *g = r->st->last;
	const struct cell *c, *end = r->slots + r->nslots;
	const char *key, *key_end;

	if (!g)
		return false;
	key = g->key;
	key_end = key + g->key_len;
	for (c = r->slots; c < end; c++) {
		if (key == key_end) {	/* NA values at the end are left out */
			if (c->len != 2 || memcmp(c->text, "NA", 2))
				return false;
			continue;
		}
		if ((size_t)(key_end - key) <= c->len || key[c->len] != SEPARATOR ||
		    memcmp(key, c->text, c->len))
			return false;
		key += c->len + 1;
	}
	return key == key_end;
}

static struct group *find_group(struct reader *r)
{
	size_t i, len;

	memcpy(r->slots, r->defaults, r->nslots * sizeof(*r->slots));
	for (i = 0; i < r->ncolumns; i++) {
		if (r->columns[i].role == ROLE_FACTOR)
			r->slots[r->columns[i].index] = r->cells[i];
	}
	if (same_group(r))
		return r->st->last;
	len = make_key(r);
	return store_group(r->st, r->key, len);
}

static int store_row(struct reader *r)
{
	struct samples *s;
	struct group *g;
	struct column *c;
	struct cell *cell;
	size_t i;
	double v;

	r->rows++;
	if (r->sel->nfilters && !passes_filters(r))
		return 0;
	g = find_group(r);
	for (i = 0; i < r->ncolumns; i++) {
		c = &r->columns[i];
		if (c->role != ROLE_MEASURED)
			continue;
		cell = &r->cells[i];
		s = c->index < g->ncolumns[r->side] ? &g->columns[r->side][c->index] :
						      group_samples(g, r->side, c->index);
		if (number_parse(cell->text, cell->len, &v))
			samples_add(s, v);
		else if (number_is_missing(cell->text, cell->len))
			s->missing++;
		else
			return malformed(r, "column %s: '%.*s' is not a number", c->name,
					 (int)(cell->len > 40 ? 40 : cell->len), cell->text);
	}
	return 0;
}

/* The inverse of what record.c does to a string, in place. */
static void unescape(struct cell *c)
{
	const char *p = c->text, *end = p + c->len;
	char *q = c->text;

	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end) {
			p++;
			*q++ = *p == 't' ? '\t' : *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p;
		} else {
			*q++ = *p;
		}
	}
	c->len = (size_t)(q - c->text);
}

static void add_field(struct reader *r, size_t n, char *start, char *end)
{
	if (n < r->ncolumns)
		r->cells[n] = (struct cell){ start, (size_t)(end - start) };
}

/*
 * Cuts a line at its tabs and returns the number of fields. Eight bytes at a time: fields are too
 * short for memchr() to pay. In found, the top bit of each byte that is a tab is set, and no other;
 * the lowest byte is the first one. Reads up to SLACK bytes after the line.
 */
static size_t split(struct reader *r, char *line, size_t len)
{
	const uint64_t tabs = UINT64_C(0x0909090909090909), low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	char *start = line, *tab;
	uint64_t x, found;
	size_t n = 0, i;

	for (i = 0; i < len; i += sizeof(x)) {
		memcpy(&x, line + i, sizeof(x));
		x = le64toh(x) ^ tabs;
		found = ~(((x & low) + low) | x | low);
		if (len - i < sizeof(x))
			found &= (UINT64_C(1) << 8 * (len - i)) - 1;
		for (; found; found &= found - 1) {
			tab = line + i + (unsigned int)__builtin_ctzll(found) / 8;
			add_field(r, n++, start, tab);
			start = tab + 1;
		}
	}
	add_field(r, n++, start, line + len);
	return n;
}

static int read_tsv_row(struct reader *r, char *line, size_t len)
{
	bool escapes = memchr(line, '\\', len);
	size_t n = split(r, line, len), i;

	if (n != r->ncolumns)
		return malformed(r, "%zu field%s, but the header has %zu", n, n == 1 ? "" : "s",
				 r->ncolumns);
	for (i = 0; escapes && i < n; i++)
		unescape(&r->cells[i]);
	return store_row(r);
}

static int read_tsv_line(struct reader *r, char *line, size_t len)
{
	static const char magic[] = "# mitosis-exp ";

	if (len && line[0] == '#') {
		if (len > strlen(magic) && !memcmp(line, magic, strlen(magic)))
			return read_comment(r, line, len);
		return 0;
	}
	if (r->header_expected)
		return read_header(r, line, len);
	return read_tsv_row(r, line, len);
}

/* The text of a JSON value as TSV would have it; NULL for an array or object. */
static char *json_text(const json_t *value)
{
	char text[32];
	int digits;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return duplicate(json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		for (digits = 15; digits <= 17; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, json_real_value(value));
			if (strtod(text, NULL) == json_real_value(value))
				break;
		}
		break;
	case JSON_TRUE:
		return duplicate("true", 4);
	case JSON_FALSE:
		return duplicate("false", 5);
	case JSON_NULL:
		return duplicate("NA", 2);
	default:
		return NULL;
	}
	return duplicate(text, strlen(text));
}

static int read_meta(struct reader *r, json_t *meta)
{
	json_t *value, *version = json_object_get(meta, "mitosis-exp");
	const char *key;

	if (json_integer_value(version) > FORMAT_VERSION)
		return malformed(r, "format version %d is newer than this program",
				 (int)json_integer_value(version));
	forget_facts(r);
	drop_columns(r);
	r->header_expected = true;
	json_object_foreach(meta, key, value) {
		if (json_is_string(value))
			set_fact(r, key, json_string_value(value), json_string_length(value));
	}
	return 0;
}

static int read_json_object(struct reader *r, json_t *object)
{
	bool new_columns = r->header_expected;
	const char *key;
	json_t *value;
	char *text;
	size_t i;

	for (i = 0; i < r->ncolumns; i++)
		r->cells[i] = (struct cell){ (char *)"NA", 2 };
	json_object_foreach(object, key, value) {
		text = json_text(value);
		if (!text)
			return malformed(r, "%s: a record holds numbers and strings only", key);
		i = find_column(r, key);
		if (i == SIZE_MAX) {
			add_column(r, key, strlen(key));
			i = r->ncolumns - 1;
			new_columns = true;
		}
		free(r->columns[i].owned);
		r->columns[i].owned = text;
		r->cells[i] = (struct cell){ text, strlen(text) };
	}
	if (new_columns)
		settle_columns(r);
	r->header_expected = false;
	return store_row(r);
}

static int read_json_line(struct reader *r, char *line, size_t len)
{
	json_t *object, *meta;
	json_error_t error;
	int ret;

	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	/* 64-bit counters may exceed what a signed integer holds */
	if (!object && json_error_code(&error) == json_error_numeric_overflow)
		object = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				    &error);
	if (!object)
		return malformed(r, "not a JSON object: %s", error.text);
	meta = json_object_get(object, "meta");
	if (!json_is_object(object))
		ret = malformed(r, "not a JSON object");
	else if (json_is_object(meta))
		ret = read_meta(r, meta);
	else
		ret = read_json_object(r, object);
	json_decref(object);
	return ret;
}

/* Editors of other systems begin a file with a byte order mark; files may be joined. */
static void skip_mark(const struct reader *r, char **line, size_t *len)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t n = strlen(mark);

	if (*len < n || memcmp(*line, mark, n))
		return;
	if (r->line > 1 && (*len == n || ((*line)[n] != '#' && (*line)[n] != '{')))
		return;
	*line += n;
	*len -= n;
}

static int read_lines(struct reader *r, uint64_t done_bytes)
{
	char *line = NULL;
	size_t len = 0;
	int ret;

	for (;;) {
		ret = next_line(r, &line, &len);
		if (ret <= 0)
			break;
		skip_mark(r, &line, &len);
		if (r->line == 1)
			r->json = len && *line == '{';
		ret = r->json ? read_json_line(r, line, len) : read_tsv_line(r, line, len);
		if (ret)
			break;
		if (!(r->line & 0xffff))
			progress_update(done_bytes + r->bytes);
	}
	return ret;
}

int reader_read(const char *path, int side, struct selection *sel, struct store *st,
		uint64_t *done_bytes)
{
	bool standard_input = !strcmp(path, "-");
	struct reader r = {
		.name = standard_input ? "standard input" : path,
		.side = side, .sel = sel, .st = st, .header_expected = true,
	};
	int ret;

	r.fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0) {
		tool_error(path, "%s", strerror(errno));
		return -1;
	}
	r.room = BLOCK;
	r.buf = allocate(r.room + SLACK, 1);
	r.key_room = 256;
	r.key = allocate(r.key_room, 1);
	r.facts[FACT_FILE] = duplicate(path, strlen(path));
	ret = read_lines(&r, *done_bytes);
	if (!ret && !r.rows) {
		tool_error(r.name, "no records");
		ret = -1;
	}
	if (!ret && r.unterminated)
		tool_warn(r.name, "the last line has no newline: it may be cut off");
	*done_bytes += r.bytes;

	drop_columns(&r);
	forget_facts(&r);
	free(r.facts[FACT_FILE]);
	free(r.columns);
	free(r.cells);
	free(r.sources);
	free(r.defaults);
	free(r.slots);
	free(r.key);
	free(r.buf);
	if (!standard_input)
		close(r.fd);
	return ret;
}
