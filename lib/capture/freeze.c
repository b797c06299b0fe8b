// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * freeze.c - a whole process stands still.
 *
 * Threads that are not stopped yet may make others, so the list of threads is read until nothing
 * new is on it. A thread may also be where nothing can stop it (a vfork(2) that waits for its
 * child, a disk): after a deadline everyone is let go, and it is tried again a little later.
 */
#include "capture/freeze.h"
#include "capture/borrow.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pie/numbers.h"
#include "trace.h"

#define DEADLINE_NS	20000000
#define ATTEMPTS	8
#define PAUSE_NS	5000000		/* doubled each time */
#define VDSO_MAX	(64u << 10)

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool known(const struct frozen *f, int tid)
{
	for (uint32_t i = f->count; i-- > 0;)
		if (f->threads[i].tracee.tid == tid)
			return true;
	return false;
}

/* What /proc says of a thread, without its end of line; "" if there is nothing. */
static void read_word(const struct frozen *f, int tid, const char *name, char *to, size_t room)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", f->pid, tid, name);
	proc_read(path, to, room);
	to[strcspn(to, "\n")] = '\0';
}

/* The state as stat(5) tells it: 'Z' a zombie, 'D' not to be interrupted. */
static char state_of(const struct frozen *f, int tid)
{
	char text[512], *end;

	read_word(f, tid, "stat", text, sizeof(text));
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

/*
 * Is it a thread of the kernel's, which works for the process (io_uring, vhost)? It can be traced,
 * but never stops, nor can it be let go then.
 */
static bool is_worker(const struct frozen *f, int tid)
{
	/* PF_IO_WORKER, PF_USER_WORKER */
	const unsigned int io_worker = 0x10, user_worker = 0x4000;
	unsigned int flags = 0;
	char text[512], *end;

	read_word(f, tid, "stat", text, sizeof(text));
	end = strrchr(text, ')');
	return end && sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       flags & (io_worker | user_worker);
}

int freeze_refuse(struct frozen *f, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->why, sizeof(f->why), format, ap);
	va_end(ap);
	return err;
}

int freeze_refuse_dispatch(struct frozen *f, int tid)
{
	return freeze_refuse(f, -EOPNOTSUPP, "thread %d uses syscall user dispatch", tid);
}

/* Trace one more and ask it to stop. 1: it is on its way out, leave it alone. */
static int seize(struct frozen *f, int tid)
{
	int options = PTRACE_O_TRACESYSGOOD | (f->confined ? PTRACE_O_SUSPEND_SECCOMP : 0);
	struct frozen_thread *t = &f->threads[f->count];

	if (f->count == f->room)
		return freeze_refuse(f, -EBUSY, "it makes threads faster than they can be stopped");
	if (is_worker(f, tid))
		return freeze_refuse(f, -EBUSY,
				     "thread %d is the kernel's own (of io_uring or vhost): it cannot be stopped",
				     tid);
	*t = (struct frozen_thread){
		.tracee = { .tid = tid, .options = options, .is_first = tid == f->pid },
	};
	if (ptrace(PTRACE_SEIZE, tid, 0, options)) {
		int err = errno;
		char state = state_of(f, tid);

		if (err == ESRCH || ((state == 'Z' || state == 'X' || !state) && tid != f->pid))
			return 1;
		if (state == 'Z') {
			t->gone = true;
			f->count++;
			return 0;
		}
		if (f->confined && err == EPERM)
			return freeze_refuse(f, -EPERM,
					     "thread %d has seccomp filters, which only a privileged user "
					     "(CAP_SYS_ADMIN) may suspend",
					     tid);
		return freeze_refuse(f, -err, "thread %d cannot be traced: %s", tid, strerror(err));
	}
	f->count++;
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) && errno != ESRCH)
		return freeze_refuse(f, -errno, "thread %d cannot be stopped: %s", tid,
				     strerror(errno));
	return 0;
}

static void forget(struct frozen *f, uint32_t i)
{
	memmove(&f->threads[i], &f->threads[i + 1], (f->count - i - 1) * sizeof(f->threads[0]));
	f->count--;
}

/*
 * Is there something to hear of the thread, by then? SIGCHLD, which is blocked, tells of it.
 * -ECHILD: it is gone.
 */
static int await_news(const struct frozen *f, int tid, int64_t deadline)
{
	sigset_t news;

	sigemptyset(&news);
	sigaddset(&news, SIGCHLD);
	for (;;) {
		siginfo_t info = { 0 };
		int64_t left = deadline - now();
		struct timespec patience = { .tv_nsec = left > 1000000 ? 1000000 : left };

		/* WNOWAIT: looks only. */
		if (waitid(P_PID, (id_t)tid, &info,
			   WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL))
			return -errno;
		if (info.si_pid)
			return 0;
		if (left <= 0)
			return -EBUSY;
		if (f->meanwhile)
			f->meanwhile(f->data);
		sigtimedwait(&news, NULL, &patience);
	}
}

/*
 * Wait for all that do not stand still yet. -EBUSY: the deadline has passed, for the thread that
 * .why names; of those behind it, too, it is known who stands still.
 */
static int await_stops(struct frozen *f, int64_t deadline)
{
	bool late = false;

	for (uint32_t i = 0; i < f->count;) {
		struct frozen_thread *t = &f->threads[i];
		int err;

		if (t->gone || t->stands) {
			i++;
			continue;
		}
		err = await_news(f, t->tracee.tid, late ? 0 : deadline);
		/* Of a first thread that has ended nobody is told while others go on. */
		if (err == -EBUSY && t->tracee.tid == f->pid && tracee_has_ended(f->pid))
			err = -ESRCH;
		if (err == -EBUSY) {
			const char *in = freeze_sleep(f, t->tracee.tid);

			if (!late)
				freeze_refuse(f, err, "thread %d does not stop (it is in %s)",
					      t->tracee.tid,
					      in[0] && in[0] != '0' ? in : "the kernel");
			late = true;
			i++;
			continue;
		}
		if (!err)
			err = tracee_await_stop(&t->tracee);
		if (err == -ECHILD)
			err = -ESRCH;
		if (err == -ESRCH && t->tracee.tid != f->pid) {
			forget(f, i);
			continue;
		}
		if (err == -ESRCH) {
			/*
			 * The first thread has ended just now; the process goes on while it has
			 * others.
			 */
			t->gone = true;
			err = 0;
		}
		if (err)
			return freeze_refuse(f, err, "thread %d cannot be stopped: %s",
					     t->tracee.tid, strerror(-err));
		t->stands = !t->gone;
		i++;
	}
	return late ? -EBUSY : 0;
}

/* While everyone runs: once a thread is stopped this cannot be seen any more. */
static void note_sleeps(struct frozen *f)
{
	struct numbers list;
	char path[40];
	int tid;

	snprintf(path, sizeof(path), "/proc/%d/task", f->pid);
	f->sleep_count = 0;
	if (numbers_open(&list, path))
		return;
	while (f->sleep_count < f->room && (tid = numbers_next(&list)) >= 0) {
		struct frozen_sleep *sleep = &f->sleeps[f->sleep_count++];

		sleep->tid = tid;
		read_word(f, tid, "wchan", sleep->in, sizeof(sleep->in));
	}
	numbers_close(&list);
}

const char *freeze_sleep(const struct frozen *f, int tid)
{
	for (uint32_t i = 0; i < f->sleep_count; i++)
		if (f->sleeps[i].tid == tid)
			return f->sleeps[i].in;
	return "";
}

/* The thread that the process is named by. */
static void put_first(struct frozen *f)
{
	for (uint32_t i = 1; i < f->count; i++) {
		struct frozen_thread first = f->threads[0];

		if (f->threads[i].tracee.tid != f->pid)
			continue;
		f->threads[0] = f->threads[i];
		f->threads[i] = first;
	}
}

/* Everyone, once. */
static int stop_all(struct frozen *f)
{
	int64_t deadline = now() + DEADLINE_NS;
	char path[40];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", f->pid);
	for (uint32_t before = ~0U; !err && before != f->count;) {
		struct numbers list;
		int tid;

		if (numbers_open(&list, path))
			return freeze_refuse(f, -ESRCH, "it has ended");
		before = f->count;
		while (err >= 0 && (tid = numbers_next(&list)) >= 0)
			if (!known(f, tid))
				err = seize(f, tid);
		numbers_close(&list);
		if (err > 0)
			err = 0;
		if (!err)
			err = await_stops(f, deadline);
	}
	put_first(f);
	for (f->first = 0; !err && f->first < f->count && f->threads[f->first].gone;)
		f->first++;
	if (!err && f->first == f->count)
		return freeze_refuse(f, -ESRCH, "it has ended");
	return err;
}

/* All signals that are on their way to a thread. */
static uint64_t queued(int tid)
{
	return tracee_queued(tid, false) | tracee_queued(tid, true);
}

/* Its call goes on as if nothing had been: see trace_resume_parent(). */
static void continue_call(const struct frozen *f, const struct frozen_thread *t)
{
	struct arch_registers r;
	uint64_t mask = 0;

	if (tracee_registers(&t->tracee, &r) ||
	    ptrace(PTRACE_GETSIGMASK, t->tracee.tid, sizeof(mask), &mask))
		return;
	trace_resume_parent(&r, queued(t->tracee.tid) & ~mask & f->caught);
	/* The mask of such as ppoll(2), which the call sets anew, holds until then otherwise. */
	ptrace(PTRACE_SETSIGMASK, t->tracee.tid, sizeof(mask), &mask);
	tracee_set_registers(&t->tracee, &r);
}

/* One that was killed as it stood still: the end of its process is held up until it is heard. */
static void hear_end(const struct frozen *f, const struct frozen_thread *t, int err)
{
	if (err != -ESRCH || t->tracee.tid == f->pid)
		return;
	tracee_await_end(t->tracee.tid);
}

/*
 * Those that stand still go on; the others are on the list still, since they may stop at any time.
 */
static void let_go(struct frozen *f)
{
	for (uint32_t i = 0; i < f->count;) {
		if (f->threads[i].stands) {
			continue_call(f, &f->threads[i]);
			hear_end(f, &f->threads[i], tracee_release(&f->threads[i].tracee));
		}
		if (f->threads[i].stands || f->threads[i].gone)
			forget(f, i);
		else
			i++;
	}
}

/* A pause, in which who stops late goes on at once. */
static void rest(struct frozen *f, int64_t ns)
{
	int64_t end = now() + ns;

	while (now() < end) {
		if (!f->count) {
			int64_t left = end - now(), most = f->meanwhile ? 1000000 : ns;
			const struct timespec pause = {
				.tv_nsec = left < 0 ? 0 : left < most ? left : most
			};

			if (f->meanwhile)
				f->meanwhile(f->data);
			nanosleep(&pause, NULL);
			continue;
		}
		await_stops(f, now() + 1000000 < end ? now() + 1000000 : end);
		let_go(f);
	}
}

/*
 * Inside a restartable sequence a thread goes to its abort address, as after every interruption;
 * see rseq(2).
 */
static int leave_sequence(struct frozen *f, struct frozen_thread *t)
{
	struct { uint32_t version, flags; uint64_t start, length, abort; } section;
	struct __ptrace_rseq_configuration c;
	uint64_t at = 0, ip = arch_next(&t->registers);

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tracee.tid, sizeof(c), &c) !=
		    (long)sizeof(c) ||
	    !c.rseq_abi_pointer)
		return 0;
	/*
	 * Memory of the program's own: whatever is wrong there is the program's business, and its
	 * kernel's.
	 */
	if (tracee_read(&f->space, c.rseq_abi_pointer + 8, &at, sizeof(at)) || !at ||
	    tracee_read(&f->space, at, &section, sizeof(section)))
		return 0;
	if (ip - section.start < section.length)
		trace_go_to(&t->registers, section.abort);
	return 0;
}

/*
 * Calls that it makes, ours included, may be signals instead: prctl(2) on
 * PR_SET_SYSCALL_USER_DISPATCH. Tracers are told from Linux 6.4 on.
 */
static bool dispatches_calls(int tid)
{
	const int get_config = 0x4211;	/* PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG */
	struct { uint64_t mode, selector, offset, length; } c = { 0 };

	return !ptrace(get_config, tid, sizeof(c), &c) && c.mode;
}

static int note(struct frozen *f, struct frozen_thread *t)
{
	int err;

	if (dispatches_calls(t->tracee.tid))
		return freeze_refuse_dispatch(f, t->tracee.tid);
	err = tracee_registers(&t->tracee, &t->registers);
	if (err == -ENOEXEC)
		return freeze_refuse(f, -ENOTSUP, "thread %d runs code of another kind (32 bits)",
				     t->tracee.tid);
	if (!err && ptrace(PTRACE_GETSIGMASK, t->tracee.tid, sizeof(t->mask), &t->mask))
		err = -errno;
	if (!err)
		err = leave_sequence(f, t);
	if (err)
		return freeze_refuse(f, err, "thread %d cannot be examined: %s", t->tracee.tid,
				     strerror(-err));
	t->pending = tracee_queued(t->tracee.tid, false);
	t->goes_on = t->registers;
	trace_resume_parent(&t->goes_on, (t->pending | f->pending) & ~t->mask & f->caught);
	f->stopped |= t->tracee.group_stopped;
	/* As it is from now on it may go on at any time. */
	err = tracee_set_registers(&t->tracee, &t->goes_on);
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tracee.tid, sizeof(t->mask), &t->mask))
		err = -errno;
	if (err)
		return freeze_refuse(f, err, "thread %d cannot be examined: %s", t->tracee.tid,
				     strerror(-err));
	t->noted = true;
	return 0;
}

/* Where in the vDSO, which every process has, the kernel is called. */
static int find_call(struct frozen *f)
{
	static uint8_t vdso[VDSO_MAX];
	uint64_t auxv[2 * 64 + 1], at = 0;
	char path[64];
	long n, found;

	snprintf(path, sizeof(path), "/proc/%d/auxv", f->threads[f->first].tracee.tid);
	n = proc_read(path, (char *)auxv, sizeof(auxv));
	for (long i = 0; i + 1 < n / 8; i += 2)
		if (auxv[i] == AT_SYSINFO_EHDR)
			at = auxv[i + 1];
	if (!at)
		return freeze_refuse(f, -ENOTSUP, "it has no vDSO");
	n = tracee_open_memory(&f->space, f->threads[f->first].tracee.tid);
	if (n)
		return freeze_refuse(f, (int)n, "its memory cannot be opened: %s",
				     strerror((int)-n));
	n = pread(f->space.memory, vdso, sizeof(vdso), (off_t)at);
	found = n > 0 ? trace_find_call(vdso, (size_t)n) : -1;
	if (found < 0)
		return freeze_refuse(f, -ENOTSUP,
				     "its vDSO has no instruction that calls the kernel");
	f->call = f->space.call = f->space.make = at + (uint64_t)found;
	borrow_find_room(f, at, vdso, (uint64_t)n);
	return 0;
}

int freeze(struct frozen *f)
{
	int err = -EBUSY;

	f->space.memory = -1;
	f->borrowed = NULL;
	f->has_stub = false;
	if (!f->threads) {
		f->threads = workspace_take(f->memory, f->room * sizeof(f->threads[0]));
		f->sleeps = workspace_take(f->memory, f->room * sizeof(f->sleeps[0]));
	}
	if (!f->threads || !f->sleeps)
		return freeze_refuse(f, -ENOMEM, "no memory to list its threads");
	f->count = 0;
	for (int i = 0; err == -EBUSY && i < ATTEMPTS; i++) {
		if (i)
			rest(f, PAUSE_NS << (i - 1));
		note_sleeps(f);
		err = stop_all(f);
		if (err)
			let_go(f);
	}
	if (err) {
		/* One that stops only now would see its call end, were nobody there. */
		if (f->count)
			rest(f, DEADLINE_NS);
		return err;
	}
	err = find_call(f);
	f->pending = tracee_queued(f->threads[f->first].tracee.tid, true);
	for (uint32_t i = 0; !err && i < f->count; i++)
		if (!f->threads[i].gone)
			err = note(f, &f->threads[i]);
	if (err)
		thaw(f);
	return err;
}

void freeze_leave(struct frozen *f)
{
	while (f->count)
		rest(f, 100000000);
}

/* What borrow() and freeze() did is undone, last things first. */
int thaw(struct frozen *f)
{
	int err = f->borrowed ? borrow_end(f) : 0;

	if (f->space.memory >= 0)
		borrow_leave_room(f);

	for (uint32_t i = 0; i < f->count; i++) {
		struct frozen_thread *t = &f->threads[i];
		int one;

		if (t->gone)
			continue;
		/* A signal that came meanwhile ends the call, as it would have. */
		if (t->noted && queued(t->tracee.tid) & ~t->mask & f->caught)
			tracee_set_registers(&t->tracee, &t->registers);
		/* What went wrong concerns another one. */
		if (!t->noted)
			continue_call(f, t);
		one = tracee_release(&t->tracee);
		hear_end(f, t, one);
		if (!err)
			err = one;
	}
	tracee_close_memory(&f->space);
	return err;
}
