// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-leanrun - starts lean containers from a template of mitosis-leanprep.
 *
 * Linked statically, since a spawner's address space is part of what a container costs. One container
 * runs like a command; many of them are measured, with a record for each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leanrun/run.h"
#include "library.h"
#include "resolve.h"
#include "tool.h"

#define REFERENCE_MAX	320

struct settings {
	char *count, *pool, *parallel, *child, *directory;
	int bench, bench_pause, steps, stamp, no_init, json;
};

/* The UUID is the only key to the snapshot: nobody shall read it in ps. */
static void hide_reference(int argc, char **argv, const char *ref)
{
	for (int i = 1; i < argc; i++) {
		char *found = strstr(argv[i], ref), *uuid = found ? strrchr(found, '/') : NULL;

		if (uuid)
			memset(uuid + 1, '*', strlen(uuid + 1));
	}
}

static bool is_reference(const char *text)
{
	return !strncmp(text, "mitosis://", 10) || !strncmp(text, "mitosis+rdma://", 15);
}

/* The first line of standard input that is a reference. */
static char *read_reference(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) < REFERENCE_MAX && is_reference(line))
			return line;
	}
	free(line);
	tool_error("standard input", "ended without a reference");
	return NULL;
}

/* Options of mitosis-child, which say themselves where the parent's host is. */
static bool has_addresses(char **options)
{
	for (; options && *options; options++)
		if (!strcmp(*options, "--address") || !strncmp(*options, "--address=", 10))
			return true;
	return false;
}

/*
 * Every address of the reference's host, by this host's resolver: in the container there may be none.
 * It is not for us to choose one; NULL in addresses: it is one already. -1 after a message.
 */
static int resolve(const char *ref, char **addresses)
{
	struct sockaddr_storage list[RESOLVE_MAX];
	const char *host = strstr(ref, "://") + 3;
	size_t n = strcspn(host, ":/");
	char name[REFERENCE_MAX], text[RESOLVE_MAX * ADDRESS_TEXT_MAX], *at = text;
	int count;

	*addresses = NULL;
	if (*host == '[' || host[n] != ':')
		return 0;
	memcpy(name, host, n);
	name[n] = '\0';
	if (resolve_list(name, 0, list) == 1)
		return 0;
	count = resolve_host(name, 0, list);
	if (count < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		if (i)
			*at++ = ',';
		address_text(&list[i], at);
		at += strlen(at);
	}
	*addresses = strdup(text);
	return *addresses ? 0 : -1;
}

static int check(const struct settings *set, struct measure *m, const struct job *j)
{
	bool many = set->bench || set->count || set->pool || set->parallel || set->steps || set->stamp ||
		    set->bench_pause;

	m->count = 100;
	if ((set->count && tool_arg_uint("--count", set->count, 1, 100000000, &m->count)) ||
	    (set->pool && tool_arg_uint("--pool", set->pool, 1, 4096, &m->pool)) ||
	    tool_arg_uints("--parallel", set->parallel ? set->parallel : "1", 1, 256, &m->parallel, &m->parallel_count))
		return STATUS_USAGE;
	if (set->bench_pause && (set->bench || set->pool || set->steps || set->stamp || j->child))
		return tool_usage_error("--bench-pause", "only --count, --parallel, --json and a command go with it");
	if (set->stamp && j->child)
		return tool_usage_error("--stamp", "is for commands; children of a snapshot tell when they run");
	if (j->child && strcmp(j->child, "-") && (strlen(j->child) >= REFERENCE_MAX || !is_reference(j->child)))
		return tool_usage_error("--child", "expected a reference, mitosis://HOST:PORT/UUID, or -");
	if (!many && set->json)
		return tool_usage_error("--json", "goes with --bench, --count or --bench-pause");
	for (size_t i = 0; i < j->env.count; i++)
		if (*j->env.at[i] == '=' || !strchr(j->env.at[i], '='))
			return tool_usage_error("--env", "%s: expected NAME=VALUE", j->env.at[i]);
	if (j->directory && *j->directory != '/')
		return tool_usage_error("--directory", "%s: must begin with /", j->directory);
	m->pause = set->bench_pause;
	m->steps = set->steps;
	m->stamp = set->stamp;
	m->json = set->json;
	return many ? -1 : 0;
}

/* "NAME" alone takes this process's value. */
static void add_env(struct job *j, const char *text)
{
	const char *value = strchr(text, '=') ? NULL : getenv(text);
	char *pair;

	if (value && asprintf(&pair, "%s=%s", text, value) > 0) {
		strings_add(&j->env, pair);
		free(pair);
	} else if (strchr(text, '=')) {
		strings_add(&j->env, text);
	} else {
		/* Not set here, so not there either. */
		return;
	}
}

static int start(struct job *j, const struct settings *set, struct measure *m)
{
	char *given = NULL;
	int many;

	many = check(set, m, j);
	if (many > 0)
		return many;
	if (j->child) {
		given = strcmp(j->child, "-") ? strdup(j->child) : read_reference();
		if (!given)
			return STATUS_CANNOT_RUN;
		j->child = strdup(given);
		hide_reference(m->argc, m->argv, given);
		free(given);
		mitosis_set_logger(library_log, NULL);
		if (!j->child || (!has_addresses(j->command) && resolve(j->child, &j->addresses)))
			return STATUS_CANNOT_RUN;
	}
	if (lean_places() || spawner_open(&j->spawner, j->name))
		return STATUS_CANNOT_RUN;
	j->init = !j->child && !set->no_init;
	j->bare = m->pause && !j->command;
	return many ? run_measured(j, m) : run_command(j);
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] TEMPLATE [-- COMMAND [ARGUMENT...]]",
		.summary = "Run a command in a lean container, as if it were run here. With --bench, --count, --pool or\n"
			   "--parallel, run it in many containers, one after the other, and write a record for each.",
		.columns = measure_columns,
		.examples = "  mitosis-leanrun hello -- python3 -c 'print(1)'\n"
			    "  mitosis-leanrun hello --bench -n 1000 --pool 32 --steps -- /bin/true | mitosis-stats\n"
			    "  mitosis-leanrun hello --bench-pause --parallel 2 -- sh -c 'while read line; do echo; done'\n"
			    "  mitosis-leanrun hello --child mitosis://node1:7373/... --count 100 --parallel 2\n",
		.exit_status = "  the command's own; 125 no container could be started, 126 and 127 no command;\n"
			       "  many: 0, or 1 if one of them failed; 2 wrong usage; 77 cannot be paused on this host\n",
	};
	struct tool_info with_count = info;
	struct settings set = { 0 };
	struct job j = { .spawner = { .lock = -1, .group = -1 } };
	struct measure m = { .argc = argc, .argv = argv };
	char *env = NULL;
	struct poptOption options[] = {
		{ "bench", 'b', POPT_ARG_NONE, &set.bench, 0, "many containers, and a record for each", NULL },
		{ "count", 'n', POPT_ARG_STRING, &set.count, 0, "how many of them (default 100)", "N" },
		{ "parallel", 'p', POPT_ARG_STRING, &set.parallel, 0, "so many at a time (default 1)", "N[,N...]" },
		{ "pool", '\0', POPT_ARG_STRING, &set.pool, 0, "keep this many ready, with the command loaded", "N" },
		{ "steps", '\0', POPT_ARG_NONE, &set.steps, 0, "record the time of each step", NULL },
		{ "stamp", '\0', POPT_ARG_NONE, &set.stamp, 0,
		  "the command prints CLOCK_MONOTONIC in ns when it starts: count to there", NULL },
		{ "bench-pause", '\0', POPT_ARG_NONE, &set.bench_pause, 0, "freeze and thaw a container, --count times; a command in it answers each line with a line", NULL },
		{ "child", 'c', POPT_ARG_STRING, &set.child, 0,
		  "run a child of this snapshot (-: read from standard input); options of mitosis-child may follow after --", "REFERENCE|-" },
		{ "env", 'e', POPT_ARG_STRING, &env, 'e', "set a variable, or pass one on; may be repeated", "NAME[=VALUE]" },
		{ "directory", 'd', POPT_ARG_STRING, &set.directory, 0, "where the command starts (default: as the image says, or /)", "DIR" },
		{ "no-init", '\0', POPT_ARG_NONE, &set.no_init, 0, "the command is process 1 itself", NULL },
		{ "json", 'j', POPT_ARG_NONE, &set.json, 0, "write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	int opt, status = STATUS_USAGE;
	const char **rest;
	poptContext con;

	with_count.ncolumns = measure_column_count;
	tool_init_plain("mitosis-leanrun");
	con = tool_context(argc, argv, options, 0, &with_count);
	opt = tool_next(con);
	while (opt > 0) {
		add_env(&j, env);
		free(env);
		env = NULL;
		opt = tool_next(con);
	}
	rest = opt == TOOL_END ? poptGetArgs(con) : NULL;
	if (rest) {
		j.name = rest[0];
		j.command = rest[1] ? (char **)rest + 1 : NULL;
		j.child = set.child;
		j.directory = set.directory;
		status = start(&j, &set, &m);
	} else if (opt == TOOL_END) {
		status = tool_usage_error(NULL, "which template?");
	}
	free(m.parallel);
	poptFreeContext(con);
	return status;
}
