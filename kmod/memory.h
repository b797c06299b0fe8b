/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* memory.h - an opened snapshot, and mappings of it. */
#ifndef MITOSIS_MEMORY_H
#define MITOSIS_MEMORY_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

struct mitosis_remote;

/*
 * What the child's descriptor and all mappings made from it share. Each mapping has a struct file of
 * its own (memory.c says why), and all of them hold the child.
 */
struct mitosis_child {
	struct kref kref;			/* one per struct file */
	struct list_head node;			/* child.c's list */
	pid_t opener;
	struct inode *inode;			/* for comparison: the files hold it */
	struct mitosis_remote *remote;		/* the inode holds it */
	u32 flags;				/* MITOSIS_OPEN_* */
	u32 window;				/* pages fetched by a fault, at least 1 */

	struct mutex lock;			/* of mms and of their .areas */
	struct list_head mms;			/* struct mitosis_mm: one per address space */

	atomic64_t faults;			/* as struct mitosis_ioc_state tells them */
	atomic64_t zero_faults;
	atomic64_t read_pages;
	atomic64_t read_requests;
	atomic64_t discarded_pages;
	atomic64_t lost_address;

	/* MITOSIS_OPEN_RECORD: there is room for each page once. */
	spinlock_t record_lock;
	unsigned long *record_seen;		/* by mitosis_pagefile_bit() */
	u32 *record;				/* the same numbers in the order of the first touch */
	unsigned long recorded;
};

/* What a fault found, for the tracepoint. */
enum mitosis_fault_kind {
	MITOSIS_FAULT_REMOTE,			/* had to wait for the network */
	MITOSIS_FAULT_ABSENT,			/* the snapshot lacks the page */
	MITOSIS_FAULT_DISCARDED,		/* the process has discarded it, or made the mapping grow */
};

/* ->mmap of a child's file. */
int mitosis_memory_map(struct file *file, struct vm_area_struct *vma);
/* A file like this one, for another mapping. */
struct file *mitosis_child_file(struct mitosis_child *child);

#endif
