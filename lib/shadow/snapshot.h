/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot.h - the state of a shadow, in its arena.
 *
 * The arena is one shared anonymous mapping (a private one would merge with its neighbours and
 * become part of the snapshot), reserved generously and touched sparingly: an untouched page of it
 * costs nothing.
 */
#ifndef MITOSIS_PIE_SNAPSHOT_H
#define MITOSIS_PIE_SNAPSHOT_H

#include <sys/stat.h>
#include <sys/uio.h>
#include "format/descriptor.h"
#include "pie/freestanding.h"
#include "shadow/shadow.h"

#define VMAS_MAX	65536u		/* vm.max_map_count is 65530 by default */
#define EXTENTS_MAX	(8u << 20)
#define HOT_MAX		16384u
#define GUARDS_MAX	65536u
#define FILES_MAX	8192u
#define FDS_MAX		16384u
#define STRINGS_MAX	(8u << 20)
#define AUXV_MAX	128u		/* words */
#define SCRATCH_BYTES	(256u << 10)

/* A flag of areas beside those of the descriptor: memory that the kernel module fills. Never sent. */
#define AREA_REMOTE	(1u << 31)

struct snapshot {
	struct shadow_args args;	/* a copy: the parent's memory stays as it was */
	const char *broken;		/* why no child can be served, or NULL */
	uint64_t arena, arena_length;
	uint64_t ready_ns;
	uint32_t children;
	uint64_t fetched_pages;

	struct descriptor header;
	uint32_t vma_count, extent_count, hot_count, guard_count, file_count, fd_count, auxv_count;
	uint32_t strings_length;
	struct descriptor_vma vmas[VMAS_MAX];
	struct descriptor_extent extents[EXTENTS_MAX];
	struct descriptor_extent hot[HOT_MAX];
	struct descriptor_extent guards[GUARDS_MAX];
	struct descriptor_file files[FILES_MAX];
	uint64_t file_devices[FILES_MAX];	/* what maps says */
	struct descriptor_fd fds[FDS_MAX];
	uint64_t auxv[AUXV_MAX];
	char strings[STRINGS_MAX];
	/* The descriptor reply: frame, header, tables, hot pages. */
	struct iovec reply[16 + HOT_MAX];
	uint32_t reply_count;
	uint8_t reply_frame[24];
	char scratch[SCRATCH_BYTES];
	char scratch2[SCRATCH_BYTES];
};

/* Returns the string's offset; 0, the empty string, when the table is full. */
uint32_t add_string(struct snapshot *s, const char *text);

static inline int64_t mtime_of(const struct stat *st)
{
	return st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
}

/* Close what was inherited, after noting it down; returns NULL or why it cannot be done. */
const char *collect_files(struct snapshot *s);
/* Areas, files and pages, in memory.c: in this order. NULL or why it cannot be done. */
const char *collect_areas(struct snapshot *s);
const char *collect_pages(struct snapshot *s);
const char *choose_hot(struct snapshot *s);
/* Registers, memory, signals, limits: the rest of the descriptor. */
const char *collect(struct snapshot *s);

/* Let the kernel module hold and serve the pages; returns NULL or why it does not. */
const char *serve_by_rdma(struct snapshot *s);
/* On return no host can read them any more. */
void unserve_by_rdma(struct snapshot *s);

/* Serve children until the snapshot's life ends; does not return. */
void serve(struct snapshot *s) __attribute__((noreturn));

#endif
