// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * children.c - ends children of snapshots.
 *
 * A child is one of two: a process below a mitosis-child, which passes SIGTERM on and ends with it;
 * or, with the kernel module, any process that shows memory of a snapshot, such as the copy that a
 * child made of itself. The latter is recognised by the file system that the memory comes from.
 */
#include "clean/clean.h"
#include "clean/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MITOSIS_FS_MAGIC	0x6d69746f	/* kmod/mem-pagefile.c */
/* Children of children come to light when those have ended. */
#define ROUNDS			8

static void name_of(struct process *p, pid_t pid)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f || !fgets(p->name, sizeof(p->name), f))
		strcpy(p->name, "-");
	if (f)
		fclose(f);
	p->name[strcspn(p->name, "\n")] = '\0';
}

static bool is_supervisor(struct process *p)
{
	if (!runs_tool(p->pid, "mitosis-child"))
		return false;
	name_of(p, p->pid);
	return true;
}

/* Asked for its memory, which takes root: others may not look behind a mapping. */
static bool shows_snapshot(struct process *p)
{
	char path[64], *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)p->pid);
	f = fopen(path, "re");
	if (!f)
		clean_check_resources();
	while (f && !found && getline(&line, &room, f) > 0) {
		char file[128];
		struct statfs st;

		if (!strstr(line, "mitosis"))
			continue;
		snprintf(file, sizeof(file), "/proc/%d/map_files/%.*s", (int)p->pid,
			 (int)strcspn(line, " "), line);
		found = !statfs(file, &st) && st.f_type == MITOSIS_FS_MAGIC;
	}
	if (f)
		fclose(f);
	free(line);
	if (found)
		name_of(p, p->pid);
	return found;
}

struct search {
	struct processes supervisors, below, others;
};
static struct search *searched;

static struct process *supervisor_of(pid_t pid)
{
	pid_t parent = parent_of(pid);

	for (size_t i = 0; i < searched->supervisors.count; i++)
		if (searched->supervisors.list[i].pid == parent)
			return &searched->supervisors.list[i];
	return NULL;
}

static bool is_below(struct process *p)
{
	const struct process *supervisor = supervisor_of(p->pid);

	/* Its pid means it while it lives. */
	return supervisor && !process_wait(supervisor, 0);
}

static void find_supervisor(pid_t pid, void *data)
{
	struct search *s = data;

	/* A child whose program could not be changed still shows its supervisor's. */
	if (!runs_tool(pid, "mitosis-child") || runs_tool(parent_of(pid), "mitosis-child"))
		return;
	processes_add(&s->supervisors, pid, is_supervisor);
}

static void find_below(pid_t pid, void *data)
{
	struct search *s = data;
	struct process *supervisor = supervisor_of(pid), program = { 0 };

	if (!supervisor)
		return;
	processes_add(&s->below, pid, is_below);
	/* Known by the name of the program that it became, not by process 1 of its namespace. */
	name_of(&program, pid);
	if (strcmp(program.name, "mitosis-init"))
		memcpy(supervisor->name, program.name, sizeof(supervisor->name));
}

static void find_other(pid_t pid, void *data)
{
	struct search *s = data;

	processes_add(&s->others, pid, shows_snapshot);
}

/* Not what we run in: that would end us before we are done. */
static void spare(const char *kind, struct processes *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct object o = { kind, p->list[i].name, p->list[i].pid, p->list[i].user };

		if (!is_ancestor(p->list[i].pid))
			continue;
		report_object(&o, "this command runs below it");
		close(p->list[i].fd);
		p->list[i--] = p->list[--p->count];
	}
}

int clean_children(void)
{
	bool module = !geteuid() && !access("/sys/module/mitosis", F_OK);
	int err = 0;
	size_t found = 1;

	for (int round = 0; round < ROUNDS && found && !err; round++) {
		struct search s = { 0 };

		searched = &s;
		err = each_process(find_supervisor, &s);
		spare("child", &s.supervisors);
		if (!err && s.supervisors.count)
			err = each_process(find_below, &s);
		found = processes_end("child", &s.supervisors, &s.below);
		if (module && !err && (!report_looks() || !found)) {
			err = each_process(find_other, &s);
			spare("child", &s.others);
			found += processes_end("child", &s.others, &(struct processes){ 0 });
		}
		processes_free(&s.supervisors);
		processes_free(&s.below);
		processes_free(&s.others);
		if (report_looks())
			return err;
	}
	if (found && !err)
		report_failed("children", "new ones were there each time that some had been ended");
	return err;
}
