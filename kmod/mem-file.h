/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* mem-file.h - the descriptor of a remote snapshot. */
#ifndef MITOSIS_MEM_FILE_H
#define MITOSIS_MEM_FILE_H

#include <linux/types.h>

struct mitosis_remote;

/*
 * A new descriptor for the memory of the remote snapshot, or -errno. Takes its own reference of
 * remote.
 */
int mitosis_file_open(struct mitosis_remote *remote, u32 flags, u32 window);

/* No file is left; wait for what goes behind the last. */
void mitosis_file_exit(void);

#endif
