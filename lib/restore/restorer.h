/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* restorer.h - what resume.c computes and the restorer carries out. All of it lies in the arena. */
#ifndef MITOSIS_PIE_RESTORER_H
#define MITOSIS_PIE_RESTORER_H

#include <stdint.h>
#include "format/descriptor.h"

enum map_flags {
	MAP_STEP_UFFD	= 1u << 0,	/* pages arrive on demand */
	MAP_STEP_SHARED	= 1u << 1,	/* MAP_SHARED file mapping */
	MAP_STEP_GUARD	= 1u << 2,	/* room below the stack: no content */
	MAP_STEP_BACKED	= 1u << 3,	/* private, of the file that the kernel module fills */
	MAP_STEP_WIPED	= 1u << 4,	/* MADV_WIPEONFORK */
	MAP_STEP_DROPPABLE = 1u << 5,	/* MAP_DROPPABLE in place of MAP_PRIVATE */
};

struct map_step {
	uint64_t start, end, offset;
	int32_t fd;			/* -1: anonymous */
	uint32_t prot;
	uint32_t flags;			/* enum map_flags */
	uint32_t reserved;
};

/* Told to the supervisor over the control socket; see enum control_type in control.h. */
enum restore_step {
	RESTORE_UNMAP, RESTORE_VDSO, RESTORE_MMAP, RESTORE_HOT, RESTORE_REGISTER, RESTORE_FETCH,
	RESTORE_PROTECT, RESTORE_MM, RESTORE_SIGNAL, RESTORE_LIMIT, RESTORE_TIMER, RESTORE_RSEQ,
	RESTORE_FILES, RESTORE_DIRECTORY, RESTORE_GUARD, RESTORE_STATE,
};

struct restorer_args {
	uint64_t arena, arena_length;
	const struct descriptor *descriptor;
	const struct map_step *steps;
	const struct descriptor_extent *hot, *guards;
	const uint8_t *hot_data;
	const struct descriptor_extent *missing;	/* eager: to be read from socket_fd */
	const struct descriptor_extent *populate;	/* of the file behind memory: fetch them now */
	const uint64_t *auxv;
	uint32_t step_count, hot_count, missing_count, populate_count;
	uint32_t auxv_bytes;
	int32_t uffd;			/* -1: eager */
	int32_t control_fd;
	int32_t socket_fd;		/* eager: connection to the shadow; else -1 */
	int32_t exe_fd;			/* -1: keep the caller's */
	int32_t supervisor;
	int32_t is_remote, remote_fd;	/* see struct child_state */
	uint32_t close_from, close_to;	/* descriptors of file mappings, closed when mapped */
};

#endif
