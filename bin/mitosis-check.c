// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-check - what this host can do for remote fork, and the remedy for what is missing.
 *
 * One table of probes (check/item.h) in sections; the last two and "lab" are verdicts, which build
 * upon others. Only what is asked for is probed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check/item.h"
#include "record.h"
#include "tool.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { C_ITEM, C_STATE, C_DETAIL, C_REMEDY };

static const struct record_column columns[] = {
	[C_ITEM] = { "item", RECORD_STRING, "what was probed" },
	[C_STATE] = { "state", RECORD_STRING, "ok, limited or no" },
	[C_DETAIL] = { "detail", RECORD_STRING, "what was found" },
	[C_REMEDY] = { "remedy", RECORD_STRING,
		       "command or package that helps; not set: none needed or known" },
};

static const char *const state_names[] = {
	[STATE_OK] = "ok", [STATE_LIMITED] = "limited", [STATE_NO] = "no",
};

static void probe_engine_user(struct item *item)
{
	static const char *const needed[] = { "proc", "vdso-map", "mm-map", "loopback",
					      "pagemap-scan" };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (item_state(needed[i]) == STATE_NO) {
			item_set(item, STATE_NO, "cannot run: see %s", needed[i]);
			return;
		}
	}
	if (item_state("userfaultfd") == STATE_OK)
		item_set(item, STATE_OK, "children start at once and fetch memory on demand");
	else
		item_set(item, STATE_LIMITED, "mode eager only: see userfaultfd");
}

static void probe_engine_kernel(struct item *item)
{
	if (item_state("kernel-module") == STATE_NO)
		item_set(item, STATE_NO, "cannot run: see kernel-module");
	else if (item_state("kernel-module") != STATE_OK || item_state("rdma") != STATE_OK)
		item_set(item, STATE_NO, "cannot run: see rdma");
	else
		item_set(item, STATE_OK, "children fetch memory by RDMA READ");
}

static struct item items[] = {
	{ .name = "privileges",
	  .probe = probe_privileges,
	  .section = "on-demand",
	  .group = "On demand" },
	{ .name = "userfaultfd", .probe = probe_userfaultfd },
	{ .name = "userfaultfd-syscall", .probe = probe_uffd_syscall },
	{ .name = "userfaultfd-device", .probe = probe_uffd_device },
	{ .name = "userfaultfd-sysctl", .probe = probe_uffd_sysctl },
	{ .name = "userfaultfd-features", .probe = probe_uffd_features },
	{ .name = "proc",
	  .probe = probe_proc,
	  .section = "snapshots",
	  .group = "Snapshots and children" },
	{ .name = "trace", .probe = probe_trace },
	{ .name = "trace-undumpable", .probe = probe_trace_undumpable },
	{ .name = "trace-confined", .probe = probe_trace_confined },
	{ .name = "child-numbers", .probe = probe_child_numbers },
	{ .name = "vdso-map", .probe = probe_vdso_map },
	{ .name = "mm-map", .probe = probe_mm_map },
	{ .name = "pagemap-scan", .probe = probe_pagemap_scan },
	{ .name = "thp", .probe = probe_thp },
	{ .name = "loopback", .probe = probe_loopback },
	{ .name = "descriptors", .probe = probe_descriptors },
	{ .name = "cgroup", .probe = probe_cgroup },
	{ .name = "user-namespaces", .probe = probe_user_namespaces },
	{ .name = "cpu",
	  .probe = probe_cpu,
	  .section = "identity",
	  .group = "Identity: the same on hosts whose children can run on each other" },
	{ .name = "vdso", .probe = probe_vdso },
	{ .name = "rdma",
	  .probe = probe_rdma,
	  .section = "rdma",
	  .group = "RDMA and the kernel's engine" },
	{ .name = "rdma-rxe", .probe = probe_rdma_rxe },
	{ .name = "kernel-module", .probe = probe_module },
	{ .name = "kvm",
	  .probe = probe_kvm,
	  .section = "lab",
	  .group = "Lab: real kernels with RDMA on this machine" },
	{ .name = "lab-qemu", .probe = probe_lab_part },
	{ .name = "lab-busybox", .probe = probe_lab_part },
	{ .name = "lab-tools", .probe = probe_lab_part },
	{ .name = "lab-kernel", .probe = probe_lab_part },
	{ .name = "lab-modules", .probe = probe_lab_part },
	{ .name = "lab-trouble", .probe = probe_lab_part },
	{ .name = "lab-network", .probe = probe_lab_part },
	{ .name = "lab", .probe = probe_lab },
	{ .name = "criu", .probe = probe_criu, .section = "baseline", .group = "Baseline" },
	{ .name = "engine-user",
	  .probe = probe_engine_user,
	  .section = "verdict",
	  .group = "Verdict" },
	{ .name = "engine-kernel", .probe = probe_engine_kernel },
};

bool item_without_remedies;

void item_set(struct item *item, enum state state, const char *format, ...)
{
	va_list ap;

	item->state = state;
	va_start(ap, format);
	vsnprintf(item->detail, sizeof(item->detail), format, ap);
	va_end(ap);
}

void item_remedy(struct item *item, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(item->remedy, sizeof(item->remedy), format, ap);
	va_end(ap);
}

const char *item_sudo(void)
{
	return geteuid() ? "sudo " : "";
}

const char *read_line(const char *path, char *to, int room)
{
	FILE *f = fopen(path, "re");

	*to = '\0';
	if (!f)
		return to;
	if (!fgets(to, room, f))
		*to = '\0';
	to[strcspn(to, "\n")] = '\0';
	fclose(f);
	return to;
}

/* Marks the items of a section; false: there is none of that name. */
static bool choose(const char *section)
{
	const char *at = "";
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		at = items[i].section ? items[i].section : at;
		if (!section || !strcmp(at, section))
			found = items[i].chosen = true;
	}
	return found;
}

static void probe(struct item *item)
{
	if (!*item->detail)
		item->probe(item);
}

enum state item_state(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		if (strcmp(items[i].name, name))
			continue;
		probe(&items[i]);
		return items[i].state;
	}
	abort();
}

static int print_records(enum record_format format, int argc, char **argv)
{
	struct record_stream *rs;
	int err = record_open(&rs, stdout, format, columns, ARRAY_SIZE(columns), NULL, argc, argv);

	if (err) {
		tool_error(NULL, "%s", strerror(-err));
		return err;
	}
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		if (!items[i].chosen)
			continue;
		record_begin(rs);
		record_string(rs, C_ITEM, items[i].name);
		record_string(rs, C_STATE, state_names[items[i].state]);
		record_string(rs, C_DETAIL, items[i].detail);
		record_string(rs, C_REMEDY, *items[i].remedy ? items[i].remedy : NULL);
		record_end(rs);
	}
	return record_close(rs);
}

/* Words of a text, broken where the terminal ends, each further line indented. */
static void print_wrapped(const char *text, size_t indent, size_t width)
{
	size_t column = indent;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > indent && column + 1 + n > width) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		fwrite(text, 1, n, stdout);
		column += n;
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}

/* For a person: groups, the remedy below what it is for. */
static void print_page(void)
{
	static const char *const colours[] = {
		[STATE_OK] = "\033[32m", [STATE_LIMITED] = "\033[33m", [STATE_NO] = "\033[31m",
	};
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	bool colour = !(no_colour && *no_colour) && term && strcmp(term, "dumb");
	const size_t name_width = strlen("userfaultfd-features"),
		     indent = 2 + 7 + 2 + name_width + 2;
	struct winsize size;
	struct utsname host;
	size_t width = 80;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col > indent + 20)
		width = size.ws_col;
	if (width > 120)
		width = 120;
	uname(&host);
	printf("%s, Linux %s\n", host.nodename, host.release);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		const struct item *item = &items[i];

		if (!item->chosen)
			continue;
		if (item->group)
			printf("\n%s%s%s\n", colour ? "\033[1m" : "", item->group,
			       colour ? "\033[0m" : "");
		printf("  %s%-7s%s  %-*s  ", colour ? colours[item->state] : "",
		       state_names[item->state], colour ? "\033[0m" : "", (int)name_width,
		       item->name);
		print_wrapped(item->detail, indent, width);
		if (*item->remedy) {
			printf("%*s-> ", (int)indent, "");
			print_wrapped(item->remedy, indent + 3, width);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] [SECTION...]",
		.summary =
			"Probe what this host can do for remote fork, and say what helps where something is missing.\n"
			"Two hosts with the same identities can run each other's children.\n"
			"Sections: on-demand, snapshots, identity, rdma, lab, baseline, verdict (default: all).",
		.columns = columns,
		.ncolumns = ARRAY_SIZE(columns),
		.examples =
			"  mitosis-check\n"
			"  mitosis-check lab\n"
			"  mitosis-check --engine kernel >/dev/null || echo no kernel engine here\n"
			"  mitosis-check | awk -F '\\t' '$2 == \"no\" { print $1 \": \" $4 }'\n",
		.exit_status =
			"  0 the engine asked about, or with the section lab a lab, can run here; 77 it cannot;\n  1 failed; 2 wrong usage\n",
	};
	int json = 0, quiet = 0, opt, status = STATUS_USAGE, err = 0;
	const char *section;
	char *engine = NULL, verdict[32];
	struct poptOption options[] = {
		{ "engine", 'e', POPT_ARG_STRING, &engine, 0,
		  "what the exit status tells about: 'user' (default; also when only eager mode works) or 'kernel'",
		  "ENGINE" },
		{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0,
		  "print nothing, only the exit status counts", NULL },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "print JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	poptContext con;

	tool_init("mitosis-check");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto out;
	snprintf(verdict, sizeof(verdict), "engine-user");
	if (!poptPeekArg(con))
		choose(NULL);
	while ((section = poptGetArg(con)) != NULL) {
		if (!choose(section)) {
			tool_usage_error(section, "no such section");
			goto out;
		}
		if (!strcmp(section, "lab"))
			snprintf(verdict, sizeof(verdict), "lab");
	}
	if (engine && strcmp(engine, "user") && strcmp(engine, "kernel")) {
		tool_usage_error("--engine", "%s: neither user nor kernel", engine);
		goto out;
	}
	if (engine)
		snprintf(verdict, sizeof(verdict), "engine-%s", engine);
	item_without_remedies = quiet;
	if (!quiet) {
		for (size_t i = 0; i < ARRAY_SIZE(items); i++)
			if (items[i].chosen)
				probe(&items[i]);
		if (!json && isatty(STDOUT_FILENO))
			print_page();
		else
			err = print_records(json ? RECORD_JSON : RECORD_TSV, argc, argv);
	}
	status = err ? STATUS_FAILED : item_state(verdict) == STATE_NO ? STATUS_SKIP : STATUS_OK;
out:
	poptFreeContext(con);
	return status;
}
