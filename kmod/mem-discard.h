/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * mem-discard.h - which of a process' addresses still show the snapshot, and which are zeros by
 * now.
 */
#ifndef MITOSIS_MEM_DISCARD_H
#define MITOSIS_MEM_DISCARD_H

#include <linux/mm.h>

struct mitosis_child;
struct mitosis_mm;

/* A new mapping: the mmap lock is write-held. The result belongs into vm_private_data. */
struct mitosis_mm *mitosis_mm_map(struct mitosis_child *child, struct vm_area_struct *vma);
/* vm_operations. */
void mitosis_mm_open(struct vm_area_struct *vma);
void mitosis_mm_close(struct vm_area_struct *vma);
int mitosis_mm_moved(struct vm_area_struct *vma);

/*
 * How many pages from this address on, which the mapping says is this page of the file, still show
 * the snapshot: 0 to most.
 */
unsigned long mitosis_mm_run(struct mitosis_mm *mm, unsigned long address, pgoff_t page,
			     unsigned long most);
/* filemap_map_pages() of no more than that around the fault. */
vm_fault_t mitosis_mm_map_pages(struct mitosis_mm *mm, struct vm_fault *vmf, pgoff_t first,
				pgoff_t last);
/*
 * Does the calling process show a page of first .. first + count - 1? The first run of such pages,
 * wherever they are mapped: all if the process has no mapping of this child.
 */
unsigned long mitosis_mm_next(struct mitosis_child *child, pgoff_t *first, unsigned long count);

void mitosis_mm_exit(void);

#endif
