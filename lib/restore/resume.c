// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * resume.c - mitosis_resume(): turns a reference into a running child.
 *
 * One fork: the caller stays as supervisor and pager, its copy becomes the child. All decisions are
 * made before the fork, where an error can still be reported and undone; the copy only opens its
 * userfaultfd, puts descriptors in their places and jumps into the restorer.
 */
#include "api/log.h"
#include "capture/rseq.h"
#include "engine/engine.h"
#include "format/control.h"
#include "format/workingset.h"
#include "net/net.h"
#include "page/areas.h"
#include "page/pager.h"
#include "pie/blobs.h"
#include "private/resolve.h"
#include "private/uffd.h"
#include "restore/host.h"
#include "restore/plan.h"
#include "restore/restorer.h"
#include "restore/supervise.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_DEFAULT	32u
#define WINDOW_MAX	1024u
#define ARENA_STACK	(64UL << 10)
#define ARENA_MARGIN	(16UL << 20)	/* kept free around it */

struct resume {
	const struct reference *ref;
	const struct mitosis_resume_args *args;
	int socket_fd;
	struct descriptor *d;
	struct plan plan;
	struct child_memory memory;
	struct rlimit files;		/* as it was */
	int cwd;			/* O_PATH; -1: the caller's */
	int *fds;			/* opened for the child, parallel to the descriptor's; -1: dropped */
	uint64_t arena, arena_length;
	struct restorer_args *restorer;
	void *stack_top;
	uint8_t *hot_data;
	struct workingset record, replay;
};

/* A copy at base or above; -1 stays -1, and -errno is why there is none. */
static int move_up(int fd, int base)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, base);

	if (high >= 0 || fd < 0)
		return high;
	return errno == EINVAL ? -EMFILE : -errno;	/* above the limit */
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static int fetch_descriptor(struct resume *r)
{
	struct wire_frame f;
	const char *why;
	int err;

	r->socket_fd = session_open(r->ref, WIRE_FOR_CHILD, r->args->timeout_ms);
	if (r->socket_fd < 0)
		return r->socket_fd;
	err = session_expect(r->socket_fd, r->ref->address, WIRE_DESCRIPTOR, &f);
	if (err)
		return err;
	if (f.length < sizeof(*r->d) || f.length > DESCRIPTOR_MAX || f.pages > DESCRIPTOR_HOT_MAX) {
		log_error("%s: malformed descriptor: impossible length", r->ref->address);
		return -EPROTO;
	}
	r->d = malloc(f.length);
	if (!r->d)
		return -ENOMEM;
	err = session_read(r->socket_fd, r->d, f.length);
	if (err) {
		log_error("%s: connection lost: %s", r->ref->address, strerror(-err));
		return err;
	}
	err = descriptor_check(r->d, f.length, &why);
	if (!err && r->d->hot_pages != f.pages) {
		why = "wrong number of hot pages";
		err = -EPROTO;
	}
	if (err)
		log_error("%s: malformed descriptor: %s", r->ref->address, why);
	return err;
}

/* The same file, as far as this host can tell? */
static bool fd_is_same(const struct descriptor_fd *f, const struct stat *st)
{
	if (S_ISCHR(f->mode))
		return S_ISCHR(st->st_mode);
	if ((f->mode & S_IFMT) != (st->st_mode & S_IFMT))
		return false;
	if (st->st_dev == f->device && st->st_ino == f->inode)
		return true;
	if (S_ISDIR(f->mode))
		return true;
	return (uint64_t)st->st_size == f->size &&
	       st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec == f->mtime_ns;
}

static bool is_memory_device(const char *path)
{
	static const char *const names[] = {
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(path, names[i]))
			return true;
	return false;
}

/* -ENOENT: what the parent had cannot be had here. */
static int reopen(struct resume *r, const struct descriptor_fd *f, const char *path)
{
	const int not_again = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW;
	struct stat st;
	int fd, high;

	if (!S_ISREG(f->mode) && !S_ISDIR(f->mode) && !is_memory_device(path))
		return -ENOENT;
	fd = open(path, ((int)f->open_flags & ~not_again) | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	if (fstat(fd, &st) || !fd_is_same(f, &st) ||
	    (S_ISREG(f->mode) && lseek(fd, (off_t)f->position, SEEK_SET) < 0)) {
		close(fd);
		return -ENOENT;
	}
	high = move_up(fd, r->plan.fd_next);
	close(fd);
	if (high >= 0)
		r->plan.fd_next = high + 1;
	return high;
}

static int reopen_files(struct resume *r)
{
	const struct descriptor_fd *f = descriptor_at(r->d, r->d->fds);
	char dropped[512] = "";
	size_t used = 0;

	r->fds = calloc(r->d->fds.count + 1, sizeof(*r->fds));
	if (!r->fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->d->fds.count; i++) {
		const char *path = descriptor_string(r->d, f[i].path);

		r->fds[i] = reopen(r, &f[i], path);
		if (r->fds[i] < 0 && r->fds[i] != -ENOENT) {
			log_error("%s: %s: %s", r->ref->address, path, strerror(-r->fds[i]));
			return r->fds[i];
		}
		if (r->fds[i] < 0 && used < sizeof(dropped) - 1) {
			int n = snprintf(dropped + used, sizeof(dropped) - used, "%s%u (%.100s)", used ? ", " : "",
					 f[i].fd, path);

			used += n > 0 ? (size_t)n : 0;
		}
	}
	if (!used)
		return 0;
	if (r->args->flags & MITOSIS_RESUME_STRICT) {
		log_error("%s: open descriptors of the parent cannot be had here: %s", r->ref->address, dropped);
		return -ENOTSUP;
	}
	log_warning("%s: closed in the child: %s", r->ref->address, dropped);
	return 0;
}

/* The parent's descriptors keep their numbers, and what else is needed goes above; the child's limit is the parent's. */
static void raise_limit(struct resume *r)
{
	struct rlimit most = r->files;

	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
}

/* Relative names must not mean other files than they did. */
static int open_directory(struct resume *r)
{
	const char *path = descriptor_string(r->d, r->d->cwd);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* Found is not entered: that needs the permission to look something up in it. */
	if (fd >= 0) {
		int inside = openat(fd, ".", O_PATH | O_CLOEXEC);

		close(fd);
		fd = inside;
	}
	if (fd >= 0) {
		r->cwd = move_up(fd, r->plan.fd_next);
		close(fd);
		if (r->cwd < 0) {
			log_error("%s: %s: %s", r->ref->address, path, strerror(-r->cwd));
			return r->cwd;
		}
		r->plan.fd_next = r->cwd + 1;
		return 0;
	}
	if (r->args->flags & MITOSIS_RESUME_STRICT) {
		log_error("%s: the parent's working directory %s: %s", r->ref->address, path, strerror(errno));
		return -ENOTSUP;
	}
	log_warning("%s: the child is not in the parent's working directory %s: %s", r->ref->address, path,
		    strerror(errno));
	return 0;
}

static int seccomp_filters(const char *line, void *data)
{
	unsigned int *count = data;

	sscanf(line, "Seccomp_filters: %u", count);
	return 0;
}

/* A process that was confined is not let loose without a word. */
static int check_confinement(const struct resume *r)
{
	unsigned int here = 0;
	int err = areas_lines("/proc/self/status", seccomp_filters, &here);

	if (err) {
		log_error("/proc/self/status: %s", strerror(-err));
		return err;
	}
	if (r->d->seccomp_filters <= here)
		return 0;
	if (r->args->flags & MITOSIS_RESUME_STRICT) {
		log_error("%s: the parent is confined by seccomp filters (%u, here %u)", r->ref->address,
			  r->d->seccomp_filters, here);
		return -ENOTSUP;
	}
	log_warning("%s: the child is not confined by the parent's seccomp filters (%u, here %u)", r->ref->address,
		    r->d->seccomp_filters, here);
	return 0;
}

static bool hole_is_free(const struct descriptor *d, uint64_t start, uint64_t length)
{
	const struct descriptor_vma *v = descriptor_at(d, d->vmas);

	for (uint32_t i = 0; i < d->vmas.count; i++)
		if (v[i].start < start + length + ARENA_MARGIN && v[i].end + ARENA_MARGIN > start)
			return false;
	return true;
}

/* An address range that is free in the parent's memory and in ours. */
static int map_arena(struct resume *r)
{
	int err = ENOMEM;

	for (uint64_t at = 1ULL << 36; at + r->arena_length < 1ULL << 46; at += 1ULL << 32) {
		void *got;

		if (!hole_is_free(r->d, at, r->arena_length))
			continue;
		got = mmap((void *)at, r->arena_length, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
		if (got == (void *)at) {
			r->arena = at;
			return 0;
		}
		if (got != MAP_FAILED) {
			munmap(got, r->arena_length);
		} else if (errno != EEXIST) {
			/* EACCES, EPERM: memory that is writable and executable is forbidden here. */
			err = errno;
			break;
		}
	}
	log_error("%s: no memory for the restorer: %s", r->ref->address, strerror(err));
	return -err;
}

static void *carve(uint64_t *at, uint64_t bytes)
{
	void *got = (void *)*at;

	*at += (bytes + 63) & ~63ULL;
	return got;
}

static void *carve_copy(uint64_t *at, const void *from, uint64_t bytes)
{
	void *got = carve(at, bytes);

	memcpy(got, from, bytes);
	return got;
}

/* The arena: code, stack, arguments, descriptor, plan, hot pages. */
static int build_arena(struct resume *r)
{
	uint64_t code = (uint64_t)(mitosis_restorer_blob_end - mitosis_restorer_blob);
	const struct descriptor *d = r->d;
	uint64_t hot = d->hot_pages * PAGE_BYTES, at;
	struct restorer_args *a;
	int err;

	r->arena_length = page_up(code) + ARENA_STACK +
		page_up(sizeof(*a) + d->length + r->plan.step_count * sizeof(struct map_step) +
			(r->plan.missing_count + r->plan.backed_count) * sizeof(struct descriptor_extent) + 1024) + hot;
	err = map_arena(r);
	if (err)
		return err;
	memcpy((void *)r->arena, mitosis_restorer_blob, code);
	at = r->arena + page_up(code) + ARENA_STACK;
	r->stack_top = (void *)at;
	a = carve(&at, sizeof(*a));
	*a = (struct restorer_args){
		.arena = r->arena, .arena_length = r->arena_length,
		.step_count = r->plan.step_count, .hot_count = d->hot.count,
		.missing_count = r->plan.missing_count, .auxv_bytes = d->auxv.count * 8,
		.uffd = -1, .socket_fd = -1, .remote_fd = -1, .exe_fd = r->plan.exe_fd, .supervisor = getpid(),
	};
	a->descriptor = carve_copy(&at, d, d->length);
	a->steps = carve_copy(&at, r->plan.steps, r->plan.step_count * sizeof(struct map_step));
	a->missing = carve_copy(&at, r->plan.missing, r->plan.missing_count * sizeof(struct descriptor_extent));
	a->is_remote = r->memory.backing_fd >= 0;
	if (r->memory.populate) {
		a->populate = carve_copy(&at, r->plan.backed, r->plan.backed_count * sizeof(struct descriptor_extent));
		a->populate_count = r->plan.backed_count;
	}
	a->hot = descriptor_at(a->descriptor, d->hot);
	a->guards = descriptor_at(a->descriptor, d->guards);
	a->auxv = descriptor_at(a->descriptor, d->auxv);
	a->hot_data = (void *)page_up(at);
	r->restorer = a;
	err = session_read(r->socket_fd, (void *)a->hot_data, hot);
	if (err)
		log_error("%s: connection lost: %s", r->ref->address, strerror(-err));
	return err;
}

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
	long ret = 0;

	if (length)
		ret = sys(SYS_rseq, rseq_address(mitosis_fs_base()), length, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	if (ret < 0)
		child_fail(control_fd, RESTORE_RSEQ, (int)ret);
}

static __attribute__((noreturn)) void become_child(struct resume *r, int control_fd, int supervisor)
{
	const struct descriptor_fd *f = descriptor_at(r->d, r->d->fds);
	struct restorer_args *a = r->restorer;
	int base = r->plan.fd_base, above = r->plan.fd_next;
	long ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(125);
	a->control_fd = move_up(control_fd, above);
	if (a->control_fd < 0)
		child_fail(control_fd, RESTORE_FILES, a->control_fd);
	a->remote_fd = move_up(r->memory.backing_fd, above);
	if (a->is_remote && a->remote_fd < 0)
		child_fail(a->control_fd, RESTORE_FILES, a->remote_fd);
	if (r->memory.on_demand) {
		int uffd = uffd_open();

		a->uffd = uffd < 0 ? uffd : move_up(uffd, above);
		if (a->uffd < 0)
			child_fail(control_fd, RESTORE_REGISTER, a->uffd);
		send_uffd(a->control_fd, a->uffd);
	} else if (r->plan.missing_count) {
		a->socket_fd = move_up(r->socket_fd, above);
		if (a->socket_fd < 0)
			child_fail(a->control_fd, RESTORE_FILES, a->socket_fd);
	}
	if (r->args->flags & MITOSIS_RESUME_DISCARD_STDIN) {
		int null = open("/dev/null", O_RDONLY);

		if (null < 0 || dup2(null, 0) < 0)
			child_fail(a->control_fd, RESTORE_FILES, -errno);
	}
	ret = sys(SYS_close_range, 3, base - 1, 0);
	if (ret < 0)
		child_fail(a->control_fd, RESTORE_FILES, (int)ret);
	for (uint32_t i = 0; i < r->d->fds.count; i++)
		if (r->fds[i] >= 0 &&
		    dup3(r->fds[i], (int)f[i].fd, (int)f[i].open_flags & O_CLOEXEC) < 0)
			child_fail(a->control_fd, RESTORE_FILES, -errno);
	a->close_from = (uint32_t)base;
	a->close_to = (uint32_t)above;
	if (a->exe_fd >= 0) {
		a->exe_fd = move_up(a->exe_fd, above);
		if (a->exe_fd < 0)
			child_fail(a->control_fd, RESTORE_FILES, a->exe_fd);
	}
	if (r->cwd >= 0 && fchdir(r->cwd))
		child_fail(a->control_fd, RESTORE_DIRECTORY, -errno);
	unregister_rseq(a->control_fd);
	sys(SYS_set_robust_list, 0, 24);
	sys(SYS_set_tid_address, 0);
	mitosis_stack_switch(r->stack_top, (void (*)(void *))r->arena, a);
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

static int start(struct resume *r)
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
	int pair[2], supervisor = getpid();
	sigset_t all, old;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (!pid) {
		close(pair[0]);
		become_child(r, pair[1], supervisor);
	}
	if (pid < 0) {
		int err = -errno;

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

/* The files of working sets, before anything is started. */
static int working_sets(struct resume *r)
{
	r->record.program = workingset_program(r->d);
	r->record.layout = workingset_layout(r->d);
	if (r->args->record)
		return workingset_can_write(r->args->record);
	if (r->args->replay) {
		int err = workingset_read_for(&r->replay, r->args->replay, r->d);

		if (err)
			return err;
		workingset_merge(&r->replay);
	}
	return 0;
}

static int resume(const struct engine *engine, const struct reference *ref, const struct mitosis_resume_args *args)
{
	struct resume r = {
		.ref = ref, .args = args, .socket_fd = -1, .memory = { .backing_fd = -1 }, .cwd = -1,
	};
	int err = getrlimit(RLIMIT_NOFILE, &r.files) ? -errno : fetch_descriptor(&r);

	if (!err)
		err = host_check(r.d, ref->address);
	if (!err)
		err = check_confinement(&r);
	if (!err)
		err = working_sets(&r);
	if (!err)
		err = engine->memory(&r.memory, ref, r.d, args);
	if (!err)
		raise_limit(&r);
	if (!err)
		err = plan_make(&r.plan, r.d, ref->address, &r.memory);
	if (!err) {
		err = reopen_files(&r);
		if (!err)
			err = open_directory(&r);
		if (!err)
			err = build_arena(&r);
		if (!err)
			err = start(&r);
		if (r.arena)
			munmap((void *)r.arena, r.arena_length);
		plan_free(&r.plan);
	}
	if (r.socket_fd >= 0)
		close(r.socket_fd);
	if (r.memory.backing_fd >= 0)
		close(r.memory.backing_fd);
	workingset_free(&r.replay);
	free(r.fds);
	free(r.d);
	/* Only a failure comes back here. */
	if (r.files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &r.files);
	return err;
}

EXPORT int mitosis_resume(const char *text, const struct mitosis_resume_args *args)
{
	struct mitosis_resume_args a = MITOSIS_RESUME_ARGS_INIT;
	struct sockaddr_storage list[RESOLVE_MAX];
	const struct engine *engine;
	struct reference ref;
	int err;

	if (args) {
		if (args->size < offsetof(struct mitosis_resume_args, engine) || args->size > sizeof(a))
			return -EINVAL;
		memcpy(&a, args, args->size);
	}
	if (!a.window)
		a.window = WINDOW_DEFAULT;
	if (!a.push_percent)
		a.push_percent = 100;
	if (!a.timeout_ms)
		a.timeout_ms = SESSION_TIMEOUT_MS;
	if (a.window > WINDOW_MAX || a.push_percent > 100 || a.mode > MITOSIS_MODE_EAGER ||
	    a.flags & ~(uint32_t)(MITOSIS_RESUME_STRICT | MITOSIS_RESUME_NO_PUSH | MITOSIS_RESUME_DISCARD_STDIN |
				MITOSIS_RESUME_PRIVATE | MITOSIS_RESUME_POLL))
		return -EINVAL;
	if (a.reserved || a.reserved2 || (a.record && a.replay))
		return -EINVAL;
	if (a.record) {
		if (a.mode == MITOSIS_MODE_EAGER) {
			log_error("%s: nothing can be recorded when all memory is fetched before the start", a.record);
			return -EINVAL;
		}
		a.window = 1;
		a.flags |= MITOSIS_RESUME_NO_PUSH;
	}
	err = reference_parse(&ref, text);
	if (err) {
		log_error("not a reference: expected mitosis://HOST:PORT/UUID");
		return err;
	}
	if (a.addresses && resolve_list(a.addresses, ref.port, list) < 0) {
		log_error("%s: not a list of addresses: expected ADDRESS[,ADDRESS...], and no names", a.addresses);
		return -EINVAL;
	}
	ref.addresses = a.addresses;
	engine = a.engine ? engine_find(a.engine) : engine_of(&ref);
	if (!engine)
		return -ENOTSUP;
	return resume(engine, &ref, &a);
}
