/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * workingset.h - the pages that a child touched, in order of first touch, as a list and as a file.
 *
 * The file is a header and .extents entries of struct descriptor_extent behind it: little-endian,
 * fixed-width, addresses in bytes, numbers in pages of page_size. A reader refuses another major
 * version. Touched pages are named by address, so the list fits every snapshot of the same program
 * whose memory lies at the same addresses: .program tells programs apart, .layout the addresses
 * that the kernel chose for one run (two runs agree only without address space randomization).
 * A list decides what is fetched first and never what a page contains.
 */
#ifndef MITOSIS_WORKINGSET_H
#define MITOSIS_WORKINGSET_H

#include "format/descriptor.h"

#define WORKINGSET_MAGIC	0x31544553574d4d4dULL	/* "MMMWSET1" */
#define WORKINGSET_MAJOR	1
#define WORKINGSET_MINOR	0
#define WORKINGSET_MAX		(256u << 20)		/* longest file, bytes */

struct workingset_header {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t page_size;
	uint64_t length;		/* of the file, bytes */
	uint64_t program, layout;	/* workingset_program(), workingset_layout() */
	uint64_t pages;			/* in all extents */
	uint32_t extents;
	uint32_t reserved;		/* 0 */
	uint64_t hash;			/* descriptor_hash() of the extents */
};

struct workingset {
	uint64_t program, layout;
	struct descriptor_extent *extents;	/* in order of first touch */
	uint32_t count, room;
	uint64_t pages;
};

uint64_t workingset_program(const struct descriptor *d);
uint64_t workingset_layout(const struct descriptor *d);

/* Append a page; one that follows the last is merged with it. 0 or -ENOMEM. */
int workingset_add(struct workingset *w, uint64_t address);
/*
 * For replay: neighbours that were touched in short succession, in whatever order, become one
 * extent. The order of touch is kept from batch to batch.
 */
void workingset_merge(struct workingset *w);
void workingset_free(struct workingset *w);

/* 0, or -EPROTO with what is wrong first. */
int workingset_check(const void *data, uint64_t length, const char **why);

#endif
