/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * compat.h - what an older kernel lacks, under its name in the current one. The rest of the module
 * is written for the current kernel and knows no versions.
 */
#ifndef MITOSIS_COMPAT_H
#define MITOSIS_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#ifdef HAVE_FOLIO_BATCH_H			/* in 7.2 */
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

#ifndef HAVE_INODE_JUST_DROP			/* 6.18: its name before */
#define inode_just_drop generic_delete_inode
#endif

#ifndef HAVE_FOLIO_END_READ			/* 6.7, 0b237047d5a7 */
static inline void folio_end_read(struct folio *folio, bool success)
{
	if (success)
		folio_mark_uptodate(folio);
	folio_unlock(folio);
}
#endif

#ifndef HAVE_MAPPING_SET_FOLIO_ORDER_RANGE	/* 6.12: before, large folios cannot be capped, so there are none */
static inline void mapping_set_folio_order_range(struct address_space *mapping, unsigned int min,
						 unsigned int max)
{
}
#endif

#ifndef HAVE_GET_USER_PAGES_WITHOUT_VMAS	/* 6.5, 54d020692b34 */
#define get_user_pages(start, count, flags, pages) (get_user_pages)(start, count, flags, pages, NULL)
#endif

#ifndef HAVE_VM_FLAGS_SET			/* 6.3, bc292ab00f6c */
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}
#endif

#endif
