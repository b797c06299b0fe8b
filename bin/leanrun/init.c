// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * init.c - process 1 of a container: passes signals on and reaps what nobody waits for.
 *
 * The kernel lets no default action of a signal happen to process 1, so a command in its place
 * could not be ended by Ctrl-C, nor by its own abort(). This one is a copy of mitosis-leanrun. What
 * is in it is nobody's business: it is not dumpable, so that no process of the container can trace
 * it, read its memory or reach the host's file that it runs.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static __attribute__((noreturn)) void fail(struct lean_spawn *s, const char *what)
{
	s->error = errno;
	s->failed = what;
	_exit(127);
}

/*
 * A new terminal of the container's own: its slave for the command, its master for the user's side.
 */
static int open_terminal(struct lean_spawn *s, int *master_fd)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0, number, slave;
	char path[32];

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &number))
		fail(s, "terminal");
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		fail(s, "terminal");
	*master_fd = master;
	return slave;
}

/* master: of the terminal that becomes the controlling one, or -1; socket: where that goes */
static __attribute__((noreturn)) void become_command(struct lean_spawn *s, const int stdio[3],
						     int master, int socket)
{
	setsid();
	for (int i = 0; i < 3; i++)
		if (dup2(stdio[i], i) < 0)
			fail(s, "descriptors");
	if (master >= 0) {
		if (ioctl(0, TIOCSCTTY, 0))
			fail(s, "terminal");
		/*
		 * The master is sent only now: a Ctrl-C that came before the terminal had a process
		 * group would be lost.
		 */
		terminal_send(s, socket, master);
	}
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC))
		fail(s, "descriptors");
	lean_exec(s);
	_exit(127);
}

void init_main(struct lean_spawn *s)
{
	struct init *init = s->data;
	int stdio[3] = { init->stdio[0], init->stdio[1], init->stdio[2] }, master = -1, status;
	sigset_t all;
	pid_t pid, ended;

	/* The secret is for mounts, and all are made. */
	explicit_bzero((void *)&s->inside->secret, sizeof(s->inside->secret));
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "init");
	if (init->terminal >= 0) {
		stdio[0] = stdio[1] = open_terminal(s, &master);
		if (isatty(stdio[2]))
			stdio[2] = stdio[0];
	}
	pid = fork();
	if (!pid)
		become_command(s, stdio, master, init->terminal);
	if (pid < 0)
		fail(s, "process");
	syscall(SYS_close_range, 0, ~0U, 0);
	sigfillset(&all);
	for (;;) {
		siginfo_t info;
		int signo = sigwaitinfo(&all, &info);

		if (signo < 0)
			continue;
		/*
		 * From outside; what the container's own processes send to 1 is not for the
		 * command. mitosis-leanrun stands still for all of them.
		 */
		if (info.si_pid == 0 && (signo == SIGTSTP || signo == SIGCONT))
			kill(-1, signo == SIGTSTP ? SIGSTOP : SIGCONT);
		else if (signo != SIGCHLD && info.si_pid == 0)
			kill(pid, signo);
		while (signo == SIGCHLD && (ended = waitpid(-1, &status, WNOHANG)) > 0) {
			if (ended != pid)
				continue;
			s->status = status;
			init->ended = true;
			_exit(0);
		}
	}
}
