// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* tracee.c - one thread of another process that stands still because we trace it. */
#include "capture/tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace.h"

#define SYSCALL_STOP	(SIGTRAP | 0x80)	/* with PTRACE_O_TRACESYSGOOD */
/* What takes a thread that may run no time at all, unless the machine has much else to do. */
#define SOON_NS		2000000000LL
#define WITHOUT_END	INT64_MAX

static int64_t in(int64_t ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec + ns;
}

int tracee_registers(const struct tracee *t, struct arch_registers *r)
{
	struct iovec v = { r, sizeof(*r) };

	if (ptrace(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, &v))
		return -errno;
	/* A program for another processor, such as one of 32 bits, has others. */
	return v.iov_len == sizeof(*r) ? 0 : -ENOEXEC;
}

int tracee_set_registers(const struct tracee *t, const struct arch_registers *r)
{
	struct iovec v = { (void *)r, sizeof(*r) };

	return ptrace(PTRACE_SETREGSET, t->tid, NT_PRSTATUS, &v) ? -errno : 0;
}

bool tracee_has_ended(int tid)
{
	char path[40], stat[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	stat[n > 0 ? n : 0] = '\0';
	state = strrchr(stat, ')');
	return !state || state[1] != ' ' || state[2] == 'Z' || state[2] == 'X';
}

/*
 * The next stop: its status, or -errno; TRACEE_HELD: not by then. How a process ends is for who
 * started it to hear, which may be us, and of a first thread that was killed nothing is told while
 * we trace others that were: so it is looked at, with SIGCHLD, which all callers have blocked, to
 * tell when.
 */
static int next_stop(struct tracee *t, int64_t by)
{
	const int what = WSTOPPED | (t->is_first ? 0 : WEXITED) | WNOHANG | __WALL;
	const struct timespec patience = { .tv_nsec = 1000000 };
	bool ended = false;
	sigset_t news;

	sigemptyset(&news);
	sigaddset(&news, SIGCHLD);
	for (;;) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)t->tid, &info, what)) {
			if (errno == EINTR)
				continue;
			return errno == ECHILD ? -ESRCH : -errno;
		}
		if (info.si_pid && (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED))
			return info.si_status << 8 | 0x7f;
		if (info.si_pid || ended)
			return -ESRCH;
		/*
		 * It may have ended since that was asked: what is ours to hear must be heard, or it
		 * stays a zombie for whoever else waits for it.
		 */
		ended = tracee_has_ended(t->tid);
		if (!ended && in(0) > by)
			return TRACEE_HELD;
		if (!ended)
			sigtimedwait(&news, NULL, &patience);
	}
}

void tracee_await_end(int tid)
{
	const struct timespec patience = { .tv_nsec = 1000000 };
	const int64_t by = in(SOON_NS);
	sigset_t news;

	sigemptyset(&news);
	sigaddset(&news, SIGCHLD);
	while (in(0) < by) {
		int status;
		pid_t pid = waitpid(tid, &status, __WALL | WNOHANG);

		if ((pid < 0 && errno != EINTR) || (pid > 0 && !WIFSTOPPED(status)))
			return;
		if (!pid)
			sigtimedwait(&news, NULL, &patience);
	}
}

void tracee_end(const struct tracee *t)
{
	kill(t->tid, SIGKILL);
	tracee_await_end(t->tid);
}

static bool is_event(int status)
{
	return status >> 16;
}

int tracee_await_stop(struct tracee *t)
{
	for (;;) {
		int status = next_stop(t, in(SOON_NS)), signo = 0;

		if (status < 0)
			return status;
		if (status >> 16 == PTRACE_EVENT_STOP) {
			t->group_stopped = WSTOPSIG(status) != SIGTRAP;
			return 0;
		}
		/* A signal that was on its way is delivered; the stop that we asked for follows. */
		if (!is_event(status) && WSTOPSIG(status) == SIGSTOP)
			t->held = true;
		else if (!is_event(status) && WSTOPSIG(status) != SYSCALL_STOP)
			signo = WSTOPSIG(status);
		/*
		 * Any stop clears the request for one, and one for the signal of a timer can come
		 * in between.
		 */
		if (ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) || ptrace(PTRACE_CONT, t->tid, 0, signo))
			return -errno;
	}
}

/* A SIGSYS that is not for us is kept. */
static int hear_sigsys(struct tracee *t)
{
	const int user_dispatch = 2;	/* SYS_USER_DISPATCH */
	siginfo_t info;

	if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info))
		return -errno;
	if (info.si_code == user_dispatch)
		return TRACEE_DISPATCHED;
	t->held_sys = true;
	return 0;
}

/* The number of a process made in the call goes to *made, where that is asked for. */
static int run_call(struct tracee *t, const struct tracee_space *space, long *result, long nr,
		    const uint64_t args[6], unsigned long *made)
{
	struct arch_registers r;
	int err = tracee_registers(t, &r);

	if (err)
		return err;
	trace_call(&r, made ? space->make : space->call, nr, args);
	err = tracee_set_registers(t, &r);
	/* One stop at its entry, one at its end. */
	for (int stops = 0; !err && stops < 2;) {
		int status;

		if (ptrace(PTRACE_SYSCALL, t->tid, 0, 0))
			return -errno;
		/* On its way to the kernel only the freezer holds it; a call may take its time. */
		status = next_stop(t, stops ? WITHOUT_END : in(SOON_NS));
		if (status == TRACEE_HELD && !ptrace(PTRACE_INTERRUPT, t->tid, 0, 0))
			next_stop(t, in(SOON_NS));
		if (status < 0)
			return status;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			stops++;
		else if (!is_event(status) && WSTOPSIG(status) == SIGSTOP)
			t->held = true;
		else if (!is_event(status) && WSTOPSIG(status) == SIGSYS)
			err = hear_sigsys(t);	/* all others are blocked */
		else if (!is_event(status))
			/* a fault of its own: that was no instruction of this kind */
			return -EFAULT;
		else if (status >> 16 == PTRACE_EVENT_CLONE && made &&
			 ptrace(PTRACE_GETEVENTMSG, t->tid, 0, made))
			return -errno;
	}
	if (!err)
		err = tracee_registers(t, &r);
	if (!err)
		*result = trace_result(&r);
	return err;
}

int tracee_call6(struct tracee *t, const struct tracee_space *space, long *result, long nr,
		 const uint64_t args[6])
{
	return run_call(t, space, result, nr, args, NULL);
}

int tracee_clone(struct tracee *t, const struct tracee_space *space, unsigned long flags,
		 struct tracee *made, long *number)
{
	unsigned long pid = 0;
	int err;

	if (ptrace(PTRACE_SETOPTIONS, t->tid, 0, t->options | PTRACE_O_TRACECLONE))
		return -errno;
	err = run_call(t, space, number, SYS_clone, TRACEE_ARGS_(flags, 0, 0, 0, 0, 0, 0), &pid);
	if (!err && SYS_FAILED(*number))
		err = (int)*number;
	if (ptrace(PTRACE_SETOPTIONS, t->tid, 0, t->options) && !err)
		err = -errno;
	if (!pid)
		return err ? err : -ESRCH;
	*made = (struct tracee){ .tid = (int)pid, .options = t->options | PTRACE_O_EXITKILL };
	if (!err)
		err = tracee_await_stop(made);
	if (!err && ptrace(PTRACE_SETOPTIONS, made->tid, 0, made->options))
		err = -errno;
	return err;
}

int tracee_settle(struct tracee *t)
{
	struct arch_registers r;
	int err = tracee_registers(t, &r);

	if (err)
		return err;
	trace_leave_call(&r);
	err = tracee_set_registers(t, &r);
	if (err)
		return err;
	if (ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) || ptrace(PTRACE_CONT, t->tid, 0, 0))
		return -errno;
	return tracee_await_stop(t);
}

int tracee_open_memory(struct tracee_space *space, int pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	space->memory = open(path, O_RDWR | O_CLOEXEC);
	return space->memory < 0 ? -errno : 0;
}

void tracee_close_memory(struct tracee_space *space)
{
	if (space->memory >= 0)
		close(space->memory);
	space->memory = -1;
}

int tracee_read(const struct tracee_space *space, uint64_t at, void *to, size_t bytes)
{
	ssize_t n = pread(space->memory, to, bytes, (off_t)at);

	if (n < 0)
		return -errno;
	return n == (ssize_t)bytes ? 0 : -EFAULT;
}

int tracee_write(const struct tracee_space *space, uint64_t at, const void *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pwrite(space->memory, (const char *)from + done, bytes - done,
				   (off_t)(at + done));

		if (n <= 0)
			return n < 0 ? -errno : -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

uint64_t tracee_queued(int tid, bool shared)
{
	struct __ptrace_peeksiginfo_args which = { .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
						   .nr = 32 };
	siginfo_t info[32];
	uint64_t signals = 0;
	long n;

	while ((n = ptrace(PTRACE_PEEKSIGINFO, tid, &which, info)) > 0) {
		for (long i = 0; i < n; i++)
			signals |= 1ULL << (info[i].si_signo - 1);
		which.off += (uint64_t)n;
	}
	return signals;
}

int tracee_release(struct tracee *t)
{
	const uint64_t cont = 1ULL << (SIGCONT - 1);

	/* One that was continued since has not to stop any more. */
	if (t->held && !((tracee_queued(t->tid, false) | tracee_queued(t->tid, true)) & cont))
		syscall(SYS_tkill, t->tid, SIGSTOP);
	if (t->held_sys)
		syscall(SYS_tkill, t->tid, SIGSYS);
	t->held = t->held_sys = false;
	return ptrace(PTRACE_DETACH, t->tid, 0, 0) ? -errno : 0;
}
