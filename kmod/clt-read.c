// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-read.c - the queue of reads from a host: where each waits, its posting, its end.
 *
 *   submit -> parked at its remote (not open) -> ready (open, all queues full) -> posted -> done
 *
 * skipping what it need not wait for. When a session breaks, its remotes are not open any more,
 * ready reads are parked, and posted ones come back from the device flushed and are parked too; so
 * nothing is lost but time. done() is called when the device has let go of the pages, at the latest
 * after the drain.
 *
 * An access error kills a queue pair and so the session. The read that it belongs to is repeated
 * FAULTS_MAX times, each time with keys newly asked for, the others as if nothing had happened.
 */
#include <linux/ktime.h>
#include <linux/mempool.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "clt-peer.h"
#include "clt-read.h"
#include "clt-table.h"
#include "compat/compat.h"
#include "counters.h"
#include "trace.h"

#define FAULTS_MAX	3U		/* access errors of one read */
#define READS_RESERVE	64

static struct kmem_cache *read_cache;
static mempool_t *read_pool;

/* ---- Their memory ---- */

int mitosis_reads_init(void)
{
	read_cache = KMEM_CACHE(mitosis_read, 0);
	if (!read_cache)
		return -ENOMEM;
	read_pool = mempool_create_slab_pool(READS_RESERVE, read_cache);
	if (read_pool)
		return 0;
	kmem_cache_destroy(read_cache);
	return -ENOMEM;
}

void mitosis_reads_exit(void)
{
	mempool_destroy(read_pool);
	kmem_cache_destroy(read_cache);
}

struct mitosis_read *mitosis_read_alloc(gfp_t gfp)
{
	struct mitosis_read *read = mempool_alloc(read_pool, gfp);

	if (read)
		memset(read, 0, sizeof(*read));
	return read;
}

void mitosis_read_free(struct mitosis_read *read)
{
	mempool_free(read, read_pool);
}

/* ---- Their end ---- */

/* No lock is held, and no device has the pages. */
static void read_end(struct mitosis_read *read, int error)
{
	if (read->remote) {
		mitosis_count(reads_ended);
		if (error)
			mitosis_count(reads_failed);
		else
			mitosis_count_n(read_pages, read->count);
		trace_mitosis_complete(read->first, read->count, error,
				       ktime_get_ns() - read->begun);
	}
	read->done(read, error);
}

void mitosis_reads_end(struct list_head *reads, int error)
{
	struct mitosis_read *read, *next;

	list_for_each_entry_safe(read, next, reads, node) {
		list_del(&read->node);
		read_end(read, error);
	}
}

static int error_of(const struct mitosis_read *read)
{
	return read->remote && read->remote->error ? read->remote->error : -EAGAIN;
}

void mitosis_reads_fail(struct list_head *failed)
{
	struct mitosis_read *read, *next;

	list_for_each_entry_safe(read, next, failed, node) {
		list_del(&read->node);
		read_end(read, error_of(read));
	}
}

/* ---- Posting ---- */

/* The connection with the fewest reads, one of which is now reserved, and busy; or NULL. */
static struct mitosis_connection *peer_reserve(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	struct mitosis_connection *c, *best = NULL;
	unsigned int i;

	lockdep_assert_held(&peer->lock);
	if (!session || !session->up || session->broken)
		return NULL;
	for (i = 0; i < session->count; i++) {
		c = session->connections[i];
		if (c->inflight < MITOSIS_READS_DEPTH && (!best || c->inflight < best->inflight))
			best = c;
	}
	if (!best)
		return NULL;
	if (!best->inflight++)
		best->progress = jiffies;
	best->busy++;
	if (!peer->inflight++)
		peer->progress = jiffies;
	mitosis_peer_arm(peer);
	return best;
}

static void peer_unreserve(struct mitosis_connection *c)
{
	lockdep_assert_held(&c->peer->lock);
	c->inflight--;
	c->peer->inflight--;
	if (!c->inflight)
		wake_up_all(&c->peer->wait);
}

static bool read_is_abandoned(const struct mitosis_read *read)
{
	return read->mapping && mapping_exiting(read->mapping);
}

/* A read that no device has, to where it waits; or into failed. */
static void read_requeue(struct mitosis_peer *peer, struct mitosis_read *read,
			 struct list_head *failed)
{
	struct mitosis_remote *remote = read->remote;

	lockdep_assert_held(&peer->lock);
	if (!remote || remote->error || read_is_abandoned(read)) {
		list_add_tail(&read->node, failed);
	} else if (remote->open) {
		list_add(&read->node, &peer->ready);
	} else {
		list_add(&read->node, &remote->parked);
		remote->wanted = true;
	}
	mitosis_peer_arm(peer);
}

static void reads_abandon(struct list_head *reads, struct list_head *failed)
{
	struct mitosis_read *read, *next;

	list_for_each_entry_safe(read, next, reads, node) {
		if (read_is_abandoned(read))
			list_move_tail(&read->node, failed);
	}
}

void mitosis_reads_abandon(struct mitosis_remote *remote)
{
	struct mitosis_peer *peer = remote->peer;
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	reads_abandon(&remote->parked, &failed);
	reads_abandon(&peer->ready, &failed);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_fail(&failed);
}

/* Anew each time: keys change from session to session, but not while a connection is busy. */
static void read_address(struct mitosis_read *read)
{
	trace_mitosis_read(read->first, read->count, read->tries);
	read->wr.remote_addr = (u64)read->first << PAGE_SHIFT;
	mitosis_table_key(read->remote->table, read->first, read->count, &read->wr.rkey);
}

/* c is reserved. False: mappings are short just now, and the read is back in its place. */
static bool read_post(struct mitosis_connection *c, struct mitosis_read *read)
{
	struct mitosis_peer *peer = c->peer;
	unsigned long flags;
	LIST_HEAD(failed);
	bool mapped;
	int error;

	if (read->remote)
		read_address(read);
	error = mitosis_connection_map(c, read);
	mapped = !error;
	if (mapped)
		error = mitosis_connection_post(c, read);
	/* Without error the read may be gone by now. */
	spin_lock_irqsave(&peer->lock, flags);
	if (error) {
		peer_unreserve(c);
		/* Without a mapping the next completion or the tick tries again. */
		if (mapped)
			mitosis_peer_break(peer, error, &failed);
		/* Trying does not count as getting on, but looks like it: see peer_reserve(). */
		if (!mapped && read->remote && time_after(jiffies, read->deadline))
			list_add_tail(&read->node, &failed);
		else
			read_requeue(peer, read, &failed);
	}
	c->busy--;
	if (!c->busy && peer->session && peer->session->broken)
		wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_fail(&failed);
	return mapped;
}

void mitosis_reads_pump(struct mitosis_peer *peer, unsigned int most)
{
	struct mitosis_connection *c;
	struct mitosis_read *read;
	unsigned long flags;

	while (most--) {
		c = NULL;
		spin_lock_irqsave(&peer->lock, flags);
		read = list_first_entry_or_null(&peer->ready, struct mitosis_read, node);
		if (read)
			c = peer_reserve(peer);
		if (c)
			list_del(&read->node);
		spin_unlock_irqrestore(&peer->lock, flags);
		if (!c || !read_post(c, read))
			return;
	}
}

/* What a completion means for the read: 0, or why it is not done. */
static int read_judge(struct mitosis_read *read, enum ib_wc_status status)
{
	switch (status) {
	case IB_WC_SUCCESS:
		return 0;
	case IB_WC_REM_ACCESS_ERR:
	case IB_WC_REM_INV_REQ_ERR:
	case IB_WC_REM_OP_ERR:
	case IB_WC_LOC_LEN_ERR:
	case IB_WC_LOC_QP_OP_ERR:
	case IB_WC_LOC_PROT_ERR:
	case IB_WC_LOC_ACCESS_ERR:
		/* This one's fault; all others are the connection's. */
		read->tries++;
		return read->tries > FAULTS_MAX ? -EIO : -EREMOTEIO;
	default:
		return -ECONNRESET;
	}
}

void mitosis_reads_completed(struct mitosis_connection *c, struct mitosis_read *read,
			     enum ib_wc_status status)
{
	struct mitosis_peer *peer = c->peer;
	struct mitosis_remote *remote = read->remote;
	unsigned long flags;
	LIST_HEAD(failed);
	bool ended;
	int error;

	error = read_judge(read, status);
	spin_lock_irqsave(&peer->lock, flags);
	peer_unreserve(c);
	if (error) {
		mitosis_peer_break(peer, error == -EIO ? -EREMOTEIO : error, &failed);
	} else {
		peer->progress = jiffies;
		c->progress = jiffies;
		if (remote)
			peer->got_on = true;
	}
	ended = !error || error == -EIO || !remote;
	if (!ended)
		read_requeue(peer, read, &failed);
	/*
	 * What was lost while this was under way may have been answered from memory that is
	 * another's by now.
	 */
	if (ended && remote && remote->error)
		error = remote->error;
	/* The peer lives as long as the reads of its remotes; the keeper waits for its own. */
	mitosis_peer_get(peer);
	spin_unlock_irqrestore(&peer->lock, flags);
	if (ended)
		read_end(read, error);
	mitosis_reads_fail(&failed);
	mitosis_reads_pump(peer, 1);
	mitosis_peer_put(peer);
}

static bool read_is_valid(const struct mitosis_read *read, u32 *key)
{
	return read->count && read->count <= read->remote->read_max &&
	       mitosis_table_key(read->remote->table, read->first, read->count, key);
}

void mitosis_read_submit(struct mitosis_read *read)
{
	struct mitosis_remote *remote = read->remote;
	struct mitosis_peer *peer = remote->peer;
	struct mitosis_connection *c = NULL;
	unsigned long flags;
	int error;
	u32 key;

	mitosis_count(reads_begun);
	read->begun = ktime_get_ns();
	read->bytes = read->count * PAGE_SIZE;
	read->tries = 0;
	if (WARN_ON_ONCE(!read_is_valid(read, &key))) {
		read_end(read, -EINVAL);
		return;
	}
	spin_lock_irqsave(&peer->lock, flags);
	error = remote->error;
	read->deadline = jiffies + remote->timeout;
	if (!error && remote->open && list_empty(&peer->ready))
		c = peer_reserve(peer);
	if (!error && !c) {
		if (!remote->open && !remote->wanted) {
			remote->wanted = true;
			mitosis_peer_kick(peer);
		}
		list_add_tail(&read->node, remote->open ? &peer->ready : &remote->parked);
		mitosis_peer_arm(peer);
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	if (error)
		read_end(read, error);
	else if (c)
		read_post(c, read);
}

/* ---- Polling ---- */

/* The first connection from that number on which has reads under way; busy until peer_let_go(). */
static struct mitosis_connection *peer_hold(struct mitosis_peer *peer, unsigned int *number)
{
	struct mitosis_connection *c = NULL;
	struct mitosis_session *session;
	unsigned long flags;

	spin_lock_irqsave(&peer->lock, flags);
	session = peer->session;
	if (session && session->up && !session->broken) {
		while (*number < session->count && !session->connections[*number]->inflight)
			++*number;
		if (*number < session->count)
			c = session->connections[*number];
	}
	if (c)
		c->busy++;
	spin_unlock_irqrestore(&peer->lock, flags);
	return c;
}

static void peer_let_go(struct mitosis_connection *c)
{
	struct mitosis_peer *peer = c->peer;
	unsigned long flags;

	/* Woken under the lock: after it the connection may be gone. */
	spin_lock_irqsave(&peer->lock, flags);
	if (!--c->busy && peer->session && peer->session->broken)
		wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
}

/*
 * Looks for completions before the interrupt announces them. They come by softirq all the same, so
 * that nobody depends on it. The remote keeps its peer.
 */
void mitosis_reads_poll(struct mitosis_remote *remote)
{
	struct mitosis_connection *c;
	unsigned int i;

	for (i = 0; (c = peer_hold(remote->peer, &i)); i++) {
		mitosis_connection_poll(c);
		peer_let_go(c);
	}
}
