/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * snapshot.h - the state of a shadow, in its arena.
 *
 * The arena is one shared anonymous mapping (a private one would merge with its neighbours and
 * become part of the snapshot), reserved generously and touched sparingly: an untouched page of it
 * costs nothing. The shadow maps nothing else: the parent compares their sizes (capture/memory.c).
 */
#ifndef MITOSIS_SNAPSHOT_H
#define MITOSIS_SNAPSHOT_H

#include <sys/stat.h>
#include <sys/uio.h>

#include "format/descriptor.h"
#include "format/wire.h"
#include "pie/freestanding.h"
#include "shadow/shadow.h"

#define SCRATCH_BYTES	(256u << 10)
#define SERVER_ROOM	(2u << 20)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define SNAPSHOT_STACK	(128u << 10)
/* How many children at once are filled by threads, and what each has for its stack. */
#define PLACERS_MAX	256u
#define PLACER_STACK	(16u << 10)

/* How long the arena is: the state, and the stack behind it. */
#define SNAPSHOT_ARENA ((sizeof(struct snapshot) + SNAPSHOT_STACK + PAGE_BYTES) & ~(PAGE_BYTES - 1))

/*
 * A flag of areas beside those of the descriptor: memory that the kernel module fills. Never sent.
 */
#define AREA_REMOTE	(1u << 31)

struct snapshot;

/* A thread of place.c. */
struct placer {
	struct snapshot *snapshot;
	int32_t tid;			/* 0: there is none */
	int32_t fd, uffd;		/* the connection; the child's, -1: not yet */
	uint32_t last;			/* of snapshot_run() */
	char stack[PLACER_STACK] __attribute__((aligned(64)));
};

/* A ring of io_uring, of state/files/uring.c. */
struct snapshot_uring {
	uint64_t inode;
	int32_t fd;
	uint32_t payload, payload_bytes;
	uint32_t reserved;
};

struct snapshot {
	struct shadow_args args;	/* a copy: the parent's memory stays as it was */
	const char *broken;		/* why no child can be served, or NULL */
	uint64_t arena, arena_length;
	uint64_t ready_ns;
	uint32_t children;
	uint64_t fetched_pages;

	struct descriptor header;
	struct {			/* how many entries of each table are used */
#define TABLE(name, type, max) uint32_t name;
		DESCRIPTOR_TABLES(TABLE)
#undef TABLE
	} n;
#define TABLE(name, type, max) type name[max] __attribute__((aligned(8)));
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE
	uint64_t mapped_devices[8192];	/* of the files behind areas: what maps says */
	struct {
		uint64_t device;	/* what maps says */
		int32_t fd;		/* the copy of it; -1: none */
		int32_t source;		/* one of the parent's descriptors of it; -1: none */
		uint32_t mappings;	/* of all processes */
		bool is_memory;		/* it is of a file system that keeps all in memory */
		bool is_leased;		/* the parent has a lease that an open would break */
	} copies[NAMELESS_MAX];		/* of nameless */
	uint64_t copied_bytes, copied_disk_bytes, looked_bytes;
	struct snapshot_uring urings[256];
	uint32_t uring_count;
	/* some private memory of such files was made its own, could not be */
	bool has_owned, is_unowned;
	uint32_t order[2][65536];	/* of fds, while they are sorted by what is open */
	bool has_leases;		/* some file has LOCK_LEASE_WRITE */
	/* The descriptor reply: frame, header, tables, hot pages. */
	struct iovec reply[32 + DESCRIPTOR_HOT_MAX];
	uint32_t reply_count;
	struct wire_frame reply_frame;
	char server[SERVER_ROOM] __attribute__((aligned(64)));	/* of serve.c */
	struct placer placers[PLACERS_MAX];
	char scratch[SCRATCH_BYTES];
	/* for who reads a file: what is in it does not outlast a call of somebody else */
	char scratch2[SCRATCH_BYTES];
};

/* Let the kernel module hold and serve the pages; returns NULL or why it does not. */
const char *serve_by_rdma(struct snapshot *s);
/* On return no host can read them any more. */
void unserve_by_rdma(struct snapshot *s);

/* Serve children until the snapshot's life ends; does not return. */
void serve(struct snapshot *s) __attribute__((noreturn));

#endif
