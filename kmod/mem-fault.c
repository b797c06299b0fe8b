// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mem-fault.c - faults in mappings of a remote snapshot.
 *
 * A fault finds out whether its address still shows the snapshot (mem-discard.c) and gives a fresh
 * page of zeros if not. Otherwise the page cache has the page, or it is fetched: that page and the
 * following ones of the window, as far as they belong to the mapping, are shown by it and exist in
 * the snapshot. Half-way through the window lies a marker. Who faults on it goes through memory in
 * order, most likely, and fetches twice as much without waiting; the marker of that is its first
 * page, so that from then on one fetch is under way while the one before is used. Each is twice as
 * large as the last up to AHEAD windows; a fault on a page that nobody asked for begins anew. Then
 * filemap_fault() waits, killable, without the mmap lock where it may drop it, and answers SIGBUS
 * where the page could not be had.
 *
 * The kernel's own read-ahead for faults stays switched off (f_ra.ra_pages is 0). It reads around
 * the fault and takes neither the end of the mapping nor that of the snapshot for a border.
 *
 * Each mapping gets a struct file of its own: since 6.12 mmap() may enlarge a neighbouring mapping
 * of the same file without calling ->mmap, and addresses that mem-discard.c has not heard of show
 * zeros.
 *
 * Who does not fetch: a core dump, which gets what is here and leaves holes for the rest (waiting
 * for gigabytes that the process never touched helps nobody, and the parent may be what died); and
 * the exit of a whole process. A debugger does fetch, it asked for it.
 *
 * Zeroed pages are kernel memory charged to the process' cgroup, not page cache: nothing can bring
 * them back once dropped. A write replaces one by an anonymous page at once.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "clt-read.h"
#include "clt-remote.h"
#include "compat/compat.h"
#include "counters.h"
#include "mem-child.h"
#include "mem-discard.h"
#include "mem-fault.h"
#include "mem-pagefile.h"
#include "mitosis_ioctl.h"
#include "trace.h"

#define AHEAD		8U
#define SPIN_NS		(10 * NSEC_PER_MSEC)	/* then a polling thread sleeps all the same */

/* What a fault found, for the tracepoint. */
enum fault_kind {
	FAULT_REMOTE,			/* had to wait for the network */
	FAULT_ABSENT,			/* the snapshot lacks the page */
	FAULT_DISCARDED,		/* the process has discarded it, or made the mapping grow */
};

static struct mitosis_child *fault_child(const struct vm_fault *vmf)
{
	return mitosis_child_of(vmf->vma->vm_file);
}

static bool may_fetch(void)
{
	if (current->flags & PF_DUMPCORE)
		return false;
	return !(current->flags & PF_EXITING) || !(current->signal->flags & SIGNAL_GROUP_EXIT);
}

/* Each page once, in the order of the first touch. */
static void record_touch(struct mitosis_child *child, pgoff_t page)
{
	long bit = mitosis_pagefile_bit(mitosis_pagefile(child->inode), page);

	if (bit < 0 || !mitosis_remote_has(child->remote, page))
		return;
	spin_lock(&child->record_lock);
	if (!__test_and_set_bit(bit, child->record_seen))
		child->record[child->recorded++] = bit;
	spin_unlock(&child->record_lock);
}

/*
 * Fetch what the snapshot holds of pages first .. end - 1; a hole in it is not fetched. Page
 * marker, or the first behind it that is fetched, becomes the marker.
 */
static void fetch_range(struct file *file, struct mitosis_child *child, pgoff_t first, pgoff_t end,
			pgoff_t marker)
{
	while (first < end) {
		unsigned long run = mitosis_remote_next(child->remote, &first, end - first);

		if (!run || first >= end)
			break;
		run = min(run, end - first);
		if (marker < first)
			marker = first;		/* it fell into a hole */
		mitosis_pagefile_fetch(file, first, run, marker);
		first += run;
		if (marker < first)
			marker = -1;
	}
}

/*
 * How many pages have been fetched ahead at a time: of each mapping, since that has its own file.
 */
static unsigned int *fetched_ahead(struct vm_fault *vmf)
{
	return &vmf->vma->vm_file->f_ra.size;
}

/* Fetch a window that begins with the fault; the mapping shows run pages from there on. */
static void fetch_window(struct vm_fault *vmf, struct mitosis_child *child, unsigned long run)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long most = min3((unsigned long)child->window, run,
				  vma->vm_pgoff + vma_pages(vma) - vmf->pgoff);

	WRITE_ONCE(*fetched_ahead(vmf), child->window);
	fetch_range(vma->vm_file, child, vmf->pgoff, vmf->pgoff + most,
		    most > 1 ? vmf->pgoff + most / 2 : -1);
}

/* The marker was reached: fetch what follows the pages that are here or on their way. */
static void fetch_ahead(struct vm_fault *vmf, struct mitosis_child *child)
{
	unsigned int most = min(AHEAD * child->window, (unsigned int)MITOSIS_WINDOW_MAX);
	unsigned int count = min(2 * max(READ_ONCE(*fetched_ahead(vmf)), child->window), most);
	struct vm_area_struct *vma = vmf->vma;
	struct mitosis_mm *mm = vma->vm_private_data;
	unsigned long run = 2UL * count;
	pgoff_t first, end;

	rcu_read_lock();
	first = page_cache_next_miss(vma->vm_file->f_mapping, vmf->pgoff + 1, count);
	rcu_read_unlock();
	if (first <= vmf->pgoff || first > vmf->pgoff + count)
		return;
	if (mm)
		run = mitosis_mm_run(mm, vmf->address, vmf->pgoff, run);
	end = min3(first + count, vmf->pgoff + run, vma->vm_pgoff + vma_pages(vma));
	if (first >= end)
		return;
	WRITE_ONCE(*fetched_ahead(vmf), count);
	fetch_range(vma->vm_file, child, first, end, first);
}

/*
 * Wait for the page without sleeping: nobody has to be woken, and the interrupt need not have come.
 */
static void poll_for(struct mitosis_child *child, pgoff_t page)
{
	u64 deadline = ktime_get_ns() + SPIN_NS;
	struct folio *folio = filemap_get_folio(child->inode->i_mapping, page);

	if (IS_ERR_OR_NULL(folio))
		return;
	while (folio_test_locked(folio) && !folio_test_uptodate(folio)) {
		mitosis_reads_poll(child->remote);
		if (fatal_signal_pending(current) || ktime_get_ns() > deadline)
			break;
		cond_resched();
		cpu_relax();
	}
	folio_put(folio);
}

/*
 * The page is not here, or not yet. It enters the cache by our own hand even if the snapshot lacks
 * it: for what is not there filemap_fault() would read around in a mapping with MADV_HUGEPAGE.
 */
static vm_fault_t fault_missing(struct vm_fault *vmf, struct mitosis_child *child,
				bool in_cache, unsigned long run)
{
	bool present = mitosis_remote_has(child->remote, vmf->pgoff);
	vm_fault_t result;

	if (!may_fetch())
		return VM_FAULT_SIGBUS;
	if (!(vmf->flags & FAULT_FLAG_TRIED)) {
		mitosis_count(faults);
		atomic64_inc(&child->faults);
		if (!present) {
			mitosis_count(zero_faults);
			atomic64_inc(&child->zero_faults);
		}
		trace_mitosis_fault(current->tgid, vmf->address, vmf->pgoff,
				    present ? FAULT_REMOTE : FAULT_ABSENT);
	}
	if (present && mitosis_remote_error(child->remote)) {
		result = VM_FAULT_SIGBUS;
	} else {
		if (!present)
			mitosis_pagefile_fetch(vmf->vma->vm_file, vmf->pgoff, 1, -1);
		else if (!in_cache)
			fetch_window(vmf, child, run);
		if (present && child->flags & MITOSIS_OPEN_POLL)
			poll_for(child, vmf->pgoff);
		result = filemap_fault(vmf);
		if (present)
			result |= VM_FAULT_MAJOR;
	}
	if (result & VM_FAULT_SIGBUS && !fatal_signal_pending(current))
		atomic64_cmpxchg(&child->lost_address, 0, (u64)vmf->pgoff << PAGE_SHIFT);
	return result;
}

/* The page of the file; run pages from there on are shown by the mapping. */
static vm_fault_t fault_file(struct vm_fault *vmf, struct mitosis_child *child, unsigned long run)
{
	struct folio *folio = filemap_get_folio(vmf->vma->vm_file->f_mapping, vmf->pgoff);
	bool in_cache = !IS_ERR_OR_NULL(folio), ready = false, marked = false;

	if (in_cache) {
		ready = folio_test_uptodate(folio);
		marked = folio_test_readahead(folio);
		if (marked)
			folio_clear_readahead(folio);
		folio_put(folio);
	}
	/* It may be there for a sibling with a window. */
	if (marked && child->window > 1 && may_fetch() && !mitosis_remote_error(child->remote))
		fetch_ahead(vmf, child);
	return ready ? filemap_fault(vmf) : fault_missing(vmf, child, in_cache, run);
}

static vm_fault_t fault_zero(struct vm_fault *vmf, struct mitosis_child *child)
{
	struct page *page;

	if (current->flags & PF_DUMPCORE)
		return VM_FAULT_SIGBUS;
	page = alloc_page(GFP_HIGHUSER | __GFP_ZERO | __GFP_ACCOUNT);
	if (!page)
		return VM_FAULT_OOM;
	mitosis_count(faults);
	mitosis_count(zero_faults);
	atomic64_inc(&child->faults);
	atomic64_inc(&child->zero_faults);
	trace_mitosis_fault(current->tgid, vmf->address, vmf->pgoff, FAULT_DISCARDED);
	vmf->page = page;
	return 0;
}

static vm_fault_t fault_private(struct vm_fault *vmf)
{
	struct mitosis_child *child = fault_child(vmf);
	struct mitosis_mm *mm = vmf->vma->vm_private_data;
	unsigned long run;
	vm_fault_t result;

	if (!mm)
		return VM_FAULT_SIGBUS;		/* a fork that failed */
	run = mitosis_mm_run(mm, vmf->address, vmf->pgoff, child->window);
	if (!run)
		return fault_zero(vmf, child);
	if (child->flags & MITOSIS_OPEN_RECORD)
		record_touch(child, vmf->pgoff);
	result = fault_file(vmf, child, run);
	/*
	 * Discarded in the meantime? The lock on the page makes the answer good: see mem-discard.c.
	 */
	if (!(result & VM_FAULT_LOCKED) || mitosis_mm_run(mm, vmf->address, vmf->pgoff, 1))
		return result;
	unlock_page(vmf->page);
	put_page(vmf->page);
	vmf->page = NULL;
	return fault_zero(vmf, child) | (result & VM_FAULT_MAJOR);
}

/* Around a fault: what is in the cache anyway. A record needs to see each first touch. */
static vm_fault_t map_pages_private(struct vm_fault *vmf, pgoff_t first, pgoff_t last)
{
	struct mitosis_mm *mm = vmf->vma->vm_private_data;

	if (!mm || fault_child(vmf)->flags & MITOSIS_OPEN_RECORD)
		return 0;
	return mitosis_mm_map_pages(mm, vmf, first, last);
}

static const struct vm_operations_struct private_operations = {
	.open = mitosis_mm_open,
	.close = mitosis_mm_close,
	.mremap = mitosis_mm_moved,
	.fault = fault_private,
	.map_pages = map_pages_private,
};

/* A read-only MAP_SHARED mapping is of the file and means it: nothing is ever discarded from it. */
static vm_fault_t fault_shared(struct vm_fault *vmf)
{
	struct mitosis_child *child = fault_child(vmf);

	if (child->flags & MITOSIS_OPEN_RECORD)
		record_touch(child, vmf->pgoff);
	return fault_file(vmf, child, child->window);
}

static vm_fault_t map_pages_shared(struct vm_fault *vmf, pgoff_t first, pgoff_t last)
{
	if (fault_child(vmf)->flags & MITOSIS_OPEN_RECORD)
		return 0;
	return filemap_map_pages(vmf, first, last);
}

static const struct vm_operations_struct shared_operations = {
	.fault = fault_shared,
	.map_pages = map_pages_shared,
};

int mitosis_fault_map(struct file *file, struct vm_area_struct *vma)
{
	struct mitosis_child *child = mitosis_child_of(file);
	struct mitosis_mm *mm;
	struct file *own;

	if (vma->vm_flags & (VM_SHARED | VM_GROWSDOWN))
		return -EINVAL;
	own = mitosis_child_file(child);
	if (IS_ERR(own))
		return PTR_ERR(own);
	vma_set_file(vma, own);
	fput(own);
	if (vma->vm_flags & VM_MAYSHARE) {
		vma->vm_ops = &shared_operations;
		return 0;
	}
	mm = mitosis_mm_map(child, vma);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	vma->vm_private_data = mm;
	vma->vm_ops = &private_operations;
	return 0;
}
