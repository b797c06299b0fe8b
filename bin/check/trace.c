// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * trace.c - probes of mitosis-check: of which processes a snapshot can be taken by their number,
 * and whether children can have their numbers.
 */
#include "item.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "namespaces.h"

#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif

static int seize(pid_t pid, int options)
{
	return ptrace(PTRACE_SEIZE, pid, 0, options) ? errno : 0;
}

/* A process that waits to be traced, and is ready for that; it ends with us. */
static pid_t start_target(bool dumpable)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, dumpable);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1 && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

/* As somebody who has not started it: 0 or an errno. */
static int seize_as_stranger(pid_t target, int options)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(seize(target, options));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

/* What a stranger gets, and who has started it. */
static void try(bool dumpable, int options, int *stranger, int *own)
{
	pid_t target = start_target(dumpable);

	if (target < 0) {
		*stranger = *own = EAGAIN;
		return;
	}
	*stranger = seize_as_stranger(target, options);
	*own = seize(target, options);
	kill(target, SIGKILL);
	while (waitpid(target, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static int yama(void)
{
	char text[16];

	read_line("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
	return *text ? text[0] - '0' : -1;
}

/* What stands in the way of tracing itself. */
void probe_trace(struct item *item)
{
	static const char setting[] = "kernel.yama.ptrace_scope";
	int stranger, own, scope = yama();

	try(true, 0, &stranger, &own);
	if (!stranger) {
		item_set(item, STATE_OK, "any process of %s", geteuid() ? "this user" : "the host");
	} else if (!own && scope < 1) {
		item_set(item, STATE_LIMITED,
			 "only what one has started oneself (a security module)");
		item_remedy(item, "mitosis-parent -- COMMAND");
	} else if (!own) {
		item_set(item, STATE_LIMITED,
			 "only what one has started oneself (sysctl %s is %d)", setting, scope);
		item_remedy(item, "mitosis-parent -- COMMAND; or %ssysctl %s=0", item_sudo(),
			    setting);
	} else if (scope >= 2) {
		item_set(item, STATE_LIMITED,
			 "%s (sysctl %s is %d): only programs with one thread, by themselves",
			 scope > 2 ? "none, until the host boots again" : "root's business alone",
			 setting, scope);
		if (scope > 2)
			item_remedy(item, "boot without that setting");
		else
			item_remedy(item, "as root; or %ssysctl %s=0", item_sudo(), setting);
	} else {
		item_set(item, STATE_LIMITED,
			 "none (ptrace: %s): only programs with one thread, by themselves",
			 strerror(stranger));
		item_remedy(item, "a filter of system calls that allows ptrace(2), as with "
				  "--cap-add SYS_PTRACE of a container");
	}
}

/* Of a program that has changed its user, or asked for it. */
void probe_trace_undumpable(struct item *item)
{
	int stranger, own;

	try(false, 0, &stranger, &own);
	if (!stranger) {
		item_set(item, STATE_OK, "processes that are not dumpable, too");
		return;
	}
	item_set(item, STATE_LIMITED, "not those that are not dumpable (ptrace: %s)",
		 strerror(stranger));
	item_remedy(item,
		    "as root (CAP_SYS_PTRACE); or prctl(PR_SET_DUMPABLE, 1) in the program");
}

void probe_trace_confined(struct item *item)
{
	int stranger, own;

	try(true, PTRACE_O_SUSPEND_SECCOMP, &stranger, &own);
	if (!own) {
		item_set(item, STATE_OK, "processes with filters of system calls (seccomp), too");
		return;
	}
	item_set(item, STATE_LIMITED,
		 "not those with filters of system calls (seccomp), which cannot be suspended: %s",
		 strerror(own));
	if (own == EINVAL)
		item_remedy(item, "a kernel with CONFIG_CHECKPOINT_RESTORE=y and CONFIG_SECCOMP=y");
	else
		item_remedy(item, "as root (CAP_SYS_ADMIN), who is not confined so");
}

/* As a child is given its parent's numbers. */
void probe_child_numbers(struct item *item)
{
	const bool alone = !geteuid();
	const char *kinds = alone ? "pid mnt" : "user pid mnt", *knob = "";
	char why[256];
	int status, err;
	pid_t pid = fork();

	if (!pid) {
		err = unshare(CLONE_NEWPID | CLONE_NEWNS) ? errno : 0;
		if (err == EPERM)
			err = unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) ? errno : 0;
		_exit(err);
	}
	err = pid < 0 || waitpid(pid, &status, 0) != pid ? errno
	      : WIFEXITED(status)			 ? WEXITSTATUS(status)
							 : EFAULT;
	if (!err) {
		item_set(item, STATE_OK,
			 "children can have their parents' process and thread numbers");
		return;
	}
	item_set(item, STATE_LIMITED, "children have numbers of their own: %s",
		 namespaces_problem(kinds, err, why, sizeof(why), &knob));
	if (*knob)
		item_remedy(item, "%ssysctl %s", item_sudo(), knob);
	else
		item_remedy(item,
			    "as root, not in a chroot; or in a container that may have namespaces");
}
