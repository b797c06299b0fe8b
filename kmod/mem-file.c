// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mem-file.c - the descriptor of a remote snapshot: what MITOSIS_IOC_OPEN returns and what it
 * answers.
 */
#include <linux/compat.h>
#include <linux/fadvise.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "argument.h"
#include "clt-remote.h"
#include "compat/compat.h"
#include "mem-child.h"
#include "mem-discard.h"
#include "mem-fault.h"
#include "mem-file.h"
#include "mem-pagefile.h"
#include "mitosis_ioctl.h"
#include "params.h"

#define BATCH_PAGES	64UL	/* of a prefetch: so many at once ... */
#define BATCHES		16	/* ... and so many times that under way: 4 MiB */
#define RANGES_AT_ONCE	32	/* copied from user space */

/* ---- STATE ---- */

static long ioctl_state(struct mitosis_child *child, void __user *arg)
{
	struct mitosis_ioc_state io;
	u32 size;
	int error;

	error = mitosis_argument_get(&io, sizeof(io), arg);
	if (error)
		return error;
	size = io.size;
	io = (struct mitosis_ioc_state){
		.size = size,
		.error = mitosis_remote_error(child->remote),
		.pages = mitosis_remote_pages(child->remote),
		.faults = atomic64_read(&child->faults),
		.zero_faults = atomic64_read(&child->zero_faults),
		.read_pages = atomic64_read(&child->reader.pages),
		.read_requests = atomic64_read(&child->reader.requests),
		.discarded_pages = atomic64_read(&child->discarded_pages),
		.cached_pages = child->inode->i_mapping->nrpages,
		.lost_address = atomic64_read(&child->lost_address),
	};
	return mitosis_argument_put(arg, &io, sizeof(io));
}

/* ---- PREFETCH ---- */

/* The last page of each batch under way: waiting for the oldest bounds what is outstanding. */
struct fetch {
	struct file *file;
	struct mitosis_child *child;
	pgoff_t last[BATCHES];
	unsigned long batches;
	u64 pages;
};

static int fetch_wait(struct fetch *fetch, pgoff_t page)
{
	struct folio *folio = filemap_get_folio(fetch->file->f_mapping, page);
	int error = 0;

	if (IS_ERR_OR_NULL(folio))
		return 0;
	if (folio_test_locked(folio) && !folio_test_uptodate(folio))
		error = folio_wait_locked_killable(folio);
	folio_put(folio);
	return error;
}

static int fetch_batch(struct fetch *fetch, pgoff_t first, unsigned long pages)
{
	pgoff_t *last = &fetch->last[fetch->batches % BATCHES];
	int error;

	if (signal_pending(current))
		return -EINTR;
	error = mitosis_remote_error(fetch->child->remote);
	if (!error && fetch->batches >= BATCHES)
		error = fetch_wait(fetch, *last);
	if (error)
		return error;
	mitosis_pagefile_fetch(fetch->file, first, pages, -1);
	fetch->pages += pages;
	fetch->batches++;
	*last = first + pages - 1;
	cond_resched();
	return 0;
}

/* Pages first .. end - 1 are in the snapshot; those that are not here are asked for. */
static int fetch_present(struct fetch *fetch, pgoff_t first, pgoff_t end)
{
	struct address_space *mapping = fetch->file->f_mapping;

	while (first < end) {
		unsigned long pages = 0;
		int error;

		while (first + pages < end && pages < BATCH_PAGES) {
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
		error = fetch_batch(fetch, first, pages);
		if (error)
			return error;
		first += pages;
	}
	return 0;
}

static int fetch_range(struct fetch *fetch, pgoff_t first, pgoff_t end)
{
	while (first < end) {
		unsigned long run = mitosis_remote_next(fetch->child->remote, &first, end - first);
		int error;

		if (!run || first >= end)
			break;
		run = min(run, end - first);
		error = fetch_present(fetch, first, first + run);
		if (error)
			return error;
		first += run;
	}
	return 0;
}

static int range_check(const struct mitosis_ioc_range *range)
{
	u64 last = range->start >> PAGE_SHIFT;

	if (!PAGE_ALIGNED(range->start) || check_add_overflow(last, range->pages, &last) ||
	    last > 1ULL << (64 - PAGE_SHIFT))
		return -EINVAL;
	return 0;
}

static int fetch_ranges(struct fetch *fetch,
			const struct mitosis_ioc_range __user *from, u32 count)
{
	struct mitosis_ioc_range ranges[RANGES_AT_ONCE];
	u32 i, some;
	int error;

	for (; count; count -= some, from += some) {
		some = min_t(u32, count, ARRAY_SIZE(ranges));
		if (copy_from_user(ranges, from, some * sizeof(*ranges)))
			return -EFAULT;
		for (i = 0; i < some; i++) {
			pgoff_t first = ranges[i].start >> PAGE_SHIFT;

			error = range_check(&ranges[i]);
			if (!error)
				error = fetch_range(fetch, first, first + ranges[i].pages);
			if (error)
				return error;
		}
	}
	return 0;
}

static long ioctl_prefetch(struct file *file, void __user *arg)
{
	struct fetch fetch = { .file = file, .child = mitosis_child_of(file) };
	struct mitosis_ioc_prefetch io;
	int error, put;

	error = mitosis_argument_get(&io, sizeof(io), arg);
	if (error)
		return error;
	if (io.flags || io.reserved || io.range_count > MITOSIS_RANGES_MAX)
		return -EINVAL;
	error = fetch_ranges(&fetch, u64_to_user_ptr(io.ranges), io.range_count);
	io.pages = fetch.pages;
	put = mitosis_argument_put(arg, &io, sizeof(io));
	return error ? error : put;
}

/* ---- NEXT ---- */

static long ioctl_next(struct mitosis_child *child, void __user *arg)
{
	struct mitosis_ioc_next io;
	unsigned long run, shown;
	pgoff_t page;
	int error;

	error = mitosis_argument_get(&io, sizeof(io), arg);
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
	return mitosis_argument_put(arg, &io, sizeof(io));
}

/* ---- RECORDED ---- */

static int recorded_copy(struct mitosis_child *child, struct mitosis_ioc_recorded *io)
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

static long ioctl_recorded(struct mitosis_child *child, void __user *arg)
{
	struct mitosis_ioc_recorded io;
	int error;

	error = mitosis_argument_get(&io, sizeof(io), arg);
	if (error)
		return error;
	if (io.flags || !(child->flags & MITOSIS_OPEN_RECORD))
		return -EINVAL;
	spin_lock(&child->record_lock);
	io.total = child->recorded;
	spin_unlock(&child->record_lock);
	if (io.first > io.total)
		return -EINVAL;
	error = recorded_copy(child, &io);
	return error ? error : mitosis_argument_put(arg, &io, sizeof(io));
}

/* ---- File operations ---- */

static long child_ioctl(struct file *file, unsigned int command, unsigned long value)
{
	struct mitosis_child *child = mitosis_child_of(file);
	void __user *arg = (void __user *)value;

	switch (command) {
	case MITOSIS_IOC_STATE:
		return ioctl_state(child, arg);
	case MITOSIS_IOC_PREFETCH:
		return ioctl_prefetch(file, arg);
	case MITOSIS_IOC_NEXT:
		return ioctl_next(child, arg);
	case MITOSIS_IOC_RECORDED:
		return ioctl_recorded(child, arg);
	}
	return -ENOTTY;
}

static __poll_t child_poll(struct file *file, struct poll_table_struct *table)
{
	struct mitosis_child *child = mitosis_child_of(file);

	poll_wait(file, mitosis_remote_wait(child->remote), table);
	return mitosis_remote_error(child->remote) ? EPOLLERR | EPOLLHUP : 0;
}

/* MADV_WILLNEED ends here, too. The generic way would fill the cache with pages of zeros. */
static int child_fadvise(struct file *file, loff_t offset, loff_t length, int advice)
{
	struct fetch fetch = { .file = file, .child = mitosis_child_of(file) };
	loff_t size = i_size_read(file_inode(file)), end;

	if (advice != POSIX_FADV_WILLNEED)
		return generic_fadvise(file, offset, length, advice);
	if (offset < 0 || length < 0)
		return -EINVAL;
	/* 0: to the end. It is advice, so only what hinders the caller is an error. */
	if (!length || check_add_overflow(offset, length, &end) || end > size)
		end = size;
	if (offset < end)
		fetch_range(&fetch, offset >> PAGE_SHIFT, DIV_ROUND_UP(end, PAGE_SIZE));
	return 0;
}

static int child_release(struct inode *inode, struct file *file)
{
	mitosis_child_put(mitosis_child_of(file));
	return 0;
}

static const struct file_operations child_operations = {
	.mmap = mitosis_fault_map,
	.read_iter = generic_file_read_iter,
	.llseek = generic_file_llseek,
	.fadvise = child_fadvise,
	.poll = child_poll,
	.unlocked_ioctl = child_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = child_release,
};

/* ---- Opening ---- */

int mitosis_file_open(struct mitosis_remote *remote, u32 flags, u32 window)
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
	child = mitosis_child_make(remote, flags, window, &child_operations);
	if (IS_ERR(child)) {
		put_unused_fd(fd);
		return PTR_ERR(child);
	}
	file = mitosis_child_first_file(child);
	/* From here on the file, if there is one, holds the child. */
	mitosis_child_put(child);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

void mitosis_file_exit(void)
{
	mitosis_mm_exit();
}
