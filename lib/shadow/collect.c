// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * collect.c - the shadow describes itself, which is to say the parent at the moment of prepare.
 *
 * Everything here happens after the parent has gone on: an early child waits in the listen
 * backlog meanwhile. What fork(2) does not copy (timers, pending signals, the robust list) was read
 * by the parent beforehand and stands in shadow_args.
 */
#include "shadow/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <asm/prctl.h>

static long read_whole(const char *path, void *to, uint32_t capacity)
{
	long fd = sys(SYS_open, path, O_RDONLY | O_CLOEXEC);
	uint32_t have = 0;

	if (fd < 0)
		return fd;
	while (have < capacity) {
		long n = sys(SYS_read, fd, (char *)to + have, capacity - have);

		if (n < 0) {
			sys(SYS_close, fd);
			return n;
		}
		if (!n)
			break;
		have += (uint32_t)n;
	}
	sys(SYS_close, fd);
	return have;
}

uint32_t add_string(struct snapshot *s, const char *text)
{
	uint32_t length = (uint32_t)text_length(text) + 1, at = s->strings_length;

	if (length > STRINGS_MAX - at)
		return 0;
	memcpy(s->strings + at, text, length);
	s->strings_length += length;
	return at;
}

/* ---- descriptors ---- */

struct dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static const char *collect_fd(struct snapshot *s, uint32_t fd)
{
	static const char unreadable[] = "an open descriptor cannot be examined on the parent's host";
	struct descriptor_fd *f = &s->fds[s->fd_count];
	char name[40], *end;
	struct stat st;

	if (s->fd_count == FDS_MAX)
		return "too many open descriptors";
	if (sys(SYS_fstat, fd, &st) < 0)
		return unreadable;
	end = text_append_number(text_append(name, "/proc/self/fd/"), fd);
	*end = '\0';
	long n = sys(SYS_readlink, name, s->scratch2, 4096);

	if (n < 0)
		return unreadable;
	s->scratch2[n] = '\0';
	*f = (struct descriptor_fd){
		.fd = fd, .path = add_string(s, s->scratch2), .mode = st.st_mode,
		.size = (uint64_t)st.st_size, .mtime_ns = mtime_of(&st),
		.device = st.st_dev, .inode = st.st_ino,
	};
	if (!f->path)
		return "the names of open files are too long";
	end = text_append_number(text_append(name, "/proc/self/fdinfo/"), fd);
	*end = '\0';
	n = read_whole(name, s->scratch2, 4096 - 1);
	if (n < 0)
		return unreadable;
	s->scratch2[n] = '\0';
	for (const char *p = s->scratch2; *p; p++) {
		if (p[0] == 'p' && p[1] == 'o' && p[2] == 's' && p[3] == ':') {
			p += 5;
			f->position = text_number(&p, 10);
		} else if (p[0] == 'f' && p[1] == 'l' && p[2] == 'a' && p[3] == 'g') {
			p += 7;
			f->open_flags = (uint32_t)text_number(&p, 8);
		}
		while (*p && *p != '\n')
			p++;
		if (!*p)
			break;
	}
	s->fd_count++;
	return NULL;
}

const char *collect_files(struct snapshot *s)
{
	long dir = sys(SYS_open, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *why = NULL;

	s->strings_length = 1;	/* offset 0 is "" */
	if (dir < 0)
		return "cannot read /proc/self/fd on the parent's host";
	for (;;) {
		long n = sys(SYS_getdents64, dir, s->scratch, SCRATCH_BYTES);

		if (n < 0)
			return "cannot read /proc/self/fd on the parent's host";
		if (!n)
			break;
		for (long at = 0; at < n && !why;) {
			const struct dirent64 *e = (void *)(s->scratch + at);
			const char *digits = e->name;

			at += e->length;
			if (*digits < '0' || *digits > '9')
				continue;
			uint32_t fd = (uint32_t)text_number(&digits, 10);

			if (fd > 2 && (int)fd != dir && (int)fd != s->args.listen_fd &&
			    (int)fd != s->args.control_fd && (int)fd != s->args.device_fd)
				why = collect_fd(s, fd);
		}
		if (why)
			return why;
	}
	/* From here on only the listener is open, as descriptor 0, and /dev/mitosis as 1. */
	if (!s->args.device_fd) {
		s->args.device_fd = (int32_t)sys(SYS_fcntl, 0, F_DUPFD_CLOEXEC, 2);
		if (s->args.device_fd < 0)
			return "cannot keep /dev/mitosis";
	}
	if (s->args.listen_fd && sys(SYS_dup3, s->args.listen_fd, 0, O_CLOEXEC) < 0)
		return "cannot keep the listening socket";
	s->args.listen_fd = 0;
	if (s->args.device_fd > 1) {
		if (sys(SYS_dup3, s->args.device_fd, 1, O_CLOEXEC) < 0)
			return "cannot keep /dev/mitosis";
		s->args.device_fd = 1;
	}
	if (sys(SYS_close_range, s->args.device_fd < 0 ? 1 : 2, ~0U, 0) < 0)
		return "cannot close what the snapshot inherited (close_range)";
	return NULL;
}

/* ---- the process ---- */

/* Field numbers of /proc/PID/stat as in proc(5). */
static const char *collect_mm(struct snapshot *s)
{
	struct descriptor_mm *mm = &s->header.mm;
	uint64_t field[53] = { 0 };
	long n = read_whole("/proc/self/stat", s->scratch2, 8191);
	const char *p = s->scratch2, *behind = NULL;

	if (n <= 0)
		return "cannot read /proc/self/stat on the parent's host";
	s->scratch2[n] = '\0';
	for (; *p; p++)
		if (*p == ')')
			behind = p;
	if (!behind)
		return "cannot parse /proc/self/stat on the parent's host";
	p = behind + 4;		/* ") S ": field 4 begins */
	for (int i = 4; i <= 52 && *p; i++) {
		if (*p == '-')
			p++;
		field[i] = text_number(&p, 10);
		while (*p && *p != ' ')
			p++;
		if (*p)
			p++;
	}
	*mm = (struct descriptor_mm){
		.start_code = field[26], .end_code = field[27], .start_stack = field[28],
		.start_data = field[45], .end_data = field[46], .start_brk = field[47],
		.arg_start = field[48], .arg_end = field[49],
		.env_start = field[50], .env_end = field[51],
		.brk = (uint64_t)sys(SYS_brk, 0),
	};
	return NULL;
}

static void collect_signals(struct snapshot *s)
{
	struct { uint64_t base; int32_t flags; uint32_t pad; uint64_t size; } stack = { 0 };

	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++)
		sys(SYS_rt_sigaction, i, 0, &s->header.actions[i - 1], 8);
	if (!sys(SYS_sigaltstack, 0, &stack)) {
		s->header.altstack_base = stack.base;
		s->header.altstack_length = stack.size;
		s->header.altstack_flags = (uint32_t)stack.flags;
	}
}

static uint32_t collect_link(struct snapshot *s, const char *link)
{
	long n = sys(SYS_readlink, link, s->scratch2, 4096);

	if (n <= 0)
		return 0;
	s->scratch2[n] = '\0';
	return add_string(s, s->scratch2);
}

static void place_table(struct descriptor *d, struct descriptor_table *t, uint32_t count, uint64_t entry)
{
	t->offset = (uint32_t)d->length;
	t->count = count;
	d->length = (d->length + count * entry + 7) & ~7ULL;
}

/* What a process can have that a child could not be given, and would not do without. */
static const char *check_supported(const struct snapshot *s)
{
	bool execute_only = false;
	uint64_t features = 0;
	long key;

	if (!sys(SYS_arch_prctl, SHADOW_STACK_STATUS, &features) && features & SHADOW_STACK_ON)
		return "it has a shadow stack (CET)";
	/* The lowest free one is given: 1, or 2 where the kernel itself needs 1 for memory to execute only. */
	key = sys(SYS_pkey_alloc, 0, 0);
	for (uint32_t i = 0; i < s->vma_count; i++)
		execute_only |= s->vmas[i].prot == PROT_EXEC;
	if (key > (execute_only ? 2 : 1))
		return "it uses memory protection keys";
	if (key > 0)
		sys(SYS_pkey_free, key);
	return NULL;
}

/* How far the process is confined. */
static const char *collect_confinement(struct snapshot *s)
{
	static const char name[] = "\nSeccomp_filters:\t";	/* since Linux 5.9 */
	long n = read_whole("/proc/self/status", s->scratch2, SCRATCH_BYTES - 1);

	if (n <= 0)
		return "cannot read /proc/self/status on the parent's host";
	s->scratch2[n] = '\0';
	for (const char *p = s->scratch2; *p; p++) {
		if (!text_begins(p, name))
			continue;
		p += sizeof(name) - 1;
		s->header.seccomp_filters = (uint32_t)text_number(&p, 10);
		break;
	}
	if (sys(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		s->header.process_flags |= PROCESS_NO_NEW_PRIVS;
	return NULL;
}

const char *collect(struct snapshot *s)
{
	struct descriptor *d = &s->header;
	const struct shadow_args *a = &s->args;
	const char *why;
	long n;

	*d = (struct descriptor){
		.magic = DESCRIPTOR_MAGIC, .major = DESCRIPTOR_MAJOR, .minor = DESCRIPTOR_MINOR,
		.page_size = PAGE_BYTES, .user_end = USER_END,
		.registers = a->registers, .fs_base = a->fs_base, .tid_address = a->tid_address,
		.robust_list = a->robust_list, .robust_list_length = a->robust_list_length,
		.rseq = a->rseq, .rseq_length = a->rseq_length, .rseq_signature = 0x53053053,
		.signal_mask = a->signal_mask, .signal_pending = a->signal_pending,
		.resume_entry = a->resume_entry, .child_state = a->child_state,
	};
	memcpy(d->timers, a->timers, sizeof(d->timers));
	cpu_identify(&d->cpu);
	sys(SYS_arch_prctl, ARCH_GET_GS, &d->gs_base);
	sys(SYS_prctl, PR_GET_NAME, d->comm);
	d->umask = (uint32_t)sys(SYS_umask, 0);
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++)
		sys(SYS_prlimit64, 0, i, 0, &d->limits[i]);
	d->cwd = collect_link(s, "/proc/self/cwd");
	if (!d->cwd)
		return "its working directory cannot be found out";
	d->exe = collect_link(s, "/proc/self/exe");
	collect_signals(s);
	n = read_whole("/proc/self/auxv", s->auxv, sizeof(s->auxv));
	if (n <= 0)
		return "cannot read /proc/self/auxv on the parent's host";
	s->auxv_count = (uint32_t)n / 8;
	sys(SYS_arch_prctl, XCOMP_GET_PERMISSION, &d->xcomp_permission);	/* 0 before Linux 5.16 */
	why = collect_mm(s);
	if (!why)
		why = collect_confinement(s);
	if (!why)
		why = collect_areas(s);
	if (!why)
		why = check_supported(s);
	if (why)
		return why;
	if (d->vdso_image)
		d->vdso_hash = descriptor_hash((void *)d->vdso_image, d->vdso_image_length);
	why = collect_pages(s);
	if (!why)
		why = choose_hot(s);
	if (why)
		return why;
	/* Pages behind PROT_NONE and the like must be readable to be sent. */
	for (uint32_t i = 0; i < s->vma_count; i++) {
		const struct descriptor_vma *v = &s->vmas[i];

		if (v->prot & PROT_READ || v->flags & (VMA_VDSO | VMA_SHARED) ||
		    (!v->extents && !(v->flags & VMA_FILE)))
			continue;
		if (sys(SYS_mprotect, v->start, v->end - v->start, v->prot | PROT_READ) < 0 && v->extents)
			return "an area without read permission cannot be read";
	}

	d->length = sizeof(*d);
	place_table(d, &d->vmas, s->vma_count, sizeof(s->vmas[0]));
	place_table(d, &d->extents, s->extent_count, sizeof(s->extents[0]));
	place_table(d, &d->hot, s->hot_count, sizeof(s->hot[0]));
	place_table(d, &d->guards, s->guard_count, sizeof(s->guards[0]));
	place_table(d, &d->files, s->file_count, sizeof(s->files[0]));
	place_table(d, &d->fds, s->fd_count, sizeof(s->fds[0]));
	place_table(d, &d->auxv, s->auxv_count, sizeof(s->auxv[0]));
	place_table(d, &d->strings, s->strings_length, 1);
	return d->length > DESCRIPTOR_MAX ? "its description is too long" : NULL;
}
