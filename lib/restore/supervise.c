// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * supervise.c - makes the supervisor transparent to whoever started it.
 *
 * A signal sent to it by a process is passed on; one that the kernel sent (Ctrl-C, Ctrl-Z, hang-up)
 * went to the whole process group, so the child has had it already. It stops when the child stops,
 * so that a shell's job control works, and ends as the child ended.
 */
#include "restore/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

int supervise_begin(void)
{
	sigset_t all;
	int fd;

	sigfillset(&all);
	/* Faults of our own do not vanish: the kernel forces those past any mask. */
	if (sigprocmask(SIG_BLOCK, &all, NULL))
		return -errno;
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void (*at_end)(void *data);
static void *at_end_data;

void supervise_at_end(void (*fn)(void *data), void *data)
{
	at_end = fn;
	at_end_data = data;
}

static __attribute__((noreturn)) void end_as(int status)
{
	struct rlimit no_core = { 0, 0 };
	sigset_t one;
	int signo;

	if (at_end)
		at_end(at_end_data);
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	signo = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core);	/* the child has dumped, if it was to */
	signal(signo, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, signo);
	kill(getpid(), signo);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	_exit(128 + signo);
}

static void child_changed(int child_pid)
{
	int status;

	while (waitpid(child_pid, &status, WNOHANG | WUNTRACED) > 0) {
		if (!WIFSTOPPED(status))
			end_as(status);
		/*
		 * The terminal stopped it: the shell sees us stop, and when it continues us, the child goes
		 * on too. SIGSTOP is somebody's business with the child alone.
		 */
		if (WSTOPSIG(status) == SIGSTOP)
			continue;
		kill(getpid(), SIGSTOP);
		kill(child_pid, SIGCONT);
	}
}

void supervise_signals(int signal_fd, int child_pid)
{
	struct signalfd_siginfo s;

	while (read(signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		bool from_process = s.ssi_code == SI_USER || s.ssi_code == SI_QUEUE || s.ssi_code == SI_TKILL;

		if (s.ssi_signo == SIGCHLD)
			child_changed(child_pid);
		else if (from_process && (int)s.ssi_pid != child_pid)
			kill(child_pid, (int)s.ssi_signo);
	}
}

void supervise_kill(int child_pid)
{
	kill(child_pid, SIGKILL);
	while (waitpid(child_pid, NULL, 0) < 0 && errno == EINTR)
		;
	_exit(125);
}
