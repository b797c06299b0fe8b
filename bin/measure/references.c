// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* references.c - snapshots of parents elsewhere: see references.h. */
#include "measure/references.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mitosis.h"
#include "tool.h"

const char *reference_engine(const char *ref)
{
	return strncmp(ref, "mitosis+rdma:", 13) ? "user" : "kernel";
}

/* Where its UUID begins; NULL: it is no reference. */
static char *key_of(const char *text)
{
	const char *host = strstr(text, "://");

	if (strncmp(text, "mitosis://", 10) && strncmp(text, "mitosis+rdma://", 15))
		return NULL;
	host = strlen(text) < MITOSIS_REF_MAX ? strchr(host + 3, '/') : NULL;
	return host ? (char *)host + 1 : NULL;
}

static void hide_keys(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *key = key_of(argv[i]);

		if (key)
			memset(key, '*', strlen(key));
	}
}

struct list {
	char **refs;
	size_t count;
};

static int add_reference(struct list *l, const char *text)
{
	char **more = realloc(l->refs, (l->count + 2) * sizeof(*more)), *copy = strdup(text);

	if (more)
		l->refs = more;
	if (!more || !copy) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		free(copy);
		return -1;
	}
	l->refs[l->count++] = copy;
	l->refs[l->count] = NULL;
	return 0;
}

/* Other lines may be among them, as those of a parent are. */
static int add_lines(struct list *l)
{
	const size_t before = l->count;
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	while (!err && getline(&line, &room, stdin) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (key_of(line))
			err = add_reference(l, line);
	}
	free(line);
	if (!err && ferror(stdin))
		tool_error("standard input", "%s", strerror(errno));
	else if (!err && l->count == before)
		tool_error("standard input", "ended without a reference");
	else
		return err;
	return -1;
}

char **references_read(const char **given, int argc, char **argv, int *status)
{
	struct list l = { 0 };
	int err = 0;

	for (; *given && !err; given++) {
		if (!strcmp(*given, "-"))
			err = add_lines(&l) ? STATUS_FAILED : 0;
		else if (key_of(*given))
			err = add_reference(&l, *given) ? STATUS_FAILED : 0;
		else
			err = tool_usage_error(*given, "not a reference: "
					       "expected mitosis://HOST:PORT/UUID, or -");
	}
	hide_keys(argc, argv);
	if (!err)
		return l.refs;
	*status = err;
	references_free(l.refs);
	return NULL;
}

void references_free(char **refs)
{
	for (size_t i = 0; refs && refs[i]; i++)
		free(refs[i]);
	free(refs);
}

int reference_print(const char *ref)
{
	if (printf("%s\n", ref) > 0 && !fflush(stdout))
		return 0;
	tool_note_write_error(errno);
	return -1;
}
