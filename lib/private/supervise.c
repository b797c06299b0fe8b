// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * supervise.c - makes the supervisor transparent to whoever started it.
 *
 * A signal sent to it by a process is passed on; one that the kernel sent (Ctrl-C, Ctrl-Z, hang-up)
 * went to the whole process group, so the child has had it already. It stops when the child stops,
 * so that a shell's job control works, and ends as the child ended. If the child has a process
 * group of its own, which had the terminal, it does so to all of its own group: a script that waits
 * for it is stopped and interrupted as it would be without. As the first process of a container it
 * also waits for orphans.
 */
#include "private/supervise.h"

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

static bool (*give_terminal_back)(void), (*take_terminal_again)(void);

void supervise_terminal(bool (*give_back)(void), bool (*take_again)(void))
{
	give_terminal_back = give_back;
	take_terminal_again = take_again;
}

static int init_pid;

void supervise_init(int pid)
{
	init_pid = pid;
}

/* With it the kernel ends all that is left in its namespace; then it is gone, too. */
static void end_init(void)
{
	if (init_pid)
		kill(init_pid, SIGKILL);
	while (init_pid && waitpid(init_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static __attribute__((noreturn)) void end_as(int status)
{
	struct rlimit no_core = { 0, 0 };
	bool had_terminal;
	sigset_t one;
	int signo;

	end_init();
	had_terminal = give_terminal_back && give_terminal_back();
	if (at_end)
		at_end(at_end_data);
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	signo = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core);	/* the child has dumped, if it was to */
	signal(signo, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, signo);
	kill(had_terminal && (signo == SIGINT || signo == SIGQUIT) ? 0 : getpid(), signo);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	_exit(128 + signo);
}

/* With all of its process group, if it leads one. */
static void go_on(int child_pid)
{
	if (kill(-child_pid, SIGCONT))
		kill(child_pid, SIGCONT);
}

void supervise_look(int child_pid)
{
	siginfo_t other = { 0 };
	bool had_terminal;
	int status;

	/* Adopted ones, but not the child itself, whose end is told below. */
	while (getpid() == 1 && !waitid(P_ALL, 0, &other, WEXITED | WNOHANG | WNOWAIT) &&
	       other.si_pid && other.si_pid != child_pid)
		waitpid(other.si_pid, NULL, 0);
	while (waitpid(child_pid, &status, WNOHANG | WUNTRACED) > 0) {
		if (!WIFSTOPPED(status))
			end_as(status);
		/* A stop for its tracer, which is us for a moment (page/forkable.c). */
		if (status >> 16)
			continue;
		/*
		 * The terminal stopped it: the shell sees us stop, and when it continues us, the
		 * child goes on too. SIGSTOP is somebody's business with the child alone.
		 */
		if (WSTOPSIG(status) == SIGSTOP)
			continue;
		/*
		 * A shell gives the terminal to a job that runs in the background, and says no
		 * more.
		 */
		if ((WSTOPSIG(status) == SIGTTIN || WSTOPSIG(status) == SIGTTOU) &&
		    take_terminal_again && take_terminal_again()) {
			go_on(child_pid);
			continue;
		}
		had_terminal = give_terminal_back && give_terminal_back();
		kill(had_terminal ? 0 : getpid(), SIGSTOP);
		if (take_terminal_again)
			take_terminal_again();
		go_on(child_pid);
	}
}

static int taken;

void supervise_take(int signo)
{
	taken = signo;
}

bool supervise_signals(int signal_fd, int child_pid)
{
	struct signalfd_siginfo s;
	bool came = false;

	while (read(signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		/* A SIGPIPE or SIGXFSZ for a write of our own names us as its sender. */
		bool from_process = (s.ssi_code == SI_USER || s.ssi_code == SI_QUEUE ||
				     s.ssi_code == SI_TKILL) &&
				    (int)s.ssi_pid != getpid();

		if (s.ssi_signo == SIGCHLD)
			supervise_look(child_pid);
		else if (from_process && (int)s.ssi_signo == taken)
			came = true;
		else if (from_process && (int)s.ssi_pid != child_pid)
			kill(child_pid, (int)s.ssi_signo);
		/* The same shell's Ctrl-C: the child's group has not had it. */
		else if (s.ssi_code == SI_KERNEL && take_terminal_again && take_terminal_again())
			kill(-child_pid, (int)s.ssi_signo);
	}
	return came;
}

void supervise_kill(int child_pid)
{
	kill(child_pid, SIGKILL);
	while (waitpid(child_pid, NULL, 0) < 0 && errno == EINTR)
		;
	end_init();
	if (give_terminal_back)
		give_terminal_back();
	_exit(125);
}
