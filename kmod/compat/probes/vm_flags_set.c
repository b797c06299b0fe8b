// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* Linux 6.3 */
#include <linux/mm.h>
void probe(struct vm_area_struct *vma);
void probe(struct vm_area_struct *vma) { vm_flags_set(vma, VM_DONTEXPAND); }
#include <linux/module.h>
MODULE_LICENSE("GPL");
