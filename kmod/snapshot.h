/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* snapshot.h - the parent's side: pages of a process, held and readable by peers that know its UUID. */
#ifndef MITOSIS_SNAPSHOT_H
#define MITOSIS_SNAPSHOT_H

#include <linux/types.h>
#include "mitosis_ioctl.h"
#include "protocol.h"

struct mitosis_snapshot;

/*
 * Of the calling process' memory. .pages, .table_bytes and .endpoint of *io are filled in. ERR_PTR:
 * -EINVAL ranges, -EEXIST the UUID is in use, -ENODEV, -ENOMEM, -EINTR a fatal signal, -EFAULT a
 * swapped page cannot be read, -EOPNOTSUPP huge page files, device memory, DAX or memfd_secret in the
 * ranges, -E2BIG more chunks than a table has room for.
 */
struct mitosis_snapshot *mitosis_snapshot_make(struct mitosis_ioc_snapshot *io,
					       const struct mitosis_ioc_range *ranges);
/* Tell the peers, make it unreadable, put its pages. On return nobody can read it any more. */
void mitosis_snapshot_release(struct mitosis_snapshot *snapshot);

/* For server.c. Constant time in the UUID. */
bool mitosis_snapshot_is_there(const u8 uuid[16]);
/* Fill in an OPENED message (reason and the rest) for a peer that came through dev. */
struct ib_device;
void mitosis_snapshot_describe(const u8 uuid[16], const struct ib_device *dev, struct mitosis_message *m);

/* For people: a line for each. */
struct seq_file;
void mitosis_snapshots_show(struct seq_file *file);

/* The device is going away: release all that it serves. */
struct mitosis_rdma;
void mitosis_snapshots_lost(struct mitosis_rdma *rdma);

/*
 * walk.c: referenced pages of current->mm, NULL where there is none; count of them or -errno:
 * -EINTR a fatal signal, -EFAULT a swapped page cannot be read, -EOPNOTSUPP memory that cannot be lent,
 * -EOVERFLOW a page is held by a billion others already.
 */
struct page;
long mitosis_walk(unsigned long start, unsigned long end, struct page **pages);
/* A cheap look ahead: no page lies between start and what is returned, at most end. */
unsigned long mitosis_walk_skip(unsigned long start, unsigned long end);

#endif
