// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * start.c - the fork that makes a child: the caller stays as supervisor and pager, its copy opens its
 * userfaultfd, puts descriptors in their places and jumps into the restorer.
 */
#include "api/log.h"
#include "capture/rseq.h"
#include "context.h"
#include "format/control.h"
#include "page/pager.h"
#include "private/uffd.h"
#include "restore/restorer.h"
#include "restore/resume.h"
#include "restore/supervise.h"
#include "state/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- in the copy that becomes the child ---- */

static __attribute__((noreturn)) void child_fail(int control_fd, enum restore_step step, int err)
{
	struct control_message m = { .type = CONTROL_FAILED, .error = err, .step = step };

	send(control_fd, &m, sizeof(m), MSG_NOSIGNAL);
	_exit(125);
}

static void send_uffd(int control_fd, int uffd)
{
	struct control_message m = { .type = CONTROL_UFFD };
	struct iovec iov = { &m, sizeof(m) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &uffd, sizeof(uffd));
	if (sendmsg(control_fd, &message, MSG_NOSIGNAL) != (ssize_t)sizeof(m))
		_exit(125);
}

/*
 * Our copy of the C library registered its own; the kernel keeps one per thread, and kills a process
 * whose registered area it cannot write to.
 */
static void unregister_rseq(int control_fd)
{
	uint32_t length = rseq_length();
	struct arch_registers here;
	long ret = 0;

	arch_tls_read(&here);
	if (length)
		ret = sys(SYS_rseq, rseq_address(arch_tls(&here)), length, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	if (ret < 0)
		child_fail(control_fd, RESTORE_RSEQ, (int)ret);
}

/*
 * The numbers below above are the parent's, or were opened for the child. At above and higher there are the few
 * that the restorer needs, and everything else there was left open by the caller: it is closed.
 */
static long close_callers(const struct restorer_args *a, int above)
{
	const int own[] = { a->control_fd, a->remote_fd, a->uffd, a->socket_fd, a->exe_fd };
	long ret = 0;

	for (int from = above; from >= 0 && !ret;) {
		int next = INT_MAX;

		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			if (own[i] >= from && own[i] < next)
				next = own[i];
		if (next > from)
			ret = sys(SYS_close_range, from, next == INT_MAX ? ~0U : (unsigned int)next - 1, 0);
		from = next == INT_MAX ? -1 : next + 1;
	}
	return ret;
}

static __attribute__((noreturn)) void become_child(struct resume *r, int control_fd, int supervisor)
{
	struct restorer_args *a = r->restorer;
	int base = r->plan.fd_base, above = r->plan.fd_next;
	long ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(125);
	a->control_fd = file_move_up(control_fd, above);
	if (a->control_fd < 0)
		child_fail(control_fd, RESTORE_FILES, a->control_fd);
	if (a->is_remote) {
		a->remote_fd = file_move_up(r->memory.backing_fd, above);
		if (a->remote_fd < 0)
			child_fail(a->control_fd, RESTORE_FILES, a->remote_fd);
	}
	if (r->memory.on_demand) {
		int uffd = uffd_open();

		a->uffd = uffd < 0 ? uffd : file_move_up(uffd, above);
		/* It may have got the number of a standard stream that the caller has closed. */
		if (uffd >= 0)
			close(uffd);
		if (a->uffd < 0)
			child_fail(control_fd, RESTORE_REGISTER, a->uffd);
		send_uffd(a->control_fd, a->uffd);
	} else if (r->plan.missing_count) {
		a->socket_fd = file_move_up(r->socket_fd, above);
		if (a->socket_fd < 0)
			child_fail(a->control_fd, RESTORE_FILES, a->socket_fd);
	}
	if (r->args->flags & MITOSIS_RESUME_DISCARD_STDIN) {
		int null = open("/dev/null", O_RDONLY);

		if (null < 0 || dup2(null, 0) < 0)
			child_fail(a->control_fd, RESTORE_FILES, -errno);
		if (null)
			close(null);
	}
	ret = sys(SYS_close_range, 3, base - 1, 0);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_FILES, (int)ret);
	ret = files_place(r->d, r->opened);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_FILES, (int)ret);
	if (a->exe_fd >= 0) {
		a->exe_fd = file_move_up(a->exe_fd, above);
		if (a->exe_fd < 0)
			child_fail(a->control_fd, RESTORE_FILES, a->exe_fd);
	}
	ret = close_callers(a, above);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_FILES, (int)ret);
	a->close_from = (uint32_t)base;
	a->close_to = (uint32_t)above;
	if (r->cwd >= 0 && fchdir(r->cwd))
		child_fail(a->control_fd, RESTORE_DIRECTORY, -errno);
	unregister_rseq(a->control_fd);
	sys(SYS_set_robust_list, 0, 24);
	sys(SYS_set_tid_address, 0);
	arch_switch_stack(r->stack_top, (void (*)(void *))r->arena, a);
}

/* ---- in the supervisor ---- */

/* The child's userfaultfd, or the reason why there is none. */
static int receive_uffd(int control_fd)
{
	struct control_message m;
	struct iovec iov = { &m, sizeof(m) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(m))
		return -ECONNRESET;
	if (m.type != CONTROL_UFFD)
		return m.error ? m.error : -EPROTO;
	c = CMSG_FIRSTHDR(&message);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* Above the standard streams, also where the caller has closed one of these. 0 or -errno. */
static int make_pair(int pair[2])
{
	int low[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, low))
		return -errno;
	for (int i = 0; i < 2; i++) {
		pair[i] = file_move_up(low[i], 3);
		if (pair[i] < 0 && !err)
			err = pair[i];
		close(low[i]);
	}
	for (int i = 0; err && i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	return err;
}

int start_child(struct resume *r)
{
	struct pager_options options = {
		.object = r->ref->address, .window = r->args->window, .push_percent = r->args->push_percent,
		.timeout_ms = r->args->timeout_ms, .push = !(r->args->flags & MITOSIS_RESUME_NO_PUSH),
		.drain_stdin = r->args->flags & MITOSIS_RESUME_DISCARD_STDIN,
		.hot_pages = r->d->hot_pages, .record_path = r->args->record, .record = &r->record,
		.replay = r->args->replay ? &r->replay : NULL, .notify_fd = (int)r->args->notify_fd,
		.source = r->memory.source, .socket_fd = -1, .uffd = -1, .backing_fd = r->memory.backing_fd,
		.missing = r->plan.missing, .missing_count = r->plan.missing_count,
		.steps = r->plan.steps, .step_count = r->plan.step_count,
		.backed = r->plan.backed, .backed_count = r->plan.backed_count,
	};
	int pair[2], supervisor = getpid(), err;
	sigset_t all, old;
	pid_t pid;

	err = make_pair(pair);
	if (err)
		return err;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (!pid) {
		close(pair[0]);
		become_child(r, pair[1], supervisor);
	}
	if (pid < 0) {
		err = -errno;
		sigprocmask(SIG_SETMASK, &old, NULL);
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	close(pair[1]);
	munmap((void *)r->arena, r->arena_length);
	for (uint32_t i = 0; i < (uint32_t)(r->plan.fd_next - r->plan.fd_base); i++)
		close(r->plan.fd_base + (int)i);
	if (r->memory.on_demand) {
		options.socket_fd = r->socket_fd;
		options.uffd = receive_uffd(pair[0]);
		if (options.uffd < 0) {
			log_error("%s: cannot resume: userfaultfd: %s", r->ref->address, strerror(-options.uffd));
			supervise_kill(pid);
		}
	} else {
		close(r->socket_fd);
	}
	pager_run(pid, pair[0], &options);
}
