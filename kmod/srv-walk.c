// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * srv-walk.c - references to the pages that the calling process has, taken from its page tables.
 *
 * The walk only looks: it faults nothing in, so memory that was never touched stays absent, and it
 * breaks no copy-on-write. That is why it is not get_user_pages(), which would map pages to return
 * them, and still less pin_user_pages(FOLL_LONGTERM), which copies each page that is shared with
 * the parent. The zero page counts as absent: the child makes its own zeros. Pages behind PROT_NONE
 * are seen, since the tables have them.
 *
 * What the tables do not show (swapped, being migrated) is fetched by get_user_pages() in a second
 * pass, page by page. Memory whose pages cannot be lent is refused and not left out, because a hole
 * reads as zeros: huge page files, device memory, DAX, memfd_secret.
 *
 * Tables may be freed under mmap_lock held for reading (since 6.6, by khugepaged, after an RCU
 * grace period), so that an entry counts only when, with its lock held, the level above is still
 * the same.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb_inline.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "compat/compat.h"
#include "srv-walk.h"

/* In pages[]: there is a page, but the tables do not show it. */
#define WALK_HIDDEN	((struct page *)1)

struct walk {
	struct mm_struct *mm;
	unsigned long start;
	struct page **pages;
	long held;
	unsigned long hidden;
};

static struct page **walk_slot(struct walk *w, unsigned long address)
{
	return &w->pages[(address - w->start) >> PAGE_SHIFT];
}

static void walk_hide(struct walk *w, unsigned long address, unsigned long end)
{
	for (; address < end; address += PAGE_SIZE) {
		*walk_slot(w, address) = WALK_HIDDEN;
		w->hidden++;
	}
}

static bool area_is_secret(const struct vm_area_struct *vma)
{
	return vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/*
 * Not what the kernel or a driver maps of its own, and goes on writing to: [vvar] is VM_MIXEDMAP on
 * newer kernels.
 */
static bool area_can_be_lent(struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP)) && !is_vm_hugetlb_page(vma) &&
	       !vma_is_dax(vma) && !area_is_secret(vma);
}

/* The entry of the middle directory for the address, or NULL; *end is where its emptiness ends. */
static pmd_t *walk_pmd(struct mm_struct *mm, unsigned long address, unsigned long *end)
{
	pgd_t *pgd = pgd_offset(mm, address);
	p4d_t *p4d;
	pud_t *pud;

	*end = (address & PGDIR_MASK) + PGDIR_SIZE;
	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, address);
	*end = (address & P4D_MASK) + P4D_SIZE;
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, address);
	*end = (address & PUD_MASK) + PUD_SIZE;
	/* A leaf of 1 GiB is hugetlb, DAX or device memory, all refused by their area. */
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	*end = (address & PMD_MASK) + PMD_SIZE;
	return pmd_offset(pud, address);
}

/*
 * A page may be mapped any number of times, and in any number of snapshots. Its count must not
 * overflow; nobody gets half as far in good faith.
 */
static bool page_is_held_too_often(struct page *page)
{
	return folio_ref_count(page_folio(page)) > INT_MAX / 2;
}

/* 1, 0: the entry changed meanwhile, look again, or -errno. */
static int walk_huge(struct walk *w, struct vm_area_struct *vma, pmd_t *pmd, unsigned long address,
		     unsigned long end)
{
	unsigned long count = (end - address) >> PAGE_SHIFT;
	struct page *page;
	spinlock_t *lock;
	unsigned long i;
	int result = 1;

	lock = pmd_lock(w->mm, pmd);
	if (!pmd_present(*pmd) || !pmd_trans_huge(*pmd)) {
		spin_unlock(lock);
		return 0;
	}
	page = pmd_page(*pmd);
	/*
	 * The huge zero page is the only page in an anonymous area that is not anonymous. Its own
	 * name is not exported.
	 */
	if (page_is_held_too_often(page)) {
		result = -EOVERFLOW;
	} else if (!vma_is_anonymous(vma) || PageAnon(page)) {
		page += (address & ~PMD_MASK) >> PAGE_SHIFT;
		folio_ref_add(page_folio(page), count);
		for (i = 0; i < count; i++)
			*walk_slot(w, address + (i << PAGE_SHIFT)) = page + i;
		w->held += count;
	}
	spin_unlock(lock);
	return result;
}

/* 1, 0: the directory entry changed meanwhile, or -errno. */
static int walk_table(struct walk *w, pmd_t *pmd, pmd_t seen, unsigned long address,
		      unsigned long end)
{
	spinlock_t *lock;
	int result = 1;
	pte_t *entry;

	/*
	 * A table that is in the directory now is not freed before rcu_read_unlock(), nor is its
	 * lock.
	 */
	rcu_read_lock();
	if (!pmd_same(seen, READ_ONCE(*pmd))) {
		rcu_read_unlock();
		return 0;
	}
	lock = pte_lockptr(w->mm, &seen);
	spin_lock(lock);
	if (!pmd_same(seen, READ_ONCE(*pmd))) {
		spin_unlock(lock);
		rcu_read_unlock();
		return 0;
	}
	entry = pte_offset_kernel(pmd, address);
	for (; address < end; address += PAGE_SIZE, entry++) {
		pte_t pte = READ_ONCE(*entry);

		if (pte_none(pte))
			continue;
		if (!pte_present(pte)) {
			walk_hide(w, address, address + PAGE_SIZE);
			continue;
		}
		if (is_zero_pfn(pte_pfn(pte)))
			continue;
		if (pte_special(pte)) {
			result = -EOPNOTSUPP;
			break;
		}
		if (page_is_held_too_often(pte_page(pte))) {
			result = -EOVERFLOW;
			break;
		}
		get_page(pte_page(pte));
		*walk_slot(w, address) = pte_page(pte);
		w->held++;
	}
	spin_unlock(lock);
	rcu_read_unlock();
	return result;
}

/* One entry of the middle directory, within one area. */
static int walk_entry(struct walk *w, struct vm_area_struct *vma, pmd_t *pmd, unsigned long address,
		      unsigned long end)
{
	int done;

	do {
		pmd_t seen = READ_ONCE(*pmd);

		barrier();
		if (pmd_none(seen))
			return 0;
		if (!pmd_present(seen)) {
			walk_hide(w, address, end);
			return 0;
		}
		if (pmd_trans_huge(seen))
			done = walk_huge(w, vma, pmd, address, end);
		else if (pmd_bad(seen))
			return -EOPNOTSUPP;
		else
			done = walk_table(w, pmd, seen, address, end);
	} while (!done);
	return done < 0 ? done : 0;
}

static int walk_area(struct walk *w, struct vm_area_struct *vma, unsigned long start,
		     unsigned long end)
{
	unsigned long address, next;
	int error;

	if (!area_can_be_lent(vma))
		return -EOPNOTSUPP;
	for (address = start; address < end; address = next) {
		pmd_t *pmd = walk_pmd(w->mm, address, &next);

		next = min(next, end);
		if (!pmd)
			continue;
		error = walk_entry(w, vma, pmd, address, next);
		if (error)
			return error;
	}
	return 0;
}

/*
 * FOLL_FORCE, because a PROT_NONE area may be swapped too. It breaks no copy-on-write for reading.
 * Memory given back meanwhile comes as the zero page, which is none.
 */
static int walk_uncover(struct walk *w, unsigned long end)
{
	unsigned long address;

	for (address = w->start; address < end && w->hidden; address += PAGE_SIZE) {
		struct page **slot = walk_slot(w, address);
		long got;

		if (*slot != WALK_HIDDEN)
			continue;
		*slot = NULL;
		w->hidden--;
		if (fatal_signal_pending(current))
			return -EINTR;
		got = get_user_pages(address, 1, FOLL_FORCE, slot);
		if (got != 1) {
			*slot = NULL;
			return got < 0 && got != -EHWPOISON ? got : -EFAULT;
		}
		if (is_zero_pfn(page_to_pfn(*slot))) {
			put_page(*slot);
			*slot = NULL;
			continue;
		}
		w->held++;
	}
	return 0;
}

static void walk_undo(struct walk *w, unsigned long end)
{
	unsigned long address;

	for (address = w->start; address < end; address += PAGE_SIZE) {
		struct page **slot = walk_slot(w, address);

		if (*slot && *slot != WALK_HIDDEN)
			put_page(*slot);
		*slot = NULL;
	}
}

long mitosis_walk(unsigned long start, unsigned long end, struct page **pages)
{
	struct walk w = { .mm = current->mm, .start = start, .pages = pages };
	struct vm_area_struct *vma;
	unsigned long address;
	int error = 0;

	memset(pages, 0, ((end - start) >> PAGE_SHIFT) * sizeof(*pages));
	if (mmap_read_lock_killable(w.mm))
		return -EINTR;
	for (address = start; address < end && !error; address = vma->vm_end) {
		vma = find_vma(w.mm, address);
		if (!vma || vma->vm_start >= end)
			break;
		error = walk_area(&w, vma, max(address, vma->vm_start), min(end, vma->vm_end));
	}
	if (!error)
		error = walk_uncover(&w, end);
	mmap_read_unlock(w.mm);
	if (error) {
		walk_undo(&w, end);
		return error;
	}
	return w.held;
}

unsigned long mitosis_walk_skip(unsigned long start, unsigned long end)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long next;

	/* A fatal signal: the walk that follows tells it. */
	if (mmap_read_lock_killable(mm))
		return start;
	/* Stops at the end of each area, for the next one may have to be refused. */
	vma = find_vma(mm, start);
	if (!vma || vma->vm_start >= end) {
		start = end;
	} else {
		start = max(start, vma->vm_start);
		end = min(end, vma->vm_end);
		while (start < end && area_can_be_lent(vma)) {
			pmd_t *pmd = walk_pmd(mm, start, &next);

			if (pmd && !pmd_none(READ_ONCE(*pmd)))
				break;
			start = min(next, end);
		}
	}
	mmap_read_unlock(mm);
	return start;
}
