// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * outside.c - a process that stands still is noted and copied, by its tracer.
 *
 * What no other process is told the process asks itself, in calls that its threads make for us.
 * They need a little memory, which is there for that time alone.
 */
#include "capture/outside.h"
#include "capture/borrow.h"
#include "capture/ended.h"
#include "capture/memory.h"
#include "capture/timers.h"
#include "page/areas.h"
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace.h"

#define SCRATCH		4096u
#define SMAPS_BUFFER	(64u << 10)

static int refuse_call(struct frozen *f, int err, const char *call)
{
	if (err == TRACEE_HELD)
		return freeze_refuse(f, err, "it does not go on (is its control group frozen?)");
	return freeze_refuse(f, err, "%s in it: %s", call, strerror(-err));
}

/* A call that must succeed. */
#define call(f, t, result, number, ...) \
	call_(f, t, result, #number, SYS_##number, TRACEE_ARGS_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0))
static int call_(struct frozen *f, struct frozen_thread *t, long *result, const char *name, long nr,
		 const uint64_t args[6])
{
	int err = tracee_call6(&t->tracee, &f->space, result, nr, args);

	if (err == TRACEE_DISPATCHED)
		return freeze_refuse_dispatch(f, t->tracee.tid);
	if (!err && SYS_FAILED(*result))
		err = (int)*result;
	return err ? refuse_call(f, err, name) : 0;
}

/* ---- threads ---- */

/* From now on this one makes calls for us, and no other. */
static int borrow_thread(struct frozen *f, struct frozen_thread *t)
{
	int err;

	if (f->borrowed == t)
		return 0;
	if (f->borrowed) {
		int tid = f->borrowed->tracee.tid;

		err = borrow_end(f);
		if (err)
			return freeze_refuse(f, err, "thread %d cannot be let go: %s", tid,
					     strerror(-err));
	}
	err = borrow(f, t);
	return err ? freeze_refuse(f, err, "thread %d cannot be examined: %s", t->tracee.tid,
				   strerror(-err))
		   : 0;
}

static int note_extended(struct frozen *f, const struct frozen_thread *t, struct capture_thread *to)
{
	static uint8_t area[FRAME_EXTENDED_MAX] __attribute__((aligned(64)));
	int err = trace_extended_read(t->tracee.tid, area, &to->state.extended_bytes);
	void *copy;

	if (err)
		return freeze_refuse(f, err, "the registers of thread %d cannot be read: %s",
				     t->tracee.tid, strerror(-err));
	copy = workspace_take(f->memory, to->state.extended_bytes);
	if (!copy)
		return freeze_refuse(f, -ENOMEM, "no memory for the registers of its threads");
	memcpy(copy, area, to->state.extended_bytes);
	to->extended = copy;
	return 0;
}

static void note_name(const struct frozen *f, const struct frozen_thread *t,
		      struct descriptor_thread *to)
{
	char path[64], name[sizeof(to->name) + 1];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", f->pid, t->tracee.tid);
	proc_read(path, name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	memcpy(to->name, name, sizeof(to->name));
}

/*
 * Has it another nice value, policy, priority, or other processors? What cannot be asked is the
 * same.
 */
static bool is_scheduled_apart(int first, int tid)
{
	unsigned long cpus[2][DESCRIPTOR_MASK_WORDS] = { 0 };
	struct sched_param priority[2] = { 0 };
	const int tids[2] = { first, tid };
	long policy[2], nice[2], io[2];

	for (int i = 0; i < 2; i++) {
		syscall(SYS_sched_getaffinity, tids[i], sizeof(cpus[i]), cpus[i]);
		sched_getparam(tids[i], &priority[i]);
		policy[i] = sched_getscheduler(tids[i]);
		nice[i] = getpriority(PRIO_PROCESS, (id_t)tids[i]);
		io[i] = syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, tids[i]);
	}
	return memcmp(cpus[0], cpus[1], sizeof(cpus[0])) || policy[0] != policy[1] ||
	       nice[0] != nice[1] || io[0] != io[1] ||
	       priority[0].sched_priority != priority[1].sched_priority;
}

static bool in_other_namespace(const struct frozen *f)
{
	char path[64];
	struct stat ours, its;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", f->threads[f->first].tracee.tid);
	return stat("/proc/self/ns/pid", &ours) || stat(path, &its) || ours.st_ino != its.st_ino;
}

static bool is_continuing(const struct frozen *f, const struct frozen_thread *t)
{
	uint8_t next[TRACE_CALL_BYTES] = { 0 };

	return !tracee_read(&f->space, arch_next(&t->registers), next, sizeof(next)) &&
	       trace_is_continuing(&t->registers, next);
}

static int note_thread(struct frozen *f, struct frozen_thread *t, uint64_t scratch,
		       struct capture_thread *to)
{
	struct descriptor_thread *d = &to->state;
	struct __ptrace_rseq_configuration rseq;
	struct { struct frame_altstack stack; uint64_t tid_address; } asked;
	size_t length = 0;
	void *list = NULL;
	long ret;
	int err;

	d->registers = t->registers;
	if (borrow_is_on_its_way(f, t)) {
		f->unsettled = true;
		return freeze_refuse(f, -EAGAIN, "thread %d returns from another snapshot",
				     t->tracee.tid);
	}
	if (is_continuing(f, t)) {
		f->unsettled = true;
		return freeze_refuse(f, -EAGAIN, "thread %d is about to continue a call",
				     t->tracee.tid);
	}
	if (!trace_resume_child(&d->registers, (t->pending | f->pending) & ~t->mask & f->caught,
				freeze_sleep(f, t->tracee.tid))) {
		const char *in = freeze_sleep(f, t->tracee.tid);

		/*
		 * Let go just now, by another snapshot's tracer, it has not been back in its sleep
		 * yet.
		 */
		f->unsettled = !in[0] || !strcmp(in, "0");
		return freeze_refuse(f, f->unsettled ? -EAGAIN : -EBUSY,
				     "thread %d continues a call that cannot be told (it was in %s)",
				     t->tracee.tid, f->unsettled ? "none yet" : in);
	}
	err = note_extended(f, t, to);
	if (!err)
		err = call(f, t, &ret, sigaltstack, 0, scratch);
	if (!err)
		err = call(f, t, &ret, prctl, PR_GET_TID_ADDRESS,
			   scratch + offsetof(typeof(asked), tid_address));
	if (err)
		return err;
	err = tracee_read(&f->space, scratch, &asked, sizeof(asked));
	if (err)
		return refuse_call(f, err, "reading its memory");
	d->altstack_base = asked.stack.base;
	d->altstack_length = asked.stack.length;
	d->altstack_flags = (uint32_t)asked.stack.flags;
	d->tid_address = asked.tid_address;
	if (syscall(SYS_get_robust_list, t->tracee.tid, &list, &length))
		return freeze_refuse(f, -errno, "the robust list of thread %d cannot be read: %s",
				     t->tracee.tid, strerror(errno));
	d->robust_list = (uint64_t)list;
	d->robust_list_length = length;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tracee.tid, sizeof(rseq), &rseq) ==
		    (long)sizeof(rseq) &&
	    rseq.rseq_abi_pointer) {
		d->rseq = rseq.rseq_abi_pointer;
		d->rseq_length = rseq.rseq_abi_size;
		d->rseq_signature = rseq.signature;
	}
	d->signal_mask = t->mask;
	note_name(f, t, d);
	return 0;
}

/* ---- the process ---- */

static int note_timers(struct capture *c, struct frozen *f, uint64_t scratch)
{
	for (int i = 0; i < DESCRIPTOR_TIMERS; i++) {
		long ret;
		int err = call(f, &f->threads[f->first], &ret, getitimer, i, scratch);

		if (!err)
			err = tracee_read(&f->space, scratch, &c->timers[i], sizeof(c->timers[i]));
		if (err)
			return err;
	}
	return 0;
}

/* For whom it is, by the number of a thread here: of one that has ended there is none. */
static bool find_thread(const struct frozen *f, struct descriptor_posix_timer *t)
{
	for (uint32_t i = 0; i < f->count; i++) {
		if ((uint32_t)f->threads[i].tracee.tid != t->thread)
			continue;
		t->thread = i;
		return true;
	}
	return false;
}

/* Those of timer_create(2); how many a child will lack is among the settings. */
static int note_posix_timers(struct capture *c, struct frozen *f, uint64_t scratch)
{
	struct descriptor_posix_timer *list;
	uint32_t count, kept = 0;
	char path[40], *text;
	bool whole;

	snprintf(path, sizeof(path), "/proc/%d/timers", f->pid);
	c->settings[SETTING_TIMERS] = 0;
	text = workspace_take(f->memory, TIMERS_TEXT_MAX);
	list = workspace_take(f->memory, DESCRIPTOR_POSIX_TIMERS_MAX * sizeof(*list));
	if (!text || !list)
		return freeze_refuse(f, -ENOMEM, "no memory to list its timers");
	if (proc_read(path, text, TIMERS_TEXT_MAX) <= 0)
		return 0;
	whole = timers_parse(text, list, DESCRIPTOR_POSIX_TIMERS_MAX, &count);
	for (uint32_t i = 0; i < count; i++) {
		struct descriptor_posix_timer *t = &list[kept];
		long ret;
		int err;

		*t = list[i];
		if (!timer_is_plain(t) || (t->notify & SIGEV_THREAD_ID && !find_thread(f, t)))
			continue;
		if (!(t->notify & SIGEV_THREAD_ID))
			t->thread = 0;
		err = call(f, &f->threads[f->first], &ret, timer_gettime, t->id, scratch);
		if (!err)
			err = tracee_read(&f->space, scratch, &t->interval_s, 4 * sizeof(int64_t));
		if (err)
			return err;
		kept++;
	}
	c->posix_timers = list;
	c->posix_timer_count = kept;
	c->settings[SETTING_TIMERS] = !whole || kept < count;
	return 0;
}

/* What is sent and has not arrived, for a thread or for the process. */
static void note_pending(struct capture *c, struct frozen *f, uint32_t thread, bool shared)
{
	struct __ptrace_peeksiginfo_args which = { .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
						   .nr = 1 };
	struct descriptor_signal *list = (struct descriptor_signal *)c->signals;
	siginfo_t info;

	_Static_assert(sizeof(info) == sizeof(list->info), "as the kernel has it");
	for (; ptrace(PTRACE_PEEKSIGINFO, f->threads[thread].tracee.tid, &which, &info) == 1;
	     which.off++) {
		if (c->signal_count == DESCRIPTOR_PENDING_MAX) {
			c->settings[SETTING_SIGNAL_VALUES] = 1;
			return;
		}
		/* Those are for the tracer: the child stops by PROCESS_STOPPED. */
		if (info.si_signo == SIGSTOP || info.si_signo == SIGKILL)
			continue;
		list[c->signal_count] = (struct descriptor_signal){ .shared = shared,
								    .thread = shared ? 0 : thread };
		memcpy(list[c->signal_count++].info, &info, sizeof(info));
	}
}

static int note_signals(struct capture *c, struct frozen *f)
{
	c->signals = workspace_take(f->memory, DESCRIPTOR_PENDING_MAX * sizeof(c->signals[0]));
	if (!c->signals)
		return freeze_refuse(f, -ENOMEM, "no memory to list its pending signals");
	for (uint32_t i = 0; i < f->count; i++)
		if (f->threads[i].pending)
			note_pending(c, f, i, false);
	if (f->pending)
		note_pending(c, f, f->first, true);
	return 0;
}

/* A call whose answer, a number, is in memory; what the kernel does not know is not known. */
static int ask_word(struct frozen *f, uint64_t scratch, int64_t *value, int option)
{
	int32_t word = 0;
	long ret;
	int err = tracee_call(&f->threads[f->first].tracee, &f->space, &ret, SYS_prctl, option,
			      scratch, 0, 0, 0);

	if (!err)
		err = tracee_read(&f->space, scratch, &word, sizeof(word));
	*value = ret < 0 ? SETTING_UNKNOWN : word;
	return err ? refuse_call(f, err, "prctl") : 0;
}

/* Those that no copy shows (state/settings.h). */
static int note_settings(struct capture *c, struct frozen *f, uint64_t scratch)
{
	struct tracee *first = &f->threads[f->first].tracee;
	long mdwe = 0, children = 0, thread_ring = 0, process_ring = 0;
	int err;

	c->settings[SETTING_NICE] = getpriority(PRIO_PROCESS, (id_t)f->pid);
	c->settings[SETTING_POLICY] = settings_policy(f->pid);
	c->settings[SETTING_LOCKED] = (int64_t)f->locked_kb;
	err = ask_word(f, scratch, &c->settings[SETTING_SUBREAPER], PR_GET_CHILD_SUBREAPER);
	if (!err)
		err = ask_word(f, scratch, &c->settings[SETTING_PARENT_DEATH], PR_GET_PDEATHSIG);
	/* PR_GET_MDWE, of Linux 6.3 */
	if (!err)
		err = tracee_call(first, &f->space, &mdwe, SYS_prctl, 66, 0, 0, 0, 0);
	if (!err)
		err = tracee_call(first, &f->space, &children, SYS_waitid, P_ALL, 0, scratch,
				  WEXITED | WNOHANG | WNOWAIT);
	if (!err)
		err = tracee_call(first, &f->space, &thread_ring, SYS_keyctl, KEYCTL_GET_KEYRING_ID,
				  KEY_SPEC_THREAD_KEYRING, 0);
	if (!err)
		err = tracee_call(first, &f->space, &process_ring, SYS_keyctl,
				  KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0);
	if (err)
		return refuse_call(f, err, "a call");
	c->settings[SETTING_PARENT_DEATH] = settings_parent_death(
		c->settings[SETTING_PARENT_DEATH]);
	c->settings[SETTING_NO_EXEC_GAIN] = mdwe < 0 ? SETTING_UNKNOWN : mdwe;
	c->settings[SETTING_CHILDREN] = children == -ECHILD ? 0 : 1;
	c->settings[SETTING_OWN_KEYRINGS] = thread_ring >= 0 || process_ring >= 0;
	f->adopts = c->settings[SETTING_SUBREAPER] == 1 || proc_number_inside(f->pid, f->pid) == 1;
	return 0;
}

/*
 * By which its files are to be had. Those of a process that is named by a thread that has ended
 * another thread has.
 */
static int open_owner(struct frozen *f)
{
	const int of_thread = O_EXCL;		/* PIDFD_THREAD, Linux 6.9 */

	if (!f->first)
		return f->pidfd;
	return (int)syscall(SYS_pidfd_open, f->threads[f->first].tracee.tid, of_thread);
}

static int note_files(struct capture *c, struct frozen *f)
{
	void *room = workspace_take(f->memory, CAPTURE_ROOM);
	int err, owner;
	char path[64];

	if (!room)
		return freeze_refuse(f, -ENOMEM, "no memory to list its open files");
	owner = open_owner(f);
	if (owner < 0)
		return freeze_refuse(f, -ENOTSUP,
				     "its first thread has ended, and its open files cannot be noted (Linux 6.9 can)");
	snprintf(path, sizeof(path), "/proc/%d/task/%d", f->pid, f->threads[f->first].tracee.tid);
	err = capture_files(c, path, owner, room);
	if (owner != f->pidfd)
		close(owner);
	if (err == -ENFILE)
		return freeze_refuse(f, err, "it has more than %u open files", CAPTURE_FDS_MAX);
	return err ? freeze_refuse(f, err, "its open files cannot be noted: %s", strerror(-err))
		   : 0;
}

/* Each thread has its own. */
static int note_ring_numbers(struct capture *c, struct frozen *f, struct frozen_thread *t)
{
	int err = borrow_thread(f, t);
	long ret = 0;

	for (long i = 0; !err && i < CAPTURE_RING_NUMBERS; i++) {
		if (tracee_call(&t->tracee, &f->space, &ret, SYS_io_uring_enter, i, 0, 0,
				CAPTURE_ENTER_BY_NUMBER))
			err = refuse_call(f, -ESRCH, "io_uring_enter");
		else if (ret != -EBADF && ret != -EINVAL)
			c->rings |= CAPTURE_RINGS_NUMBERED;
	}
	return err;
}

int capture_outside(struct capture *c, struct frozen *f)
{
	struct frozen_thread *first = &f->threads[f->first];
	struct capture_thread *threads = workspace_take(f->memory, f->count * sizeof(*threads));
	struct timespec now = { 0 };
	long scratch, ret;
	bool inside;
	int err, ended;

	if (!threads)
		return freeze_refuse(f, -ENOMEM, "no memory to note its threads");
	*c = (struct capture){ .threads = threads, .thread_count = f->count };
	err = borrow_thread(f, first);
	if (err)
		return err;
	err = call(f, first, &scratch, mmap, 0, SCRATCH, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (err)
		return err;
	/* Its own clock, which may be another: time_namespaces(7). */
	err = call(f, first, &ret, clock_gettime, CLOCK_MONOTONIC, scratch);
	if (!err)
		err = tracee_read(&f->space, (uint64_t)scratch, &now, sizeof(now));
	c->monotonic_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	inside = in_other_namespace(f);
	for (uint32_t i = 0; i < f->count && !err; i++) {
		threads[i].state.tid = inside ? proc_number_inside(f->pid, f->threads[i].tracee.tid)
					      : (uint32_t)f->threads[i].tracee.tid;
		if (f->threads[i].gone)
			threads[i].state.flags = THREAD_GONE;
		else
			err = borrow_thread(f, &f->threads[i]);
		if (!err && !f->threads[i].gone)
			err = note_thread(f, &f->threads[i], (uint64_t)scratch, &threads[i]);
		if (i > f->first && is_scheduled_apart(first->tracee.tid, f->threads[i].tracee.tid))
			threads[i].state.flags |= THREAD_SCHEDULED_APART;
	}
	ended = borrow_thread(f, first);
	err = err ? err : ended;
	if (!err)
		err = note_timers(c, f, (uint64_t)scratch);
	if (!err)
		err = note_files(c, f);
	for (uint32_t i = 0; c->rings && i < f->count && !err; i++)
		if (!f->threads[i].gone)
			err = note_ring_numbers(c, f, &f->threads[i]);
	if (!ended)
		ended = borrow_thread(f, first);
	err = err ? err : ended;
	if (f->stopped)
		c->process_flags |= PROCESS_STOPPED;
	if (!err)
		err = note_settings(c, f, (uint64_t)scratch);
	if (!err)
		err = note_posix_timers(c, f, (uint64_t)scratch);
	if (!err)
		err = note_signals(c, f);
	if (!err && ended_reap(f))
		err = refuse_call(f, -ESRCH, "waitid");
	/* It goes whatever happened. */
	if (!ended &&
	    tracee_call(&first->tracee, &f->space, &ret, SYS_munmap, scratch, SCRATCH) && !err)
		err = refuse_call(f, -ESRCH, "munmap");
	return err;
}

/* ---- the copy ---- */

/* In pages; 0: cannot be read. */
static uint64_t size_of(int pid)
{
	char path[40], text[64];

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	proc_read(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

/*
 * For those areas that a copy would lack: let it have them, or not. An area that went meanwhile is
 * no loss.
 */
static int advise(struct frozen *f, const struct unforkable *u, int advice)
{
	for (uint32_t i = 0; i < u->count; i++) {
		long ret;
		int err = tracee_call(&f->threads[f->first].tracee, &f->space, &ret, SYS_madvise,
				      u->areas[i].start, u->areas[i].pages * PAGE_BYTES, advice);

		if (err)
			return refuse_call(f, err, "madvise");
	}
	return 0;
}

static int copy_process(struct frozen *f, struct tracee *copy)
{
	struct tracee *first = &f->threads[f->first].tracee, between;
	long number, ret;
	int err;

	if (f->adopts) {
		err = tracee_clone(first, &f->space, 0, copy, &number);
		return err ? refuse_call(f, err, "clone") : 0;
	}
	/*
	 * In two steps, the first of which shares its memory and ends at once: the copy is an
	 * orphan then, and when it ends no zombie of it stays with a process that does not know of
	 * it.
	 */
	err = tracee_clone(first, &f->space, CLONE_VM | CLONE_FS | CLONE_FILES, &between, &number);
	if (err)
		return refuse_call(f, err, "clone");
	err = tracee_clone(&between, &f->space, 0, copy, &ret);
	/* It ends by itself: nothing of it may ever run the program's code. */
	if (tracee_call(&between, &f->space, &ret, SYS_exit, 0) != -ESRCH)
		tracee_end(&between);
	if (tracee_call(first, &f->space, &ret, SYS_wait4, number, 0, __WALL, 0) && !err)
		err = -ESRCH;
	return err ? refuse_call(f, err, "clone") : 0;
}

/* Nothing of the copy may ever run the program's code, be it a handler. */
static int block_signals(struct frozen *f, const struct tracee *copy)
{
	const uint64_t all = ~0ULL;

	if (!ptrace(PTRACE_SETSIGMASK, copy->tid, sizeof(all), &all))
		return 0;
	return refuse_call(f, -errno, "the signals of a copy");
}

int capture_copy(struct capture *c, struct frozen *f, const struct unforkable *u,
		 struct tracee *copy)
{
	int err = advise(f, u, MADV_DOFORK), also, ended;

	if (!err)
		err = copy_process(f, copy);
	if (!err)
		err = block_signals(f, copy);
	also = advise(f, u, MADV_DONTFORK);
	if (!err && !also && (also = borrow_mend_copy(f, copy->tid)))
		refuse_call(f, also, "what is behind the vDSO of the copy");
	/* From here on it stands still as it will go on, however long that takes. */
	ended = borrow_end(f);
	if (ended && !err && !also)
		also = refuse_call(f, ended, "the end of the calls");
	borrow_leave_room(f);
	if (err || also)
		return err ? err : also;
	c->memory_pages = size_of(f->threads[f->first].tracee.tid) - f->hidden_pages;
	c->unforked = u->areas;
	c->unforked_count = u->count;
	/* The shadow looks itself whether memory is registered with one. */
	c->uffd = -EPERM;
	return size_of(copy->tid) == c->memory_pages ? 0 : -EAGAIN;
}

static void add_unforkable(struct unforkable *u, uint64_t start, uint64_t end)
{
	if (start < end && u->count < u->room)
		u->areas[u->count++] =
			(struct descriptor_extent){ start, (end - start) / PAGE_BYTES };
}

static uint64_t within(uint64_t at, uint64_t start, uint64_t end)
{
	return at < start ? start : at > end ? end : at;
}

/* A line of smaps, as far as it matters here. */
static void find_in_line(void *data, const char *line)
{
	struct unforkable *u = data;
	char *end;
	uint64_t start = strtoull(line, &end, 16), end_of_area;

	if (*end == '-' && end != line) {
		u->last = (struct descriptor_extent){ start, (strtoull(end + 1, NULL, 16) - start) /
								     PAGE_BYTES };
	} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dc") && !strstr(line, " io") &&
		   !strstr(line, " pf")) {
		start = u->last.start;
		end_of_area = start + u->last.pages * PAGE_BYTES;
		add_unforkable(u, start, within(u->leave_out, start, end_of_area));
		add_unforkable(u, within(u->leave_out_end, start, end_of_area), end_of_area);
	}
}

/* Each line of a file of its, "maps" or "smaps". */
static int for_lines(struct frozen *f, const char *name, void (*fn)(void *data, const char *line),
		     void *data)
{
	char path[64], *buffer = workspace_take(f->memory, SMAPS_BUFFER);
	int tid = areas_thread(f->pid), fd;
	size_t have = 0;
	ssize_t n;

	if (!buffer)
		return freeze_refuse(f, -ENOMEM, "no memory to list its areas");
	/* If nobody has any, what the first one lacks is the reason. */
	snprintf(path, sizeof(path), "/proc/%d/%s", tid ? tid : f->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return freeze_refuse(f, -errno, "%s: %s", path, strerror(errno));
	while ((n = read(fd, buffer + have, SMAPS_BUFFER - 1 - have)) > 0) {
		char *line = buffer, *end;

		have += (size_t)n;
		buffer[have] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			fn(data, line);
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
	}
	close(fd);
	return 0;
}

int unforkable_find(struct unforkable *u, struct frozen *f)
{
	u->room = CAPTURE_UNFORKED_MAX;
	u->areas = workspace_take(f->memory, u->room * sizeof(u->areas[0]));
	u->count = 0;
	if (!u->areas)
		return freeze_refuse(f, -ENOMEM, "no memory to list what a copy of it would lack");
	return for_lines(f, "smaps", find_in_line, u);
}

static void find_nameless(void *data, const char *line)
{
	bool *found = data;

	*found |= memory_is_nameless(line);
}

int nameless_look(struct frozen *f, bool *found)
{
	*found = false;
	return for_lines(f, "maps", find_nameless, found);
}
