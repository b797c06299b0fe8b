// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* self.c - a program with one thread notes its own state, with nothing but system calls. */
#include "capture/capture.h"
#include "capture/rseq.h"
#include "capture/timers.h"
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

static struct capture_thread self;
static uint8_t extended[FRAME_LEGACY] __attribute__((aligned(64)));
_Static_assert(sizeof(extended) % 8 == 0, "the state is carried in words");

struct arch_registers *capture_self_registers(void)
{
	return &self.state.registers;
}

void *capture_self_extended(void)
{
	return extended;
}

/* Those of this thread, the only one. */
static void note_ring_numbers(struct capture *c)
{
	for (long i = 0; i < CAPTURE_RING_NUMBERS; i++) {
		long ret = sys(SYS_io_uring_enter, i, 0, 0, CAPTURE_ENTER_BY_NUMBER, 0, 0);

		if (ret != -EBADF && ret != -EINVAL)
			c->rings |= CAPTURE_RINGS_NUMBERED;
	}
}

static int note_files(struct capture *c)
{
	/*
	 * Shared, so that it does not become part of memory that is next to it; no page of it is
	 * there yet.
	 */
	long room = sys(SYS_mmap, 0, CAPTURE_ROOM, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int err;

	if (SYS_FAILED(room))
		return (int)room;
	c->room = (uint64_t)room;
	err = capture_files(c, "/proc/self", -1, (void *)room);
	if (err)
		capture_done(c);
	/* A filter of seccomp might kill for the call; then no ring is carried. */
	if (!err && c->rings && !sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0))
		note_ring_numbers(c);
	return err;
}

void capture_done(struct capture *c)
{
	for (uint32_t i = 0; i < c->pipe_count; i++)
		if (c->pipes[i].copy_fd >= 0)
			sys(SYS_close, c->pipes[i].copy_fd);
	c->pipe_count = 0;
	if (c->room)
		sys(SYS_munmap, c->room, CAPTURE_ROOM);
	c->room = 0;
}

/* What /proc/self/status says of memory and signals. */
struct status {
	uint64_t locked_kb, queued, thread, process;
};

static uint64_t number_behind(const char *text, const char *name, unsigned int base)
{
	uint64_t value = 0;

	for (; *text; text++) {
		const char *a = text, *b = name;

		while (*b && *a == *b)
			a++, b++;
		if (*b)
			continue;
		while (*a == ' ' || *a == '\t')
			a++;
		for (;; a++) {
			unsigned int digit = *a >= '0' && *a <= '9' ? (unsigned int)(*a - '0')
					     : *a >= 'a' && *a <= 'f'
						     ? (unsigned int)(*a - 'a') + 10
						     : 16;

			if (digit >= base)
				return value;
			value = value * base + digit;
		}
	}
	return 0;
}

static int read_status(struct status *s)
{
	static char text[8192];
	long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return (int)fd;
	n = sys(SYS_read, fd, text, sizeof(text) - 1);
	sys(SYS_close, fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	*s = (struct status){
		.locked_kb = number_behind(text, "\nVmLck:", 10),
		.queued = number_behind(text, "\nSigQ:", 10),
		.thread = number_behind(text, "\nSigPnd:", 16),
		.process = number_behind(text, "\nShdPnd:", 16),
	};
	return 0;
}

static struct descriptor_posix_timer timers[DESCRIPTOR_POSIX_TIMERS_MAX];

/* Those of timer_create(2); how many a child will lack is among the settings. */
static void note_posix_timers(struct capture *c)
{
	static char text[TIMERS_TEXT_MAX];
	uint32_t count, kept = 0;
	long fd, n;
	size_t have = 0;
	bool whole;

	c->posix_timers = timers;
	c->posix_timer_count = 0;
	if (c->settings[SETTING_TIMERS] <= 0)
		return;
	fd = sys(SYS_openat, AT_FDCWD, "/proc/self/timers", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while (have < sizeof(text) - 1 &&
	       (n = sys(SYS_read, fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	sys(SYS_close, fd);
	text[have] = '\0';
	whole = timers_parse(text, timers, DESCRIPTOR_POSIX_TIMERS_MAX, &count);
	for (uint32_t i = 0; i < count; i++) {
		struct descriptor_posix_timer *t = &timers[kept];

		*t = timers[i];
		/* For which thread: there is this one alone. */
		if (!timer_is_plain(t) ||
		    (t->notify & SIGEV_THREAD_ID && t->thread != self.state.tid) ||
		    sys(SYS_timer_gettime, t->id, &t->interval_s))
			continue;
		t->thread = 0;
		kept++;
	}
	c->posix_timer_count = kept;
	c->settings[SETTING_TIMERS] = !whole || kept < count;
}

/* Signals that such timers send: to take one off its queue would start its timer again. */
static uint64_t signals_of_timers(const struct capture *c)
{
	uint64_t all = 0;

	if (c->settings[SETTING_TIMERS] > 0)
		return ~0ULL;
	for (uint32_t i = 0; i < c->posix_timer_count; i++)
		if (timers[i].signal && timers[i].signal <= DESCRIPTOR_SIGNALS)
			all |= 1ULL << (timers[i].signal - 1);
	return all;
}

static struct descriptor_signal signals[DESCRIPTOR_PENDING_MAX];

/* Take what is queued of one signal; those for the thread come first. */
static void dequeue(struct capture *c, int signo, struct status *s)
{
	const struct timespec at_once = { 0 };
	const uint64_t one = 1ULL << (signo - 1);

	while (c->signal_count < DESCRIPTOR_PENDING_MAX) {
		struct descriptor_signal *q = &signals[c->signal_count];

		*q = (struct descriptor_signal){ .shared = !(s->thread & one) };
		if (sys(SYS_rt_sigtimedwait, &one, q->info, &at_once, 8) != signo)
			return;
		c->signal_count++;
		/* For both: whether the next one is for the thread, too, can only be asked. */
		if (s->thread & s->process & one && read_status(s))
			s->thread &= ~one;
	}
}

/*
 * A process is told what was sent with a signal only when it takes it: so all that are pending are
 * taken, and sent again as they were. They are blocked all the time, and it has no other thread.
 * Where that is not allowed, or too much, they stay where they are, and a child gets the mere
 * signals.
 */
static void note_signals(struct capture *c, uint64_t mask, struct status *s)
{
	const uint64_t pending = (s->thread | s->process) & mask;
	const long pid = sys(SYS_getpid), tid = sys(SYS_gettid);
	int32_t nothing[32] = { 0 };
	uint64_t take = pending;

	/* Signal 0 is never sent: it tells whether a filter of seccomp lets them be sent again. */
	if (s->queued > DESCRIPTOR_PENDING_MAX - 128 || sys(SYS_rt_sigqueueinfo, pid, 0, nothing) ||
	    sys(SYS_rt_tgsigqueueinfo, pid, tid, 0, nothing))
		take = 0;
	take &= ~signals_of_timers(c);
	self.state.signal_pending = s->thread & mask & ~take;
	c->signal_pending = s->process & mask & ~take;
	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++)
		if (take >> (i - 1) & 1)
			dequeue(c, i, s);
	for (uint32_t i = 0; i < c->signal_count; i++) {
		const struct descriptor_signal *q = &signals[i];

		if (q->shared)
			sys(SYS_rt_sigqueueinfo, pid, q->info[0], q->info);
		else
			sys(SYS_rt_tgsigqueueinfo, pid, tid, q->info[0], q->info);
	}
	c->settings[SETTING_SIGNAL_VALUES] = pending != take;
}

static int note_status(struct capture *c, uint64_t mask)
{
	struct status s;
	int err = read_status(&s);

	if (err)
		return err;
	c->settings[SETTING_LOCKED] = (int64_t)s.locked_kb;
	c->signals = signals;
	c->signal_count = 0;
	c->signal_pending = 0;
	self.state.signal_pending = 0;
	c->settings[SETTING_SIGNAL_VALUES] = 0;
	/*
	 * What is pending only because all signals are blocked for a moment is the parent's, who
	 * goes on.
	 */
	if ((s.thread | s.process) & mask)
		note_signals(c, mask, &s);
	return 0;
}

/*
 * What describes a process that is not dumpable belongs to root: the shadow, one of the same user,
 * could not read it.
 */
static int check_readable(void)
{
	long fd;

	if (sys(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)
		return 0;
	fd = sys(SYS_openat, AT_FDCWD, "/proc/self/auxv", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		sys(SYS_close, fd);
	return fd == -EACCES ? -EPERM : fd < 0 ? (int)fd : 0;
}

int capture_self(struct capture *c, uint64_t mask)
{
	struct descriptor_thread *t = &self.state;
	struct frame_altstack stack = { 0 };
	struct timespec now;
	int err = check_readable();

	if (err)
		return err;
	sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	c->monotonic_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	for (int i = 0; i < DESCRIPTOR_TIMERS; i++)
		sys(SYS_getitimer, i, &c->timers[i]);
	*t = (struct descriptor_thread){ .extended_bytes = sizeof(extended) };
	self.extended = extended;
	arch_tls_read(&t->registers);
	t->tid = (uint32_t)sys(SYS_gettid);
	sys(SYS_prctl, PR_GET_NAME, t->name);
	sys(SYS_prctl, PR_GET_TID_ADDRESS, &t->tid_address);
	sys(SYS_get_robust_list, 0, &t->robust_list, &t->robust_list_length);
	sys(SYS_sigaltstack, 0, &stack);
	t->altstack_base = stack.base;
	t->altstack_length = stack.length;
	t->altstack_flags = (uint32_t)stack.flags;
	t->signal_mask = mask;
	t->rseq_length = rseq_length();
	if (t->rseq_length) {
		t->rseq = rseq_address(arch_tls(&t->registers));
		t->rseq_signature = RSEQ_SIG;
	}
	settings_note(c->settings);
	note_posix_timers(c);
	c->threads = &self;
	c->thread_count = 1;
	err = note_status(c, mask);
	return err ? err : note_files(c);
}
