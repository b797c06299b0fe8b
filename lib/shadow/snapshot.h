/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * snapshot.h - the state of a shadow, in its arena.
 *
 * The arena is one shared anonymous mapping (a private one would merge with its neighbours and
 * become part of the snapshot), reserved generously and touched sparingly: an untouched page of it
 * costs nothing.
 */
#ifndef MITOSIS_SNAPSHOT_H
#define MITOSIS_SNAPSHOT_H

#include <sys/stat.h>
#include <sys/uio.h>

#include "format/descriptor.h"
#include "pie/freestanding.h"
#include "shadow/shadow.h"

#define SCRATCH_BYTES	(256u << 10)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

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
	struct {			/* how many entries of each table are used */
#define TABLE(name, type, max) uint32_t name;
		DESCRIPTOR_TABLES(TABLE)
#undef TABLE
	} n;
#define TABLE(name, type, max) type name[max] __attribute__((aligned(8)));
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE
	uint64_t mapped_devices[8192];	/* of the files behind areas: what maps says */
	struct { uint32_t fd, file; } by_kcmp[65536];	/* one descriptor of each open file, sorted */
	/* The descriptor reply: frame, header, tables, hot pages. */
	struct iovec reply[32 + DESCRIPTOR_HOT_MAX];
	uint32_t reply_count;
	uint8_t reply_frame[24];
	char scratch[SCRATCH_BYTES];
	char scratch2[SCRATCH_BYTES];	/* for who reads a file: what is in it does not outlast a call of somebody else */
};

/* Let the kernel module hold and serve the pages; returns NULL or why it does not. */
const char *serve_by_rdma(struct snapshot *s);
/* On return no host can read them any more. */
void unserve_by_rdma(struct snapshot *s);

/* Serve children until the snapshot's life ends; does not return. */
void serve(struct snapshot *s) __attribute__((noreturn));

#endif
