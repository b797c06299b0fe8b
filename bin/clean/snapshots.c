// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * snapshots.c - releases the snapshots that this host serves for the caller.
 *
 * They are asked to end. One that does not answer, for example since it was stopped, is killed: it
 * is the process that listens on the socket of a snapshot, by the kernel's account.
 */
#include "clean/clean.h"
#include "clean/report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mitosis.h"
#include "snapshots.h"

#define PATIENCE_MS	10000

struct names {
	char **list;
	size_t count;
};

static int add_name(const char *name, void *data)
{
	struct names *n = data;
	char **list = realloc(n->list, (n->count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	n->list = list;
	list[n->count] = strdup(name);
	return list[n->count++] ? 0 : -ENOMEM;
}

static const char *asked_for;		/* name of a socket */

/* Still the listener there? */
static bool is_shadow(struct process *p)
{
	struct ucred who = { 0 };

	return !registry_ask(asked_for, &who, NULL) && who.pid == p->pid;
}

static void kill_shadow(const char *name, pid_t pid)
{
	struct processes p = { 0 };

	asked_for = name;
	processes_add(&p, pid, is_shadow);
	if (p.count)
		syscall(SYS_pidfd_send_signal, p.list[0].fd, SIGKILL, NULL, 0);
	processes_free(&p);
}

static bool any(struct process *p)
{
	return p->pid > 0;
}

/* Its label, or its reference without what gives a right to it. */
static const char *show(const struct mitosis_info *info, char text[MITOSIS_REF_MAX])
{
	char *slash;

	if (info->label[0])
		return info->label;
	snprintf(text, MITOSIS_REF_MAX, "%s", info->reference);
	slash = strrchr(text, '/');
	if (slash)
		strcpy(slash + 1, "***");
	return text;
}

static void release(const char *name)
{
	char text[MITOSIS_REF_MAX] = "-";
	struct mitosis_info info;
	struct ucred who = { 0 };
	struct object o = { .kind = "snapshot" };
	struct processes shadow = { 0 };
	int err = registry_ask(name, &who, NULL);

	/* It has ended since; or it is another user's, who shall not keep us waiting. */
	if (err == -ECONNREFUSED || !is_wanted(who.uid))
		return;
	err = registry_ask(name, &who, &info);
	if (err == -ECONNREFUSED)
		return;
	o.name = err ? "(does not answer)" : show(&info, text);
	o.pid = who.pid;
	o.user = who.uid;
	if (report_looks()) {
		report_object(&o, NULL);
		return;
	}
	if (who.pid <= 0) {
		report_object(&o, "its process cannot be seen from here");
		return;
	}
	processes_add(&shadow, who.pid, any);
	if (err || mitosis_release(info.reference) ||
	    (shadow.count && !process_wait(&shadow.list[0], PATIENCE_MS)))
		kill_shadow(name, who.pid);
	report_object(&o, !shadow.count || process_wait(&shadow.list[0], PATIENCE_MS) ? NULL :
		     "its process does not end, not even by SIGKILL");
	processes_free(&shadow);
}

int clean_snapshots(void)
{
	struct names n = { 0 };
	int err = registry_each(add_name, &n);

	for (size_t i = 0; i < n.count; i++) {
		if (!err)
			release(n.list[i]);
		free(n.list[i]);
	}
	free(n.list);
	return err;
}
