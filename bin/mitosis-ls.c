// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-ls - list the snapshots that this host serves, and release them.
 *
 * A snapshot is named by its reference, its label, its parent's pid or its shadow's pid; a label
 * and a parent may stand for several. References may also be those of other hosts.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "library.h"
#include "mitosis.h"
#include "record.h"
#include "tool.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
	C_REFERENCE, C_LABEL, C_PARENT, C_SHADOW, C_AGE, C_BYTES, C_PAGES, C_CHILDREN, C_FETCHED,
	C_LIFETIME,
	C_COUNT
};

static const struct record_column columns[C_COUNT] = {
	[C_REFERENCE] = { "reference", RECORD_STRING,
		  "name of the snapshot, and the right to use it" },
	[C_LABEL]     = { "label", RECORD_STRING, "given by the parent" },
	[C_PARENT]    = { "parent_pid", RECORD_UINT,
		  "process that was prepared (it may have ended since)" },
	[C_SHADOW]    = { "shadow_pid", RECORD_UINT, "process that serves the snapshot" },
	[C_AGE]       = { "age_ns", RECORD_NS, "time since prepare" },
	[C_BYTES]     = { "bytes", RECORD_SIZE, "memory in the snapshot" },
	[C_PAGES]     = { "pages", RECORD_UINT, "the same in pages" },
	[C_CHILDREN]  = { "children", RECORD_UINT, "children served so far" },
	[C_FETCHED]   = { "fetched_pages", RECORD_UINT, "pages sent to them so far" },
	[C_LIFETIME]  = { "lifetime_ns", RECORD_NS,
		  "lifetime asked for; not set: until the parent ends" },
};

struct snapshots {
	struct mitosis_info *list;
	bool *chosen;
	size_t count, room;
	bool lacks;		/* one did not answer: it could be any but that of a reference */
	bool by_list;		/* the list was asked for, not names in it */
};

static int add(const struct mitosis_info *info, void *data)
{
	struct snapshots *s = data;

	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct mitosis_info *list = realloc(s->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->list = list;
		s->room = room;
	}
	s->list[s->count++] = *info;
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct mitosis_info *x = a, *y = b;

	return (x->age_ns < y->age_ns) - (x->age_ns > y->age_ns);
}

/* Oldest first. */
static int find_all(struct snapshots *s)
{
	int err = mitosis_list(add, s);

	if (err) {
		library_failed("list", err);
		s->lacks = true;
	}
	if (s->count)
		qsort(s->list, s->count, sizeof(*s->list), by_age);
	s->chosen = calloc(s->count + 1, sizeof(*s->chosen));
	if (s->chosen)
		return 0;
	tool_error(NULL, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

static bool is_reference(const char *name)
{
	return !strncmp(name, "mitosis://", 10) || !strncmp(name, "mitosis+rdma://", 15);
}

static bool is_named(const struct mitosis_info *info, const char *name)
{
	char pid[16];

	if (is_reference(name))
		return !strcasecmp(info->reference, name);
	if (*name && !strcmp(info->label, name))
		return true;
	snprintf(pid, sizeof(pid), "%u", info->parent_pid);
	if (!strcmp(pid, name))
		return true;
	snprintf(pid, sizeof(pid), "%u", info->shadow_pid);
	return !strcmp(pid, name);
}

/* A reference that is not in the list may be another user's or another host's: ask it. */
static int ask(struct snapshots *s, const char *reference)
{
	struct mitosis_info info = { .size = sizeof(info) };
	int err = mitosis_query(reference, &info);
	bool *chosen;

	if (err) {
		library_failed("snapshot", err);
		return -ENOENT;
	}
	if (add(&info, s))
		goto no_memory;
	chosen = realloc(s->chosen, (s->count + 1) * sizeof(*chosen));
	if (!chosen)
		goto no_memory;
	s->chosen = chosen;
	s->chosen[s->count - 1] = true;
	/* What was asked for is the name by which it can be reached from here. */
	snprintf(s->list[s->count - 1].reference, MITOSIS_REF_MAX, "%s", reference);
	return 0;
no_memory:
	tool_error(NULL, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

static int choose(struct snapshots *s, const char *name)
{
	bool found = false;

	if (!is_reference(name))
		s->by_list = true;
	for (size_t i = 0; i < s->count; i++) {
		if (!is_named(&s->list[i], name))
			continue;
		s->chosen[i] = true;
		found = true;
	}
	if (found)
		return 0;
	if (is_reference(name))
		return ask(s, name);
	tool_error(name, "no snapshot of this reference, label or pid");
	return -ENOENT;
}

/* The UUID is the only key to a snapshot: nobody shall read it in ps while we ask. */
static int choose_argument(struct snapshots *s, const char *argument)
{
	char name[MITOSIS_REF_MAX], *uuid;

	if (!is_reference(argument))
		return choose(s, argument);
	if (strlen(argument) >= sizeof(name)) {
		tool_error(NULL, "the reference is too long");
		return -EINVAL;
	}
	strcpy(name, argument);
	uuid = strchr(strstr(argument, "://") + 3, '/');
	if (uuid)
		memset(uuid + 1, '*', strlen(uuid + 1));
	return choose(s, name);
}

/* The lines of standard input. */
static int choose_from_stdin(struct snapshots *s)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int err = 0;

	while ((n = getline(&line, &room, stdin)) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line && choose(s, line))
			err = -ENOENT;
	}
	if (ferror(stdin)) {
		tool_error("standard input", "%s", strerror(errno));
		err = -EIO;
	}
	free(line);
	return err;
}

static int release(struct snapshots *s)
{
	int status = 0;

	for (size_t i = 0; i < s->count; i++) {
		int err = s->chosen[i] ? mitosis_release(s->list[i].reference) : 0;

		if (!err)
			continue;
		library_failed("release", err);
		status = -ENOENT;
	}
	return status;
}

static void print_one(struct record_stream *rs, const struct mitosis_info *info)
{
	record_begin(rs);
	record_string(rs, C_REFERENCE, info->reference);
	record_string(rs, C_LABEL, info->label[0] ? info->label : NULL);
	record_uint(rs, C_PARENT, info->parent_pid);
	record_uint(rs, C_SHADOW, info->shadow_pid);
	record_uint(rs, C_AGE, info->age_ns);
	record_uint(rs, C_BYTES, info->bytes);
	record_uint(rs, C_PAGES, info->pages);
	record_uint(rs, C_CHILDREN, info->children);
	record_uint(rs, C_FETCHED, info->fetched_pages);
	if (info->lifetime_ns)
		record_uint(rs, C_LIFETIME, info->lifetime_ns);
	record_end(rs);
}

static int print_records(const struct snapshots *s, enum record_format format, int argc,
			 char **argv)
{
	struct record_stream *rs;
	size_t width = 0;
	int err = record_open(&rs, stdout, format, columns, ARRAY_SIZE(columns), NULL, argc, argv);

	if (err) {
		tool_error(NULL, "%s", strerror(-err));
		return err;
	}
	for (size_t i = 0; i < s->count; i++)
		if (s->chosen[i] && strlen(s->list[i].reference) > width)
			width = strlen(s->list[i].reference);
	record_set_width(rs, C_REFERENCE, (unsigned int)width);
	record_header(rs);
	for (size_t i = 0; i < s->count; i++)
		if (s->chosen[i])
			print_one(rs, &s->list[i]);
	return record_close(rs);
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] [REFERENCE|LABEL|PID...|-]",
		.summary = "List the snapshots that this host serves for you (root: for "
			   "everybody), oldest first, or\n"
			   "those that are named; with --release end them. With -, the lines of "
			   "standard input are\n"
			   "further names.",
		.columns = columns, .ncolumns = ARRAY_SIZE(columns),
		.examples = "  mitosis-ls\n"
			    "  mitosis-ls --release web 4711\n"
			    "  mitosis-ls --references web | head -n 1 | "
			    "ssh node2 mitosis-child -\n",
		.exit_status = "  0 done; 1 failed, a snapshot that was named does not exist, or "
			       "one does not answer; 2 wrong usage\n",
	};
	int do_release = 0, do_release_all = 0, quiet = 0, json = 0;
	int opt, status = STATUS_USAGE, err = 0;
	struct poptOption options[] = {
		{ "release", 'r', POPT_ARG_NONE, &do_release, 0,
		  "end the snapshots that are named", NULL },
		{ "release-all", '\0', POPT_ARG_NONE, &do_release_all, 0,
		  "end all snapshots in the list", NULL },
		{ "references", 'q', POPT_ARG_NONE, &quiet, 0,
		  "print references only, one a line", NULL },
		{ "quiet", '\0', POPT_ARG_NONE, &quiet, 0, "the same", NULL },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "print JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	struct snapshots s = { 0 };
	const char **names;
	poptContext con;

	tool_init("mitosis-ls");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto out;
	names = poptGetArgs(con);
	if (do_release && !names) {
		tool_usage_error("--release", "needs a reference, a label or a pid");
		goto out;
	}
	if (do_release_all && (do_release || names)) {
		tool_usage_error("--release-all", "takes no names");
		goto out;
	}
	status = STATUS_FAILED;
	mitosis_set_logger(library_log, NULL);
	if (find_all(&s))
		goto out;
	s.by_list = !names;
	for (size_t i = 0; !names && i < s.count; i++)
		s.chosen[i] = true;
	for (; names && *names; names++) {
		if (!strcmp(*names, "-") ? choose_from_stdin(&s) : choose_argument(&s, *names))
			err = -ENOENT;
	}
	if (do_release || do_release_all) {
		if (release(&s))
			err = -ENOENT;
	} else if (quiet) {
		for (size_t i = 0; i < s.count; i++)
			if (s.chosen[i])
				printf("%s\n", s.list[i].reference);
	} else if (print_records(&s, json ? RECORD_JSON : RECORD_AUTO, argc, argv)) {
		err = -EIO;
	}
	status = err || (s.lacks && s.by_list) ? STATUS_FAILED : STATUS_OK;
out:
	poptFreeContext(con);
	free(s.list);
	free(s.chosen);
	return status;
}
