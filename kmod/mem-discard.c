// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mem-discard.c - keeps private file mappings honest about being anonymous memory.
 *
 * The parent's memory was anonymous, and a program relies on what that means: after MADV_DONTNEED,
 * and in what mremap() adds, it finds zeros. A private mapping of a file brings the file's bytes
 * back instead. So each address space that maps a child (struct mitosis_mm) remembers which
 * addresses still show the snapshot. The fault handler asks; everywhere else a fresh page of zeros
 * is due.
 *
 * Two things together say so:
 *
 *   extents	ranges of addresses and the file pages they were mapped to: ->mmap adds,
 *		->close (an munmap) takes away, ->mremap moves, fork copies. What mremap() grew
 *		is in none, even where the file has pages of a neighbour there.
 *   discarded	a bit per page of each chunk that holds pages, set by madvise(). By file page,
 *		so it need not move when a mapping does; and of a fixed size, so that setting a
 *		bit needs no memory: the notifier below may run where none can be allocated.
 *
 * Which event is a discard? An mmu notifier is told whenever page-table entries go away
 * (MMU_NOTIFY_CLEAR), and most of that is none of our business: copy on write, reclaim, migration,
 * the split of a mapping or of a folio all clear entries whose contents must stay. What counts is a
 * process that clears its own entries inside madvise(MADV_DONTNEED and its like), which is found
 * out from the system call under way; see is_discard().
 *
 * Races. Extents change with the mmap lock write-held, or, when munmap() has downgraded it, at
 * least with all other writers kept out; faults and madvise() hold it for reading or hold the
 * mapping's own lock. Both sides take mm->lock for the short moment of looking or changing. A fault
 * that has looked and not yet installed its page is the dangerous one, since the discard that runs
 * meanwhile clears nothing there and is over when the old page appears. Therefore
 *   - mapping around a fault happens with mm->lock read-held, from looking to installing;
 *   - a fault looks again once it has the folio locked (mem-fault.c), and keeps the lock until
 *     its page is installed; the discard, having set the bits, waits for every locked folio of
 *     the range whose contents are there. What it waits for is in the page tables when the
 *     clearing begins.
 * The wait needs nothing of the madvise() caller: the holder of the lock is on its way out of a
 * fault, or a migration.
 *
 * fork: ->open runs under both mmap locks, copies, and registers the notifier there and then. Done
 * any later, a madvise() right after fork() goes unnoticed. If it cannot be done, the new process'
 * mapping has no mitosis_mm, and its faults give SIGBUS and never wrong bytes.
 *
 * Locks: mmap lock -> child->lock -> (allocation); mmap lock -> mm->lock -> page-table lock. The
 * notifier takes mm->lock only, which is never held around an allocation.
 *
 * Life: one reference per mapping (.areas). The last ->close gives it to mmu_notifier_put(), which
 * frees it after a grace period; by then it has no extents, so a notifier that is still running
 * finds nothing that would lead it to the child, which may be gone.
 */
#include <linux/bitmap.h>
#include <linux/kallsyms.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/wait_bit.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "compat/compat.h"
#include "compat/mmap_lock.h"
#include "counters.h"
#include "mem-child.h"
#include "mem-discard.h"
#include "mem-pagefile.h"
#include "trace.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

#define DISCARD_STEP	65536UL		/* pages at a time: a spin lock is held */

/* Pages first .. end - 1 of the address space show the file from page on. */
struct extent {
	unsigned long first;
	unsigned long end;
	pgoff_t page;
};

struct mitosis_mm {
	struct mmu_notifier notifier;
	struct list_head node;		/* child->mms, until the last mapping is closed */
	unsigned int areas;		/* mappings; under child->lock */
	struct mm_struct *mm;		/* alive as long as areas > 0 */
	struct mitosis_child *child;	/* the same */

	rwlock_t lock;			/* of the rest */
	struct extent *extents;	/* ascending, disjoint */
	unsigned int count;
	unsigned int room;
	unsigned long *discarded;	/* by mitosis_pagefile_bit() */
};

static atomic_t mms_alive;	/* module exit waits for the last */

/* ---- Extents ---- */

/* The first extent that ends behind page. */
static unsigned int extent_at(const struct mitosis_mm *mm, unsigned long page)
{
	unsigned int low = 0, high = mm->count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (mm->extents[middle].end <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void extent_insert(struct mitosis_mm *mm, unsigned int at, unsigned long first,
			  unsigned long end, pgoff_t page)
{
	if (WARN_ON_ONCE(mm->count == mm->room))
		return;		/* these addresses show zeros from now on */
	memmove(&mm->extents[at + 1], &mm->extents[at], (mm->count - at) * sizeof(*mm->extents));
	mm->extents[at] = (struct extent){ first, end, page };
	mm->count++;
}

static void extent_delete(struct mitosis_mm *mm, unsigned int at)
{
	mm->count--;
	memmove(&mm->extents[at], &mm->extents[at + 1], (mm->count - at) * sizeof(*mm->extents));
}

static void extents_remove(struct mitosis_mm *mm, unsigned long first, unsigned long end)
{
	unsigned int at = extent_at(mm, first);

	while (at < mm->count && mm->extents[at].first < end) {
		struct extent *extent = &mm->extents[at];
		struct extent old = *extent;

		if (old.first >= first && old.end <= end) {
			extent_delete(mm, at);
			continue;
		}
		if (old.first < first) {
			extent->end = first;
			at++;
			if (old.end > end)
				extent_insert(mm, at, end, old.end, old.page + (end - old.first));
			continue;
		}
		extent->page += end - old.first;
		extent->first = end;
	}
}

/* Nothing else is there. What continues a neighbour becomes one with it. */
static void extents_add(struct mitosis_mm *mm, unsigned long first, unsigned long end, pgoff_t page)
{
	unsigned int at = extent_at(mm, first);
	struct extent *before = at ? &mm->extents[at - 1] : NULL;
	struct extent *after = at < mm->count ? &mm->extents[at] : NULL;

	if (before && (before->end != first || before->page + (first - before->first) != page))
		before = NULL;
	if (after && (after->first != end || after->page != page + (end - first)))
		after = NULL;
	if (before && after) {
		before->end = after->end;
		extent_delete(mm, at);
	} else if (before) {
		before->end = end;
	} else if (after) {
		after->first = first;
		after->page = page;
	} else {
		extent_insert(mm, at, first, end, page);
	}
}

/*
 * Room for more extents. Each mapping has one in reserve for its ->close, which may split an extent
 * and cannot fail.
 */
static int extents_reserve(struct mitosis_mm *mm, unsigned int more, gfp_t gfp)
{
	unsigned int need = mm->count + mm->areas + more;
	struct extent *fresh, *old = mm->extents;

	if (need <= mm->room)
		return 0;
	fresh = kvmalloc_array(need, 2 * sizeof(*fresh), gfp);
	if (!fresh)
		return -ENOMEM;
	write_lock(&mm->lock);
	if (mm->count)
		memcpy(fresh, old, mm->count * sizeof(*fresh));
	mm->extents = fresh;
	mm->room = 2 * need;
	write_unlock(&mm->lock);
	kvfree(old);
	return 0;
}

/* ---- Discarded bits ---- */

/*
 * Do something to the bits of pages first .. end - 1, a word range of one chunk at a time: set them
 * (and return how many were not), or clear them.
 */
static unsigned long discarded_change(struct mitosis_mm *mm, pgoff_t first, pgoff_t end, bool set)
{
	const struct mitosis_pagefile *pagefile = mitosis_pagefile(mm->child->inode);
	unsigned long i = mitosis_pagefile_chunk(pagefile, first >> MITOSIS_CHUNK_SHIFT);
	unsigned long changed = 0;

	for (; i < pagefile->chunk_count; i++) {
		pgoff_t base = pagefile->chunks[i] << MITOSIS_CHUNK_SHIFT;
		unsigned long *bits = mm->discarded + i * BITS_TO_LONGS(MITOSIS_CHUNK_PAGES);
		unsigned int from = first > base ? first - base : 0;
		unsigned int to = min_t(pgoff_t, end - base, MITOSIS_CHUNK_PAGES);
		unsigned int before;

		if (base >= end)
			break;
		before = bitmap_weight(bits, MITOSIS_CHUNK_PAGES);
		if (set)
			bitmap_set(bits, from, to - from);
		else
			bitmap_clear(bits, from, to - from);
		changed += abs((int)bitmap_weight(bits, MITOSIS_CHUNK_PAGES) - (int)before);
	}
	return changed;
}

static bool is_discarded(const struct mitosis_mm *mm, pgoff_t page)
{
	long bit = mitosis_pagefile_bit(mitosis_pagefile(mm->child->inode), page);

	return bit >= 0 && test_bit(bit, mm->discarded);
}

/* The first page in first .. end - 1 that is discarded, or (wanted false) that is not; else end. */
static pgoff_t discarded_find(const struct mitosis_mm *mm, pgoff_t first, pgoff_t end, bool wanted)
{
	const struct mitosis_pagefile *pagefile = mitosis_pagefile(mm->child->inode);

	while (first < end) {
		long bit = mitosis_pagefile_bit(pagefile, first);
		pgoff_t chunk_end = min_t(pgoff_t, end, (first | (MITOSIS_CHUNK_PAGES - 1)) + 1);
		unsigned long limit = bit + (chunk_end - first);
		unsigned long found;

		if (bit < 0) {
			/* An empty chunk has no bits: nothing in it was discarded. */
			if (!wanted)
				return first;
			first = chunk_end;
			continue;
		}
		found = wanted ? find_next_bit(mm->discarded, limit, bit) :
				 find_next_zero_bit(mm->discarded, limit, bit);
		if (found < limit)
			return first + (found - bit);
		first = chunk_end;
	}
	return end;
}

/* ---- Questions ---- */

/* The extent that maps address to page, or NULL. */
static const struct extent *extent_of(const struct mitosis_mm *mm, unsigned long address,
				      pgoff_t page)
{
	unsigned long number = address >> PAGE_SHIFT;
	unsigned int at = extent_at(mm, number);
	const struct extent *extent = &mm->extents[at];

	if (at == mm->count || extent->first > number ||
	    extent->page + (number - extent->first) != page)
		return NULL;
	return extent;
}

unsigned long mitosis_mm_run(struct mitosis_mm *mm, unsigned long address, pgoff_t page,
			     unsigned long most)
{
	const struct extent *extent;
	unsigned long run = 0;

	read_lock(&mm->lock);
	extent = extent_of(mm, address, page);
	if (extent) {
		run = min(most, extent->end - (address >> PAGE_SHIFT));
		run = discarded_find(mm, page, page + run, true) - page;
	}
	read_unlock(&mm->lock);
	return run;
}

vm_fault_t mitosis_mm_map_pages(struct mitosis_mm *mm, struct vm_fault *vmf, pgoff_t first,
				pgoff_t last)
{
	unsigned long number = vmf->address >> PAGE_SHIFT;
	const struct extent *extent;
	vm_fault_t result = 0;

	read_lock(&mm->lock);
	extent = extent_of(mm, vmf->address, vmf->pgoff);
	if (extent && !is_discarded(mm, vmf->pgoff)) {
		pgoff_t low = max(first, vmf->pgoff - min(vmf->pgoff, number - extent->first));
		pgoff_t high = min(last, vmf->pgoff + (extent->end - 1 - number));

		first = vmf->pgoff;
		while (first > low && !is_discarded(mm, first - 1))
			first--;
		last = discarded_find(mm, vmf->pgoff, high + 1, true) - 1;
		result = filemap_map_pages(vmf, first, last);
	}
	read_unlock(&mm->lock);
	return result;
}

static struct mitosis_mm *mm_find(struct mitosis_child *child, struct mm_struct *mm)
{
	struct mitosis_mm *one;

	lockdep_assert_held(&child->lock);
	list_for_each_entry(one, &child->mms, node) {
		if (one->mm == mm)
			return one;
	}
	return NULL;
}

unsigned long mitosis_mm_next(struct mitosis_child *child, pgoff_t *first, unsigned long count)
{
	pgoff_t end = *first + count, best = end, best_end = end;
	struct mitosis_mm *mm;
	unsigned int i;

	mutex_lock(&child->lock);
	mm = mm_find(child, current->mm);
	if (!mm) {
		mutex_unlock(&child->lock);
		return count;
	}
	read_lock(&mm->lock);
	for (i = 0; i < mm->count; i++) {
		const struct extent *extent = &mm->extents[i];
		pgoff_t low = max(extent->page, *first);
		pgoff_t high = min(extent->page + (extent->end - extent->first), end);

		if (low >= high)
			continue;
		low = discarded_find(mm, low, high, false);
		if (low >= high || low >= best)
			continue;
		best = low;
		best_end = discarded_find(mm, low, high, true);
	}
	read_unlock(&mm->lock);
	mutex_unlock(&child->lock);
	*first = best;
	return best_end - best;
}

/* ---- The notifier ---- */

static bool advice_discards(unsigned long advice)
{
	return advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED ||
	       advice == MADV_GUARD_INSTALL;
}

/*
 * Does the current thread discard its own process' memory? Not by this event alone:
 *   reclaim and compaction	run in kernel threads, or in an allocation (PF_MEMALLOC), whose
 *				system call might even be madvise()
 *   splitting a mapping	announces 2 MiB around the border, with the mmap lock write-held
 *   copy on write		a fault has no system call, or another one, if it happened in the
 *				kernel
 *   splitting a folio		MADV_COLD and MADV_PAGEOUT do it
 *   an io_uring worker		see below
 */
static bool is_madvise(long number)
{
#ifdef CONFIG_X86
	if (in_ia32_syscall())
		return number == 219;	/* i386's, by int $0x80 */
	number &= ~__X32_SYSCALL_BIT;
#endif
	return number == __NR_madvise;
}

/*
 * io_uring has madvise() carried out by one of its workers (always: io_uring_enter() never calls it
 * itself), which has no system call of its own. A worker also copies into the process' memory and
 * pins it, with block I/O held back or not, and so it copies on write and migrates; what it does
 * just now only its stack tells. Where that names none of them, the size of the range decides, and
 * whether block I/O is held back, which madvise() does.
 */
static bool worker_discards(const struct mmu_notifier_range *range)
{
	char name[KSYM_SYMBOL_LEN];
	unsigned long trace[48];
	unsigned int i, count;

	/*
	 * Not a worker but the thread that polls a submission queue: it leaves madvise() to
	 * workers.
	 */
	if (!current->worker_private)
		return false;
	count = stack_trace_save(trace, ARRAY_SIZE(trace), 0);
	for (i = 0; i < count; i++) {
		sprint_symbol_no_offset(name, trace[i]);
		if (str_has_prefix(name, "handle_mm_fault") || str_has_prefix(name, "rmap_walk"))
			return false;
		if (str_has_prefix(name, "io_madvise"))
			return true;
	}
	return range->end - range->start > PAGE_SIZE || current->plug;
}

static bool is_discard(const struct mmu_notifier_range *range)
{
	struct pt_regs *regs = task_pt_regs(current);
	unsigned long args[6];
	long number;

	if (range->event != MMU_NOTIFY_CLEAR || !mmu_notifier_range_blockable(range) ||
	    current->mm != range->mm || current->flags & (PF_MEMALLOC | PF_KTHREAD) ||
	    mitosis_mmap_write_held(range->mm))
		return false;
	if (current->flags & PF_IO_WORKER)
		return worker_discards(range);
	number = syscall_get_nr(current, regs);
	if (!is_madvise(number) && number != __NR_process_madvise)
		return false;
	syscall_get_arguments(current, regs, args);
	return advice_discards(args[is_madvise(number) ? 2 : 3]);
}

/* Whoever had one of these folios locked when the bits were set has installed it on return. */
static void wait_for_faults(struct mitosis_mm *mm, pgoff_t first, pgoff_t last)
{
	struct address_space *mapping = mm->child->inode->i_mapping;
	struct folio_batch batch;
	unsigned int i;

	folio_batch_init(&batch);
	while (filemap_get_folios(mapping, &first, last, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++) {
			struct folio *folio = batch.folios[i];

			/*
			 * Without contents it is still to be locked by the fault that waits for it.
			 */
			if (folio_test_uptodate(folio) && folio_test_locked(folio))
				folio_wait_locked_killable(folio);
		}
		folio_batch_release(&batch);
		cond_resched();
	}
}

static int mm_invalidate_range_start(struct mmu_notifier *notifier,
				     const struct mmu_notifier_range *range)
{
	struct mitosis_mm *mm = container_of(notifier, struct mitosis_mm, notifier);
	unsigned long cursor = range->start >> PAGE_SHIFT,
		      end = PAGE_ALIGN(range->end) >> PAGE_SHIFT;

	if (!is_discard(range))
		return 0;
	while (cursor < end) {
		unsigned long first, last, changed;
		struct extent extent;
		unsigned int at;

		write_lock(&mm->lock);
		at = extent_at(mm, cursor);
		if (at == mm->count || mm->extents[at].first >= end) {
			write_unlock(&mm->lock);
			break;
		}
		extent = mm->extents[at];
		first = max(cursor, extent.first);
		cursor = min3(end, extent.end, first + DISCARD_STEP);
		last = extent.page + (cursor - 1 - extent.first);
		first = extent.page + (first - extent.first);
		changed = discarded_change(mm, first, last + 1, true);
		write_unlock(&mm->lock);

		/*
		 * The mapping that extent belongs to cannot go away here, nor can the child with
		 * it.
		 */
		atomic64_add(changed, &mm->child->discarded_pages);
		mitosis_count_n(discarded_pages, changed);
		trace_mitosis_discard(current->tgid, first, changed);
		/* Alone in the address space, nobody is in a fault. */
		if (atomic_read(&range->mm->mm_users) > 1)
			wait_for_faults(mm, first, last);
	}
	return 0;
}

/* In softirq, or where a new one was not needed after all. */
static void mm_free(struct mitosis_mm *mm)
{
	kvfree(mm->extents);
	kvfree(mm->discarded);
	kfree(mm);
	mitosis_count(mms_freed);
	if (atomic_dec_and_test(&mms_alive))
		wake_up_var(&mms_alive);
}

static void mm_free_notifier(struct mmu_notifier *notifier)
{
	mm_free(container_of(notifier, struct mitosis_mm, notifier));
}

static const struct mmu_notifier_ops mm_notifier_ops = {
	.invalidate_range_start = mm_invalidate_range_start,
	.free_notifier = mm_free_notifier,
};

/* ---- Mappings ---- */

/*
 * The kernel takes all locks of the address space for it, and gives up where a signal is pending. A
 * fork has nobody to tell that to, so signals are put off meanwhile; one that comes just then costs
 * a try.
 */
static int mm_notifier_register(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	int error;

	do {
		bool notify = test_and_clear_thread_flag(TIF_NOTIFY_SIGNAL);
		bool pending = test_and_clear_thread_flag(TIF_SIGPENDING);

		error = __mmu_notifier_register(notifier, mm);
		if (pending)
			set_thread_flag(TIF_SIGPENDING);
		if (notify)
			set_thread_flag(TIF_NOTIFY_SIGNAL);
	} while (error == -EINTR);
	return error;
}

/* The mmap lock of mm is write-held, child->lock is held. No mapping yet; room for the first. */
static struct mitosis_mm *mm_make(struct mitosis_child *child, struct mm_struct *mm)
{
	size_t words = mitosis_pagefile(child->inode)->chunk_count *
		       BITS_TO_LONGS(MITOSIS_CHUNK_PAGES);
	struct mitosis_mm *one;
	int error = -ENOMEM;

	one = kzalloc(sizeof(*one), GFP_KERNEL_ACCOUNT);
	if (!one)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&mms_alive);
	mitosis_count(mms_made);
	rwlock_init(&one->lock);
	one->mm = mm;
	one->child = child;
	one->notifier.ops = &mm_notifier_ops;
	one->discarded = kvcalloc(max_t(size_t, words, 1), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (one->discarded)
		error = extents_reserve(one, 4, GFP_KERNEL_ACCOUNT);
	if (!error)
		error = mm_notifier_register(&one->notifier, mm);
	if (error) {
		mm_free(one);
		return ERR_PTR(error);
	}
	list_add(&one->node, &child->mms);
	return one;
}

static void mm_put_area(struct mitosis_mm *mm)
{
	lockdep_assert_held(&mm->child->lock);
	if (--mm->areas)
		return;
	list_del(&mm->node);
	mmu_notifier_put(&mm->notifier);
}

struct mitosis_mm *mitosis_mm_map(struct mitosis_child *child, struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_start >> PAGE_SHIFT, end = vma->vm_end >> PAGE_SHIFT;
	struct mitosis_mm *mm;
	int error;

	mutex_lock(&child->lock);
	mm = mm_find(child, vma->vm_mm);
	if (!mm)
		mm = mm_make(child, vma->vm_mm);
	if (IS_ERR(mm))
		goto unlock;
	mm->areas++;
	error = extents_reserve(mm, 2, GFP_KERNEL_ACCOUNT);
	if (error) {
		mm_put_area(mm);
		mm = ERR_PTR(error);
		goto unlock;
	}
	write_lock(&mm->lock);
	extents_remove(mm, first, end);
	extents_add(mm, first, end, vma->vm_pgoff);
	/* Who maps the snapshot anew wants to see it. */
	discarded_change(mm, vma->vm_pgoff, vma->vm_pgoff + (end - first), false);
	write_unlock(&mm->lock);
unlock:
	mutex_unlock(&child->lock);
	return mm;
}

/* In a fork: what the new mapping, like the old one, shows of the snapshot. */
static void mm_copy(struct mitosis_mm *to, struct mitosis_mm *from, struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_start >> PAGE_SHIFT, end = vma->vm_end >> PAGE_SHIFT;
	unsigned int at = extent_at(from, first);

	/* from->extents stand still: the old mm's mmap lock is write-held as well. */
	write_lock(&to->lock);
	for (; at < from->count && from->extents[at].first < end; at++) {
		const struct extent *extent = &from->extents[at];
		unsigned long low = max(first, extent->first), high = min(end, extent->end);

		extents_add(to, low, high, extent->page + (low - extent->first));
	}
	write_unlock(&to->lock);
}

static struct mitosis_mm *mm_fork(struct mitosis_mm *from, struct vm_area_struct *vma)
{
	struct mitosis_child *child = from->child;
	size_t words = mitosis_pagefile(child->inode)->chunk_count *
		       BITS_TO_LONGS(MITOSIS_CHUNK_PAGES);
	struct mitosis_mm *mm = mm_find(child, vma->vm_mm);

	if (!mm) {
		mm = mm_make(child, vma->vm_mm);
		if (IS_ERR(mm))
			return mm;
		memcpy(mm->discarded, from->discarded, words * sizeof(long));
	}
	mm->areas++;
	if (extents_reserve(mm, from->count + 2, GFP_KERNEL_ACCOUNT)) {
		mm_put_area(mm);
		return ERR_PTR(-ENOMEM);
	}
	mm_copy(mm, from, vma);
	return mm;
}

/* A mapping was split, or moved, or copied to another process. */
void mitosis_mm_open(struct vm_area_struct *vma)
{
	struct mitosis_mm *mm = vma->vm_private_data;
	struct mitosis_child *child;

	if (!mm)
		return;
	child = mm->child;
	mutex_lock(&child->lock);
	if (vma->vm_mm == mm->mm) {
		mm->areas++;
		/* Small, and there is no way to say no. */
		extents_reserve(mm, 0, GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	} else {
		mm = mm_fork(mm, vma);
		if (IS_ERR(mm)) {
			pr_warn_ratelimited(
				"mitosis: %s[%d]: no memory to fork with: the new process has no access to %lx-%lx\n",
				current->comm, current->pid, vma->vm_start, vma->vm_end);
			mm = NULL;
		}
		vma->vm_private_data = mm;
	}
	mutex_unlock(&child->lock);
}

void mitosis_mm_close(struct vm_area_struct *vma)
{
	struct mitosis_mm *mm = vma->vm_private_data;
	struct mitosis_child *child;

	if (!mm)
		return;
	child = mm->child;
	mutex_lock(&child->lock);
	write_lock(&mm->lock);
	if (atomic_read(&vma->vm_mm->mm_users))
		extents_remove(mm, vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT);
	else
		mm->count = 0;	/* all goes: the order is of no interest */
	write_unlock(&mm->lock);
	mm_put_area(mm);
	mutex_unlock(&child->lock);
}

/*
 * mremap() has moved the page tables to vma, and will unmap the old place. Only the system call
 * knows how much was moved: vma may have grown, and may have become one with a neighbour (then it
 * is larger than what was asked for); its pages tell what belongs where.
 */
int mitosis_mm_moved(struct vm_area_struct *vma)
{
	struct mitosis_mm *mm = vma->vm_private_data;
	unsigned long args[6], cursor, end;
	int error;

	if (!mm)
		return 0;
	syscall_get_arguments(current, task_pt_regs(current), args);
	cursor = untagged_addr(args[0]) >> PAGE_SHIFT;
	end = cursor + (PAGE_ALIGN(args[1]) >> PAGE_SHIFT);
	mutex_lock(&mm->child->lock);
	error = extents_reserve(mm, 4, GFP_KERNEL_ACCOUNT);
	mutex_unlock(&mm->child->lock);
	if (error)
		return error;
	write_lock(&mm->lock);
	while (cursor < end) {
		unsigned int at = extent_at(mm, cursor);
		unsigned long first, last;
		pgoff_t page;

		if (at == mm->count || mm->extents[at].first >= end)
			break;
		first = max(cursor, mm->extents[at].first);
		cursor = min(end, mm->extents[at].end);
		page = mm->extents[at].page + (first - mm->extents[at].first);
		last = page + (cursor - first) - 1;
		if (page < vma->vm_pgoff || last >= vma->vm_pgoff + vma_pages(vma))
			continue;	/* of another mapping in the same range */
		extents_remove(mm, first, cursor);
		first = (vma->vm_start >> PAGE_SHIFT) + (page - vma->vm_pgoff);
		extents_add(mm, first, first + (last - page) + 1, page);
	}
	write_unlock(&mm->lock);
	return 0;
}

void mitosis_mm_exit(void)
{
	/* No file is left, so all are on their way. */
	wait_var_event(&mms_alive, !atomic_read(&mms_alive));
	mmu_notifier_synchronize();
}
