/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* mem-pagefile.h - a remote snapshot as an inode: its page cache is what this host has of it. */
#ifndef MITOSIS_MEM_PAGEFILE_H
#define MITOSIS_MEM_PAGEFILE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/types.h>
#include "protocol.h"

struct mitosis_remote;

/* On whose behalf pages are read: each file's private_data, part of what the file belongs to. */
struct mitosis_reader {
	atomic64_t pages;
	atomic64_t requests;
};

/*
 * The inode's i_private. Chunks that hold pages are numbered from 0, so that whoever wants a bit
 * per page (what was discarded, what was recorded) needs one for each page near one that exists and
 * not one for each of the 2^35 addresses.
 */
struct mitosis_pagefile {
	struct mitosis_remote *remote;
	unsigned long chunk_count;
	u64 chunks[];			/* page number >> MITOSIS_CHUNK_SHIFT, ascending */
};

static inline struct mitosis_pagefile *mitosis_pagefile(const struct inode *inode)
{
	return inode->i_private;
}

/* Keep the file system mounted (and the module loaded) while a file of it may be made. */
int mitosis_pagefile_pin(void);
void mitosis_pagefile_unpin(void);

/* The inode of the remote, or one of its own; referenced, or ERR_PTR(-ENOMEM). */
struct inode *mitosis_pagefile_get(struct mitosis_remote *remote, bool private);
/*
 * A new open file of inode, of which it takes a reference; the caller has pinned the file system.
 * operations->owner stays NULL: the file system pins the module for longer than the file does.
 */
struct file *mitosis_pagefile_open(struct inode *inode, const struct file_operations *operations,
				   struct mitosis_reader *reader);

/* The number of the first chunk at or behind chunk; chunk_count if there is none. */
unsigned long mitosis_pagefile_chunk(const struct mitosis_pagefile *pagefile, u64 chunk);
/*
 * The number of the page's bit among chunk_count * MITOSIS_CHUNK_PAGES, or -1: its chunk is empty.
 */
long mitosis_pagefile_bit(const struct mitosis_pagefile *pagefile, pgoff_t page);
pgoff_t mitosis_pagefile_page(const struct mitosis_pagefile *pagefile, unsigned long bit);

/* Start reading what is not cached of a run; a fault on page marker (or none: -1) continues it. */
void mitosis_pagefile_fetch(struct file *file, pgoff_t first, unsigned long count, pgoff_t marker);

#endif
