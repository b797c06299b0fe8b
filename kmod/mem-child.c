// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mem-child.c - an opened snapshot: made with its descriptor, and shared by the files of all
 * mappings made from that.
 *
 * So it outlives the descriptor as long as memory is mapped. With the last file it lets go of the
 * mounted file system; the inode goes with the files.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "clt-remote.h"
#include "compat/compat.h"
#include "counters.h"
#include "mem-child.h"
#include "mitosis_ioctl.h"

#define READ_RA_PAGES	64	/* read(2) reads ahead like that of any file */

static LIST_HEAD(children);
static DEFINE_SPINLOCK(children_lock);

/* ---- Files ---- */

static void child_free(struct kref *kref)
{
	struct mitosis_child *child = container_of(kref, struct mitosis_child, kref);

	WARN_ON(!list_empty(&child->mms));
	spin_lock(&children_lock);
	list_del(&child->node);
	spin_unlock(&children_lock);
	mitosis_pagefile_unpin();
	kvfree(child->record_seen);
	kvfree(child->record);
	kfree(child);
	mitosis_count(files_closed);
}

void mitosis_child_put(struct mitosis_child *child)
{
	kref_put(&child->kref, child_free);
}

struct file *mitosis_child_file(struct mitosis_child *child)
{
	struct file *file;

	kref_get(&child->kref);
	file = mitosis_pagefile_open(child->inode, child->operations, &child->reader);
	if (IS_ERR(file))
		mitosis_child_put(child);
	return file;
}

/* Those whose first file exists, which holds the inode and that the remote. */
void mitosis_children_show(struct seq_file *file)
{
	struct mitosis_child *child;

	seq_puts(file,
		 "snapshot opener flags window faults zero_faults read_pages read_requests discarded_pages "
		 "cached_pages pages error\n");
	spin_lock(&children_lock);
	list_for_each_entry(child, &children, node) {
		seq_printf(file, "%4phN %d %u %u %lld %lld %lld %lld %lld %lu %llu %d\n",
			   mitosis_remote_uuid(child->remote), child->opener, child->flags,
			   child->window, atomic64_read(&child->faults),
			   atomic64_read(&child->zero_faults), atomic64_read(&child->reader.pages),
			   atomic64_read(&child->reader.requests),
			   atomic64_read(&child->discarded_pages), child->inode->i_mapping->nrpages,
			   mitosis_remote_pages(child->remote),
			   mitosis_remote_error(child->remote));
	}
	spin_unlock(&children_lock);
}

/* ---- Making one ---- */

static int record_init(struct mitosis_child *child)
{
	size_t bits = mitosis_pagefile(child->inode)->chunk_count * MITOSIS_CHUNK_PAGES;

	if (bits > U32_MAX)
		return -E2BIG;
	child->record_seen = kvcalloc(BITS_TO_LONGS(bits) + 1, sizeof(long), GFP_KERNEL_ACCOUNT);
	child->record = kvmalloc_array(mitosis_remote_pages(child->remote) + 1, sizeof(u32),
				       GFP_KERNEL_ACCOUNT);
	/* On failure child_free() frees either. */
	return child->record_seen && child->record ? 0 : -ENOMEM;
}

struct mitosis_child *mitosis_child_make(struct mitosis_remote *remote, u32 flags, u32 window,
					 const struct file_operations *operations)
{
	struct mitosis_child *child = kzalloc(sizeof(*child), GFP_KERNEL_ACCOUNT);
	int error;

	if (!child)
		return ERR_PTR(-ENOMEM);
	error = mitosis_pagefile_pin();
	if (error) {
		kfree(child);
		return ERR_PTR(error);
	}
	kref_init(&child->kref);
	mutex_init(&child->lock);
	INIT_LIST_HEAD(&child->mms);
	INIT_LIST_HEAD(&child->node);
	child->opener = task_tgid_nr(current);
	spin_lock_init(&child->record_lock);
	child->remote = remote;
	child->flags = flags;
	child->window = max(window, 1U);
	child->operations = operations;
	mitosis_count(files_opened);
	return child;
}

struct file *mitosis_child_first_file(struct mitosis_child *child)
{
	struct file *file;
	int error = 0;

	child->inode = mitosis_pagefile_get(child->remote, child->flags & MITOSIS_OPEN_PRIVATE);
	if (IS_ERR(child->inode))
		return ERR_CAST(child->inode);
	if (child->flags & MITOSIS_OPEN_RECORD)
		error = record_init(child);
	file = error ? ERR_PTR(error) : mitosis_child_file(child);
	iput(child->inode);
	if (IS_ERR(file))
		return file;
	file->f_ra.ra_pages = READ_RA_PAGES;
	spin_lock(&children_lock);
	list_add_tail(&child->node, &children);
	spin_unlock(&children_lock);
	return file;
}
