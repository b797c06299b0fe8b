// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * prepare.c - mitosis_prepare(): what has to happen before the parent may go on, and nothing else.
 *
 * No allocation, no stdio, no resolver: it may run in a signal handler. Everything that can be read
 * from a copy of the process later is left to the shadow.
 */
#include "api/child.h"
#include "api/log.h"
#include "api/shadows.h"
#include "engine/engine.h"
#include "net/net.h"
#include "pie/blobs.h"
#include "context.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define SHADOWS_MAX 1024
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

/* 0 if this process has one thread: the link count of the task directory is threads + 2. */
static int check_single_threaded(void)
{
	struct stat st;

	/* pthread_join() returns a moment before the kernel has taken the thread off its list. */
	for (int i = 0; i < 100; i++) {
		if (stat("/proc/self/task", &st))
			return -ENOSYS;
		if (st.st_nlink == 3)
			return 0;
		sched_yield();
	}
	return -EBUSY;
}

/*
 * clone(2) with no flags and no exit signal: neither wait(2) nor SIGCHLD will show this process to the
 * program. The C library is bypassed, its fork handlers with it. The shadow's pid or -errno.
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
	if (arch_save(&job->capture.thread.registers, job->capture.extended))
		return 0;
	return shadow_start(job);
}

EXPORT int mitosis_prepare(const struct mitosis_prepare_args *args, char ref[MITOSIS_REF_MAX])
{
	static struct shadow_args job;
	struct mitosis_prepare_args a = MITOSIS_PREPARE_ARGS_INIT;
	const uint64_t all_signals = ~0ULL;
	const struct engine *engine;
	struct timespec now;
	int err, pid, *shadow;
	uint64_t mask;

	if (!ref)
		return -EINVAL;
	if (args) {
		if (args->size < offsetof(struct mitosis_prepare_args, engine) || args->size > sizeof(a))
			return -EINVAL;
		memcpy(&a, args, args->size);
	}
	if (a.flags || (a.label && strlen(a.label) >= MITOSIS_LABEL_MAX) || a.lifetime_s > UINT32_MAX)
		return -EINVAL;
	/* By itself where it can: the reference tells children how to reach the pages. */
	engine = a.engine ? engine_find(a.engine) : engine_default();
	if (!engine)
		return -ENOTSUP;
	err = mitosis_init();
	if (!err)
		err = check_single_threaded();
	if (!err)
		err = child_depend_on_nobody();
	if (err)
		return err;
	reap_shadows();
	shadow = free_shadow();
	if (!shadow)
		return -EAGAIN;

	memset(&job, 0, sizeof(job));
	clock_gettime(CLOCK_MONOTONIC, &now);
	job.created_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	job.lifetime_ns = a.lifetime_s * 1000000000U;
	job.parent_pid = getpid();
	job.control_fd = child_state.is_child ? child_state.control_fd : -1;
	job.device_fd = -1;
	if (a.label)
		strcpy(job.label, a.label);
	uuid_generate_random(job.uuid);
	job.listen_fd = tcp_listen(a.listen, job.address);
	if (job.listen_fd < 0)
		return job.listen_fd;
	err = reference_format(ref, job.address, job.uuid, engine->scheme);
	if (!err)
		err = engine->open(&job);
	if (err) {
		if (job.device_fd >= 0)
			close(job.device_fd);
		close(job.listen_fd);
		return err;
	}
	job.child_state = (uint64_t)&child_state;
	/* One instant: no handler of the program's may open, move or prepare something in between. */
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &mask, 8);
	err = capture_self(&job.capture, mask);
	pid = err ? err : take_snapshot(&job);
	if (!pid) {
		/* A resumed child. Its memory may hold the pids of the parent's shadows. */
		memset(shadows, 0, sizeof(shadows));
		child_settle();
		return 1;
	}
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	if (err == -ENFILE)
		log_error("more than %u open files cannot be noted", CAPTURE_FDS_MAX);
	else if (err)
		log_error("/proc/self/fd: %s (is /proc mounted?)", strerror(-err));
	close(job.listen_fd);
	if (job.device_fd >= 0)
		close(job.device_fd);
	if (pid < 0)
		return pid;
	*shadow = pid;
	return 0;
}
