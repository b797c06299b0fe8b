// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rdma-region.c - memory regions that peers can read, and the pool of those that are kept for
 * reuse.
 *
 * A region goes through
 *
 *   idle (in the pool, or just allocated) -- make --> mapped -- post --> readable by peers
 *   readable -- LOCAL_INV, confirmed --> unmapped --> idle, or freed when the pool is full
 *   readable -- LOCAL_INV not confirmed --> ib_dereg_mr, which ends it on any device
 *
 * ib_alloc_mr() is nearly all of the time that registering takes, so regions are kept. They are
 * taken from the head of the pool and given back to its tail: a region rests for as long as the
 * pool allows. Each use has a key whose low byte is random and none that the region had before,
 * until it had all: a READ that was on its way when its snapshot was released must not find the
 * pages of another under the old key. The global rkey of a protection domain is never asked for,
 * since it would show peers all memory of this host for ever.
 *
 * Locks: the connection of rdma-self.c, while it is acquired, guards the work requests; pool->lock
 * (spinlock, a leaf) the list.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat/compat.h"
#include "counters.h"
#include "params.h"
#include "protocol.h"
#include "rdma-region.h"
#include "rdma-self.h"

#define BATCH		MITOSIS_SELF_BATCH

struct mitosis_region {
	struct list_head node;		/* in the pool */
	struct ib_mr *mr;
	/* of its pages, 0: a hole; NULL: the device needs no unmapping */
	u64 *dma;
	unsigned int count;
	bool readable;			/* posted, so that a peer may be able to read it */
	DECLARE_BITMAP(keys, 256);	/* low bytes of the keys that it had */
};

struct mitosis_pool {
	struct ib_device *device;
	struct ib_pd *pd;
	struct mitosis_self *self;
	u64 zero_dma;			/* the zero page, for holes */
	/* while self is acquired; here, so that a release needs no memory */
	union {
		struct ib_reg_wr reg[BATCH];
		struct ib_send_wr invalidate[BATCH];
	} wr;
	struct work_struct refill;

	spinlock_t lock;		/* of the rest */
	struct list_head kept;
	unsigned int count;
	bool retired;
};

static struct workqueue_struct *refill_work;

/* ---- Their memory ---- */

/*
 * Up to Linux 6.2, soft-RoCE looks at the list entry behind the last page when it has sent that.
 * One more than a chunk has makes the entry exist. It declares 512 as its limit and has none.
 */
static u32 region_room(const struct ib_device *dev)
{
	if (dev->ops.driver_id == RDMA_DRIVER_RXE)
		return MITOSIS_CHUNK_PAGES + 1;
	return MITOSIS_CHUNK_PAGES;
}

static struct mitosis_region *region_alloc(struct mitosis_pool *pool)
{
	struct mitosis_region *region = kzalloc(sizeof(*region), GFP_KERNEL);
	int error;

	if (!region)
		return ERR_PTR(-ENOMEM);
	region->mr = ib_alloc_mr(pool->pd, IB_MR_TYPE_MEM_REG, region_room(pool->device));
	if (IS_ERR(region->mr)) {
		error = PTR_ERR(region->mr);
		kfree(region);
		return ERR_PTR(error);
	}
	return region;
}

static void region_deregister(struct mitosis_region *region)
{
	int error = ib_dereg_mr(region->mr);

	/* Only a memory window bound to it could keep it, and the module binds none. */
	WARN_ONCE(error, "mitosis: a memory region cannot be freed: error %d\n", error);
	region->mr = NULL;
}

static void region_free(struct mitosis_region *region)
{
	if (region->mr)
		region_deregister(region);
	kfree(region);
}

/* ---- The pool ---- */

static struct mitosis_region *pool_take(struct mitosis_pool *pool)
{
	struct mitosis_region *region;

	spin_lock(&pool->lock);
	region = list_first_entry_or_null(&pool->kept, struct mitosis_region, node);
	if (region) {
		list_del(&region->node);
		pool->count--;
	}
	spin_unlock(&pool->lock);
	return region;
}

static bool pool_give(struct mitosis_pool *pool, struct mitosis_region *region)
{
	bool kept;

	spin_lock(&pool->lock);
	kept = !pool->retired && pool->count < READ_ONCE(mitosis_param_regions);
	if (kept) {
		list_add_tail(&region->node, &pool->kept);
		pool->count++;
	}
	spin_unlock(&pool->lock);
	return kept;
}

static void pool_empty(struct mitosis_pool *pool)
{
	struct mitosis_region *region;

	while ((region = pool_take(pool)) != NULL)
		region_free(region);
}

/* What the next snapshots need, made while nobody waits for it; less, if less is asked for now. */
static void pool_refill(struct work_struct *work)
{
	struct mitosis_pool *pool = container_of(work, struct mitosis_pool, refill);
	struct mitosis_region *region;

	while (READ_ONCE(pool->count) > READ_ONCE(mitosis_param_regions)) {
		region = pool_take(pool);
		if (!region)
			break;
		region_free(region);
		cond_resched();
	}
	while (!READ_ONCE(pool->retired) &&
	       READ_ONCE(pool->count) < READ_ONCE(mitosis_param_regions)) {
		region = region_alloc(pool);
		if (IS_ERR(region))
			return;		/* a snapshot will try by itself, and tell */
		if (!pool_give(pool, region)) {
			region_free(region);
			return;
		}
		cond_resched();
	}
}

/* ---- Into a region and out of it ---- */

static void region_unmap(struct mitosis_pool *pool, struct mitosis_region *region)
{
	unsigned int i;

	if (!region->dma)
		return;
	for (i = 0; i < region->count; i++) {
		if (region->dma[i])
			ib_dma_unmap_page(pool->device, region->dma[i], PAGE_SIZE, DMA_TO_DEVICE);
	}
	kfree(region->dma);
	region->dma = NULL;
}

/* Device addresses of the pages into the list; holes get the zero page, mapped once per device. */
static int region_map(struct mitosis_pool *pool, struct mitosis_region *region, struct page **pages,
		      struct scatterlist *list)
{
	unsigned int i;
	u64 address;

	if (!ib_uses_virt_dma(pool->device)) {
		region->dma = kcalloc(region->count, sizeof(*region->dma), GFP_KERNEL);
		if (!region->dma)
			return -ENOMEM;
	}
	sg_init_table(list, region->count);
	for (i = 0; i < region->count; i++) {
		address = pool->zero_dma;
		if (pages[i]) {
			address = ib_dma_map_page(pool->device, pages[i], 0, PAGE_SIZE,
						  DMA_TO_DEVICE);
			if (ib_dma_mapping_error(pool->device, address))
				return -EIO;
			if (region->dma)
				region->dma[i] = address;
		}
		sg_set_page(&list[i], pages[i] ? pages[i] : ZERO_PAGE(0), PAGE_SIZE, 0);
		sg_dma_address(&list[i]) = address;
		sg_dma_len(&list[i]) = PAGE_SIZE;
	}
	return 0;
}

static unsigned int region_free_key(const struct mitosis_region *region)
{
	unsigned int key;
	u8 start;

	get_random_bytes(&start, sizeof(start));
	key = find_next_zero_bit(region->keys, 256, start);
	return key < 256 ? key : find_first_zero_bit(region->keys, 256);
}

static void region_renew_key(struct mitosis_region *region)
{
	unsigned int old = region->mr->rkey & 0xff, key;

	__set_bit(old, region->keys);
	key = region_free_key(region);
	if (key == 256) {
		bitmap_zero(region->keys, 256);
		__set_bit(old, region->keys);
		key = region_free_key(region);
	}
	ib_update_fast_reg_key(region->mr, key);
}

/* The region is no longer readable. */
static void region_discard(struct mitosis_pool *pool, struct mitosis_region *region)
{
	region_unmap(pool, region);
	region->count = 0;
	if (!region->mr || !pool_give(pool, region))
		region_free(region);
}

struct mitosis_region *mitosis_region_make(struct mitosis_pool *pool, struct page **pages,
					   unsigned int count, u64 iova)
{
	struct mitosis_region *region;
	struct scatterlist *list;
	int error, mapped;

	if (WARN_ON_ONCE(!count || count > MITOSIS_CHUNK_PAGES))
		return ERR_PTR(-EINVAL);
	list = kvmalloc_array(count, sizeof(*list), GFP_KERNEL);
	if (!list)
		return ERR_PTR(-ENOMEM);
	region = pool_take(pool);
	if (!region)
		region = region_alloc(pool);
	if (IS_ERR(region))
		goto out;
	region->count = count;
	error = region_map(pool, region, pages, list);
	if (!error) {
		mapped = ib_map_mr_sg(region->mr, list, count, NULL, PAGE_SIZE);
		if (mapped != count)
			error = mapped < 0 ? mapped : -EIO;
	}
	if (error) {
		region_discard(pool, region);
		region = ERR_PTR(error);
		goto out;
	}
	region->mr->iova = iova;
	region_renew_key(region);
	mitosis_count(regions_made);
out:
	kvfree(list);
	return region;
}

u32 mitosis_region_key(const struct mitosis_region *region)
{
	return region->mr->rkey;
}

/* self is acquired. */
static int regions_post_batch(struct mitosis_pool *pool, struct mitosis_region **regions,
			      unsigned int count)
{
	unsigned int i;

	memset(pool->wr.reg, 0, sizeof(pool->wr.reg));
	for (i = 0; i < count; i++) {
		struct ib_reg_wr *wr = &pool->wr.reg[i];

		wr->wr.opcode = IB_WR_REG_MR;
		wr->wr.next = i + 1 < count ? &pool->wr.reg[i + 1].wr : NULL;
		wr->mr = regions[i]->mr;
		wr->key = regions[i]->mr->rkey;
		wr->access = IB_ACCESS_REMOTE_READ;
		regions[i]->readable = true;
	}
	return mitosis_self_run(pool->self, &pool->wr.reg[0].wr);
}

int mitosis_regions_post(struct mitosis_pool *pool, struct mitosis_region **regions,
			 unsigned int count)
{
	unsigned int i, n;
	int error = 0;

	for (i = 0; i < count && !error; i += n) {
		n = min(BATCH, count - i);
		error = mitosis_self_acquire(pool->self);
		if (error)
			return error;
		error = regions_post_batch(pool, regions + i, n);
		mitosis_self_release(pool->self);
	}
	return error;
}

/* self is acquired, and there is one that is readable. */
static int regions_invalidate(struct mitosis_pool *pool, struct mitosis_region **regions,
			      unsigned int count)
{
	struct ib_send_wr *last = NULL;
	unsigned int i, n = 0;

	memset(pool->wr.invalidate, 0, sizeof(pool->wr.invalidate));
	for (i = 0; i < count; i++) {
		struct ib_send_wr *wr = &pool->wr.invalidate[n];

		if (!regions[i]->readable)
			continue;
		wr->opcode = IB_WR_LOCAL_INV;
		wr->ex.invalidate_rkey = regions[i]->mr->rkey;
		if (last)
			last->next = wr;
		last = wr;
		n++;
	}
	return mitosis_self_run(pool->self, pool->wr.invalidate);
}

/*
 * True if none of them is readable any more. A connection that has died is not remade for it:
 * freeing the regions does as well and does not depend on the network.
 */
static bool regions_invalidate_batch(struct mitosis_pool *pool, struct mitosis_region **regions,
				     unsigned int count)
{
	unsigned int i;
	int error;

	for (i = 0; i < count && !regions[i]->readable; i++)
		;
	if (i == count)
		return true;
	if (!mitosis_self_acquire_if_up(pool->self))
		return false;
	error = regions_invalidate(pool, regions, count);
	mitosis_self_release(pool->self);
	return !error;
}

void mitosis_regions_drop(struct mitosis_pool *pool, struct mitosis_region **regions,
			  unsigned int count)
{
	bool invalidated = false, confirmed;
	unsigned int i, k, n;

	for (i = 0; i < count; i += n) {
		n = min(BATCH, count - i);
		confirmed = regions_invalidate_batch(pool, regions + i, n);
		for (k = i; k < i + n; k++) {
			mitosis_count(regions_freed);
			if (!confirmed && regions[k]->readable)
				region_deregister(regions[k]);
			invalidated |= regions[k]->readable;
			regions[k]->readable = false;
		}
		cond_resched();
	}
	/*
	 * A device in software may be amid copying a page for a READ that it admitted before; it
	 * does so in softirq or in a worker for a few microseconds.
	 */
	if (invalidated && ib_uses_virt_dma(pool->device))
		synchronize_rcu();
	for (i = 0; i < count; i++)
		region_discard(pool, regions[i]);
}

/* ---- Life ---- */

struct mitosis_pool *mitosis_pool_make(struct ib_device *dev, struct ib_pd *pd,
				       struct mitosis_self *self)
{
	struct mitosis_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->device = dev;
	pool->pd = pd;
	pool->self = self;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->kept);
	INIT_WORK(&pool->refill, pool_refill);
	pool->zero_dma = ib_dma_map_page(dev, ZERO_PAGE(0), 0, PAGE_SIZE, DMA_TO_DEVICE);
	if (!ib_dma_mapping_error(dev, pool->zero_dma))
		return pool;
	kfree(pool);
	return ERR_PTR(-EIO);
}

void mitosis_pool_refill(struct mitosis_pool *pool)
{
	if (READ_ONCE(pool->count) < READ_ONCE(mitosis_param_regions) / 2 ||
	    READ_ONCE(pool->count) > READ_ONCE(mitosis_param_regions))
		queue_work(refill_work, &pool->refill);
}

void mitosis_pool_retire(struct mitosis_pool *pool)
{
	spin_lock(&pool->lock);
	WRITE_ONCE(pool->retired, true);
	spin_unlock(&pool->lock);
}

void mitosis_pool_free(struct mitosis_pool *pool)
{
	cancel_work_sync(&pool->refill);
	pool_empty(pool);
	pool_empty(pool);
	ib_dma_unmap_page(pool->device, pool->zero_dma, PAGE_SIZE, DMA_TO_DEVICE);
	kfree(pool);
}

int mitosis_region_init(void)
{
	/* Of our own: the name of the system's unbound one changes with the kernel. */
	refill_work = alloc_workqueue("mitosis_refill", WQ_UNBOUND, 0);
	return refill_work ? 0 : -ENOMEM;
}

void mitosis_region_exit(void)
{
	destroy_workqueue(refill_work);
}
