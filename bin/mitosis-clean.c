// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-clean - removes from this host what the tools have left on it.
 *
 * The order is that of dependence: children before the snapshots that they fetch from, what runs
 * containers before their templates, the kernel module last. There is no list of what was made:
 * each part looks for what is there, so that it finds what a crash left, and nothing on a second
 * call.
 *
 * Nothing is removed unless the user has said so, by --yes or when he is asked: a first pass shows
 * what there is. What has come since is removed with it, or what depends on it could not be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clean/clean.h"
#include "clean/report.h"
#include "leanprep/prep.h"
#include "tool.h"

struct settings {
	int dry_run, yes, all_users, module, json;
};

/* A descriptor for each process that is to be ended: there may be thousands. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

static void tell(enum leftover what, const char *name, const char *why)
{
	const struct object o = { what == LEFT_TEMPLATE ? "template" : "leftover", name, 0,
				  geteuid() };

	report_object(&o, why);
}

static void try(const char *what, int err)
{
	if (err)
		report_failed(what, strerror(-err));
}

/* One pass through all that there is. */
static int clean(const struct settings *set, bool look, bool places, int argc, char **argv)
{
	const struct lean_clean all = { .all = true, .look = look, .tell = tell };

	if (report_begin(look, set->json, argc, argv))
		return STATUS_FAILED;
	try("children", clean_children());
	if (places) {
		try("containers", clean_containers());
		try("snapshots", clean_snapshots());
		if (lean_clean(&all))
			report_told();
	} else {
		report_told();
		try("snapshots", clean_snapshots());
	}
	if (set->module)
		try("module", clean_module());
	return report_end();
}

/* Whoever is asked has seen the list, and can answer. */
static bool can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
}

static bool ask(void)
{
	char *line = NULL;
	size_t room = 0;
	bool yes;

	fprintf(stderr, "%s: end and remove all of this? [y/N] ", tool_name);
	if (getline(&line, &room, stdin) < 0)
		fputc('\n', stderr);
	yes = line && (!strcasecmp(line, "y\n") || !strcasecmp(line, "yes\n"));
	free(line);
	return yes;
}

static int run(const struct settings *set, int argc, char **argv)
{
	bool look = set->dry_run || !set->yes, places = !lean_places_there();
	int status;

	status = clean(set, look, places, argc, argv);
	if (!report_count()) {
		if (status == STATUS_OK)
			fprintf(stderr, "%s: nothing is left\n", tool_name);
		return status;
	}
	if (!look || set->dry_run)
		return status;
	if (!can_ask()) {
		tool_error(NULL,
			   "nothing was removed: without a terminal to ask at, --yes is needed");
		return STATUS_FAILED;
	}
	if (!ask()) {
		tool_error(NULL, "nothing was removed");
		return STATUS_FAILED;
	}
	return clean(set, false, places, argc, argv);
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...]",
		.summary = "Remove from this host what the tools have left on it: children of "
			   "snapshots, containers,\n"
			   "snapshots, templates of lean containers and their cgroups. Only what "
			   "is yours, and after it\n"
			   "was shown and you were asked. One record per object.",
		.columns = report_columns, .ncolumns = REPORT_COLUMNS,
		.examples = "  mitosis-clean --dry-run\n"
			    "  mitosis-clean --yes --module\n"
			    "  mitosis-exp run --launcher ssh --hosts n[1-8] clean-up\n",
		.exit_status = "  0 nothing is left, with --dry-run: all could be looked at; 1 "
			       "something is left, as the records\n"
			       "  say, or nothing was removed for want of a yes; 2 wrong usage\n",
	};
	struct settings set = { 0 };
	struct poptOption options[] = {
		{ "dry-run", 'n', POPT_ARG_NONE, &set.dry_run, 0,
		  "show what there is, and leave it", NULL },
		{ "yes", 'y', POPT_ARG_NONE, &set.yes, 0,
		  "do not ask; without a terminal nothing is removed otherwise", NULL },
		{ "all-users", '\0', POPT_ARG_NONE, &set.all_users, 0,
		  "everybody's children and snapshots, too, which takes root", NULL },
		{ "module", 'm', POPT_ARG_NONE, &set.module, 0,
		  "unload the kernel module, too", NULL },
		{ "json", 'j', POPT_ARG_NONE, &set.json, 0, "write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	int status = STATUS_USAGE, opt;
	poptContext con;

	tool_init("mitosis-clean");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt == TOOL_END && poptPeekArg(con)) {
		tool_usage_error(NULL, "%s: no argument is expected", poptPeekArg(con));
	} else if (opt == TOOL_END && set.all_users && geteuid()) {
		tool_usage_error("--all-users", "takes root");
	} else if (opt == TOOL_END) {
		clean_for(set.all_users);
		raise_limit();
		status = run(&set, argc, argv);
	}
	poptFreeContext(con);
	return status;
}
