// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-leanprep - makes, shows and removes the templates that lean containers start from.
 *
 * A template comes into being in this order: its directory, the root file system, the description
 * (from here on there is a template), the keeper of its namespaces with its cgroup and system call
 * filter. What a crash in between leaves is a directory without a description, or a description
 * without a keeper: the former `clean` removes, the latter `create` completes.
 */
#include <stdio.h>
#include <string.h>

#include "leanprep/verbs.h"
#include "options.h"

/* ---- commands ---- */

enum { V_CREATE, V_LIST, V_INSPECT, V_RM, V_CLEAN, V_MOUNT_DEV, V_PAUSE, V_UNPAUSE, VERBS };
#define ONLY(verb) (1u << V_##verb)

static const char *const verb_names[VERBS] = {
	[V_CREATE]    = "create",
	[V_LIST]      = "list",
	[V_INSPECT]   = "inspect",
	[V_RM]	      = "rm",
	[V_CLEAN]     = "clean",
	[V_MOUNT_DEV] = "mount-dev",
	[V_PAUSE]     = "pause",
	[V_UNPAUSE]   = "unpause",
};

/* What a command is followed by. */
static const struct arguments {
	size_t least, most;
	bool name;		/* the first is to be the name of a template */
	const char *expected;
} none = { 0, 0, false, "no argument" },
  template_name = { 1, 1, true, "the name of a template" },
  running = { 1, 1, false, "the name of a template" },	/* or NAME/NUMBER */
  any = { 1, SIZE_MAX, false, "the name of a template" },
  template_device = { 2, 2, true, "a template and a device" };

static const struct {
	verb_run *run;
	const struct arguments *arguments;
	const char *synopsis, *help;
} verbs[VERBS] = {
	[V_CREATE] = { verb_create, &template_name, "create NAME --rootfs KIND",
		"make a template, or set it up again after a start of the host" },
	[V_LIST] = { verb_list, &none, "list", "show all templates" },
	[V_INSPECT] = { verb_inspect, &template_name, "inspect NAME",
			"show all that is known of one" },
	[V_RM] = { verb_rm, &any, "rm NAME...", "remove templates that are not in use" },
	[V_CLEAN] = { verb_clean, &none, "clean",
		"remove what a crash left; with --all every template too" },
	[V_MOUNT_DEV] = { verb_mount_dev, &template_device, "mount-dev NAME DEVICE",
		"give its containers a device, such as /dev/mitosis" },
	[V_PAUSE] = { verb_pause, &running, "pause NAME[/NUMBER]",
		"freeze its containers, or one of them" },
	[V_UNPAUSE] = { verb_unpause, &running, "unpause NAME[/NUMBER]", "thaw them" },
};

/* ---- options ---- */

static struct options o;

static const struct tool_option options[] = {
	{ { "rootfs", 'r', POPT_ARG_STRING, &o.rootfs, 0,
	    "create: closure:PROGRAM[,...], tar:FILE, oci:DIRECTORY[:TAG], "
	    "docker-archive:FILE[:TAG], dir:DIRECTORY, minbase[:SUITE] or host", "KIND" },
	  .with = ONLY(CREATE) },
	{ { "memory", 'm', POPT_ARG_STRING, &o.memory, 0,
	    "create: memory of each container (default: no limit)", "SIZE" },
	  .with = ONLY(CREATE) },
	{ { "cpus", 'c', POPT_ARG_STRING, &o.cpus, 0,
	    "create: processors that containers run on, such as 0-1 (default: all)", "LIST" },
	  .with = ONLY(CREATE) },
	{ { "pids", 'p', POPT_ARG_STRING, &o.pids, 0,
	    "create: processes and threads of each container (default: no limit)", "N" },
	  .with = ONLY(CREATE) },
	{ { "require-limits", '\0', POPT_ARG_NONE, &o.require_limits, 0,
	    "create: refuse if a limit cannot be enforced here", NULL },
	  .with = ONLY(CREATE) },
	{ { "tmp", '\0', POPT_ARG_STRING, &o.tmp, 0,
	    "create: what a container may write to files, in memory (default 64M)", "SIZE" },
	  .with = ONLY(CREATE) },
	{ { "writable", 'w', POPT_ARG_NONE, &o.writable, 0,
	    "create: the whole root can be written to, not /tmp only; gone with the container",
	    NULL },
	  .with = ONLY(CREATE) },
	{ { "user", 'u', POPT_ARG_STRING, &o.user, 0,
	    "create: whom containers run as (default 0; with host 65534)", "UID[:GID]" },
	  .with = ONLY(CREATE) },
	{ { "caps", '\0', POPT_ARG_STRING, &o.caps, 0,
	    "create: capabilities that are kept (default: none)", "LIST" },
	  .with = ONLY(CREATE) },
	{ { "network", '\0', POPT_ARG_STRING, &o.network, 0,
	    "create: host, the host's own network (default), or none", "WHICH" },
	  .with = ONLY(CREATE) },
	{ { "hostname", '\0', POPT_ARG_STRING, &o.hostname, 0,
	    "create: host name in containers (default: the template's name)", "NAME" },
	  .with = ONLY(CREATE) },
	{ { "cgroup", '\0', POPT_ARG_STRING, &o.cgroup, 0,
	    "create: a cgroup directory that was delegated (default: found)", "DIRECTORY" },
	  .with = ONLY(CREATE) },
	{ { "all", 'a', POPT_ARG_NONE, &o.all, 0,
	    "clean: templates too, if they are not in use", NULL },
	  .with = ONLY(CLEAN) },
	{ { "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0,
	    "clean: do not say what was removed", NULL },
	  .with = ONLY(CLEAN) },
	{ { "json", 'j', POPT_ARG_NONE, &o.json, 0,
	    "list, inspect: write JSON Lines", NULL },
	  .with = ONLY(LIST) | ONLY(INSPECT) },
	{ TOOL_HEADER_OPTION, .with = ONLY(LIST) | ONLY(INSPECT) },
	TOOL_OPTIONS_END
};

/* "create, list, ... or unpause" */
static void expect_verb(const char *given)
{
	char list[160] = "";
	size_t n = 0;

	for (int i = 0; i < VERBS; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      !i ? "" : i == VERBS - 1 ? " or " : ", ", verb_names[i]);
	tool_usage_error(NULL, "%s: expected %s", given ? given : "no command", list);
}

static int run(const char *verb, const char **arguments)
{
	size_t given = 0;
	int v, status;

	for (v = 0; v < VERBS && (!verb || strcmp(verb, verb_names[v])); v++)
		;
	if (v == VERBS) {
		expect_verb(verb);
		return STATUS_USAGE;
	}
	while (arguments && arguments[given])
		given++;
	if (given < verbs[v].arguments->least || given > verbs[v].arguments->most)
		return tool_usage_error(NULL, "%s: expected %s", verb,
					verbs[v].arguments->expected);
	status = tool_options_check(options, verb_names, 1u << v);
	if (status)
		return status;
	if (verbs[v].arguments->name && !lean_name_is_good(arguments[0]))
		return tool_usage_error(NULL, "%s: not a name: up to %d letters, digits, - and _, "
					"a letter or digit first", arguments[0], LEAN_NAME_MAX);
	if (lean_places())
		return STATUS_FAILED;
	return verbs[v].run(&o, arguments);
}

/* The commands, from their table. */
static const char *summary(void)
{
	static char text[1000];
	int n = snprintf(text, sizeof(text), "Make, show and remove templates of lean containers, "
			 "which mitosis-leanrun starts.\nCommands:");

	for (int i = 0; i < VERBS; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\n  %-28s  %s",
			      verbs[i].synopsis, verbs[i].help);
	return text;
}

int main(int argc, char **argv)
{
	struct tool_info info = {
		.synopsis = "[OPTION...] COMMAND [NAME] [DEVICE]",
		.summary = summary(),
		.columns = leanprep_columns, .ncolumns = L_COLUMNS,
		.examples =
			"  mitosis-leanprep create hello --rootfs closure:/usr/bin/python3,/bin/sh "
			"--memory 256M --cpus 0-1 --pids 100\n"
			"  mitosis-leanprep create app --rootfs oci:./layout:latest\n"
			"  mitosis-leanprep mount-dev hello /dev/mitosis\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; "
			       "77 a limit is required that this host cannot enforce\n",
	};
	int status = STATUS_USAGE;
	const char *verb;
	poptContext con;

	o.argc = argc;
	o.argv = argv;
	tool_init("mitosis-leanprep");
	con = tool_options_context(argc, argv, options, 0, &info);
	if (tool_next(con) == TOOL_END) {
		verb = poptGetArg(con);
		status = run(verb, poptGetArgs(con));
	}
	poptFreeContext(con);
	return status;
}
