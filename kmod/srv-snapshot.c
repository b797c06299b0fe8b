// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * srv-snapshot.c - snapshots that this host holds: pages of processes, and the table that tells
 * peers how to read them.
 *
 * Making one: its UUID is reserved; the ranges are walked in ascending order, and what is found is
 * gathered in chunks of 512 pages aligned to 512, of which each becomes a memory region from its
 * first to its last page; the table, one struct mitosis_chunk each, is written and made readable
 * likewise. Then the snapshot is published, that is to be found. Whatever fails before takes all
 * back.
 *
 * Its end, by release or because the device goes away: no longer found, so nobody new gets the
 * keys; peers are told; all regions are invalidated and unmapped; only then are the pages put. A
 * snapshot that lost its device so is an empty shell until its owner releases it.
 *
 * Per 2 MiB this costs 4 KiB for the pointers to the pages, 80 bytes of table, and what the device
 * needs for a region.
 *
 * Lock: snapshot->lock (mutex) makes the end happen once.
 */
#include <linux/highmem.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "argument.h"
#include "compat/compat.h"
#include "counters.h"
#include "rdma-device.h"
#include "rdma-endpoint.h"
#include "rdma-region.h"
#include "srv-connection.h"
#include "srv-registry.h"
#include "srv-snapshot.h"
#include "srv-walk.h"
#include "trace.h"

#define CHUNKS_MAX	(MITOSIS_PIECE_CHUNKS * MITOSIS_PIECES_MAX)
#define CHUNK_START(page) ((page) & ~(u64)(MITOSIS_CHUNK_PAGES - 1))

struct chunk {
	struct list_head node;
	u64 first;			/* page number of pages[0] */
	unsigned int count;
	struct mitosis_region *region;	/* NULL: not yet */
	struct page **pages;		/* NULL: a hole */
};

/* A part of the table. It is a chunk like those of the process, of pages that the module made. */
struct piece {
	struct chunk chunk;
	u32 bytes;
};

struct mitosis_snapshot {
	struct mitosis_entry entry;
	struct mutex lock;
	struct mitosis_rdma *rdma;	/* NULL: it has ended */
	struct list_head chunks;
	u32 chunk_count;
	u64 pages;
	struct piece pieces[MITOSIS_PIECES_MAX];
	unsigned int piece_count;
	struct mitosis_region **regions;	/* room for all, so that the end needs no memory */
};

/* ---- Chunks ---- */

static void pages_put(struct page **pages, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (pages[i])
			put_page(pages[i]);
	}
}

static unsigned int pages_present(struct page **pages, unsigned int count)
{
	unsigned int i, present = 0;

	for (i = 0; i < count; i++)
		present += pages[i] != NULL;
	return present;
}

static int chunk_register(struct mitosis_snapshot *snapshot, struct chunk *chunk, u64 address)
{
	struct mitosis_region *region = mitosis_region_make(mitosis_rdma_pool(snapshot->rdma),
							    chunk->pages, chunk->count, address);

	if (IS_ERR(region))
		return PTR_ERR(region);
	chunk->region = region;
	return 0;
}

/*
 * What was gathered from the first page of a chunk on. The pages become the snapshot's, or are put.
 */
static int chunk_add(struct mitosis_snapshot *snapshot, u64 start, struct page **gathered)
{
	unsigned int first = 0, end = MITOSIS_CHUNK_PAGES, present;
	struct chunk *chunk;
	int error = -ENOMEM;

	while (end && !gathered[end - 1])
		end--;
	if (!end)
		return 0;
	while (!gathered[first])
		first++;

	if (snapshot->chunk_count == CHUNKS_MAX) {
		error = -E2BIG;
		goto err;
	}
	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		goto err;
	chunk->first = start + first;
	chunk->count = end - first;
	chunk->pages = kmalloc_array(chunk->count, sizeof(*chunk->pages), GFP_KERNEL_ACCOUNT);
	if (!chunk->pages) {
		kfree(chunk);
		goto err;
	}
	memcpy(chunk->pages, gathered + first, chunk->count * sizeof(*chunk->pages));
	present = pages_present(chunk->pages, chunk->count);
	mitosis_count_n(pages_held, present);
	snapshot->pages += present;
	snapshot->chunk_count++;
	list_add_tail(&chunk->node, &snapshot->chunks);
	return chunk_register(snapshot, chunk, chunk->first << PAGE_SHIFT);
err:
	pages_put(gathered, MITOSIS_CHUNK_PAGES);
	return error;
}

/* The chunk that is being gathered. */
struct gathering {
	struct mitosis_snapshot *snapshot;
	u64 start;			/* its first page */
	struct page *pages[MITOSIS_CHUNK_PAGES];
};

static int gather_flush(struct gathering *g)
{
	int error = chunk_add(g->snapshot, g->start, g->pages);

	memset(g->pages, 0, sizeof(g->pages));
	return error;
}

static int gather_range(struct gathering *g, const struct mitosis_ioc_range *range)
{
	u64 end = (range->start >> PAGE_SHIFT) + range->pages, page, next;
	long got;
	int error;

	for (page = range->start >> PAGE_SHIFT; page < end; page = next) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		next = mitosis_walk_skip(page << PAGE_SHIFT, end << PAGE_SHIFT) >> PAGE_SHIFT;
		if (next > page)
			continue;
		if (CHUNK_START(page) != g->start) {
			error = gather_flush(g);
			if (error)
				return error;
			g->start = CHUNK_START(page);
		}
		next = min(end, g->start + MITOSIS_CHUNK_PAGES);
		got = mitosis_walk(page << PAGE_SHIFT, next << PAGE_SHIFT,
				   g->pages + (page - g->start));
		if (got < 0)
			return got;
	}
	return 0;
}

static int snapshot_gather(struct mitosis_snapshot *snapshot,
			   const struct mitosis_ioc_range *ranges, u32 count)
{
	struct gathering *g = kzalloc(sizeof(*g), GFP_KERNEL);
	int error = 0;
	u32 i;

	if (!g)
		return -ENOMEM;
	g->snapshot = snapshot;
	for (i = 0; i < count && !error; i++)
		error = gather_range(g, &ranges[i]);
	if (error)
		pages_put(g->pages, MITOSIS_CHUNK_PAGES);
	else
		error = gather_flush(g);
	kfree(g);
	return error;
}

/* ---- Table ---- */

/* Where the device finds the n-th piece: any address does whose region it alone has the key of. */
static u64 piece_address(unsigned int n)
{
	return (u64)(n + 1) * MITOSIS_CHUNK_PAGES << PAGE_SHIFT;
}

static void piece_write(struct piece *piece, u32 offset, const void *from, u32 length)
{
	while (length) {
		u32 inside = offset % PAGE_SIZE, n = min_t(u32, length, PAGE_SIZE - inside);

		memcpy(page_address(piece->chunk.pages[offset / PAGE_SIZE]) + inside, from, n);
		offset += n;
		from += n;
		length -= n;
	}
}

static int piece_alloc(struct mitosis_snapshot *snapshot, u32 chunks)
{
	struct piece *piece = &snapshot->pieces[snapshot->piece_count];
	struct chunk *chunk = &piece->chunk;
	unsigned int i;

	piece->bytes = chunks * sizeof(struct mitosis_chunk);
	chunk->pages = kcalloc(DIV_ROUND_UP(piece->bytes, PAGE_SIZE), sizeof(*chunk->pages),
			       GFP_KERNEL_ACCOUNT);
	if (!chunk->pages)
		return -ENOMEM;
	chunk->count = DIV_ROUND_UP(piece->bytes, PAGE_SIZE);
	snapshot->piece_count++;
	for (i = 0; i < chunk->count; i++) {
		/* Zeroed: all of its last page can be read. */
		chunk->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!chunk->pages[i])
			return -ENOMEM;
	}
	return 0;
}

static void chunk_tell(const struct chunk *chunk, struct mitosis_chunk *entry)
{
	u64 present[MITOSIS_CHUNK_PAGES / 64] = {};
	unsigned int i, bit;

	for (i = 0; i < chunk->count; i++) {
		bit = chunk->first % MITOSIS_CHUNK_PAGES + i;
		if (chunk->pages[i])
			present[bit / 64] |= 1ULL << bit % 64;
	}
	memset(entry, 0, sizeof(*entry));
	entry->first_page = cpu_to_le64(CHUNK_START(chunk->first));
	entry->rkey = cpu_to_le32(mitosis_region_key(chunk->region));
	for (i = 0; i < ARRAY_SIZE(present); i++)
		entry->present[i] = cpu_to_le64(present[i]);
}

static int snapshot_write_table(struct mitosis_snapshot *snapshot)
{
	struct mitosis_chunk entry;
	struct chunk *chunk;
	unsigned int i;
	u32 n = 0;
	int error;

	BUILD_BUG_ON(MITOSIS_PIECE_CHUNKS * sizeof(entry) > MITOSIS_CHUNK_PAGES * PAGE_SIZE);
	list_for_each_entry(chunk, &snapshot->chunks, node) {
		if (n % MITOSIS_PIECE_CHUNKS == 0) {
			error = piece_alloc(snapshot, min(MITOSIS_PIECE_CHUNKS,
							  snapshot->chunk_count - n));
			if (error)
				return error;
		}
		chunk_tell(chunk, &entry);
		piece_write(&snapshot->pieces[snapshot->piece_count - 1],
			    n % MITOSIS_PIECE_CHUNKS * sizeof(entry), &entry, sizeof(entry));
		n++;
	}
	/*
	 * Not before the table is complete: the device need not see what is written after it was
	 * mapped.
	 */
	for (i = 0; i < snapshot->piece_count; i++) {
		error = chunk_register(snapshot, &snapshot->pieces[i].chunk, piece_address(i));
		if (error)
			return error;
	}
	return 0;
}

/* All regions there are, into the array; how many. */
static unsigned int snapshot_regions(struct mitosis_snapshot *snapshot)
{
	unsigned int i, n = 0;
	struct chunk *chunk;

	list_for_each_entry(chunk, &snapshot->chunks, node) {
		if (chunk->region)
			snapshot->regions[n++] = chunk->region;
	}
	for (i = 0; i < snapshot->piece_count; i++) {
		if (snapshot->pieces[i].chunk.region)
			snapshot->regions[n++] = snapshot->pieces[i].chunk.region;
	}
	return n;
}

/* ---- Its end ---- */

/*
 * While a snapshot is being made there may be no array yet of all regions. None of them was posted
 * then, so there is nothing to invalidate, and dropping them one by one takes no longer.
 */
static void snapshot_drop_regions(struct mitosis_snapshot *snapshot)
{
	struct mitosis_pool *pool = mitosis_rdma_pool(snapshot->rdma);
	struct chunk *chunk;
	unsigned int i;

	if (snapshot->regions) {
		mitosis_regions_drop(pool, snapshot->regions, snapshot_regions(snapshot));
		return;
	}
	list_for_each_entry(chunk, &snapshot->chunks, node) {
		if (chunk->region)
			mitosis_regions_drop(pool, &chunk->region, 1);
	}
	for (i = 0; i < snapshot->piece_count; i++) {
		if (snapshot->pieces[i].chunk.region)
			mitosis_regions_drop(pool, &snapshot->pieces[i].chunk.region, 1);
	}
}

static void snapshot_put_pages(struct mitosis_snapshot *snapshot)
{
	struct chunk *chunk, *next;
	unsigned int i;

	list_for_each_entry_safe(chunk, next, &snapshot->chunks, node) {
		list_del(&chunk->node);
		pages_put(chunk->pages, chunk->count);
		kfree(chunk->pages);
		kfree(chunk);
		cond_resched();
	}
	mitosis_count_n(pages_put, snapshot->pages);
	for (i = 0; i < snapshot->piece_count; i++) {
		pages_put(snapshot->pieces[i].chunk.pages, snapshot->pieces[i].chunk.count);
		kfree(snapshot->pieces[i].chunk.pages);
	}
	kvfree(snapshot->regions);
}

/* Once; who comes second waits for the first. */
static void snapshot_end(struct mitosis_snapshot *snapshot)
{
	bool was_ready;

	mutex_lock(&snapshot->lock);
	if (!snapshot->rdma)
		goto out;
	was_ready = mitosis_registry_remove(&snapshot->entry);
	if (was_ready)
		mitosis_served_announce_release(snapshot->entry.uuid);
	snapshot_drop_regions(snapshot);
	snapshot_put_pages(snapshot);
	if (was_ready) {
		mitosis_count(snapshots_released);
		trace_mitosis_release(snapshot->entry.uuid, snapshot->pages);
	}
	mitosis_rdma_put(snapshot->rdma);
	snapshot->rdma = NULL;
out:
	mutex_unlock(&snapshot->lock);
}

static void snapshot_free(struct kref *ref)
{
	struct mitosis_snapshot *snapshot = container_of(ref, struct mitosis_snapshot, entry.ref);

	WARN_ON(snapshot->rdma || !list_empty(&snapshot->entry.node));
	kfree_sensitive(snapshot);
}

void mitosis_snapshot_release(struct mitosis_snapshot *snapshot)
{
	snapshot_end(snapshot);
	kref_put(&snapshot->entry.ref, snapshot_free);
}

/* Those that are not ready yet end by themselves: they cannot be published any more. */
static int snapshots_lost(struct notifier_block *notifier, unsigned long unused, void *rdma)
{
	struct mitosis_entry *entry;

	while ((entry = mitosis_registry_get(rdma)) != NULL)
		mitosis_snapshot_release(container_of(entry, struct mitosis_snapshot, entry));
	return NOTIFY_DONE;
}

/* First, while the device's connection to itself is there to invalidate regions with. */
static struct notifier_block lost_notifier = {
	.notifier_call = snapshots_lost,
	.priority = MITOSIS_LOST_FIRST,
};

void mitosis_snapshot_init(void)
{
	mitosis_rdma_register(&lost_notifier);
}

void mitosis_snapshot_exit(void)
{
	mitosis_rdma_unregister(&lost_notifier);
}

/* ---- Its beginning ---- */

static bool ranges_are_valid(const struct mitosis_ioc_range *ranges, u32 count)
{
	u64 end = 0;
	u32 i;

	if (count > MITOSIS_RANGES_MAX)
		return false;
	for (i = 0; i < count; i++) {
		u64 start = ranges[i].start, pages = ranges[i].pages;

		if (!PAGE_ALIGNED(start) || start < end || start >= TASK_SIZE || !pages ||
		    pages > (TASK_SIZE - start) >> PAGE_SHIFT)
			return false;
		end = start + (pages << PAGE_SHIFT);
	}
	return true;
}

static int snapshot_register(struct mitosis_snapshot *snapshot)
{
	snapshot->regions = kvmalloc_array(snapshot->chunk_count + snapshot->piece_count + 1,
					   sizeof(*snapshot->regions), GFP_KERNEL_ACCOUNT);
	if (!snapshot->regions)
		return -ENOMEM;
	return mitosis_regions_post(mitosis_rdma_pool(snapshot->rdma), snapshot->regions,
				    snapshot_regions(snapshot));
}

static int snapshot_publish(struct mitosis_snapshot *snapshot)
{
	struct mitosis_message opened = {
		.reason = cpu_to_le16(MITOSIS_REASON_NONE),
		.piece_count = cpu_to_le16(snapshot->piece_count),
		.chunk_count = cpu_to_le32(snapshot->chunk_count),
		.pages = cpu_to_le64(snapshot->pages),
	};
	unsigned int i;
	int error;

	for (i = 0; i < snapshot->piece_count; i++) {
		opened.pieces[i].address = cpu_to_le64(piece_address(i));
		opened.pieces[i].length = cpu_to_le32(snapshot->pieces[i].bytes);
		opened.pieces[i].rkey = cpu_to_le32(
			mitosis_region_key(snapshot->pieces[i].chunk.region));
	}
	error = mitosis_registry_publish(&snapshot->entry, &opened);
	if (!error)
		mitosis_count(snapshots_made);
	return error;
}

static int snapshot_fill(struct mitosis_snapshot *snapshot, const struct mitosis_ioc_range *ranges,
			 u32 count)
{
	int error;

	error = snapshot_gather(snapshot, ranges, count);
	if (!error)
		error = snapshot_write_table(snapshot);
	if (!error)
		error = snapshot_register(snapshot);
	if (!error)
		error = snapshot_publish(snapshot);
	return error;
}

static int snapshot_tell_endpoint(struct mitosis_snapshot *snapshot,
				  struct mitosis_ioc_snapshot *io)
{
	struct sockaddr_storage endpoint;
	int error;

	error = mitosis_rdma_endpoint(snapshot->rdma, &endpoint);
	if (error)
		return error;
	mitosis_endpoint_to_user(&io->endpoint, &endpoint);
	return 0;
}

struct mitosis_snapshot *mitosis_snapshot_make(struct mitosis_ioc_snapshot *io,
					       const struct mitosis_ioc_range *ranges)
{
	struct mitosis_snapshot *snapshot;
	int error;

	if (!ranges_are_valid(ranges, io->range_count))
		return ERR_PTR(-EINVAL);
	snapshot = kzalloc(sizeof(*snapshot), GFP_KERNEL_ACCOUNT);
	if (!snapshot)
		return ERR_PTR(-ENOMEM);
	mitosis_entry_init(&snapshot->entry, io->uuid);
	INIT_LIST_HEAD(&snapshot->chunks);
	mutex_init(&snapshot->lock);
	snapshot->entry.owner = task_tgid_nr(current);
	snapshot->rdma = mitosis_rdma_server();
	if (IS_ERR(snapshot->rdma)) {
		error = PTR_ERR(snapshot->rdma);
		kfree(snapshot);
		return ERR_PTR(error);
	}
	snapshot->entry.rdma = snapshot->rdma;
	error = snapshot_tell_endpoint(snapshot, io);
	if (!error)
		error = mitosis_registry_reserve(&snapshot->entry);
	if (!error)
		error = snapshot_fill(snapshot, ranges, io->range_count);
	if (error) {
		mitosis_snapshot_release(snapshot);
		return ERR_PTR(error);
	}
	io->pages = snapshot->pages;
	io->table_bytes = (u64)snapshot->chunk_count * sizeof(struct mitosis_chunk);
	return snapshot;
}
