// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * child.c - the descriptor of a remote snapshot: what MITOSIS_IOC_OPEN returns and what it answers.
 *
 * A struct mitosis_child is made with the descriptor and shared by the files of all mappings made from
 * it, so it outlives the descriptor as long as memory is mapped. With the last file it lets go of the
 * mounted file system; the inode goes with the files.
 */
#include <linux/compat.h>
#include <linux/fadvise.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "child.h"
#include "compat/compat.h"
#include "counters.h"
#include "discard.h"
#include "memory.h"
#include "pagefile.h"
#include "params.h"
#include "remote.h"

#define MITOSIS_BATCH_PAGES	64UL	/* of a prefetch: so many at once … */
#define MITOSIS_BATCHES		16	/* … and so many times that under way: 4 MiB */
#define MITOSIS_RANGES_AT_ONCE	32	/* copied from user space */
#define MITOSIS_READ_RA_PAGES	64	/* read(2) reads ahead like that of any file */

static LIST_HEAD(children);
static DEFINE_SPINLOCK(children_lock);

/* Arguments. */

/* Structures begin with their size, which may be larger than what this version knows. */
static int mitosis_io_get(void *io, size_t size, const void __user *from)
{
	u32 user_size;

	if (get_user(user_size, (const u32 __user *)from))
		return -EFAULT;
	if (user_size < size)
		return -EINVAL;
	if (user_size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(io, size, from, user_size);
}

static int mitosis_io_put(void __user *to, const void *io, size_t size)
{
	return copy_to_user(to, io, size) ? -EFAULT : 0;
}

/* STATE */

static long mitosis_ioctl_state(struct mitosis_child *child, void __user *arg)
{
	struct mitosis_ioc_state io;
	u32 size;
	int error;

	error = mitosis_io_get(&io, sizeof(io), arg);
	if (error)
		return error;
	size = io.size;
	io = (struct mitosis_ioc_state){
		.size = size,
		.error = mitosis_remote_error(child->remote),
		.pages = mitosis_remote_pages(child->remote),
		.faults = atomic64_read(&child->faults),
		.zero_faults = atomic64_read(&child->zero_faults),
		.read_pages = atomic64_read(&child->read_pages),
		.read_requests = atomic64_read(&child->read_requests),
		.discarded_pages = atomic64_read(&child->discarded_pages),
		.cached_pages = child->inode->i_mapping->nrpages,
		.lost_address = atomic64_read(&child->lost_address),
	};
	return mitosis_io_put(arg, &io, sizeof(io));
}

/* PREFETCH */

/* The last page of each batch under way: waiting for the oldest bounds what is outstanding. */
struct mitosis_prefetch {
	struct file *file;
	struct mitosis_child *child;
	pgoff_t last[MITOSIS_BATCHES];
	unsigned long batches;
	u64 pages;
};

static int mitosis_prefetch_wait(struct mitosis_prefetch *prefetch, pgoff_t page)
{
	struct folio *folio = filemap_get_folio(prefetch->file->f_mapping, page);
	int error = 0;

	if (IS_ERR_OR_NULL(folio))
		return 0;
	if (folio_test_locked(folio) && !folio_test_uptodate(folio))
		error = folio_wait_locked_killable(folio);
	folio_put(folio);
	return error;
}

static int mitosis_prefetch_batch(struct mitosis_prefetch *prefetch, pgoff_t first, unsigned long pages)
{
	pgoff_t *last = &prefetch->last[prefetch->batches % MITOSIS_BATCHES];
	int error;

	if (signal_pending(current))
		return -EINTR;
	error = mitosis_remote_error(prefetch->child->remote);
	if (!error && prefetch->batches >= MITOSIS_BATCHES)
		error = mitosis_prefetch_wait(prefetch, *last);
	if (error)
		return error;
	mitosis_pagefile_fetch(prefetch->file, first, pages, -1);
	prefetch->pages += pages;
	prefetch->batches++;
	*last = first + pages - 1;
	cond_resched();
	return 0;
}

/* Pages first .. end - 1 are in the snapshot; those that are not here are asked for. */
static int mitosis_prefetch_present(struct mitosis_prefetch *prefetch, pgoff_t first, pgoff_t end)
{
	struct address_space *mapping = prefetch->file->f_mapping;

	while (first < end) {
		unsigned long pages = 0;
		int error;

		while (first + pages < end && pages < MITOSIS_BATCH_PAGES) {
			void *entry = xa_load(&mapping->i_pages, first + pages);

			if (entry && !xa_is_value(entry))
				break;
			pages++;
		}
		if (!pages) {
			first++;
			/* No system call may go through millions of pages in one go. */
			if (first % MITOSIS_CHUNK_PAGES == 0 && fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
			continue;
		}
		error = mitosis_prefetch_batch(prefetch, first, pages);
		if (error)
			return error;
		first += pages;
	}
	return 0;
}

static int mitosis_prefetch_range(struct mitosis_prefetch *prefetch, pgoff_t first, pgoff_t end)
{
	while (first < end) {
		unsigned long run = mitosis_remote_next(prefetch->child->remote, &first, end - first);
		int error;

		if (!run || first >= end)
			break;
		run = min(run, end - first);
		error = mitosis_prefetch_present(prefetch, first, first + run);
		if (error)
			return error;
		first += run;
	}
	return 0;
}

static int mitosis_range_check(const struct mitosis_ioc_range *range)
{
	u64 last = range->start >> PAGE_SHIFT;

	if (!PAGE_ALIGNED(range->start) || check_add_overflow(last, range->pages, &last) ||
	    last > 1ULL << (64 - PAGE_SHIFT))
		return -EINVAL;
	return 0;
}

static int mitosis_prefetch_ranges(struct mitosis_prefetch *prefetch,
				   const struct mitosis_ioc_range __user *from, u32 count)
{
	struct mitosis_ioc_range ranges[MITOSIS_RANGES_AT_ONCE];
	u32 i, some;
	int error;

	for (; count; count -= some, from += some) {
		some = min_t(u32, count, ARRAY_SIZE(ranges));
		if (copy_from_user(ranges, from, some * sizeof(*ranges)))
			return -EFAULT;
		for (i = 0; i < some; i++) {
			pgoff_t first = ranges[i].start >> PAGE_SHIFT;

			error = mitosis_range_check(&ranges[i]);
			if (!error)
				error = mitosis_prefetch_range(prefetch, first, first + ranges[i].pages);
			if (error)
				return error;
		}
	}
	return 0;
}

static long mitosis_ioctl_prefetch(struct file *file, void __user *arg)
{
	struct mitosis_prefetch prefetch = { .file = file, .child = file->private_data };
	struct mitosis_ioc_prefetch io;
	int error, put;

	error = mitosis_io_get(&io, sizeof(io), arg);
	if (error)
		return error;
	if (io.flags || io.reserved || io.range_count > MITOSIS_RANGES_MAX)
		return -EINVAL;
	error = mitosis_prefetch_ranges(&prefetch, u64_to_user_ptr(io.ranges), io.range_count);
	io.pages = prefetch.pages;
	put = mitosis_io_put(arg, &io, sizeof(io));
	return error ? error : put;
}

/* NEXT */

static long mitosis_ioctl_next(struct mitosis_child *child, void __user *arg)
{
	struct mitosis_ioc_next io;
	unsigned long run, shown;
	pgoff_t page;
	int error;

	error = mitosis_io_get(&io, sizeof(io), arg);
	if (error)
		return error;
	if (io.flags || !PAGE_ALIGNED(io.start))
		return -EINVAL;
	page = io.start >> PAGE_SHIFT;
	for (;;) {
		pgoff_t first;

		run = mitosis_remote_next(child->remote, &page, ULONG_MAX);
		if (!run)
			break;
		first = page;
		shown = mitosis_mm_next(child, &first, run);
		if (shown) {
			page = first;
			run = shown;
			break;
		}
		page += run;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	io.start = run ? (u64)page << PAGE_SHIFT : 0;
	io.pages = run;
	return mitosis_io_put(arg, &io, sizeof(io));
}

/* RECORDED */

static int mitosis_recorded_copy(struct mitosis_child *child, struct mitosis_ioc_recorded *io)
{
	const struct mitosis_pagefile *pagefile = mitosis_pagefile(child->inode);
	u64 __user *to = u64_to_user_ptr(io->addresses);
	u64 count = 0, room = io->count;

	/* What was recorded does not change any more, only grows. */
	while (io->first + count < io->total && count < room) {
		u32 bit = child->record[io->first + count];

		if (put_user((u64)mitosis_pagefile_page(pagefile, bit) << PAGE_SHIFT, to + count))
			return -EFAULT;
		count++;
		if (count % MITOSIS_CHUNK_PAGES == 0) {
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
	}
	io->count = count;
	return 0;
}

static long mitosis_ioctl_recorded(struct mitosis_child *child, void __user *arg)
{
	struct mitosis_ioc_recorded io;
	int error;

	error = mitosis_io_get(&io, sizeof(io), arg);
	if (error)
		return error;
	if (io.flags || !(child->flags & MITOSIS_OPEN_RECORD))
		return -EINVAL;
	spin_lock(&child->record_lock);
	io.total = child->recorded;
	spin_unlock(&child->record_lock);
	if (io.first > io.total)
		return -EINVAL;
	error = mitosis_recorded_copy(child, &io);
	return error ? error : mitosis_io_put(arg, &io, sizeof(io));
}

/* File operations. */

static long mitosis_child_ioctl(struct file *file, unsigned int command, unsigned long value)
{
	struct mitosis_child *child = file->private_data;
	void __user *arg = (void __user *)value;

	switch (command) {
	case MITOSIS_IOC_STATE:
		return mitosis_ioctl_state(child, arg);
	case MITOSIS_IOC_PREFETCH:
		return mitosis_ioctl_prefetch(file, arg);
	case MITOSIS_IOC_NEXT:
		return mitosis_ioctl_next(child, arg);
	case MITOSIS_IOC_RECORDED:
		return mitosis_ioctl_recorded(child, arg);
	}
	return -ENOTTY;
}

static __poll_t mitosis_child_poll(struct file *file, struct poll_table_struct *table)
{
	struct mitosis_child *child = file->private_data;

	poll_wait(file, mitosis_remote_wait(child->remote), table);
	return mitosis_remote_error(child->remote) ? EPOLLERR | EPOLLHUP : 0;
}

/* MADV_WILLNEED ends here, too. The generic way would fill the cache with pages of zeros. */
static int mitosis_child_fadvise(struct file *file, loff_t offset, loff_t length, int advice)
{
	struct mitosis_prefetch prefetch = { .file = file, .child = file->private_data };
	loff_t size = i_size_read(file_inode(file)), end;

	if (advice != POSIX_FADV_WILLNEED)
		return generic_fadvise(file, offset, length, advice);
	if (offset < 0 || length < 0)
		return -EINVAL;
	/* 0: to the end. It is advice, so only what hinders the caller is an error. */
	if (!length || check_add_overflow(offset, length, &end) || end > size)
		end = size;
	if (offset < end)
		mitosis_prefetch_range(&prefetch, offset >> PAGE_SHIFT, DIV_ROUND_UP(end, PAGE_SIZE));
	return 0;
}

static void mitosis_child_free(struct kref *kref)
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

static int mitosis_child_release(struct inode *inode, struct file *file)
{
	struct mitosis_child *child = file->private_data;

	kref_put(&child->kref, mitosis_child_free);
	return 0;
}

static const struct file_operations mitosis_child_operations = {
	.mmap = mitosis_memory_map,
	.read_iter = generic_file_read_iter,
	.llseek = generic_file_llseek,
	.fadvise = mitosis_child_fadvise,
	.poll = mitosis_child_poll,
	.unlocked_ioctl = mitosis_child_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = mitosis_child_release,
};

struct file *mitosis_child_file(struct mitosis_child *child)
{
	struct file *file;

	kref_get(&child->kref);
	file = mitosis_pagefile_open(child->inode, &mitosis_child_operations, child);
	if (IS_ERR(file))
		kref_put(&child->kref, mitosis_child_free);
	return file;
}

/* Those whose first file exists, which holds the inode and that the remote. */
void mitosis_children_show(struct seq_file *file)
{
	struct mitosis_child *child;

	seq_puts(file, "snapshot opener flags window faults zero_faults read_pages read_requests discarded_pages "
		 "cached_pages pages error\n");
	spin_lock(&children_lock);
	list_for_each_entry(child, &children, node)
		seq_printf(file, "%4phN %d %u %u %lld %lld %lld %lld %lld %lu %llu %d\n",
			   mitosis_remote_uuid(child->remote), child->opener, child->flags, child->window,
			   atomic64_read(&child->faults), atomic64_read(&child->zero_faults),
			   atomic64_read(&child->read_pages), atomic64_read(&child->read_requests),
			   atomic64_read(&child->discarded_pages), child->inode->i_mapping->nrpages,
			   mitosis_remote_pages(child->remote), mitosis_remote_error(child->remote));
	spin_unlock(&children_lock);
}

/* Making one. */

static int mitosis_record_init(struct mitosis_child *child)
{
	size_t bits = mitosis_pagefile(child->inode)->chunk_count * MITOSIS_CHUNK_PAGES;

	if (bits > U32_MAX)
		return -E2BIG;
	child->record_seen = kvcalloc(BITS_TO_LONGS(bits) + 1, sizeof(long), GFP_KERNEL_ACCOUNT);
	child->record = kvmalloc_array(mitosis_remote_pages(child->remote) + 1, sizeof(u32),
				       GFP_KERNEL_ACCOUNT);
	/* On failure mitosis_child_free() frees either. */
	return child->record_seen && child->record ? 0 : -ENOMEM;
}

/* The file system is pinned for as long as the child exists. The inode is for the first file to hold. */
static struct mitosis_child *mitosis_child_make(struct mitosis_remote *remote, u32 flags, u32 window)
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
	mitosis_count(files_opened);
	return child;
}

static struct file *mitosis_child_first_file(struct mitosis_child *child)
{
	struct file *file;
	int error = 0;

	child->inode = mitosis_pagefile_get(child->remote, child->flags & MITOSIS_OPEN_PRIVATE);
	if (IS_ERR(child->inode))
		return ERR_CAST(child->inode);
	if (child->flags & MITOSIS_OPEN_RECORD)
		error = mitosis_record_init(child);
	file = error ? ERR_PTR(error) : mitosis_child_file(child);
	iput(child->inode);
	if (IS_ERR(file))
		return file;
	file->f_ra.ra_pages = MITOSIS_READ_RA_PAGES;
	spin_lock(&children_lock);
	list_add_tail(&child->node, &children);
	spin_unlock(&children_lock);
	return file;
}

int mitosis_child_open(struct mitosis_remote *remote, u32 flags, u32 window)
{
	struct mitosis_child *child;
	struct file *file;
	int fd;

	if (window == MITOSIS_WINDOW_DEFAULT)
		window = min_t(u32, READ_ONCE(mitosis_param_window), MITOSIS_WINDOW_MAX);
	if (window > MITOSIS_WINDOW_MAX ||
	    flags & ~(MITOSIS_OPEN_PRIVATE | MITOSIS_OPEN_POLL | MITOSIS_OPEN_RECORD))
		return -EINVAL;
	if (READ_ONCE(mitosis_param_poll))
		flags |= MITOSIS_OPEN_POLL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	child = mitosis_child_make(remote, flags, window);
	if (IS_ERR(child)) {
		put_unused_fd(fd);
		return PTR_ERR(child);
	}
	file = mitosis_child_first_file(child);
	/* From here on the file, if there is one, holds the child. */
	kref_put(&child->kref, mitosis_child_free);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int mitosis_child_init(void)
{
	return 0;
}

void mitosis_child_exit(void)
{
	mitosis_mm_exit();
}
