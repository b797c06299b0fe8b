/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* plan.h - what has to be mapped where in a child, and which pages are missing afterwards. */
#ifndef MITOSIS_PLAN_H
#define MITOSIS_PLAN_H

#include <stdbool.h>

#include "format/descriptor.h"

struct map_step;
struct page_source;

/* How a child's memory arrives, as its engine decides. */
struct child_memory {
	bool on_demand;		/* over the connection, while it runs; else before it runs */
	bool populate;		/* the pages of the file behind it are fetched before, too */
	/* the file behind anonymous memory, whose offsets are addresses; -1: none */
	int backing_fd;
	const struct page_source *source;
};

struct plan {
	struct map_step *steps;
	struct descriptor_extent *missing;	/* ascending */
	uint32_t step_count, missing_count;
	uint64_t missing_pages;
	/* ascending: what the file behind the memory holds */
	struct descriptor_extent *backed;
	uint32_t backed_count;
	int fd_base, fd_next;		/* descriptors of mapped files: [fd_base, fd_next) */
	int exe_fd;
	/* a descriptor of each file without a name; -1: it cannot be had */
	int *nameless;
	/* for each open file that is a ring of io_uring and mapped: a new one; -1: none */
	int *urings;
	bool *sealed_late;		/* of these: its seals are set once it is mapped */
	/* one that the program could have made writable, not so the child; or NULL */
	const struct descriptor_vma *read_only;
};

/* 0 or -errno, logged for object. */
int plan_make(struct plan *plan, const struct descriptor *d, const char *object,
	      const struct child_memory *memory);
void plan_free(struct plan *plan);

#endif
