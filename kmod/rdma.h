/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * rdma.h - an RDMA device as the module uses it: protection domains, memory regions.
 *
 * Registering needs a queue pair that is ready to send, so the module is connected to itself.
 */
#ifndef MITOSIS_RDMA_H
#define MITOSIS_RDMA_H

#include <linux/kref.h>
#include <linux/socket.h>
#include <rdma/ib_verbs.h>

struct mitosis_rdma;

/* The state of a device, referenced; ERR_PTR(-ENODEV) when it is unknown or going away. */
struct mitosis_rdma *mitosis_rdma_get(struct ib_device *dev);
/* The device that serves snapshots; connects to itself if need be. ERR_PTR(-ENODEV), -EADDRNOTAVAIL … */
struct mitosis_rdma *mitosis_rdma_server(void);
void mitosis_rdma_put(struct mitosis_rdma *rdma);
/*
 * It is going away: whoever keeps a reference in a list of his own looks here under that list's lock
 * before he adds to it, since mitosis_*_lost() passes through the list only once.
 */
bool mitosis_rdma_is_lost(const struct mitosis_rdma *rdma);

struct ib_device *mitosis_rdma_device(const struct mitosis_rdma *rdma);
/* Where regions are, for connections of peers that have shown the UUID of a snapshot. */
struct ib_pd *mitosis_rdma_pd(const struct mitosis_rdma *rdma);
/* Where none is, for connections to hosts that have shown nothing. */
struct ib_pd *mitosis_rdma_client_pd(const struct mitosis_rdma *rdma);
/* Where peers reach it. */
int mitosis_rdma_endpoint(const struct mitosis_rdma *rdma, struct sockaddr_storage *to);

/* Pages that peers can read from iova on with mitosis_region_key(), until mitosis_regions_drop() returns. */
struct mitosis_region;
/*
 * Make regions[i] readable: pages (NULL: a hole, reads as zeros), at most MITOSIS_CHUNK_PAGES. The
 * two steps are apart so that many are posted at once. Sleeps.
 */
struct mitosis_region *mitosis_region_make(struct mitosis_rdma *rdma, struct page **pages, unsigned int count,
					   u64 iova);
int mitosis_regions_post(struct mitosis_rdma *rdma, struct mitosis_region **regions, unsigned int count);
u32 mitosis_region_key(const struct mitosis_region *region);
/* Invalidate, wait, unmap; the regions are kept for reuse or freed. The caller then puts the pages. */
void mitosis_regions_drop(struct mitosis_rdma *rdma, struct mitosis_region **regions, unsigned int count);

int mitosis_rdma_init(void);
void mitosis_rdma_exit(void);

#endif
