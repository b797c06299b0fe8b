/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* sample.h - a small, valid descriptor to begin from: six areas, a file, one without a name, three open ones. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <string.h>
#include <sys/mman.h>

#include "state/state.h"

#define SAMPLE_PATHS "\0/nonexistent/library.so\0/nonexistent/data\0/"
#define SAMPLE_STRINGS 48u

struct sample {
	struct descriptor d;
	struct descriptor_vma vmas[6];
	struct descriptor_extent extents[4], hot[2], guards[2], unforked[2];
	struct descriptor_advice advice[2];
	struct descriptor_mapped mapped[1];
	struct descriptor_nameless nameless[1];
	struct descriptor_extent held[2];
	struct descriptor_thread threads[1];
	struct descriptor_signal signals[1];
	struct descriptor_posix_timer posix_timers[2];
	struct descriptor_file files[3];
	struct descriptor_fd fds[3];
	uint64_t auxv[4];
	uint8_t payload[FRAME_LEGACY];
	char strings[SAMPLE_STRINGS];
};

static inline void sample_make(struct sample *s)
{
	const uint32_t rw = PROT_READ | PROT_WRITE;

	memset(s, 0, sizeof(*s));
	s->d = (struct descriptor){
		.magic = DESCRIPTOR_MAGIC, .major = DESCRIPTOR_MAJOR, .minor = DESCRIPTOR_MINOR,
		.arch = ARCH_TAG, .page_size = PAGE_BYTES, .length = sizeof(*s), .user_end = USER_END,
		.child_state = 0x500100,
		.vdso_start = 0x7fffff000000, .vdso_length = 3 * PAGE_BYTES, .vdso_image = 0x7fffff001000,
		.vdso_image_length = 2 * PAGE_BYTES, .cwd = 46, .exe = 1, .pages = 61, .hot_pages = 12,
	};
	s->d.limits[3] = (struct descriptor_limit){ 8u << 20, 8u << 20 };	/* RLIMIT_STACK */
	s->d.credentials.groups = 8;
	s->d.credentials.group_count = 2;
#define TABLE(member, entries) \
	(s->d.member = (struct descriptor_table){ (uint32_t)((char *)s->member - (char *)s), entries })
	TABLE(vmas, 6);
	TABLE(extents, 4);
	TABLE(hot, 2);
	TABLE(guards, 2);
	TABLE(advice, 2);
	TABLE(unforked, 2);
	TABLE(mapped, 1);
	TABLE(nameless, 1);
	TABLE(held, 2);
	TABLE(threads, 1);
	TABLE(signals, 1);
	TABLE(posix_timers, 2);
	TABLE(files, 3);
	TABLE(fds, 3);
	TABLE(auxv, 4);
	TABLE(payload, FRAME_LEGACY);
	TABLE(strings, SAMPLE_STRINGS);
#undef TABLE
	s->vmas[0] = (struct descriptor_vma){ 0x400000, 0x410000, 0, 0, VMA_FILE, PROT_READ | PROT_EXEC, 0, 0, 0 };
	s->vmas[1] = (struct descriptor_vma){ 0x500000, 0x600000, 0, 0, 0, rw, 2, 0, 0 };
	s->vmas[2] = (struct descriptor_vma){ 0x600000, 0x610000, 0x10000, 0, VMA_FILE, rw, 1, 2, 0 };
	s->vmas[3] = (struct descriptor_vma){ 0x7fffff00000, 0x80000000000, 0, 0, VMA_STACK, rw, 1, 3, 0 };
	s->vmas[4] = (struct descriptor_vma){ 0x7fffff000000, 0x7fffff003000, 0, 0, VMA_VDSO, PROT_READ, 0, 4, 0 };
	s->vmas[5] = (struct descriptor_vma){
		0x7fffff800000, 0x7fffff804000, PAGE_BYTES, 0, VMA_SHARED | VMA_NAMELESS, rw, 0, 4, 0,
	};
	s->nameless[0] = (struct descriptor_nameless){
		.size = 5 * PAGE_BYTES + 100, .address = 0x7ffff0000000, .name = 1, .flags = NAMELESS_HELD, .mode = 0600,
		.seals = 1, .runs = 2,
	};
	s->held[0] = (struct descriptor_extent){ 0x7ffff0000000, 2 };
	s->held[1] = (struct descriptor_extent){ 0x7ffff0004000, 2 };
	s->extents[0] = (struct descriptor_extent){ 0x500000, 16 };
	s->extents[1] = (struct descriptor_extent){ 0x520000, 33 };
	s->extents[2] = (struct descriptor_extent){ 0x602000, 4 };
	s->extents[3] = (struct descriptor_extent){ 0x7fffff08000, 8 };
	s->hot[0] = (struct descriptor_extent){ 0x602000, 4 };
	s->hot[1] = (struct descriptor_extent){ 0x7fffff08000, 8 };
	s->guards[0] = (struct descriptor_extent){ 0x550000, 2 };
	s->guards[1] = (struct descriptor_extent){ 0x608000, 1 };
	s->advice[0] = (struct descriptor_advice){ 0x500000, 0x510000, ADVICE_NO_DUMP, 0 };
	s->advice[1] = (struct descriptor_advice){ 0x510000, 0x511000, ADVICE_HUGE, 0 };
	s->unforked[0] = (struct descriptor_extent){ 0x540000, 3 };
	s->unforked[1] = (struct descriptor_extent){ 0x560000, 1 };
	s->mapped[0] = (struct descriptor_mapped){ .size = 0x20000, .device = 1, .inode = 2, .path = 1, .gone = 1 };
	s->threads[0] = (struct descriptor_thread){
		.registers.rsp = 0x7ffff000100, .registers.fs_base = 0x500000, .registers.rip = 0x400100,
		.tid_address = 0x500200, .rseq = 0x500300, .rseq_length = 32, .tid = 4711,
		.extended_bytes = FRAME_LEGACY,
	};
	s->signals[0] = (struct descriptor_signal){ .shared = 1, .info = { 34 } };
	s->posix_timers[0] = (struct descriptor_posix_timer){ .id = 0, .clock = 1, .signal = 14, .value_s = 1 };
	s->posix_timers[1] = (struct descriptor_posix_timer){ .id = 7, .notify = 4, .signal = 34, .interval_s = 1 };
	s->files[0] = (struct descriptor_file){ .kind = FILE_REGULAR, .path = 25, .mode = 0100600, .size = 10 };
	s->files[1] = (struct descriptor_file){ .kind = FILE_OTHER, .path = 25, .mode = 0140777 };
	s->files[2] = (struct descriptor_file){ .kind = FILE_EPOLL, .path = 25, .mode = 0600, .payload_bytes = 48 };
	s->fds[0] = (struct descriptor_fd){ .fd = 1, .file = 1 };
	s->fds[1] = (struct descriptor_fd){ .fd = 3, .file = 0 };
	s->fds[2] = (struct descriptor_fd){ .fd = 7, .file = 0, .flags = 1 };
	memcpy(s->strings, SAMPLE_PATHS, sizeof(SAMPLE_PATHS));
}

#endif
