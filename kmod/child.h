/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* child.h - the child's memory: files whose page cache is filled from a remote snapshot. */
#ifndef MITOSIS_CHILD_H
#define MITOSIS_CHILD_H

#include <linux/types.h>
#include "mitosis_ioctl.h"

struct mitosis_remote;

/*
 * A new descriptor for the memory of the remote snapshot, or -errno. Takes its own reference of
 * remote.
 */
int mitosis_child_open(struct mitosis_remote *remote, u32 flags, u32 window);

/* For people: a line for each. */
struct seq_file;
void mitosis_children_show(struct seq_file *file);

int mitosis_child_init(void);
void mitosis_child_exit(void);

#endif
