/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* mem-child.h - an opened snapshot: what its descriptor and all mappings made from it share. */
#ifndef MITOSIS_MEM_CHILD_H
#define MITOSIS_MEM_CHILD_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include "mem-pagefile.h"

struct mitosis_remote;

/*
 * What the child's descriptor and all mappings made from it share. Each mapping has a struct file
 * of its own (mem-fault.c says why), and all of them hold the child.
 */
struct mitosis_child {
	struct kref kref;			/* one per struct file */
	struct list_head node;			/* mem-child.c's list */
	pid_t opener;
	struct mitosis_reader reader;		/* the private_data of the files */
	const struct file_operations *operations;
	struct inode *inode;			/* for comparison: the files hold it */
	struct mitosis_remote *remote;		/* the inode holds it */
	u32 flags;				/* MITOSIS_OPEN_* */
	u32 window;				/* pages fetched by a fault, at least 1 */

	struct mutex lock;			/* of mms and of their .areas */
	struct list_head mms;			/* struct mitosis_mm: one per address space */

	atomic64_t faults;			/* as struct mitosis_ioc_state tells them */
	atomic64_t zero_faults;
	atomic64_t discarded_pages;
	atomic64_t lost_address;

	/* MITOSIS_OPEN_RECORD: there is room for each page once. */
	spinlock_t record_lock;
	unsigned long *record_seen;		/* by mitosis_pagefile_bit() */
	/* the same numbers in the order of the first touch */
	u32 *record;
	unsigned long recorded;
};

static inline struct mitosis_child *mitosis_child_of(const struct file *file)
{
	return container_of(file->private_data, struct mitosis_child, reader);
}

/*
 * One whose files have these operations; the file system is pinned for as long as it exists. It
 * takes no reference of remote: its inode does. ERR_PTR(-ENOMEM) or what the file system says.
 */
struct mitosis_child *mitosis_child_make(struct mitosis_remote *remote, u32 flags, u32 window,
					 const struct file_operations *operations);
void mitosis_child_put(struct mitosis_child *child);
/* With it comes the inode. -ENOMEM; -E2BIG: there are too many pages to record. */
struct file *mitosis_child_first_file(struct mitosis_child *child);
/* Another like it, for a mapping. ->release of each puts the child. */
struct file *mitosis_child_file(struct mitosis_child *child);

/* For people: a line for each. */
struct seq_file;
void mitosis_children_show(struct seq_file *file);

#endif
