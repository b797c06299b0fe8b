// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-leanrun - starts lean containers from a template of mitosis-leanprep.
 *
 * Linked statically, since a spawner's address space is part of what a container costs. One
 * container runs like a command; many of them are measured, with a record for each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leanrun/run.h"
#include "library.h"
#include "options.h"
#include "resolve.h"

#define REFERENCE_MAX	320

/* ---- options ---- */

enum {
	MANY	= 1 << 0,
	PAUSE	= 1 << 1,
	CHILD	= 1 << 2,
};
static const char *const circumstances[] = {
	"many containers (--bench, --count or --bench-pause)", "--bench-pause",
	"--child: children of a snapshot tell when they run",
};

static struct {
	char *count, *pool, *parallel, *child, *directory, *env;
	int bench, bench_pause, steps, stamp, no_init, json;
} o;

static const struct tool_option options[] = {
	{ { "bench", 'b', POPT_ARG_NONE, &o.bench, 0,
	    "many containers, and a record for each", NULL },
	  .without = PAUSE },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "how many of them (default 100)", "N" },
	  .with = 0 },
	{ { "parallel", 'p', POPT_ARG_STRING, &o.parallel, 0,
	    "so many at a time (default 1)", "N[,N...]" },
	  .with = 0 },
	{ { "pool", '\0', POPT_ARG_STRING, &o.pool, 0,
	    "keep this many ready, with the command loaded", "N" },
	  .without = PAUSE },
	{ { "steps", '\0', POPT_ARG_NONE, &o.steps, 0,
	    "record the time of each step", NULL },
	  .without = PAUSE },
	{ { "stamp", '\0', POPT_ARG_NONE, &o.stamp, 0,
	    "the command prints CLOCK_MONOTONIC in ns when it starts: count to there", NULL },
	  .without = PAUSE | CHILD },
	{ { "bench-pause", '\0', POPT_ARG_NONE, &o.bench_pause, 0,
	    "freeze and thaw a container, --count times; a command in it answers each line with a "
	    "line", NULL },
	  .with = 0 },
	{ { "child", 'c', POPT_ARG_STRING, &o.child, 0,
	    "run a child of this snapshot (-: read from standard input); options of mitosis-child "
	    "may follow after --", "REFERENCE|-" },
	  .without = PAUSE },
	{ { "env", 'e', POPT_ARG_STRING, &o.env, 'e',
	    "set a variable, or pass one on; may be repeated", "NAME[=VALUE]" },
	  .with = 0 },
	{ { "directory", 'd', POPT_ARG_STRING, &o.directory, 0,
	    "where the command starts (default: as the image says, or /)", "DIR" },
	  .with = 0 },
	{ { "no-init", '\0', POPT_ARG_NONE, &o.no_init, 0,
	    "the command is process 1 itself", NULL },
	  .with = 0 },
	{ { "json", 'j', POPT_ARG_NONE, &o.json, 0,
	    "write JSON Lines", NULL },
	  .with = MANY },
	{ TOOL_HEADER_OPTION, .with = MANY },
	TOOL_OPTIONS_END
};

/* ---- references ---- */

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
static bool has_addresses(char **words)
{
	for (; words && *words; words++)
		if (!strcmp(*words, "--address") || !strncmp(*words, "--address=", 10))
			return true;
	return false;
}

/*
 * Every address of the reference's host, by this host's resolver: in the container there may be
 * none. It is not for us to choose one; NULL in addresses: it is one already. -1 after a message.
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

/* ---- running ---- */

static int parse(struct measure *m, const struct job *j, bool many)
{
	unsigned int in_force = 0;

	m->count = 100;
	if ((o.count && tool_arg_uint("--count", o.count, 1, 100000000, &m->count)) ||
	    (o.pool && tool_arg_uint("--pool", o.pool, 1, 4096, &m->pool)) ||
	    tool_arg_uints("--parallel", o.parallel ? o.parallel : "1", 1, 256, &m->parallel,
			   &m->parallel_count))
		return STATUS_USAGE;
	in_force |= many ? MANY : 0;
	in_force |= o.bench_pause ? PAUSE : 0;
	in_force |= o.child ? CHILD : 0;
	if (tool_options_check(options, circumstances, in_force))
		return STATUS_USAGE;
	if (j->child && strcmp(j->child, "-") &&
	    (strlen(j->child) >= REFERENCE_MAX || !is_reference(j->child)))
		return tool_usage_error("--child", "expected a reference, "
					"mitosis://HOST:PORT/UUID, or -");
	for (size_t i = 0; i < j->env.count; i++)
		if (*j->env.at[i] == '=' || !strchr(j->env.at[i], '='))
			return tool_usage_error("--env", "%s: expected NAME=VALUE", j->env.at[i]);
	if (j->directory && *j->directory != '/')
		return tool_usage_error("--directory", "%s: must begin with /", j->directory);
	m->pause = o.bench_pause;
	m->steps = o.steps;
	m->stamp = o.stamp;
	m->json = o.json;
	return 0;
}

/* "NAME" alone passes on this process's value, if it has one. */
static void add_env(struct job *j, const char *text)
{
	const char *value = strchr(text, '=') ? NULL : getenv(text);
	char *pair;

	if (value && asprintf(&pair, "%s=%s", text, value) > 0) {
		strings_add(&j->env, pair);
		free(pair);
	} else if (strchr(text, '=')) {
		strings_add(&j->env, text);
	}
}

static int run(struct job *j, struct measure *m)
{
	bool many = o.bench || o.count || o.pool || o.parallel || o.steps || o.stamp ||
		    o.bench_pause;
	int status = parse(m, j, many);
	char *given = NULL;

	if (status)
		return status;
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
	j->init = !j->child && !o.no_init;
	j->bare = m->pause && !j->command;
	return many ? run_measured(j, m) : run_command(j);
}

int main(int argc, char **argv)
{
	static struct tool_info info = {
		.synopsis = "[OPTION...] TEMPLATE [-- COMMAND [ARGUMENT...]]",
		.summary = "Run a command in a lean container, as if it were run here. "
			   "With --bench, --count, --pool or\n"
			   "--parallel, run it in many containers, one after the other, and write "
			   "a record for each.",
		.columns = measure_columns,
		.examples = "  mitosis-leanrun hello -- python3 -c 'print(1)'\n"
			    "  mitosis-leanrun hello --bench -n 1000 --pool 32 --steps -- "
			    "/bin/true | mitosis-stats\n"
			    "  mitosis-leanrun hello --bench-pause --parallel 2 -- sh -c 'while "
			    "read line; do echo; done'\n"
			    "  mitosis-leanrun hello --child mitosis://node1:7373/... --count 100 "
			    "--parallel 2\n",
		.exit_status = "  the command's own; 125 no container could be started, "
			       "126 and 127 no command;\n"
			       "  many: 0, or 1 if one of them failed; 2 wrong usage; 77 cannot be "
			       "paused on this host\n",
	};
	struct job j = { .spawner = { .lock = -1, .group = -1 } };
	struct measure m = { .argc = argc, .argv = argv };
	int opt, status = STATUS_USAGE;
	const char **rest;
	poptContext con;

	info.ncolumns = measure_column_count;
	tool_init_plain("mitosis-leanrun");
	con = tool_options_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	while (opt > 0) {
		add_env(&j, o.env);
		free(o.env);
		o.env = NULL;
		opt = tool_next(con);
	}
	rest = opt == TOOL_END ? poptGetArgs(con) : NULL;
	if (rest) {
		j.name = rest[0];
		j.command = rest[1] ? (char **)rest + 1 : NULL;
		j.child = o.child;
		j.directory = o.directory;
		status = run(&j, &m);
	} else if (opt == TOOL_END) {
		status = tool_usage_error(NULL, "which template?");
	}
	free(m.parallel);
	poptFreeContext(con);
	return status;
}
