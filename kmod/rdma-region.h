/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * rdma-region.h - memory regions of a device that peers can read, and the pool that they come from.
 */
#ifndef MITOSIS_RDMA_REGION_H
#define MITOSIS_RDMA_REGION_H

#include <linux/mm_types.h>
#include <rdma/ib_verbs.h>

struct mitosis_pool;
struct mitosis_region;
struct mitosis_self;

/* Regions are made in pd and become readable by work requests on self. ERR_PTR(-ENOMEM), -EIO. */
struct mitosis_pool *mitosis_pool_make(struct ib_device *dev, struct ib_pd *pd,
				       struct mitosis_self *self);
/* Have so many regions ready as the parameter asks for: soon, by a work item. */
void mitosis_pool_refill(struct mitosis_pool *pool);
/* The device is going away: no region is kept any more. */
void mitosis_pool_retire(struct mitosis_pool *pool);
void mitosis_pool_free(struct mitosis_pool *pool); /* retired, and all regions are dropped */

/*
 * Pages that peers can read from iova on with mitosis_region_key(), until mitosis_regions_drop()
 * returns: NULL is a hole, which reads as zeros; at most MITOSIS_CHUNK_PAGES. Readable they are
 * when mitosis_regions_post() has returned 0. The two steps are apart so that many are posted at
 * once. Sleep.
 */
struct mitosis_region *mitosis_region_make(struct mitosis_pool *pool, struct page **pages,
					   unsigned int count, u64 iova);
int mitosis_regions_post(struct mitosis_pool *pool, struct mitosis_region **regions,
			 unsigned int count);
u32 mitosis_region_key(const struct mitosis_region *region);
/*
 * Invalidate, wait, unmap; the regions are kept for reuse or freed. The caller then puts the pages.
 */
void mitosis_regions_drop(struct mitosis_pool *pool, struct mitosis_region **regions,
			  unsigned int count);

int mitosis_region_init(void);
void mitosis_region_exit(void);

#endif
