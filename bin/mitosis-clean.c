// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mitosis-clean - removes from this host what the tools have left on it.
 *
 * The order is that of dependence: children before the snapshots that they fetch from, what runs
 * containers before their templates, the kernel module last. There is no list of what was made: each part
 * looks for what is there, so that it finds what a crash left, and nothing on a second call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clean/clean.h"
#include "leanprep/prep.h"
#include "mitosis.h"
#include "record.h"
#include "tool.h"

enum { C_KIND, C_NAME, C_PID, C_USER, C_OUTCOME, C_REASON };
static const struct record_column columns[] = {
	[C_KIND]    = { "kind", RECORD_STRING, "child, container, snapshot, template, leftover, module" },
	[C_NAME]    = { "name", RECORD_STRING, "the child's program; a snapshot's label or address; else its name" },
	[C_PID]     = { "pid", RECORD_UINT, "its process: a child's supervisor, a snapshot's shadow" },
	[C_USER]    = { "user", RECORD_UINT, "user id that it belongs to" },
	[C_OUTCOME] = { "outcome", RECORD_STRING, "removed, left; with --dry-run found" },
	[C_REASON]  = { "reason", RECORD_STRING, "why it is left" },
};

bool clean_dry_run;
static struct record_stream *out;
static int status;

void clean_report(const struct object *o, const char *why)
{
	record_begin(out);
	record_string(out, C_KIND, o->kind);
	record_string(out, C_NAME, o->name);
	if (o->pid)
		record_uint(out, C_PID, (uint64_t)o->pid);
	record_uint(out, C_USER, o->user);
	record_string(out, C_OUTCOME, why ? "left" : clean_dry_run ? "found" : "removed");
	record_string(out, C_REASON, why);
	record_end(out);
	if (!why)
		return;
	tool_error(o->name, "%s: %s", o->kind, why);
	status = STATUS_FAILED;
}

void clean_failed(const char *what, const char *why)
{
	tool_error(what, "%s", why);
	status = STATUS_FAILED;
}

void clean_check_resources(void)
{
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM)
		return;
	tool_error("processes", "cannot be looked at: %s", strerror(errno));
	exit(STATUS_FAILED);
}

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
	const struct object o = { what == LEFT_TEMPLATE ? "template" : "leftover", name, 0, geteuid() };

	clean_report(&o, why);
}

static void try(const char *what, int err)
{
	if (err)
		clean_failed(what, strerror(-err));
}

static void clean(bool module)
{
	const struct lean_clean all = { .all = true, .look = clean_dry_run, .tell = tell };

	try("children", clean_children());
	if (lean_places_there()) {
		status = STATUS_FAILED;
		try("snapshots", clean_snapshots());
	} else {
		try("containers", clean_containers());
		try("snapshots", clean_snapshots());
		if (lean_clean(&all))
			status = STATUS_FAILED;
	}
	if (module)
		try("module", clean_module());
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...]",
		.summary = "Remove from this host what the tools have left on it: children of snapshots, containers,\n"
			   "snapshots, templates of lean containers and their cgroups. Only what is yours, or for root\n"
			   "what is anybody's. One record per object.",
		.columns = columns, .ncolumns = sizeof(columns) / sizeof(columns[0]),
		.examples = "  mitosis-clean --dry-run\n"
			    "  mitosis-clean --module\n"
			    "  mitosis-exp run --launcher ssh --hosts n[1-8] clean-up\n",
		.exit_status = "  0 nothing is left; 1 something is, as the records say; 2 wrong usage\n",
	};
	int dry_run = 0, module = 0, json = 0, opt;
	struct poptOption options[] = {
		{ "dry-run", 'n', POPT_ARG_NONE, &dry_run, 0, "show what there is, and leave it", NULL },
		{ "module", 'm', POPT_ARG_NONE, &module, 0, "unload the kernel module, too", NULL },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	poptContext con;

	tool_init("mitosis-clean");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	status = STATUS_USAGE;
	if (opt == TOOL_END && poptPeekArg(con)) {
		tool_usage_error(NULL, "%s: no argument is expected", poptPeekArg(con));
	} else if (opt == TOOL_END) {
		clean_dry_run = dry_run;
		raise_limit();
		status = STATUS_FAILED;
		if (!record_open(&out, stdout, json ? RECORD_JSON : RECORD_AUTO, columns, info.ncolumns, NULL, argc, argv)) {
			status = STATUS_OK;
			record_header(out);
			clean(module);
			if (record_close(out))
				status = STATUS_FAILED;
		}
	}
	poptFreeContext(con);
	return status;
}
