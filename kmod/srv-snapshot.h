/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * srv-snapshot.h - the parent's side: pages of a process, held and readable by peers that know its
 * UUID.
 */
#ifndef MITOSIS_SRV_SNAPSHOT_H
#define MITOSIS_SRV_SNAPSHOT_H

#include "mitosis_ioctl.h"

struct mitosis_snapshot;

/*
 * Of the calling process' memory. .pages, .table_bytes and .endpoint of *io are filled in. ERR_PTR:
 * -EINVAL ranges, -EEXIST the UUID is in use, -ENODEV, -ENOMEM, -EINTR a fatal signal, -EFAULT a
 * swapped page cannot be read, -EOPNOTSUPP huge page files, device memory, DAX or memfd_secret in
 * the ranges, -E2BIG more chunks than a table has room for.
 */
struct mitosis_snapshot *mitosis_snapshot_make(struct mitosis_ioc_snapshot *io,
					       const struct mitosis_ioc_range *ranges);
/* Tell the peers, make it unreadable, put its pages. On return nobody can read it any more. */
void mitosis_snapshot_release(struct mitosis_snapshot *snapshot);

void mitosis_snapshot_init(void);
void mitosis_snapshot_exit(void);

#endif
