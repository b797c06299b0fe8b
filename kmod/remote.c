// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * remote.c - a snapshot of another host: which pages it has, and under which keys they are read.
 *
 *   new --keeper: OPEN, OPENED, table read and checked--> known --> lost
 *    |                                                      |
 *    +---- refused, or its openers gave up: lost            +-- put: CLOSE, freed
 *
 * Who opens a snapshot that is being opened waits for the same answer. A lost one is not found any
 * more, so that the next open asks the host again, while those who have it keep its error.
 *
 * The table comes from a host that may lie. Each number in it is checked before it is used, and what
 * is kept is our own form of it: page numbers (shifted) for the search, bitmaps, keys. Page numbers
 * and bitmaps never change afterwards, so they are read without a lock, in the fault path. A host that
 * is asked again after a broken connection has to give the same ones; only the keys are replaced,
 * while read.c lets no read of this remote be posted.
 *
 * Locks: remotes_lock (mutex) guards the list, and in it peer.c's. It is held while a remote's last
 * reference goes and CLOSE is posted, hence before OPEN for the same UUID.
 */
#include <linux/bitmap.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "connection.h"
#include "counters.h"
#include "mitosis_ioctl.h"
#include "params.h"
#include "protocol.h"
#include "remote.h"

#define FAULTS_MAX	3U		/* access errors while reading the table */
#define WORDS		(MITOSIS_CHUNK_PAGES / 64)
/* The last chunk whose addresses are numbers of 64 bits. */
#define NUMBER_MAX	(~0ULL >> (PAGE_SHIFT + MITOSIS_CHUNK_SHIFT))

struct mitosis_table {
	u32 count;
	u64 pages;
	u64 *numbers;				/* of chunks: page >> MITOSIS_CHUNK_SHIFT, ascending */
	unsigned long (*present)[WORDS];
	u32 *keys;
};

static LIST_HEAD(remotes);
static DEFINE_MUTEX(remotes_lock);

/* ---- The table ---- */

static void table_free(struct mitosis_table *table)
{
	if (!table)
		return;
	kvfree(table->numbers);
	kvfree(table->present);
	kvfree(table->keys);
	kfree(table);
}

static struct mitosis_table *table_new(u32 count)
{
	struct mitosis_table *table = kzalloc(sizeof(*table), GFP_KERNEL);

	if (!table)
		return NULL;
	table->numbers = kvmalloc_array(count, sizeof(*table->numbers), GFP_KERNEL);
	table->present = kvmalloc_array(count, sizeof(*table->present), GFP_KERNEL);
	table->keys = kvmalloc_array(count, sizeof(*table->keys), GFP_KERNEL);
	if (table->numbers && table->present && table->keys)
		return table;
	table_free(table);
	return NULL;
}

static bool chunk_is_valid(const struct mitosis_table *table, const struct mitosis_chunk *chunk)
{
	u64 first = le64_to_cpu(chunk->first_page), number = first >> MITOSIS_CHUNK_SHIFT;

	if (chunk->reserved || first % MITOSIS_CHUNK_PAGES || number > NUMBER_MAX)
		return false;
	if (table->count && number <= table->numbers[table->count - 1])
		return false;
	/* A chunk without pages is not in a table. */
	return memchr_inv(chunk->present, 0, sizeof(chunk->present));
}

static int table_add(struct mitosis_table *table, const struct mitosis_chunk *chunk)
{
	unsigned long *present = table->present[table->count];
	unsigned int i;

	BUILD_BUG_ON(BITS_PER_LONG != 64);
	if (!chunk_is_valid(table, chunk))
		return -EPROTO;
	for (i = 0; i < WORDS; i++)
		present[i] = le64_to_cpu(chunk->present[i]);
	table->numbers[table->count] = le64_to_cpu(chunk->first_page) >> MITOSIS_CHUNK_SHIFT;
	table->keys[table->count] = le32_to_cpu(chunk->rkey);
	table->pages += bitmap_weight(present, MITOSIS_CHUNK_PAGES);
	table->count++;
	return 0;
}

static bool tables_are_same(const struct mitosis_table *a, const struct mitosis_table *b)
{
	return a->count == b->count &&
	       !memcmp(a->numbers, b->numbers, a->count * sizeof(*a->numbers)) &&
	       !memcmp(a->present, b->present, a->count * sizeof(*a->present));
}

/* The first chunk at or behind number; .count: none. */
static u32 table_search(const struct mitosis_table *table, u64 number)
{
	u32 low = 0, high = table->count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (table->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- OPENED ---- */

static u32 piece_chunks(const struct mitosis_message *m, unsigned int piece)
{
	return min(le32_to_cpu(m->chunk_count) - piece * MITOSIS_PIECE_CHUNKS, MITOSIS_PIECE_CHUNKS);
}

static bool piece_is_valid(const struct mitosis_message *m, unsigned int piece)
{
	u64 address = le64_to_cpu(m->pieces[piece].address);
	u32 length = le32_to_cpu(m->pieces[piece].length);

	return length == piece_chunks(m, piece) * sizeof(struct mitosis_chunk) &&
	       address + length >= address;
}

/* Exactly as many pieces as the chunks need, exactly as long; all else zero. */
static bool opened_is_valid(const struct mitosis_message *m)
{
	unsigned int pieces = le16_to_cpu(m->piece_count), i;
	u32 chunks = le32_to_cpu(m->chunk_count);
	u64 pages = le64_to_cpu(m->pages);

	if (pieces > MITOSIS_PIECES_MAX || chunks > MITOSIS_PIECES_MAX * MITOSIS_PIECE_CHUNKS ||
	    pieces != DIV_ROUND_UP(chunks, MITOSIS_PIECE_CHUNKS))
		return false;
	if (pages < chunks || pages > (u64)chunks * MITOSIS_CHUNK_PAGES)
		return false;
	for (i = 0; i < pieces; i++) {
		if (!piece_is_valid(m, i))
			return false;
	}
	return !memchr_inv(&m->pieces[pieces], 0,
			   (MITOSIS_PIECES_MAX - pieces) * sizeof(m->pieces[0]));
}

static bool refusal_is_valid(const struct mitosis_message *m)
{
	const size_t head = offsetof(struct mitosis_message, piece_count);

	return !memchr_inv((const u8 *)m + head, 0, sizeof(*m) - head);
}

static int opened_error(const struct mitosis_message *m)
{
	unsigned int reason = le16_to_cpu(m->reason);

	if (reason == MITOSIS_REASON_NONE)
		return opened_is_valid(m) ? 0 : -EPROTO;
	if (!refusal_is_valid(m))
		return -EPROTO;
	switch (reason) {
	case MITOSIS_REASON_NO_SNAPSHOT:
		return -ENOENT;
	case MITOSIS_REASON_BUSY:
		return -EBUSY;
	case MITOSIS_REASON_DEVICE:
		return -ENODEV;
	case MITOSIS_REASON_RESOURCES:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

static int piece_read(struct mitosis_peer *peer, const struct mitosis_message *m, unsigned int piece,
		      struct mitosis_chunk *buffer, struct mitosis_table *table)
{
	const struct mitosis_piece *p = &m->pieces[piece];
	u32 i, count = piece_chunks(m, piece);
	int error;

	error = mitosis_peer_fetch(peer, buffer, le64_to_cpu(p->address), le32_to_cpu(p->rkey),
				   le32_to_cpu(p->length));
	for (i = 0; i < count && !error; i++)
		error = table_add(table, &buffer[i]);
	return error;
}

static struct mitosis_table *table_read(struct mitosis_peer *peer, const struct mitosis_message *m)
{
	u32 count = le32_to_cpu(m->chunk_count);
	unsigned int i, pieces = le16_to_cpu(m->piece_count);
	struct mitosis_table *table = table_new(count);
	struct mitosis_chunk *buffer;
	int error = -ENOMEM;

	/* Whole pages, for the device; read again for each piece. */
	buffer = vmalloc(PAGE_ALIGN(max(piece_chunks(m, 0), 1U) * sizeof(*buffer)));
	if (table && buffer)
		error = 0;
	for (i = 0; i < pieces && !error; i++)
		error = piece_read(peer, m, i, buffer, table);
	if (!error && table->pages != le64_to_cpu(m->pages))
		error = -EPROTO;
	vfree(buffer);
	if (!error)
		return table;
	table_free(table);
	return ERR_PTR(error);
}

/* ---- Establishing, by the peer's keeper ---- */

/* The first time it is ours; later it brings keys. */
static int table_take(struct mitosis_remote *remote, struct mitosis_table *table)
{
	unsigned int sge_max = mitosis_peer_sge_max(remote->peer);
	int error = 0;

	/* It broke behind the last answer: the next one's device may be another. */
	if (!sge_max) {
		table_free(table);
		return -EAGAIN;
	}
	if (!remote->table) {
		remote->read_max = sge_max;
		remote->table = table;
		return 0;
	}
	if (!tables_are_same(remote->table, table))
		error = -ESTALE;
	else if (sge_max < remote->read_max)
		error = -ENODEV;	/* reached by another device, which cannot take our reads */
	else
		memcpy(remote->table->keys, table->keys, table->count * sizeof(*table->keys));
	table_free(table);
	return error;
}

/*
 * 0: its reads may be posted in this session. -EAGAIN: not this time. Else: never, as session.c
 * decides.
 */
int mitosis_remote_establish(struct mitosis_remote *remote)
{
	struct mitosis_peer *peer = remote->peer;
	struct mitosis_message answer;
	struct mitosis_table *table;
	int error;

	error = mitosis_peer_ask(peer, remote->uuid, &answer);
	if (error)
		return error;
	error = opened_error(&answer);
	table = error ? ERR_PTR(error) : table_read(peer, &answer);
	error = PTR_ERR_OR_ZERO(table);
	if (error == -EREMOTEIO) {
		/* Released just now, as the next answer will say; or it does not mean it. */
		remote->faults++;
		return remote->faults > FAULTS_MAX ? -EIO : -EAGAIN;
	}
	if (error == -EPROTO) {
		mitosis_count(refused_messages);
		mitosis_peer_distrust(peer);
	}
	if (error)
		return error;
	remote->faults = 0;
	return table_take(remote, table);
}

/* ---- Opening and closing ---- */

static struct mitosis_remote *remote_find(const struct sockaddr_storage *endpoint, const u8 uuid[16])
{
	struct mitosis_remote *remote;

	list_for_each_entry(remote, &remotes, node) {
		if (!memcmp(remote->uuid, uuid, sizeof(remote->uuid)) &&
		    mitosis_peer_is_at(remote->peer, endpoint) && !mitosis_remote_error(remote) &&
		    refcount_inc_not_zero(&remote->references))
			return remote;
	}
	return NULL;
}

static struct mitosis_remote *remote_new(const struct sockaddr_storage *endpoint,
					 const u8 uuid[16], unsigned long timeout)
{
	struct mitosis_remote *remote = kzalloc(sizeof(*remote), GFP_KERNEL);

	if (!remote)
		return NULL;
	refcount_set(&remote->references, 1);
	memcpy(remote->uuid, uuid, sizeof(remote->uuid));
	init_waitqueue_head(&remote->wait);
	INIT_LIST_HEAD(&remote->parked);
	remote->timeout = timeout;
	if (!mitosis_peer_attach(endpoint, remote)) {
		kfree(remote);
		return NULL;
	}
	list_add(&remote->node, &remotes);
	mitosis_count(remotes_made);
	return remote;
}

static int endpoint_check(const struct sockaddr_storage *endpoint)
{
	return endpoint->ss_family == AF_INET || endpoint->ss_family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}

static int remote_wait(struct mitosis_remote *remote, unsigned long timeout)
{
	long left = wait_event_killable_timeout(remote->wait, mitosis_peer_settled(remote), timeout);

	if (left < 0)
		return -EINTR;
	return left ? mitosis_remote_error(remote) : mitosis_peer_last_error(remote->peer);
}

struct mitosis_remote *mitosis_remote_open(const struct sockaddr_storage *endpoint, const u8 uuid[16],
					   unsigned int timeout_ms)
{
	unsigned int ms = timeout_ms ? : READ_ONCE(mitosis_param_timeout_ms);
	unsigned long timeout = msecs_to_jiffies(clamp(ms, 1U, MITOSIS_TIMEOUT_MAX_MS));
	struct mitosis_remote *remote;
	int error = endpoint_check(endpoint);

	if (error)
		return ERR_PTR(error);
	mutex_lock(&remotes_lock);
	remote = remote_find(endpoint, uuid);
	if (remote)
		mitosis_peer_allow(remote, timeout);
	else
		remote = remote_new(endpoint, uuid, timeout);
	mutex_unlock(&remotes_lock);
	if (!remote)
		return ERR_PTR(-ENOMEM);
	error = remote_wait(remote, timeout);
	if (!error)
		return remote;
	mitosis_remote_put(remote);
	return ERR_PTR(error);
}

void mitosis_remote_get(struct mitosis_remote *remote)
{
	refcount_inc(&remote->references);
}

void mitosis_remote_put(struct mitosis_remote *remote)
{
	if (!refcount_dec_and_mutex_lock(&remote->references, &remotes_lock))
		return;
	list_del(&remote->node);
	mitosis_peer_detach(remote);
	mutex_unlock(&remotes_lock);
	table_free(remote->table);
	kfree(remote);
	mitosis_count(remotes_freed);
}

/* ---- What it has ---- */

int mitosis_remote_error(const struct mitosis_remote *remote)
{
	return READ_ONCE(remote->error);
}

const u8 *mitosis_remote_uuid(const struct mitosis_remote *remote)
{
	return remote->uuid;
}

u64 mitosis_remote_pages(const struct mitosis_remote *remote)
{
	return remote->table->pages;
}

unsigned int mitosis_remote_read_max(const struct mitosis_remote *remote)
{
	return remote->read_max;
}

struct wait_queue_head *mitosis_remote_wait(struct mitosis_remote *remote)
{
	return &remote->wait;
}

void **mitosis_remote_cookie(struct mitosis_remote *remote)
{
	return &remote->cookie;
}

bool mitosis_remote_has(const struct mitosis_remote *remote, pgoff_t page)
{
	const struct mitosis_table *table = remote->table;
	u32 i = table_search(table, page >> MITOSIS_CHUNK_SHIFT);

	return i < table->count && table->numbers[i] == page >> MITOSIS_CHUNK_SHIFT &&
	       test_bit(page % MITOSIS_CHUNK_PAGES, table->present[i]);
}

/* The key for count pages from first, if they are all there and in one chunk. */
bool mitosis_remote_key(const struct mitosis_remote *remote, pgoff_t first, unsigned int count,
			u32 *key)
{
	const struct mitosis_table *table = remote->table;
	unsigned int inside = first % MITOSIS_CHUNK_PAGES;
	u32 i = table_search(table, first >> MITOSIS_CHUNK_SHIFT);

	if (i == table->count || table->numbers[i] != first >> MITOSIS_CHUNK_SHIFT ||
	    inside + count > MITOSIS_CHUNK_PAGES ||
	    find_next_zero_bit(table->present[i], inside + count, inside) < inside + count)
		return false;
	*key = table->keys[i];
	return true;
}

/* How many pages, up to most, follow each other from bit inside of chunk i, which is set. */
static unsigned long table_run(const struct mitosis_table *table, u32 i, unsigned int inside,
			       unsigned long most)
{
	unsigned long pages = 0;
	unsigned int end;

	for (;;) {
		end = find_next_zero_bit(table->present[i], MITOSIS_CHUNK_PAGES, inside);
		pages += end - inside;
		if (pages >= most)
			return most;
		if (end < MITOSIS_CHUNK_PAGES || i + 1 == table->count ||
		    table->numbers[i + 1] != table->numbers[i] + 1)
			return pages;
		inside = 0;
		i++;
	}
}

unsigned long mitosis_remote_next(const struct mitosis_remote *remote, pgoff_t *page, unsigned long most)
{
	const struct mitosis_table *table = remote->table;
	u64 number = *page >> MITOSIS_CHUNK_SHIFT;
	u32 i = table_search(table, number);
	unsigned int inside = 0;

	if (i < table->count && table->numbers[i] == number)
		inside = *page % MITOSIS_CHUNK_PAGES;
	for (; i < table->count; i++, inside = 0) {
		inside = find_next_bit(table->present[i], MITOSIS_CHUNK_PAGES, inside);
		if (inside == MITOSIS_CHUNK_PAGES)
			continue;
		*page = (table->numbers[i] << MITOSIS_CHUNK_SHIFT) + inside;
		return table_run(table, i, inside, most);
	}
	return 0;
}

int mitosis_remote_init(void)
{
	return mitosis_peer_init();
}

void mitosis_remote_exit(void)
{
	mitosis_peer_exit();
	WARN_ON(!list_empty(&remotes));
}
