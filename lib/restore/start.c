// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * start.c - the fork that makes a child: the caller stays as supervisor and pager, its copy opens
 * its userfaultfd, puts descriptors in their places and jumps into the restorer.
 *
 * A child that is to have its parent's numbers is made in namespaces of its own (enclosure.c). Any
 * other child never has its parent's process id. Libraries notice by that alone that they run in
 * another process and need new random numbers (OpenSSL does), and in a PID namespace, as containers
 * have, the ids of parent and child are equal easily. Only the copy knows its id as the child will
 * see it: if it is the parent's, the copy says so and keeps it, so that the next one gets another.
 */
#include "api/log.h"
#include "capture/rseq.h"
#include "context.h"
#include "format/control.h"
#include "page/pager.h"
#include "private/uffd.h"
#include "restore/draws.h"
#include "restore/publish.h"
#include "restore/restorer.h"
#include "restore/resume.h"
#include "private/supervise.h"
#include "state/files/files.h"
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in the copy that becomes the child ---- */

static __attribute__((noreturn)) void child_fail(int control_fd, enum restore_step step, int err)
{
	struct control_message m = { .type = CONTROL_FAILED, .error = err, .step = step };

	send(control_fd, &m, sizeof(m), MSG_NOSIGNAL);
	_exit(125);
}

/* Also tells whether the supervisor is there still: if it has ended, so has its end of the pair. */
static void say(int control_fd, enum control_type what)
{
	struct control_message m = { .type = what };

	if (send(control_fd, &m, sizeof(m), MSG_NOSIGNAL) != (ssize_t)sizeof(m))
		_exit(125);
}

/*
 * Until the supervisor ends this process, its id is given to nobody. Where it is 1 that is for as
 * long as the child lives: the first process of a PID namespace takes all others with it.
 */
static __attribute__((noreturn)) void keep_pid(int control_fd)
{
	say(control_fd, CONTROL_SAME_PID);
	signal(SIGCHLD, SIG_IGN);
	sys(SYS_close_range, 0, ~0U, 0);
	for (;;)
		pause();
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
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
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
 * Our copy of the C library registered its own; the kernel keeps one per thread, and kills a
 * process whose registered area it cannot write to.
 */
static void unregister_rseq(int control_fd)
{
	uint32_t length = rseq_length();
	struct arch_registers here;
	long ret = 0;

	arch_tls_read(&here);
	if (length)
		ret = sys(SYS_rseq, rseq_address(arch_tls(&here)), length, RSEQ_FLAG_UNREGISTER,
			  RSEQ_SIG);
	if (ret < 0)
		child_fail(control_fd, RESTORE_RSEQ, (int)ret);
}

/*
 * The numbers below above are the parent's, or were opened for the child. At above and higher there
 * are the few that the restorer needs, and everything else there was left open by the caller: it is
 * closed.
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
			ret = sys(SYS_close_range, from,
				  next == INT_MAX ? ~0U : (unsigned int)next - 1, 0);
		from = next == INT_MAX ? -1 : next + 1;
	}
	return ret;
}

static pid_t parent_pid(const struct resume *r)
{
	const struct descriptor_thread *threads = descriptor_at(r->d, r->d->threads);

	return (pid_t)threads[0].tid;
}

/*
 * Of what has not arrived a core dump would hold zeros, since the kernel waits for nobody then. So
 * private memory is left out of it (coredump_filter: core(5)) until all is here, when the
 * supervisor sets what was set before.
 */
static int withhold_core(uint64_t *withheld)
{
	const uint64_t private_memory = 1;
	unsigned long long filter;
	FILE *f = fopen("/proc/self/coredump_filter", "r+e");
	int err = 0;

	/*
	 * A kernel without core dumps; or /proc is read-only, as in containers: see
	 * doc/user-engine.md.
	 */
	if (!f)
		return errno == ENOENT || errno == EROFS ? 0 : -errno;
	if (fscanf(f, "%llx", &filter) != 1)
		err = -EIO;
	*withheld = filter & private_memory;
	rewind(f);
	if (!err && *withheld && fprintf(f, "0x%llx", filter & ~private_memory) < 0)
		err = -errno;
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

/* What is different in namespaces of its own. */
static void be_enclosed(struct resume *r)
{
	if (r->enclosure.numbers) {
		r->restorer->numbered = true;
		r->restorer->supervisor = 0;
	}
	/* A user namespace begins with all capabilities. */
	if (r->enclosure.user)
		r->restorer->change_credentials = true;
}

/*
 * Open directories, too, by the child's own mounts: on those of its supervisor ".." would lead past
 * its root directory. One that is not there any more is closed to a child that has such.
 */
static int move_directories(const struct resume *r)
{
	for (uint32_t i = 0; r->enclosure.numbers && i < r->d->files.count; i++) {
		int fd = r->opened[i], here;
		struct stat st;

		if (fd < 0 || fstat(fd, &st) || !S_ISDIR(st.st_mode))
			continue;
		here = enclosure_reopen(fd, fcntl(fd, F_GETFL) & (O_PATH | O_DIRECTORY | O_NOATIME |
								   O_NONBLOCK));
		if (here == fd && r->root >= 0)
			return -ESTALE;
		if (here == fd)
			continue;
		/* Those of O_PATH have no position. */
		(void)lseek(here, lseek(fd, 0, SEEK_CUR), SEEK_SET);
		if (dup3(here, fd, O_CLOEXEC) < 0)
			return -errno;
		close(here);
	}
	return 0;
}

/* By the child's own mounts: those that the directories were opened by show another /proc. */
static int enter_directories(const struct resume *r)
{
	int root = r->root, cwd = r->cwd;

	if (r->enclosure.numbers && root >= 0)
		root = enclosure_reopen(root, O_PATH);
	if (r->enclosure.numbers && cwd >= 0)
		cwd = enclosure_reopen(cwd, O_PATH);
	if (r->enclosure.numbers && r->root >= 0 &&
	    (root == r->root || (r->cwd >= 0 && cwd == r->cwd)))
		return -ESTALE;
	if ((root >= 0 && (fchdir(root) || chroot(".") || (cwd < 0 && chdir("/")))) ||
	    (cwd >= 0 && fchdir(cwd)))
		return -errno;
	if (root != r->root)
		close(root);
	if (cwd != r->cwd)
		close(cwd);
	return 0;
}

static __attribute__((noreturn)) void become_child(struct resume *r, int control_fd)
{
	struct restorer_args *a = r->restorer;
	int base = r->plan.fd_base, above = r->plan.fd_next;
	long ret;

	/* If it was too late for that, then what is said next finds nobody. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (r->enclosure.numbers || r->enclosure.clocks || r->enclosure.network)
		be_enclosed(r);
	else if (getpid() == parent_pid(r))
		keep_pid(control_fd);
	terminal_enter(r->d);
	if (!r->memory.on_demand)
		say(control_fd, CONTROL_BEGUN);
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
	ret = move_directories(r);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_DIRECTORY, (int)ret);
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
	ret = settings_begin(r->d);
	if (!ret)
		ret = scheduling_begin(r->d);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_SETTING, (int)ret);
	ret = enter_directories(r);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_DIRECTORY, (int)ret);
	if (r->memory.on_demand && r->plan.missing_count) {
		ret = withhold_core(&a->core_withheld);
		if (ret < 0)
			child_fail(a->control_fd, RESTORE_STATE, (int)ret);
	}
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
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
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

/* The first words of a copy are left for whom they are meant, unless they ask for another copy. */
static bool has_same_pid(int control_fd)
{
	struct control_message m;

	return recv(control_fd, &m, sizeof(m), MSG_PEEK) == (ssize_t)sizeof(m) &&
	       m.type == CONTROL_SAME_PID;
}

/* A copy, and the supervisor's end of the pair; or -errno. */
static pid_t start_copy(struct resume *r, int *control_fd)
{
	int pair[2], err = make_pair(pair);
	pid_t pid;

	if (err)
		return err;
	pid = fork();
	if (!pid) {
		close(pair[0]);
		become_child(r, pair[1]);
	}
	if (pid < 0) {
		err = -errno;
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	close(pair[1]);
	*control_fd = pair[0];
	return pid;
}

/* One that has another process id than the parent. */
static pid_t start_other(struct resume *r, int *control_fd)
{
	pid_t first = start_copy(r, control_fd), pid = first;

	if (first < 0 || !has_same_pid(*control_fd))
		return first;
	close(*control_fd);
	pid = start_copy(r, control_fd);
	/* The second one has its number: that of the first may be given to somebody. */
	if (pid < 0 || parent_pid(r) != 1) {
		kill(first, SIGKILL);
		while (waitpid(first, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return pid;
}

static int tell_losses(struct resume *r)
{
	return losses_tell(&r->losses, r->ref->address, r->args->flags & MITOSIS_RESUME_STRICT);
}

/* In namespaces that are there. */
static pid_t start_enclosed(struct resume *r)
{
	struct enclosure *e = &r->enclosure;
	pid_t pid;
	int err;

	if (e->user)
		losses_add(&r->losses,
			   "it is in a user namespace, where files and processes of other users are nobody's "
			   "(65534) and no program gives it rights");
	if (e->numbers)
		draws_lose(r->d, &r->losses);
	err = tell_losses(r);
	if (err) {
		enclosure_close(e);
		return err;
	}
	pid = enclosure_fork(e);
	if (pid < 0)
		log_error("%s: its process cannot be made: %s", r->ref->address, e->why);
	else
		supervise_init(e->init);
	return pid;
}

/* The one or the other; or -errno. */
static pid_t start_one(struct resume *r, int *control_fd)
{
	int pair[2], err = make_pair(pair);
	pid_t pid;

	if (err)
		return err;
	err = enclose(r);
	if (err == ENCLOSURE_CHILD) {
		close(pair[0]);
		become_child(r, pair[1]);
	}
	if (!err && r->enclosure.helper) {
		pid = start_enclosed(r);
		close(pair[1]);
		*control_fd = pair[0];
		if (pid < 0)
			close(pair[0]);
		return pid;
	}
	close(pair[0]);
	close(pair[1]);
	if (!err)
		err = tell_losses(r);
	return err ? err : start_other(r, control_fd);
}

/* They are the child's alone: who is at the other end has to notice when it closes them. */
static void close_inherited(const char *text)
{
	struct inherit list[INHERIT_MAX];
	int count = inherit_parse(list, text);

	for (int i = 0; i < count; i++)
		if (list[i].fd > 2)
			close(list[i].fd);
}

int start_child(struct resume *r)
{
	struct pager_options options = {
		.is_foreign = !r->d->child_state,
		.unforked = descriptor_at(r->d, r->d->unforked),
		.unforked_count = r->d->unforked.count,
		.object = r->ref->address,
		.window = r->args->window,
		.push_percent = r->args->push_percent,
		.timeout_ms = r->args->timeout_ms,
		.push = !(r->args->flags & MITOSIS_RESUME_NO_PUSH),
		.drain_stdin = r->args->flags & MITOSIS_RESUME_DISCARD_STDIN,
		.hot_pages = r->d->hot_pages,
		.record_path = r->args->record,
		.record = &r->record,
		.replay = r->args->replay ? &r->replay : NULL,
		.notify_fd = (int)r->args->notify_fd,
		.source = r->memory.source,
		.socket_fd = -1,
		.place_fd = -1,
		.uffd = -1,
		.backing_fd = r->memory.backing_fd,
		.missing = r->plan.missing,
		.missing_count = r->plan.missing_count,
		.steps = r->plan.steps,
		.step_count = r->plan.step_count,
		.backed = r->plan.backed,
		.backed_count = r->plan.backed_count,
	};
	int control_fd = -1;
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	terminal_take(r->d);
	pid = start_one(r, &control_fd);
	if (pid < 0) {
		terminal_give_back();
		sigprocmask(SIG_SETMASK, &old, NULL);
		return pid;
	}
	terminal_has_child(r->d, pid);
	munmap((void *)r->arena, r->arena_length);
	close_inherited(r->args->inherit_fds);
	for (uint32_t i = 0; i < (uint32_t)(r->plan.fd_next - r->plan.fd_base); i++)
		close(r->plan.fd_base + (int)i);
	if (r->memory.on_demand) {
		options.socket_fd = r->socket_fd;
		options.place_fd = r->place_fd;
		options.uffd = receive_uffd(control_fd);
		if (options.uffd < 0) {
			log_error("%s: cannot resume: userfaultfd: %s", r->ref->address,
				  strerror(-options.uffd));
			publish_undo();
			supervise_kill(pid);
		}
	} else {
		close(r->socket_fd);
	}
	pager_run(pid, control_fd, &options);
}
