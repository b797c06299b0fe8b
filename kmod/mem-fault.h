/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* mem-fault.h - mappings of an opened snapshot. */
#ifndef MITOSIS_MEM_FAULT_H
#define MITOSIS_MEM_FAULT_H

struct file;
struct vm_area_struct;

/* ->mmap of a child's file. */
int mitosis_fault_map(struct file *file, struct vm_area_struct *vma);

#endif
