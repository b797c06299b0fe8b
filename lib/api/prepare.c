// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * prepare.c - mitosis_prepare(): what has to happen before the parent may go on, and nothing else.
 *
 * No allocation, no stdio, no resolver: it may run in a signal handler. Everything that can be read
 * from a copy of the process later is left to the shadow.
 */
#include "api/child.h"
#include "api/job.h"
#include "api/log.h"
#include "api/shadows.h"
#include "capture/hold.h"
#include "capture/memory.h"
#include "capture/tracer.h"
#include "engine/engine.h"
#include "net/net.h"
#include "pie/blobs.h"
#include "context.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define SHADOWS_MAX 1024
#define COPY_BYTES_DEFAULT	(256U << 20)
/*
 * Shadows have no exit signal, so that the program's wait() never sees one; a shadow that ended
 * before its parent stays a zombie until the library waits for it here.
 */
static int shadows[SHADOWS_MAX];

static void reap_shadows(void)
{
	for (int i = 0; i < SHADOWS_MAX; i++)
		if (shadows[i] && waitpid(shadows[i], NULL, __WCLONE | WNOHANG))
			shadows[i] = 0;
}

void shadow_reap(int pid)
{
	for (int i = 0; i < SHADOWS_MAX; i++) {
		if (shadows[i] != pid)
			continue;
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			;
		shadows[i] = 0;
	}
}

/* A place for one more, or NULL. */
static int *free_shadow(void)
{
	for (int i = 0; i < SHADOWS_MAX; i++)
		if (!shadows[i])
			return &shadows[i];
	return NULL;
}

/*
 * How many threads this process has: the link count of the task directory is that + 2. Or -errno.
 */
static int count_threads(void)
{
	struct stat st;

	/* pthread_join() returns a moment before the kernel has taken the thread off its list. */
	for (int i = 0; i < 100; i++) {
		if (stat("/proc/self/task", &st)) {
			int err = -errno;

			log_error("/proc/self/task: %s (is /proc mounted?)", strerrordesc_np(-err));
			return err;
		}
		if (st.st_nlink == 3)
			break;
		sched_yield();
	}
	return (int)st.st_nlink - 2;
}

/*
 * clone(2) with no flags and no exit signal: neither wait(2) nor SIGCHLD will show this process to
 * the program. The C library is bypassed, its fork handlers with it. The shadow's pid or -errno.
 */
static int shadow_start(struct shadow_args *job)
{
	long pid = sys(SYS_clone, 0, 0, 0, 0, 0);

	if (!pid)
		((void (*)(const struct shadow_args *))mitosis_shadow_blob)(job);
	return (int)pid;
}

/* Returns once here with the shadow's pid or -errno, and once in each child with 0. */
static int take_snapshot(struct shadow_args *job)
{
	int pid;

	if (arch_save(capture_self_registers(), capture_self_extended()))
		return 0;
	pid = shadow_start(job);
	if (pid < 0 || !memory_is_missing(&job->capture, pid))
		return pid;
	/* Once more, with what is marked MADV_DONTFORK. */
	if (memory_share(&job->capture)) {
		sys(SYS_kill, pid, SIGKILL);
		while (sys(SYS_wait4, pid, 0, __WCLONE, 0) == -EINTR)
			;
		/* The first one's byte does not count for the second. */
		if (job->held_fd[0] >= 0) {
			sys(SYS_close, job->held_fd[0]);
			sys(SYS_close, job->held_fd[1]);
			hold_open(job->held_fd);
		}
		pid = shadow_start(job);
		memory_keep(&job->capture);
	}
	return pid;
}

int job_open(struct shadow_args *job, const struct mitosis_prepare_args *args,
	     char ref[MITOSIS_REF_MAX])
{
	struct mitosis_prepare_args a = MITOSIS_PREPARE_ARGS_INIT;
	const struct engine *engine;
	struct timespec now;
	int err;

	if (!ref)
		return -EINVAL;
	if (args) {
		if (args->size < offsetof(struct mitosis_prepare_args, engine) ||
		    args->size > sizeof(a))
			return -EINVAL;
		memcpy(&a, args, args->size);
	}
	if (a.flags || (a.label && strlen(a.label) >= MITOSIS_LABEL_MAX) ||
	    a.lifetime_s > UINT32_MAX)
		return -EINVAL;
	/* By itself where it can: the reference tells children how to reach the pages. */
	engine = a.engine ? engine_find(a.engine) : engine_default();
	if (!engine)
		return -ENOTSUP;
	memset(job, 0, sizeof(*job));
	clock_gettime(CLOCK_MONOTONIC, &now);
	job->created_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	job->lifetime_ns = a.lifetime_s * 1000000000U;
	job->copy_bytes = a.copy_bytes ? a.copy_bytes : COPY_BYTES_DEFAULT;
	job->control_fd = -1;
	job->device_fd = -1;
	job->parent_fd = -1;
	job->outcome_fd = -1;
	job->held_fd[0] = job->held_fd[1] = -1;
	if (a.label)
		strcpy(job->label, a.label);
	uuid_generate_random(job->uuid);
	job->listen_fd = tcp_listen(a.listen, job->address);
	if (job->listen_fd < 0)
		return job->listen_fd;
	err = reference_format(ref, job->address, job->uuid, engine->scheme);
	if (!err)
		err = engine->open(job);
	if (err)
		job_close(job);
	return err;
}

void job_close(struct shadow_args *job)
{
	close(job->listen_fd);
	if (job->device_fd >= 0)
		close(job->device_fd);
	if (job->parent_fd >= 0)
		close(job->parent_fd);
	if (job->outcome_fd >= 0)
		close(job->outcome_fd);
}

/* Here and in each child: as mitosis_prepare() returns. */
static int in_child(void)
{
	/* Its memory may hold the pids of the parent's shadows. */
	memset(shadows, 0, sizeof(shadows));
	child_state.is_new = IS_UNKNOWN;
	child_settle();
	child_begin();
	return 1;
}

/* ---- a program with one thread ---- */

static int prepare_alone(struct shadow_args *job)
{
	const uint64_t all_signals = ~0ULL;
	uint64_t mask;
	int err, pid;

	/*
	 * One instant: no handler of the program's may open, move or prepare something in between.
	 */
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &mask, 8);
	err = capture_self(&job->capture, mask);
	memory_note(&job->capture);
	/* Without it the shadow copies nothing, and names what a child cannot have. */
	if (!err && job->capture.has_nameless)
		hold_open(job->held_fd);
	pid = err ? err : take_snapshot(job);
	if (!pid)
		return in_child();
	hold_await(job->held_fd, pid > 0, job->copy_bytes);
	capture_done(&job->capture);
	memory_done(&job->capture);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	if (err == -ENFILE)
		log_error("more than %u open files cannot be noted", CAPTURE_FDS_MAX);
	else if (err == -EPERM)
		log_error(
			"this process is not dumpable, as after a change of its user: prctl(PR_SET_DUMPABLE, 1) allows it");
	else if (err == -ENOMEM || err == -EMFILE)
		log_error("open files cannot be noted: %s%s", strerrordesc_np(-err),
			  err == -EMFILE ? " (see ulimit -n)" : "");
	else if (err)
		log_error("/proc/self/fd: %s (is /proc mounted?)", strerrordesc_np(-err));
	if (pid < 0)
		return pid;
	*free_shadow() = pid;
	return 0;
}

/* ---- a program with several ---- */

#define TRACER_STACK	(128u << 10)

struct threaded {
	struct trace_request request;
	int32_t go;			/* a futex */
};

/* False: the process has ended. Nothing wakes us then: we have its memory, but not its signals. */
static bool await(int32_t *word, int pidfd)
{
	const struct timespec now = { 0 }, soon = { .tv_nsec = 50000000 };
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE)) {
		if (sys(SYS_ppoll, &p, 1, &now, 0, 0) > 0)
			return false;
		sys(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &soon);
	}
	return true;
}

static void tell(int32_t *word, int32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	sys(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

static void tracer_main(void *arg)
{
	struct threaded *t = arg;

	/* Not before the process has said that we may trace it, if it lives to do so. */
	if (await(&t->go, t->request.job->parent_fd))
		tracer_run(&t->request);
	sys(SYS_exit, 0);
}

/*
 * A tracer stops all threads, this one included. It shares our memory, since another copy of it
 * would take as long as the snapshot itself, but has descriptors of its own.
 */
static int prepare_threaded(struct shadow_args *job, unsigned int threads)
{
	struct threaded t = {
		.request = { .pid = getpid(), .threads = threads, .is_caller = true, .job = job,
			     .outcome = { .err = -ECANCELED, .why = "its tracer was killed" } }
	};
	const uint64_t all_signals = ~0ULL;
	uint64_t mask;
	void *stack;
	int err;
	long tracer;

	job->parent_fd = (int)sys(SYS_pidfd_open, getpid(), 0);
	if (job->parent_fd < 0) {
		log_error("this process: it cannot be watched (pidfd_open): %s",
			  strerrordesc_np(-job->parent_fd));
		return job->parent_fd;
	}
	err = workspace_open(&t.request.memory, threads);
	if (err) {
		log_error("this process: no room for a tracer's %zu MiB of memory (see ulimit -d and -v): %s",
			  t.request.memory.bytes >> 20, strerrordesc_np(-err));
		return err;
	}
	stack = workspace_take(&t.request.memory, TRACER_STACK);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &mask, 8);
	tracer = arch_thread(CLONE_VM | CLONE_FS, (char *)stack + TRACER_STACK, tracer_main, &t);
	if (tracer >= 0) {
		/*
		 * Where only ancestors may trace a process (Yama); elsewhere it is not known, and
		 * not needed.
		 */
		prctl(PR_SET_PTRACER, tracer, 0, 0, 0);
		tell(&t.go, 1);
		/* Until it has ended, however. A child has no such process, and goes on at once. */
		while (waitpid((pid_t)tracer, NULL, __WCLONE) < 0 && errno == EINTR)
			;
		if (child_state.is_new == IS_CHILD) {
			sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
			return in_child();
		}
		prctl(PR_SET_PTRACER, 0, 0, 0, 0);
	}
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	err = tracer < 0 ? (int)tracer : t.request.outcome.err;
	if (tracer < 0)
		log_error("this process: no thread can be made to trace it (see ulimit -u): %s",
			  strerrordesc_np(-err));
	else if (err)
		log_error("this process: %s", t.request.outcome.why);
	workspace_close(&t.request.memory);
	return err;
}

static int prepare(const struct mitosis_prepare_args *args, char ref[MITOSIS_REF_MAX])
{
	static struct shadow_args job;
	int err, threads = count_threads();

	if (threads < 0)
		return threads;
	reap_shadows();
	if (!free_shadow())
		return -EAGAIN;
	err = job_open(&job, args, ref);
	if (err)
		return err;
	job.parent_pid = getpid();
	job.control_fd = child_state.is_child ? child_state.control_fd : -1;
	job.child_state = (uint64_t)&child_state;
	job.entry = (uint64_t)&mitosis_child_entry;
	child_state.is_new = IS_UNKNOWN;
	err = threads > 1 ? prepare_threaded(&job, (unsigned int)threads) : prepare_alone(&job);
	if (err < 1)
		job_close(&job);
	return err;
}

EXPORT int mitosis_prepare(const struct mitosis_prepare_args *args, char ref[MITOSIS_REF_MAX])
{
	int err = mitosis_init();
	uint64_t ran;

	if (!err)
		err = child_depend_on_nobody();
	if (err)
		return err;
	ran = parent_before();
	err = prepare(args, ref);
	if (err < 1)
		parent_after(ran);
	return err;
}
