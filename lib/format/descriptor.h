/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * descriptor.h - all that is known of a snapshot except its pages.
 *
 * The shadow writes it once; a child checks every field before it uses one: what belongs to the format in
 * descriptor.c, what belongs to a kind of state in the file of that kind (state/). All numbers are
 * little-endian and fixed-width; a table is an offset from the start of the descriptor and a number of
 * entries; strings end in NUL inside the string table, and offset 0 is "". A reader refuses another major
 * version; a minor version only adds fields behind the known ones.
 *
 * Addresses are the parent's virtual addresses in bytes, extents count pages of page_size bytes.
 */
#ifndef MITOSIS_DESCRIPTOR_H
#define MITOSIS_DESCRIPTOR_H

#include <stdint.h>

#include "cpu.h"
#include "layout.h"
#include "registers.h"

#define DESCRIPTOR_MAGIC	0x3143534544544d4dULL	/* "MMTDESC1" */
#define DESCRIPTOR_MAJOR	3
#define DESCRIPTOR_MINOR	0
#define DESCRIPTOR_MAX		(256u << 20)		/* longest descriptor a child accepts */
#define DESCRIPTOR_HOT_MAX	16384u			/* most pages that travel with it */

/* A UUID in text, another one for each start of a machine. */
#define BOOT_ID			"/proc/sys/kernel/random/boot_id"

/* Whose registers and processor it holds: ARCH_TAG of that processor's layout.h. */
enum descriptor_arch { DESCRIPTOR_X86_64 = 1, DESCRIPTOR_AARCH64 = 2 };

struct descriptor_table {
	uint32_t offset;
	uint32_t count;
};

enum descriptor_vma_flags {
	VMA_FILE	= 1u << 0,	/* .mapped is valid */
	VMA_SHARED	= 1u << 1,
	VMA_STACK	= 1u << 2,	/* the initial stack: restored whole, with room to grow */
	VMA_VDSO	= 1u << 3,	/* vvar or vdso: the kernel maps these */
	VMA_TRAVELS	= 1u << 4,	/* never map the local file: pages come from the snapshot */
	VMA_WIPED	= 1u << 5,	/* MADV_WIPEONFORK: empty after a fork, and so in the snapshot */
	VMA_DROPPABLE	= 1u << 6,	/* MAP_DROPPABLE (Linux 6.11): that, and the kernel may empty it */
	VMA_KNOWN_FLAGS	= (1u << 7) - 1,
};

struct descriptor_vma {
	uint64_t start, end;
	uint64_t offset;		/* in the file, bytes */
	uint32_t mapped;		/* index into mapped */
	uint32_t flags;			/* enum descriptor_vma_flags */
	uint32_t prot;			/* PROT_* */
	uint32_t extents;		/* number of its extents, which are consecutive */
	uint32_t first_extent;
	uint32_t reserved;
};

/* A run of pages that the snapshot holds of its own (of a file mapping: the modified ones). */
struct descriptor_extent {
	uint64_t start;
	uint64_t pages;
};

#define BUILD_ID_MAX 32
/* A file behind areas, and what tells it from another: see restore/samefile.c for the rule. */
struct descriptor_mapped {
	uint64_t size;			/* of one that is gone: as far as it is mapped and can be read */
	int64_t mtime_ns;
	uint64_t device, inode;
	uint32_t path;			/* string */
	uint8_t gone;			/* not (or no longer) to be found at that path on the parent's host */
	uint8_t build_id_length;	/* 0: none */
	uint8_t reserved[2];
	uint8_t build_id[BUILD_ID_MAX];
};

/* All that the kernel keeps of a thread. */
struct descriptor_thread {
	struct arch_registers registers;
	uint64_t tid_address;		/* set_tid_address(2) */
	uint64_t robust_list, robust_list_length;
	uint64_t rseq;			/* 0: not registered */
	uint32_t rseq_length, rseq_signature;
	uint64_t signal_mask, signal_pending;
	uint64_t altstack_base, altstack_length;
	uint32_t altstack_flags;
	uint32_t tid;			/* as the parent sees it */
	uint32_t extended, extended_bytes;	/* extended register state, as in a signal frame: in payload */
	char name[16];
};

/*
 * The kinds of open files, in the order in which a file is asked whether it is of that kind. A new one is a
 * line before the last, with the next number, and a file state/files/NAME.c; numbers are never used again.
 */
#define DESCRIPTOR_FILE_KINDS(KIND) \
	KIND(FILE_REGULAR, regular) \
	KIND(FILE_DIRECTORY, directory) \
	KIND(FILE_DEVICE, device) \
	KIND(FILE_OTHER, other)		/* none of the others */

enum descriptor_file_kind {
	FILE_OTHER	= 0,
	FILE_REGULAR	= 1,
	FILE_DIRECTORY	= 2,
	FILE_DEVICE	= 3,
	FILE_KINDS			/* one more than the highest */
};

/* An open file description: what dup(2) shares. */
struct descriptor_file {
	uint32_t kind;			/* enum descriptor_file_kind */
	uint32_t open_flags;		/* O_*, but O_CLOEXEC */
	uint64_t position;
	/* What it is. */
	uint32_t path;			/* string: what /proc/self/fd/N says */
	uint32_t mode;			/* st_mode */
	uint64_t size;
	int64_t mtime_ns;
	uint64_t device, inode;
	uint32_t payload, payload_bytes;	/* of its kind: in payload */
};

/* A number that points to one. */
struct descriptor_fd {
	uint32_t fd;
	uint32_t file;			/* index into files */
	uint32_t flags;			/* FD_CLOEXEC */
	uint32_t reserved;
};

struct descriptor_action {		/* the kernel's struct sigaction */
	uint64_t handler, flags, restorer, mask;
};

struct descriptor_limit {
	uint64_t soft, hard;
};

struct descriptor_timer {
	int64_t interval_s, interval_us, value_s, value_us;
};

struct descriptor_mm {			/* the kernel's struct prctl_mm_map, first part */
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
};

enum descriptor_process_flags {
	PROCESS_NO_NEW_PRIVS	= 1u << 0,
	PROCESS_FILES_UNCOMPARED = 1u << 1,	/* which descriptors share an open file is not known */
};

#define DESCRIPTOR_SIGNALS	64
#define DESCRIPTOR_LIMITS	16
#define DESCRIPTOR_TIMERS	3

/*
 * The tables: name, entry, and how many the shadow has room for (an untouched one costs nothing). The
 * header, the writer, the checker and the server are made of this list. Vmas and extents come first, since
 * the largest are sent in place.
 */
#define DESCRIPTOR_TABLES(TABLE) \
	TABLE(vmas, struct descriptor_vma, 65536u)	/* vm.max_map_count is 65530 by default */ \
	TABLE(extents, struct descriptor_extent, 8u << 20) \
	TABLE(hot, struct descriptor_extent, DESCRIPTOR_HOT_MAX) \
	TABLE(guards, struct descriptor_extent, 65536u)	/* MADV_GUARD_INSTALL (Linux 6.13), ascending */ \
	TABLE(mapped, struct descriptor_mapped, 8192u) \
	TABLE(threads, struct descriptor_thread, 1u) \
	TABLE(files, struct descriptor_file, 65536u) \
	TABLE(fds, struct descriptor_fd, 65536u)	/* ascending */ \
	TABLE(auxv, uint64_t, 128u) \
	TABLE(payload, uint8_t, 1u << 20) \
	TABLE(strings, char, 8u << 20)

struct descriptor {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t arch;			/* enum descriptor_arch */
	uint64_t length;		/* of the whole, bytes */
	uint64_t user_end;		/* one past the highest user address there */
	uint32_t page_size;
	uint32_t umask;

#define TABLE(name, type, max) struct descriptor_table name;
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE

	struct mitosis_cpu cpu;
	char boot[36];			/* BOOT_ID of the parent's host; zeros: not known */
	uint32_t reserved;
	uint64_t permissions;		/* register states it may use: arch_permissions() */
	uint64_t child_state;		/* struct child_state of the parent; 0: it has none */

	struct descriptor_mm mm;
	uint64_t vdso_start, vdso_length;	/* vvar and vdso as one range */
	uint64_t vdso_image, vdso_image_length;	/* the code alone */
	uint64_t vdso_hash;

	struct descriptor_action actions[DESCRIPTOR_SIGNALS];
	struct descriptor_limit limits[DESCRIPTOR_LIMITS];
	struct descriptor_timer timers[DESCRIPTOR_TIMERS];
	uint32_t cwd, exe;		/* strings */
	uint64_t pages;			/* in all extents */
	uint64_t hot_pages;		/* in all hot extents */
	uint32_t process_flags;		/* enum descriptor_process_flags */
	uint32_t seccomp_filters;	/* how many confine it; they cannot be carried over */

	/* Where the kernel module serves the pages, struct sockaddr_in or sockaddr_in6. */
	uint8_t rdma_address[28];
	uint32_t rdma_address_length;	/* 0: pages come over this connection only */
};

/*
 * Filled in by the restorer in the memory of a resumed child: what its libmitosis needs to talk
 * to the supervisor. All zero in a process that is no child.
 */
struct child_state {
	int32_t is_child;
	int32_t control_fd;
	int32_t uffd;			/* kept open so that a lost pager blocks instead of giving zeros */
	int32_t supervisor;
	int32_t is_remote;		/* engine kernel: the module fills its memory, no pager does */
	int32_t remote_fd;		/* then: the file behind it */
	int32_t is_detached;		/* it was, and is the process's own now */
	uint32_t tail_bytes;		/* what is left of the restorer's memory; 0: nothing */
	uint64_t tail;
};

/* 0, or -EPROTO with a sentence about the first thing that is wrong with the format. */
int descriptor_check(const void *data, uint64_t length, const char **why);

static inline const void *descriptor_at(const struct descriptor *d, struct descriptor_table t)
{
	return (const char *)d + t.offset;
}

static inline const char *descriptor_string(const struct descriptor *d, uint32_t offset)
{
	return (const char *)d + d->strings.offset + offset;
}

/* The table ends in NUL, so any offset inside is a terminated string. */
static inline int descriptor_has_string(const struct descriptor *d, uint32_t offset)
{
	return offset < d->strings.count;
}

static inline const void *descriptor_payload(const struct descriptor *d, uint32_t offset)
{
	return (const char *)d + d->payload.offset + offset;
}

static inline int descriptor_has_payload(const struct descriptor *d, uint32_t offset, uint32_t bytes)
{
	return offset <= d->payload.count && bytes <= d->payload.count - offset;
}

static inline int descriptor_is_user(uint64_t address)
{
	return address >= PAGE_BYTES && address < USER_END;
}

/* 64-bit FNV-1a over words: equal vDSO images hash equal, which is all that is asked of it. */
static inline uint64_t descriptor_hash(const void *data, uint64_t bytes)
{
	const uint64_t *word = data;
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (uint64_t i = 0; i < bytes / 8; i++)
		hash = (hash ^ word[i]) * 0x100000001b3ULL;
	return hash;
}

#endif
