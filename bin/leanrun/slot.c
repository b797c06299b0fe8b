// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * slot.c - one measured container, started at once or held ready.
 *
 * A slot of a pool is a whole container whose program has been loaded, and whose dynamic loader has
 * done its work: it is stopped at the program's own first instruction, by a breakpoint. To start
 * it, it need only be let go. A statically linked program has no loader; the C library in it sets
 * itself up instead (it asks the processor what it is, which costs a virtual machine an exit for
 * each question), so that it is held at its main where that can be told, and where the kernel would
 * start it otherwise.
 */
#include "run.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leanrun/breakpoint.h"
#include "clock.h"
#include "tool.h"

/* Where the program begins; 0: it has no dynamic loader, and is there already. */
static unsigned long entry_of(const struct job *j, pid_t pid)
{
	Elf64_auxv_t aux[64];
	unsigned long entry = 0, base = 0;
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%d/auxv", (int)pid);
	fd = openat(j->host_proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, aux, sizeof(aux));
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(aux[0]); i++) {
		if (aux[i].a_type == AT_ENTRY)
			entry = aux[i].a_un.a_val;
		else if (aux[i].a_type == AT_BASE)
			base = aux[i].a_un.a_val;
	}
	return base ? entry : 0;
}

static int hold(const struct job *j, struct slot *s)
{
	long entry;
	int status;

	if (waitpid(s->pid, &status, 0) != s->pid || !WIFSTOPPED(status))
		return -1;
	/* No slot outlives its spawner. */
	if (ptrace(PTRACE_SETOPTIONS, s->pid, 0, PTRACE_O_EXITKILL))
		return -1;
	entry = (long)entry_of(j, s->pid);
	if (!entry)
		entry = main_of(s->pid);
	if (entry < 0)
		return -1;
	return entry ? run_to(s->pid, (unsigned long)entry) : 0;
}

static void close_slot(struct slot *s)
{
	if (s->out >= 0)
		close(s->out);
	if (s->report >= 0)
		close(s->report);
	s->out = s->report = -1;
}

int slot_start(struct job *j, struct slot *s, bool stamp, bool held)
{
	int out[2] = { -1, -1 }, report[2] = { -1, -1 },
	    null = open("/dev/null", O_RDWR | O_CLOEXEC), err = 0;
	uint64_t ready;

	s->pid = 0;
	s->out = s->report = -1;
	if (null < 0 || (stamp && pipe2(out, O_CLOEXEC)) ||
	    (j->child && pipe2(report, O_CLOEXEC))) {
		tool_error(j->name, "%s", strerror(errno));
		if (null >= 0)
			close(null);
		return STATUS_CANNOT_RUN;
	}
	job_spawn(j, &s->spawn, &s->leaf);
	s->spawn.stdio[0] = null;
	s->spawn.stdio[1] = stamp ? out[1] : null;
	s->spawn.extra = report[1];
	s->spawn.hold = held;
	s->asked_ns = clock_now_ns();
	s->pid = lean_spawn(&s->spawn);
	s->started_ns = clock_now_ns();
	close(null);
	if (stamp)
		close(out[1]);
	if (j->child)
		close(report[1]);
	s->out = out[0];
	s->report = report[0];
	if (s->pid < 0 || s->spawn.failed) {
		err = job_failed(j, &s->spawn, s->pid);
		if (s->pid > 0)
			waitpid(s->pid, NULL, 0);
		s->pid = 0;
		close_slot(s);
		return err;
	}
	if (held && hold(j, s)) {
		tool_error(j->name, "a slot cannot be held ready: %s", strerror(errno));
		slot_kill(s);
		return STATUS_CANNOT_RUN;
	}
	/* Held: until it has been loaded and linked. */
	ready = held ? clock_now_ns() : s->started_ns;
	s->made_ns = ready - s->asked_ns;
	s->steps[0] = s->spawn.at[LEAN_CLONED] - s->asked_ns;
	s->steps[1] = s->spawn.at[LEAN_MOUNTED] - s->spawn.at[LEAN_CLONED];
	s->steps[2] = s->spawn.at[LEAN_CONFINED] - s->spawn.at[LEAN_MOUNTED];
	s->steps[3] = ready - s->spawn.at[LEAN_CONFINED];
	return 0;
}

int slot_release(struct slot *s)
{
	s->asked_ns = clock_now_ns();
	if (ptrace(PTRACE_DETACH, s->pid, 0, 0))
		return -1;
	s->started_ns = clock_now_ns();
	return 0;
}

void slot_kill(struct slot *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	s->pid = 0;
	close_slot(s);
}
