/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* restorer.h - what arena.c lays out and the restorer carries out. All of it lies in the arena. */
#ifndef MITOSIS_RESTORER_H
#define MITOSIS_RESTORER_H

#include <stdint.h>

#include "format/descriptor.h"

enum map_flags {
	MAP_STEP_UFFD	= 1u << 0,	/* pages arrive on demand */
	MAP_STEP_SHARED	= 1u << 1,	/* MAP_SHARED file mapping */
	MAP_STEP_GROWS_DOWN = 1u << 2,	/* MAP_GROWSDOWN */
	MAP_STEP_BACKED	= 1u << 3,	/* private, of the file that the kernel module fills */
	MAP_STEP_WIPED	= 1u << 4,	/* MADV_WIPEONFORK */
	MAP_STEP_DROPPABLE = 1u << 5,	/* MAP_DROPPABLE in place of MAP_PRIVATE */
	MAP_STEP_URING	= 1u << 6,	/* of a ring of io_uring: the kernel may choose where */
};

struct map_step {
	uint64_t start, end, offset;
	int32_t fd;			/* -1: anonymous */
	uint32_t prot;
	uint32_t flags;			/* enum map_flags */
	uint32_t seals;			/* F_ADD_SEALS once it is mapped */
};

/*
 * The steps of a resume, as the supervisor is told of one that failed (CONTROL_FAILED in
 * control.h).
 */
#define RESTORE_STEPS(STEP) \
	STEP(RESTORE_UNMAP, "clearing the address space") \
	STEP(RESTORE_VDSO, "mapping the vDSO") \
	STEP(RESTORE_MMAP, "mapping memory") \
	STEP(RESTORE_REGISTER, "registering memory with userfaultfd") \
	STEP(RESTORE_FETCH, "fetching memory") \
	STEP(RESTORE_PROTECT, "protecting memory") \
	STEP(RESTORE_MM, "setting the process's layout") \
	STEP(RESTORE_SIGNAL, "restoring signals") \
	STEP(RESTORE_LIMIT, "restoring resource limits") \
	STEP(RESTORE_TIMER, "restoring timers") \
	STEP(RESTORE_RSEQ, "registering restartable sequences") \
	STEP(RESTORE_FILES, "opening files") \
	STEP(RESTORE_DIRECTORY, "entering the working directory") \
	STEP(RESTORE_GUARD, "setting guard pages") \
	STEP(RESTORE_STATE, "restoring the process's state") \
	STEP(RESTORE_THREAD, "making its threads") \
	STEP(RESTORE_SETTING, "restoring settings") \
	STEP(RESTORE_CREDENTIALS, "restoring user, groups and capabilities")

enum restore_step {
#define STEP(number, text) number,
	RESTORE_STEPS(STEP)
#undef STEP
};

#define RESTORER_THREAD_STACK	8192u

/*
 * The arena ends in a tail, which stays mapped until the program is there: the code that leaves
 * (arch_leave()), the gate where threads wait for each other, and the frame of each.
 */
struct restorer_args {
	uint64_t arena, arena_length;
	uint64_t tail, tail_bytes;
	uint64_t thread_stacks;		/* RESTORER_THREAD_STACK for each thread but the first */
	const struct descriptor *descriptor;
	const struct map_step *steps;
	const uint8_t *hot_data;
	/* to be read from socket_fd, where nothing comes on demand */
	const struct descriptor_extent *missing;
	/* of the file behind memory: fetch them now */
	const struct descriptor_extent *populate;
	uint32_t step_count, missing_count, populate_count;
	int32_t uffd;			/* -1: nothing comes on demand */
	int32_t control_fd;
	int32_t socket_fd;		/* connection to the shadow, or -1 */
	int32_t exe_fd;			/* -1: keep the caller's */
	int32_t supervisor;
	int32_t is_remote, remote_fd;	/* see struct child_state */
	uint32_t change_credentials;
	/* its threads are to have their parent's numbers; supervisor is 0 then */
	uint32_t numbered;
	uint32_t close_from, close_to;	/* descriptors of file mappings, closed when mapped */
	uint64_t core_withheld;		/* for the supervisor: see start.c */
	uint32_t number;		/* which child of the snapshot it is; 0: not known */
	uint32_t reserved;
};

#endif
