// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * restorer.c - turns the process it runs in into the parent as it was at prepare.
 *
 * It runs from an arena in a hole of both address spaces; resume.c has computed every address and
 * opened every descriptor. The order is given by what overwrites what: first the old memory goes,
 * then the vDSO comes where the parent had it (only possible while no vDSO is mapped), then the
 * areas, then the contents, then what the kernel keeps of a process. Signals stay blocked until the
 * very end. Any failure is told to the supervisor, which reports it; the process never goes on.
 */
#include "pie/freestanding.h"
#include "restore/restorer.h"
#include "format/control.h"
#include "format/wire.h"

#include <asm/prctl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <errno.h>

/* From Linux 6.11 and 6.13 on; older headers lack them. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

static noreturn void fail(const struct restorer_args *a, enum restore_step step, long error, uint64_t address)
{
	struct control_message m = {
		.type = CONTROL_FAILED, .error = (int32_t)error, .step = step, .address = address,
	};

	sys(SYS_write, a->control_fd, &m, sizeof(m));
	sys(SYS_exit_group, 125);
	__builtin_unreachable();
}

static void map_areas(const struct restorer_args *a)
{
	for (uint32_t i = 0; i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		int flags = MAP_FIXED_NOREPLACE | (m->flags & MAP_STEP_SHARED ? MAP_SHARED :
						   m->flags & MAP_STEP_DROPPABLE ? MAP_DROPPABLE : MAP_PRIVATE);
		long got, ret;

		if (m->fd < 0)
			flags |= MAP_ANONYMOUS;
		/* The parent's memory, whatever this host's promises to other programs are. */
		if (m->fd < 0 || m->flags & MAP_STEP_BACKED)
			flags |= MAP_NORESERVE;
		got = sys(SYS_mmap, m->start, m->end - m->start, m->prot, flags, m->fd, m->offset);
		if (got != (long)m->start)
			fail(a, RESTORE_MMAP, SYS_FAILED(got) ? got : -EEXIST, m->start);
		if (m->flags & MAP_STEP_WIPED) {
			ret = sys(SYS_madvise, m->start, m->end - m->start, MADV_WIPEONFORK);
			if (ret < 0)
				fail(a, RESTORE_MMAP, ret, m->start);
		}
	}
	if (a->close_to > a->close_from) {
		long ret = sys(SYS_close_range, a->close_from, a->close_to - 1, 0);

		if (ret < 0)
			fail(a, RESTORE_FILES, ret, 0);
	}
}

static void guard(const struct restorer_args *a)
{
	for (uint32_t i = 0; i < a->descriptor->guards.count; i++) {
		const struct descriptor_extent *e = &a->guards[i];
		long ret = sys(SYS_madvise, e->start, e->pages * PAGE_BYTES, MADV_GUARD_INSTALL);

		if (ret < 0)
			fail(a, RESTORE_GUARD, ret, e->start);
	}
}

/* The step that covers an address; extents come in ascending order, as steps do. */
static const struct map_step *covering(const struct restorer_args *a, uint32_t *hint, uint64_t address)
{
	while (*hint < a->step_count && a->steps[*hint].end <= address)
		(*hint)++;
	return &a->steps[*hint];
}

static bool is_writable(const struct map_step *m)
{
	return (m->prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE);
}

static void protect(const struct restorer_args *a, const struct map_step *m, int prot)
{
	long ret = sys(SYS_mprotect, m->start, m->end - m->start, prot);

	if (ret < 0)
		fail(a, RESTORE_PROTECT, ret, m->start);
}

static void fill_hot(const struct restorer_args *a)
{
	const struct map_step *open = NULL;
	const uint8_t *data = a->hot_data;
	uint32_t hint = 0;

	for (uint32_t i = 0; i < a->hot_count; i++) {
		const struct descriptor_extent *e = &a->hot[i];
		const struct map_step *m = covering(a, &hint, e->start);

		if (m != open) {
			if (open && !is_writable(open))
				protect(a, open, (int)open->prot);
			if (!is_writable(m))
				protect(a, m, PROT_READ | PROT_WRITE);
			open = m;
		}
		memcpy((void *)e->start, data, e->pages * PAGE_BYTES);
		data += e->pages * PAGE_BYTES;
	}
	if (open && !is_writable(open))
		protect(a, open, (int)open->prot);
}

/* Eager mode with the kernel module: have all pages, and copies of those that may be written. */
static void populate(const struct restorer_args *a)
{
	uint32_t hint = 0;

	for (uint32_t i = 0; i < a->populate_count; i++) {
		const struct descriptor_extent *e = &a->populate[i];
		const struct map_step *m = covering(a, &hint, e->start);
		bool hidden = !(m->prot & PROT_READ);
		long ret;

		if (hidden)
			protect(a, m, PROT_READ);
		ret = sys(SYS_madvise, e->start, e->pages * PAGE_BYTES,
			  is_writable(m) ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
		if (ret < 0)
			fail(a, RESTORE_FETCH, ret, e->start);
		if (hidden)
			protect(a, m, (int)m->prot);
	}
}

/*
 * Register the areas whose pages arrive on demand. MADV_DONTFORK: a fork that went past the
 * library (raw clone) would find zeros for what is missing; now it finds nothing and dies. The
 * library's fork handler fetches everything and lifts it.
 */
static void register_areas(const struct restorer_args *a)
{
	for (uint32_t i = 0; i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		struct uffdio_register r = {
			.range = { m->start, m->end - m->start }, .mode = UFFDIO_REGISTER_MODE_MISSING,
		};
		long ret;

		if (!(m->flags & MAP_STEP_UFFD))
			continue;
		ret = sys(SYS_ioctl, a->uffd, UFFDIO_REGISTER, &r);
		if (!ret)
			ret = sys(SYS_madvise, m->start, m->end - m->start, MADV_DONTFORK);
		if (ret < 0)
			fail(a, RESTORE_REGISTER, ret, m->start);
	}
}

static void receive(const struct restorer_args *a, void *to, uint64_t bytes, uint64_t address)
{
	while (bytes) {
		long n = sys(SYS_recvfrom, a->socket_fd, to, bytes, MSG_WAITALL, 0, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			fail(a, RESTORE_FETCH, n ? n : -ECONNRESET, address);
		to = (char *)to + n;
		bytes -= (uint64_t)n;
	}
}

/* Eager mode: read every page into place over the connection. */
static void fetch_all(const struct restorer_args *a)
{
	const struct map_step *open = NULL;
	uint32_t hint = 0;

	for (uint32_t i = 0; i < a->missing_count; i++) {
		const struct descriptor_extent *e = &a->missing[i];
		const struct map_step *m = covering(a, &hint, e->start);
		uint64_t at = e->start, asked = e->start, end = e->start + e->pages * PAGE_BYTES;

		if (m != open) {
			if (open && !is_writable(open))
				protect(a, open, (int)open->prot);
			if (!is_writable(m))
				protect(a, m, PROT_READ | PROT_WRITE);
			open = m;
		}
		while (at < end) {
			struct wire_frame f;

			/* Two requests under way keep the connection busy. */
			while (asked < end && asked - at < 2ULL * WIRE_READ_MAX * PAGE_BYTES) {
				uint64_t pages = (end - asked) / PAGE_BYTES;

				if (pages > WIRE_READ_MAX)
					pages = WIRE_READ_MAX;
				f = (struct wire_frame){ .type = WIRE_READ, .address = asked, .pages = (uint32_t)pages };
				long n = sys(SYS_sendto, a->socket_fd, &f, sizeof(f), MSG_NOSIGNAL, 0, 0);

				if (n != (long)sizeof(f))
					fail(a, RESTORE_FETCH, n < 0 ? n : -EPIPE, asked);
				asked += pages * PAGE_BYTES;
			}
			receive(a, &f, sizeof(f), at);
			uint64_t bytes = f.pages * PAGE_BYTES;

			if (f.address != at || !f.pages || bytes > end - at ||
			    (f.type == WIRE_DATA ? f.length != bytes : f.type != WIRE_ZERO || f.length))
				fail(a, RESTORE_FETCH, -EPROTO, at);
			if (f.type == WIRE_DATA)
				receive(a, (void *)at, bytes, at);
			at += bytes;
		}
	}
	if (open && !is_writable(open))
		protect(a, open, (int)open->prot);
}

static void restore_mm(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	struct {
		struct descriptor_mm mm;
		uint64_t auxv;
		uint32_t auxv_size, exe_fd;
	} map = {
		.mm = d->mm, .auxv = (uint64_t)a->auxv, .auxv_size = a->auxv_bytes, .exe_fd = (uint32_t)a->exe_fd,
	};
	long ret = sys(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);

	if (ret < 0 && a->exe_fd >= 0) {
		/* /proc/PID/exe may only be set with CAP_CHECKPOINT_RESTORE; mitosis-child(1) says so. */
		map.exe_fd = ~0U;
		ret = sys(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
	}
	if (ret < 0)
		fail(a, RESTORE_MM, ret, d->mm.start_brk);
	if (a->exe_fd >= 0)
		sys(SYS_close, a->exe_fd);
}

static void restore_signals(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	struct { uint64_t base; int32_t flags; uint32_t pad; uint64_t size; } stack = {
		/* SS_ONSTACK is a state, not a setting. */
		.base = d->altstack_base, .size = d->altstack_length,
		.flags = (int32_t)(d->altstack_flags & ~(uint32_t)SS_ONSTACK),
	};

	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++) {
		long ret;

		if (i == SIGKILL || i == SIGSTOP)
			continue;
		ret = sys(SYS_rt_sigaction, i, &d->actions[i - 1], 0, 8);
		if (ret < 0)
			fail(a, RESTORE_SIGNAL, ret, (uint64_t)i);
	}
	if (d->altstack_length) {
		long ret = sys(SYS_sigaltstack, &stack, 0);

		if (ret < 0)
			fail(a, RESTORE_SIGNAL, ret, d->altstack_base);
	}
}

/* A limit above what this user may have here becomes the most that is allowed. */
static void restore_limits(const struct restorer_args *a)
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++) {
		struct descriptor_limit want = a->descriptor->limits[i], have;
		long ret;

		if (i == RLIMIT_NPROC || i == RLIMIT_MEMLOCK) {
			/* Accounted per user, not per process: this host's setting holds. */
			continue;
		}
		ret = sys(SYS_prlimit64, 0, i, &want, 0);
		if (ret == -EPERM) {
			ret = sys(SYS_prlimit64, 0, i, 0, &have);
			want.hard = want.hard < have.hard ? want.hard : have.hard;
			want.soft = want.soft < want.hard ? want.soft : want.hard;
			if (!ret)
				ret = sys(SYS_prlimit64, 0, i, &want, 0);
		}
		if (ret < 0)
			fail(a, RESTORE_LIMIT, ret, (uint64_t)i);
	}
}

static void restore_state(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	uint64_t permitted = 0, wanted;
	long ret;

	sys(SYS_umask, d->umask);
	ret = sys(SYS_prctl, PR_SET_NAME, d->comm);
	if (!ret)
		ret = sys(SYS_arch_prctl, ARCH_SET_FS, d->fs_base);
	if (!ret)
		ret = sys(SYS_arch_prctl, ARCH_SET_GS, d->gs_base);
	if (!ret && d->process_flags & PROCESS_NO_NEW_PRIVS)
		ret = sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Such as the tiles of AMX: asked for by number, a state brings those that it needs. */
	sys(SYS_arch_prctl, XCOMP_GET_PERMISSION, &permitted);
	wanted = d->xcomp_permission & ~permitted;
	if (!ret && wanted)
		ret = sys(SYS_arch_prctl, XCOMP_REQUEST_PERMISSION, 63 - __builtin_clzll(wanted));
	if (ret < 0)
		fail(a, RESTORE_STATE, ret, 0);
}

__attribute__((section(".text.entry"))) void restorer_entry(const struct restorer_args *a);

void restorer_entry(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	struct control_message ready = { .type = CONTROL_READY };
	uint64_t mask;
	long ret, tid, pid;

	ret = sys(SYS_munmap, 0, a->arena);
	if (!ret)
		ret = sys(SYS_munmap, a->arena + a->arena_length, USER_END - a->arena - a->arena_length);
	if (ret < 0)
		fail(a, RESTORE_UNMAP, ret, 0);
	if (d->vdso_length) {
		ret = sys(SYS_arch_prctl, ARCH_MAP_VDSO_64, d->vdso_start);
		if (ret < 0)
			fail(a, RESTORE_VDSO, ret, d->vdso_start);
	}
	map_areas(a);
	guard(a);
	fill_hot(a);
	if (a->uffd >= 0)
		register_areas(a);
	else
		fetch_all(a);
	populate(a);
	if (a->socket_fd >= 0)
		sys(SYS_close, a->socket_fd);

	restore_mm(a);
	restore_signals(a);
	restore_state(a);
	/* From here on pages may be fetched by touching them: tell the supervisor first. */
	ret = sys(SYS_write, a->control_fd, &ready, sizeof(ready));
	if (ret < 0)
		sys(SYS_exit_group, 125);
	tid = sys(SYS_set_tid_address, d->tid_address);
	if (d->tid_address)
		*(volatile int32_t *)d->tid_address = (int32_t)tid;
	if (d->robust_list)
		sys(SYS_set_robust_list, d->robust_list, d->robust_list_length);
	if (d->child_state) {
		*(struct child_state *)d->child_state = (struct child_state){
			.is_child = 1, .control_fd = a->control_fd, .uffd = a->uffd, .supervisor = a->supervisor,
			.is_remote = a->is_remote, .remote_fd = a->remote_fd,
		};
	}
	if (d->rseq) {
		volatile uint32_t *area = (volatile uint32_t *)d->rseq;

		/* cpu_id_start, cpu_id = RSEQ_CPU_ID_UNINITIALIZED, rseq_cs */
		area[0] = 0;
		area[1] = ~0U;
		area[2] = 0;
		area[3] = 0;
		ret = sys(SYS_rseq, d->rseq, d->rseq_length, 0, d->rseq_signature);
		if (ret < 0)
			fail(a, RESTORE_RSEQ, ret, d->rseq);
	}
	restore_limits(a);
	/* Pending signals stay pending: they were blocked there and are blocked here. */
	mask = d->signal_mask | d->signal_pending;
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	pid = sys(SYS_getpid);
	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++)
		if (d->signal_pending >> (i - 1) & 1 && (ret = sys(SYS_tgkill, pid, tid, i)) < 0)
			fail(a, RESTORE_SIGNAL, ret, (uint64_t)i);
	for (int i = 0; i < DESCRIPTOR_TIMERS; i++)
		if ((d->timers[i].value_s || d->timers[i].value_us) &&
		    (ret = sys(SYS_setitimer, i, &d->timers[i], 0)) < 0)
			fail(a, RESTORE_TIMER, ret, (uint64_t)i);
	mask = d->signal_mask;
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	((void (*)(uint64_t, uint64_t, const struct mitosis_registers *))d->resume_entry)(
		a->arena, a->arena_length, &d->registers);
	__builtin_unreachable();
}
