// SPDX-License-Identifier: GPL-2.0-only
/*
 * peer.c - a host that has snapshots: the pool of connections to it, the queue of reads, and what
 * happens to them when connections break.
 *
 * All connections to a host live and die together, as a session:
 *
 *   none --keeper--> connecting --the first one is established--> up --first trouble--> broken
 *   broken --keeper: disconnect, drain, destroy--> none
 *
 * A remote is open or not in a session. The keeper opens those that are wanted, one after the other,
 * and only when all connections of the session are established. That order is what makes keys safe:
 * the answer to OPEN proves that the first connection's other end has been the same module all along,
 * so the others end there too, and a key is never used on a host that was restarted in between.
 *
 * A read goes through
 *
 *   submit -> parked at its remote (not open) -> ready (open, all queues full) -> posted -> done
 *
 * skipping what it need not wait for. When a session breaks, its remotes are not open any more, ready
 * reads are parked, and posted ones come back from the device flushed and are parked too; so nothing
 * is lost but time. done() is called when the device has let go of the pages, at the latest after the
 * drain.
 *
 * Time. A remote is lost when a parked read has waited for its timeout, counted from the submission
 * or from when reads of it last got on, whichever is later: a long queue is no fault. A session with a
 * connection on which nothing has got on for half of the shortest timeout, and for at least SESSION_PATIENCE, is
 * broken by us, so that half is left to repeat it. Between failures the keeper pauses, longer each time;
 * who opens a remote anew need not wait for that. Both is seen to by the tick, which runs only while there are reads.
 *
 * An access error kills a queue pair and so the session. The read that it belongs to is repeated
 * FAULTS_MAX times, each time with keys newly asked for, the others as if nothing had happened.
 *
 * When no remote wants it but nothing waits either, a session is tried for once: who polls for a loss
 * hears of a release that way. Without any remote it is kept for a while, then the peer is freed.
 *
 * Locks: peers_lock (mutex) guards the list of peers and .users; peer->lock (spinlock, irqs off)
 * all that is marked so, in any context; the keeper, a work item of its own per peer, is the only
 * one to make and end sessions, so it may look at .session without the lock.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "connection.h"
#include "counters.h"
#include "params.h"
#include "rdma.h"
#include "remote.h"
#include "trace.h"

#define FAULTS_MAX	3U		/* access errors of one read */
#define PAUSE_MIN_MS	10U
#define PAUSE_MAX_MS	500U
#define ATTEMPT_MS	1000U		/* to connect, at first */
#define ATTEMPT_SHIFT	3U		/* later up to so much longer */
#define TICK_MS		50U
#define SESSION_PATIENCE	((unsigned long)HZ)	/* at least, for a silent connection */
#define READS_RESERVE	64

struct mitosis_session {
	unsigned int count;
	struct mitosis_connection *connections[MITOSIS_CONNECTIONS_MAX];
	bool up, broken;
	int error;
};

struct mitosis_peer {
	struct list_head node;
	struct sockaddr_storage endpoint;
	unsigned int users;			/* remotes; peers_lock */
	bool closing;				/* the module goes; peers_lock */
	unsigned long idle_since;
	refcount_t references;			/* the list's and the works' */
	struct delayed_work keeper, tick;
	wait_queue_head_t wait;

	/* The keeper's. */
	unsigned int attempts;			/* sessions since a read succeeded */
	unsigned long pause_until;
	bool connected_before;

	spinlock_t lock;
	/* Under it. */
	struct mitosis_session *session;
	struct list_head remotes;
	struct list_head ready;
	unsigned int inflight;			/* on all connections */
	bool ticking;
	unsigned long progress;			/* a read succeeded, or the first was posted */
	bool got_on;				/* a read succeeded in this session */
	int last_error;				/* why there was no session */
	const u8 *asked;			/* the UUID of the OPEN that has no answer yet */
	struct mitosis_message *answer;
};

static LIST_HEAD(peers);
static DEFINE_MUTEX(peers_lock);
static atomic_t peers_alive = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(peers_wait);
static struct workqueue_struct *peer_work;
static struct kmem_cache *read_cache;
static mempool_t *read_pool;

/* ---- Works hold a reference ---- */

static void peer_put(struct mitosis_peer *peer)
{
	if (!refcount_dec_and_test(&peer->references))
		return;
	kfree(peer);
	if (atomic_dec_and_test(&peers_alive))
		wake_up_all(&peers_wait);
}

/* Any context: the keeper is to look now. */
static void peer_kick(struct mitosis_peer *peer)
{
	refcount_inc(&peer->references);
	if (mod_delayed_work(peer_work, &peer->keeper, 0))
		peer_put(peer);
}

/* By the keeper: again after a pause, unless it is kicked. */
static void peer_later(struct mitosis_peer *peer, unsigned long when)
{
	unsigned long now = jiffies;

	refcount_inc(&peer->references);
	if (!queue_delayed_work(peer_work, &peer->keeper, time_after(when, now) ? when - now : 0))
		peer_put(peer);
}

static void peer_arm(struct mitosis_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	if (peer->ticking)
		return;
	peer->ticking = true;
	refcount_inc(&peer->references);
	queue_delayed_work(peer_work, &peer->tick, msecs_to_jiffies(TICK_MS));
}

/* ---- Reads: their end ---- */

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

static void reads_end(struct list_head *reads, int error)
{
	struct mitosis_read *read, *next;

	list_for_each_entry_safe(read, next, reads, node) {
		list_del(&read->node);
		read_end(read, error);
	}
}

/* ---- Loss of a remote ---- */

/* Its reads that are not posted come into failed. */
static void remote_lose(struct mitosis_remote *remote, int error, struct list_head *failed)
{
	struct mitosis_peer *peer = remote->peer;
	struct mitosis_read *read, *next;

	lockdep_assert_held(&peer->lock);
	if (remote->error)
		return;
	WRITE_ONCE(remote->error, error);
	remote->open = false;
	remote->wanted = false;
	list_splice_tail_init(&remote->parked, failed);
	list_for_each_entry_safe(read, next, &peer->ready, node) {
		if (read->remote == remote)
			list_move_tail(&read->node, failed);
	}
	wake_up_all(&remote->wait);
	if (remote->known)
		pr_notice_ratelimited("mitosis: a snapshot of %pISpc is lost: error %d\n",
				      &peer->endpoint, error);
}

/* ---- Breaking a session ---- */

static void remote_shut(struct mitosis_remote *remote)
{
	struct mitosis_peer *peer = remote->peer;

	lockdep_assert_held(&peer->lock);
	if (!remote->open)
		return;
	remote->open = false;
	remote->wanted = true;
	remote->tries = 0;
	/* Until now the session's progress was its own. */
	if (time_after(peer->progress, remote->good))
		remote->good = peer->progress;
}

/* Reads of the keeper itself are not repeated: they end in failed. */
static void session_break(struct mitosis_peer *peer, int error, struct list_head *failed)
{
	struct mitosis_session *session = peer->session;
	struct mitosis_read *read, *next;
	struct mitosis_remote *remote;

	lockdep_assert_held(&peer->lock);
	if (!session || session->broken)
		return;
	session->broken = true;
	session->error = error;
	peer->last_error = error;
	list_for_each_entry(remote, &peer->remotes, peer_node)
		remote_shut(remote);
	list_for_each_entry_safe(read, next, &peer->ready, node)
		list_move_tail(&read->node, read->remote ? &read->remote->parked : failed);
	wake_up_all(&peer->wait);
	peer_kick(peer);
}

static void peer_break(struct mitosis_peer *peer, int error)
{
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	session_break(peer, error, &failed);
	spin_unlock_irqrestore(&peer->lock, flags);
	reads_end(&failed, -EAGAIN);
}

void mitosis_peer_distrust(struct mitosis_peer *peer)
{
	peer_break(peer, -EPROTO);
}

/* Not those that session_finish() has sorted out. */
static bool session_has(const struct mitosis_session *session, const struct mitosis_connection *c)
{
	unsigned int i;

	for (i = 0; i < session->count; i++) {
		if (session->connections[i] == c)
			return true;
	}
	return false;
}

/* Any context: a step to connect is done, or c has failed. */
void mitosis_peer_connection_is(struct mitosis_connection *c, int status)
{
	struct mitosis_peer *peer = c->peer;
	struct mitosis_session *session;
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	session = peer->session;
	if (c->status == -EINPROGRESS || !c->status)
		c->status = status;
	/* While it is being made one connection may fail without the others. */
	if (status && session && session->up && session_has(session, c))
		session_break(peer, status, &failed);
	wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
	reads_end(&failed, -EAGAIN);
}

void mitosis_peer_use_rdma(struct mitosis_connection *c, struct mitosis_rdma *rdma)
{
	unsigned long flags;

	spin_lock_irqsave(&c->peer->lock, flags);
	c->rdma = rdma;
	spin_unlock_irqrestore(&c->peer->lock, flags);
}

/* ---- Reads: posting ---- */

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
	peer_arm(peer);
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
	peer_arm(peer);
}

static int error_of(const struct mitosis_read *read)
{
	return read->remote && read->remote->error ? read->remote->error : -EAGAIN;
}

static void failed_end(struct list_head *failed)
{
	struct mitosis_read *read, *next;

	list_for_each_entry_safe(read, next, failed, node) {
		list_del(&read->node);
		read_end(read, error_of(read));
	}
}

static void reads_abandon(struct list_head *reads, struct list_head *failed)
{
	struct mitosis_read *read, *next;

	list_for_each_entry_safe(read, next, reads, node) {
		if (read_is_abandoned(read))
			list_move_tail(&read->node, failed);
	}
}

void mitosis_remote_abandon(struct mitosis_remote *remote)
{
	struct mitosis_peer *peer = remote->peer;
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	reads_abandon(&remote->parked, &failed);
	reads_abandon(&peer->ready, &failed);
	spin_unlock_irqrestore(&peer->lock, flags);
	failed_end(&failed);
}

/* Anew each time: keys change from session to session, but not while a connection is busy. */
static void read_address(struct mitosis_read *read)
{
	trace_mitosis_read(read->first, read->count, read->tries);
	read->wr.remote_addr = (u64)read->first << PAGE_SHIFT;
	mitosis_remote_key(read->remote, read->first, read->count, &read->wr.rkey);
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
			session_break(peer, error, &failed);
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
	failed_end(&failed);
	return mapped;
}

/* Post what is ready; once is enough at a completion. */
static void peer_pump(struct mitosis_peer *peer, unsigned int most)
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

void mitosis_peer_read_done(struct mitosis_connection *c, struct mitosis_read *read,
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
		session_break(peer, error == -EIO ? -EREMOTEIO : error, &failed);
	} else {
		peer->progress = jiffies;
		c->progress = jiffies;
		if (remote)
			peer->got_on = true;
	}
	ended = !error || error == -EIO || !remote;
	if (!ended)
		read_requeue(peer, read, &failed);
	/* The peer lives as long as the reads of its remotes; the keeper waits for its own. */
	refcount_inc(&peer->references);
	spin_unlock_irqrestore(&peer->lock, flags);
	if (ended)
		read_end(read, error);
	failed_end(&failed);
	peer_pump(peer, 1);
	peer_put(peer);
}

static bool read_is_valid(const struct mitosis_read *read, u32 *key)
{
	return read->count && read->count <= read->remote->read_max &&
	       mitosis_remote_key(read->remote, read->first, read->count, key);
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
			peer_kick(peer);
		}
		list_add_tail(&read->node, remote->open ? &peer->ready : &remote->parked);
		peer_arm(peer);
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	if (error)
		read_end(read, error);
	else if (c)
		read_post(c, read);
}

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
 * Looks for completions before the interrupt announces them. They come by softirq all the same, so that
 * nobody depends on it. The remote keeps its peer.
 */
void mitosis_remote_poll(struct mitosis_remote *remote)
{
	struct mitosis_connection *c;
	unsigned int i;

	for (i = 0; (c = peer_hold(remote->peer, &i)); i++) {
		mitosis_connection_poll(c);
		peer_let_go(c);
	}
}

/* ---- Sessions: the keeper's ---- */

static unsigned int attempt_ms(const struct mitosis_peer *peer)
{
	return ATTEMPT_MS << min(peer->attempts / 3, ATTEMPT_SHIFT);
}

/* The n-th attempt follows the one before after 0, 10, 20, 40 ... ms. */
static unsigned long attempt_pause(const struct mitosis_peer *peer)
{
	unsigned int n = peer->attempts;

	if (n <= 1)
		return 0;
	return msecs_to_jiffies(min(PAUSE_MIN_MS << min(n - 2, 10U), PAUSE_MAX_MS));
}

/* The first one decides: the others need not succeed. */
static bool session_is_settled(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	bool settled = true;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&peer->lock, flags);
	for (i = 0; i < session->count; i++) {
		if (session->connections[i]->status == -EINPROGRESS)
			settled = false;
	}
	i = session->connections[0]->status;
	if (session->broken || (i && i != -EINPROGRESS))
		settled = true;
	spin_unlock_irqrestore(&peer->lock, flags);
	return settled;
}

static bool session_is_unused(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	unsigned int i, busy = 0;
	unsigned long flags;

	spin_lock_irqsave(&peer->lock, flags);
	for (i = 0; i < session->count; i++)
		busy += session->connections[i]->busy;
	spin_unlock_irqrestore(&peer->lock, flags);
	return !busy;
}

static void session_reap(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	struct mitosis_connection *c;
	unsigned long flags;
	unsigned int i;

	if (!session || !session->broken)
		return;
	wait_event(peer->wait, session_is_unused(peer));
	/* Handlers find the session until the last connection is freed, others no connection in it. */
	for (i = 0; i < session->count; i++) {
		spin_lock_irqsave(&peer->lock, flags);
		c = session->connections[i];
		session->connections[i] = NULL;
		spin_unlock_irqrestore(&peer->lock, flags);
		mitosis_connection_free(c);
	}
	spin_lock_irqsave(&peer->lock, flags);
	WARN_ON_ONCE(peer->inflight);
	peer->session = NULL;
	wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
	kfree(session);
}

static struct mitosis_session *session_new(struct mitosis_peer *peer, const u8 uuid[16])
{
	unsigned int wanted = clamp(READ_ONCE(mitosis_param_connections), 1U,
				    MITOSIS_CONNECTIONS_MAX);
	struct mitosis_session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	struct mitosis_connection *c;

	if (!session)
		return NULL;
	while (session->count < wanted) {
		c = mitosis_connection_new(peer, uuid);
		if (!c)
			break;
		session->connections[session->count++] = c;
	}
	if (session->count)
		return session;
	kfree(session);
	return NULL;
}

/* Take those out that are not up; they are put behind the others and their number is returned. */
static unsigned int session_sort(struct mitosis_session *session)
{
	unsigned int i, up = 0, down;

	for (i = 0; i < session->count; i++) {
		if (session->connections[i]->status)
			continue;
		swap(session->connections[i], session->connections[up]);
		up++;
	}
	down = session->count - up;
	session->count = up;
	return down;
}

static int session_finish(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	unsigned int down = 0;
	unsigned long flags;
	int error;

	spin_lock_irqsave(&peer->lock, flags);
	error = session->broken ? session->error : session->connections[0]->status;
	if (error == -EINPROGRESS)
		error = -ETIMEDOUT;
	if (!error) {
		down = session_sort(session);
		session->up = true;
	} else {
		session->broken = true;
	}
	peer->last_error = error;
	spin_unlock_irqrestore(&peer->lock, flags);
	while (down)
		mitosis_connection_free(session->connections[session->count + --down]);
	session_reap(peer);
	return error;
}

static int session_make(struct mitosis_peer *peer, const u8 uuid[16])
{
	struct mitosis_session *session = session_new(peer, uuid);
	unsigned int i, limit;
	unsigned long flags;
	int error = -ENOMEM;

	spin_lock_irqsave(&peer->lock, flags);
	if (peer->got_on)
		peer->attempts = 0;
	peer->got_on = false;
	peer->session = session;
	spin_unlock_irqrestore(&peer->lock, flags);
	limit = attempt_ms(peer);
	peer->attempts++;
	if (session) {
		for (i = 0; i < session->count; i++) {
			error = mitosis_connection_start(session->connections[i], &peer->endpoint,
							 limit);
			if (error)
				mitosis_peer_connection_is(session->connections[i], error);
		}
		wait_event_timeout(peer->wait, session_is_settled(peer), msecs_to_jiffies(limit));
		error = session_finish(peer);
	}
	peer->pause_until = jiffies + attempt_pause(peer);
	trace_mitosis_connect((struct sockaddr *)&peer->endpoint, error);
	if (!error && peer->connected_before)
		mitosis_count(reconnects);
	if (!error)
		peer->connected_before = true;
	return error;
}

/* ---- Messages ---- */

int mitosis_peer_ask(struct mitosis_peer *peer, const u8 uuid[16], struct mitosis_message *answer)
{
	struct mitosis_session *session = peer->session;
	unsigned long flags;
	bool answered;
	int error;

	if (!session)
		return -EAGAIN;
	spin_lock_irqsave(&peer->lock, flags);
	peer->asked = uuid;
	peer->answer = answer;
	spin_unlock_irqrestore(&peer->lock, flags);
	error = mitosis_connection_send(session->connections[0], MITOSIS_MESSAGE_OPEN, uuid);
	if (!error)
		wait_event_timeout(peer->wait, !READ_ONCE(peer->asked) || READ_ONCE(session->broken),
				   msecs_to_jiffies(attempt_ms(peer)));
	spin_lock_irqsave(&peer->lock, flags);
	answered = !peer->asked;
	peer->asked = NULL;
	peer->answer = NULL;
	spin_unlock_irqrestore(&peer->lock, flags);
	if (answered)
		return 0;
	/* A late answer would be taken for that to another question. */
	if (!error)
		peer_break(peer, -ETIMEDOUT);
	return -EAGAIN;
}

static bool peer_answered(struct mitosis_connection *c, const struct mitosis_message *m)
{
	struct mitosis_peer *peer = c->peer;

	lockdep_assert_held(&peer->lock);
	if (!peer->asked || c != peer->session->connections[0] ||
	    memcmp(peer->asked, m->uuid, sizeof(m->uuid)))
		return false;
	*peer->answer = *m;
	WRITE_ONCE(peer->asked, NULL);
	wake_up_all(&peer->wait);
	return true;
}

/* One that is not known here was put while the message was under way. */
static void peer_released(struct mitosis_peer *peer, const u8 uuid[16], struct list_head *failed)
{
	struct mitosis_remote *remote;

	lockdep_assert_held(&peer->lock);
	list_for_each_entry(remote, &peer->remotes, peer_node) {
		if (!memcmp(remote->uuid, uuid, sizeof(remote->uuid)))
			remote_lose(remote, -ENOENT, failed);
	}
}

void mitosis_peer_told(struct mitosis_connection *c, const struct mitosis_message *m)
{
	struct mitosis_peer *peer = c->peer;
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	if (m->type == cpu_to_le16(MITOSIS_MESSAGE_RELEASED)) {
		peer_released(peer, m->uuid, &failed);
	} else if (!peer_answered(c, m)) {
		mitosis_count(refused_messages);
		session_break(peer, -EPROTO, &failed);
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	failed_end(&failed);
}

/* ---- Reading into the kernel's memory ---- */

struct fetch {
	struct mitosis_peer *peer;
	atomic_t pending;
	int error;
};

static void fetch_done(struct mitosis_read *read, int error)
{
	struct fetch *fetch = read->private;
	struct mitosis_peer *peer = fetch->peer;

	/* The first tells why; those behind it were flushed. */
	if (error)
		cmpxchg(&fetch->error, 0, error);
	/* The last one's end is the end of fetch, and of all reads. */
	if (atomic_dec_and_test(&fetch->pending))
		wake_up_all(&peer->wait);
}

static void fetch_fill(struct mitosis_read *read, void *to, u64 address, u32 rkey, u32 length)
{
	u32 done;

	read->bytes = length;
	read->done = fetch_done;
	read->wr.remote_addr = address;
	read->wr.rkey = rkey;
	for (done = 0; done < length; done += PAGE_SIZE)
		read->pages[read->count++] = vmalloc_to_page(to + done);
}

static void fetch_start(struct fetch *fetch, struct mitosis_read *reads, unsigned int count)
{
	struct mitosis_peer *peer = fetch->peer;
	unsigned long flags;
	unsigned int i;

	atomic_set(&fetch->pending, count);
	spin_lock_irqsave(&peer->lock, flags);
	for (i = 0; i < count && !peer->session->broken; i++) {
		reads[i].private = fetch;
		list_add_tail(&reads[i].node, &peer->ready);
	}
	atomic_sub(count - i, &fetch->pending);
	if (i < count)
		fetch->error = -EAGAIN;
	peer_arm(peer);
	spin_unlock_irqrestore(&peer->lock, flags);
	peer_pump(peer, UINT_MAX);
}

/*
 * The end is certain: the tick breaks a session that gets on no more, and the drain completes what
 * was posted. -EREMOTEIO: the host does not let us.
 */
int mitosis_peer_fetch(struct mitosis_peer *peer, void *to, u64 address, u32 rkey, u32 length)
{
	u32 most = mitosis_peer_sge_max(peer) * PAGE_SIZE, done, part;
	struct mitosis_session *session = peer->session;
	struct fetch fetch = { .peer = peer };
	struct mitosis_read *reads;
	unsigned int n = 0;

	if (!session)
		return -EAGAIN;
	reads = kvcalloc(DIV_ROUND_UP(length, most), sizeof(*reads), GFP_KERNEL);
	if (!reads)
		return -ENOMEM;
	for (done = 0; done < length; done += part) {
		part = min(length - done, most);
		fetch_fill(&reads[n++], to + done, address + done, rkey, part);
	}
	fetch_start(&fetch, reads, n);
	wait_event(peer->wait, !atomic_read(&fetch.pending) || READ_ONCE(session->broken));
	if (atomic_read(&fetch.pending)) {
		session_reap(peer);
		wait_event(peer->wait, !atomic_read(&fetch.pending));
	}
	kvfree(reads);
	invalidate_kernel_vmap_range(to, length);
	return fetch.error;
}

unsigned int mitosis_peer_sge_max(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	unsigned int i, most = MITOSIS_READ_PAGES;

	for (i = 0; session && i < session->count; i++)
		most = min(most, session->connections[i]->sge_max);
	return most;
}

/* ---- The keeper ---- */

/* The next remote to be opened, referenced; *when: until then there is none. */
static struct mitosis_remote *peer_next(struct mitosis_peer *peer, bool *paused)
{
	bool pause = time_before(jiffies, peer->pause_until);
	struct mitosis_remote *remote, *found = NULL;
	unsigned long flags;

	*paused = false;
	spin_lock_irqsave(&peer->lock, flags);
	list_for_each_entry(remote, &peer->remotes, peer_node) {
		if (!remote->wanted || remote->open || remote->error)
			continue;
		if (pause && (remote->known || remote->tries)) {
			*paused = true;
			continue;
		}
		if (!refcount_inc_not_zero(&remote->references))
			continue;
		found = remote;
		/* Its turn comes again after the others'. */
		list_move_tail(&remote->peer_node, &peer->remotes);
		break;
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	return found;
}

/* Is this the end of it, or only of the attempt? */
static bool error_is_final(const struct mitosis_remote *remote, int error, bool connected)
{
	switch (error) {
	case -EAGAIN:
	case -ETIMEDOUT:
	case -ECONNRESET:
		return false;
	case -ENOENT:
		return true;
	case -EBUSY:
	case -ENOMEM:
		return !remote->known;
	default:
		return !remote->known || connected;
	}
}

static void remote_settle(struct mitosis_remote *remote, int error, bool connected)
{
	struct mitosis_peer *peer = remote->peer;
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	remote->tries++;
	if (error && error_is_final(remote, error, connected)) {
		remote_lose(remote, error, &failed);
	} else if (!error && !remote->error && peer->session && !peer->session->broken) {
		remote->wanted = false;
		remote->open = true;
		remote->known = true;
		remote->tries = 0;
		remote->good = jiffies;
		list_splice_tail_init(&remote->parked, &peer->ready);
		wake_up_all(&remote->wait);
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	failed_end(&failed);
	peer_pump(peer, UINT_MAX);
}

/* Without a session: those for which nobody waits are not tried again until somebody does. */
static void peer_rest(struct mitosis_peer *peer)
{
	struct mitosis_remote *remote;
	unsigned long flags;

	spin_lock_irqsave(&peer->lock, flags);
	list_for_each_entry(remote, &peer->remotes, peer_node) {
		if (remote->known && list_empty(&remote->parked))
			remote->wanted = false;
	}
	spin_unlock_irqrestore(&peer->lock, flags);
}

static void peer_open(struct mitosis_peer *peer, struct mitosis_remote *remote)
{
	int error = 0;

	if (!peer->session) {
		error = session_make(peer, remote->uuid);
		if (error) {
			remote_settle(remote, error, false);
			peer_rest(peer);
			return;
		}
	}
	error = mitosis_remote_establish(remote);
	if (error)
		peer->pause_until = jiffies + max(attempt_pause(peer),
						  msecs_to_jiffies(PAUSE_MIN_MS));
	remote_settle(remote, error, true);
}

/* Out of the list, if it is time; the end of its session is the end of it. */
static void peer_leave(struct mitosis_peer *peer)
{
	unsigned long until = peer->idle_since + msecs_to_jiffies(READ_ONCE(mitosis_param_idle_ms));
	bool idle, leave;

	mutex_lock(&peers_lock);
	idle = !peer->users && !list_empty(&peer->node);
	leave = idle && (peer->closing || !peer->session || time_after_eq(jiffies, until));
	if (leave)
		list_del_init(&peer->node);
	mutex_unlock(&peers_lock);
	if (idle && !leave)
		peer_later(peer, until);
	if (!leave)
		return;
	peer_break(peer, -ESHUTDOWN);
	session_reap(peer);
	peer_put(peer);
}

static void peer_keep(struct work_struct *work)
{
	struct mitosis_peer *peer = container_of(to_delayed_work(work), struct mitosis_peer, keeper);
	struct mitosis_remote *remote;
	bool paused;

	do {
		session_reap(peer);
		remote = peer_next(peer, &paused);
		if (remote) {
			peer_open(peer, remote);
			mitosis_remote_put(remote);
		}
	} while (remote);
	if (paused)
		peer_later(peer, peer->pause_until);
	peer_leave(peer);
	peer_put(peer);
}

/* ---- The tick ---- */

/* What a remote is lost for when its reads have waited for too long. */
static int loss_reason(const struct mitosis_peer *peer)
{
	switch (peer->last_error) {
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ENODEV:
	case -EPROTO:
	case -EBUSY:
		return peer->last_error;
	default:
		return -ETIMEDOUT;
	}
}

static bool remote_is_overdue(const struct mitosis_remote *remote)
{
	const struct mitosis_read *read;

	if (list_empty(&remote->parked) || !time_after(jiffies, remote->good + remote->timeout))
		return false;
	list_for_each_entry(read, &remote->parked, node) {
		if (time_after(jiffies, read->deadline))
			return true;
	}
	return false;
}

/* A connection that is silent may not hide behind the others. */
static bool session_is_stuck(const struct mitosis_peer *peer)
{
	const struct mitosis_session *session = peer->session;
	unsigned long limit = MAX_JIFFY_OFFSET;
	const struct mitosis_connection *c;
	const struct mitosis_remote *remote;
	unsigned int i;

	if (!session || !session->up || session->broken)
		return false;
	list_for_each_entry(remote, &peer->remotes, peer_node)
		limit = min(limit, remote->timeout / 2);
	/* The connections are shared: one remote's haste may not keep breaking those of the others. */
	limit = max(limit, SESSION_PATIENCE);
	for (i = 0; i < session->count; i++) {
		c = session->connections[i];
		if (c->inflight && time_after(jiffies, c->progress + limit))
			return true;
	}
	return !list_empty(&peer->ready) && time_after(jiffies, peer->progress + limit);
}

static bool peer_check(struct mitosis_peer *peer, struct list_head *failed)
{
	struct mitosis_remote *remote;
	bool more;

	lockdep_assert_held(&peer->lock);
	if (session_is_stuck(peer))
		session_break(peer, -ETIMEDOUT, failed);
	more = peer->inflight || !list_empty(&peer->ready);
	list_for_each_entry(remote, &peer->remotes, peer_node) {
		if (remote_is_overdue(remote))
			remote_lose(remote, loss_reason(peer), failed);
		more |= !list_empty(&remote->parked);
	}
	return more;
}

static void peer_tick(struct work_struct *work)
{
	struct mitosis_peer *peer = container_of(to_delayed_work(work), struct mitosis_peer, tick);
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	peer->ticking = false;
	if (peer_check(peer, &failed))
		peer_arm(peer);
	spin_unlock_irqrestore(&peer->lock, flags);
	failed_end(&failed);
	peer_pump(peer, UINT_MAX);
	peer_put(peer);
}

/* ---- Peers ---- */

static bool endpoints_are_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
	       ipv6_addr_equal(&a6->sin6_addr, &b6->sin6_addr);
}

bool mitosis_peer_is_at(const struct mitosis_peer *peer, const struct sockaddr_storage *endpoint)
{
	return endpoints_are_same(&peer->endpoint, endpoint);
}

static struct mitosis_peer *peer_new(const struct sockaddr_storage *endpoint)
{
	struct mitosis_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	peer->endpoint = *endpoint;
	refcount_set(&peer->references, 1);
	INIT_DELAYED_WORK(&peer->keeper, peer_keep);
	INIT_DELAYED_WORK(&peer->tick, peer_tick);
	init_waitqueue_head(&peer->wait);
	peer->pause_until = jiffies;
	peer->progress = jiffies;
	spin_lock_init(&peer->lock);
	INIT_LIST_HEAD(&peer->remotes);
	INIT_LIST_HEAD(&peer->ready);
	atomic_inc(&peers_alive);
	list_add(&peer->node, &peers);
	return peer;
}

static struct mitosis_peer *peer_find(const struct sockaddr_storage *endpoint)
{
	struct mitosis_peer *peer;

	list_for_each_entry(peer, &peers, node) {
		if (endpoints_are_same(&peer->endpoint, endpoint))
			return peer;
	}
	return peer_new(endpoint);
}

struct mitosis_peer *mitosis_peer_attach(const struct sockaddr_storage *endpoint,
					 struct mitosis_remote *remote)
{
	struct mitosis_peer *peer;
	unsigned long flags;

	mutex_lock(&peers_lock);
	peer = peer_find(endpoint);
	if (peer) {
		peer->users++;
		remote->peer = peer;
		remote->wanted = true;
		remote->good = jiffies;
		spin_lock_irqsave(&peer->lock, flags);
		list_add_tail(&remote->peer_node, &peer->remotes);
		spin_unlock_irqrestore(&peer->lock, flags);
		peer_kick(peer);
	}
	mutex_unlock(&peers_lock);
	return peer;
}

/*
 * The caller holds off a new OPEN of the same UUID until CLOSE is posted. CLOSE may get lost: then
 * the host tells us of a release that does not concern us any more.
 */
void mitosis_peer_detach(struct mitosis_remote *remote)
{
	struct mitosis_peer *peer = remote->peer;
	struct mitosis_connection *c = NULL;
	unsigned long flags;

	spin_lock_irqsave(&peer->lock, flags);
	WARN_ON_ONCE(!list_empty(&remote->parked));
	list_del(&remote->peer_node);
	if (remote->open) {
		c = peer->session->connections[0];
		c->busy++;
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	if (c) {
		mitosis_connection_send(c, MITOSIS_MESSAGE_CLOSE, remote->uuid);
		spin_lock_irqsave(&peer->lock, flags);
		c->busy--;
		wake_up_all(&peer->wait);
		spin_unlock_irqrestore(&peer->lock, flags);
	}
	mutex_lock(&peers_lock);
	if (!--peer->users) {
		peer->idle_since = jiffies;
		peer_kick(peer);
	}
	mutex_unlock(&peers_lock);
}

/* Who shares a remote is as patient as the most patient of them. */
void mitosis_peer_allow(struct mitosis_remote *remote, unsigned long timeout)
{
	unsigned long flags;

	spin_lock_irqsave(&remote->peer->lock, flags);
	remote->timeout = max(remote->timeout, timeout);
	spin_unlock_irqrestore(&remote->peer->lock, flags);
}

bool mitosis_peer_settled(struct mitosis_remote *remote)
{
	unsigned long flags;
	bool settled;

	spin_lock_irqsave(&remote->peer->lock, flags);
	settled = remote->known || remote->error;
	spin_unlock_irqrestore(&remote->peer->lock, flags);
	return settled;
}

int mitosis_peer_last_error(struct mitosis_peer *peer)
{
	return loss_reason(peer);
}

/* What is being freed does not count: rdma.c waits for the references. */
static bool peer_uses(struct mitosis_peer *peer, const struct mitosis_rdma *rdma)
{
	const struct mitosis_connection *c;
	unsigned long flags;
	bool uses = false;
	unsigned int i;

	spin_lock_irqsave(&peer->lock, flags);
	for (i = 0; peer->session && i < peer->session->count; i++) {
		c = peer->session->connections[i];
		uses |= c && c->rdma == rdma;
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	return uses;
}

static struct mitosis_peer *peer_using(const struct mitosis_rdma *rdma)
{
	struct mitosis_peer *peer, *found = NULL;

	mutex_lock(&peers_lock);
	list_for_each_entry(peer, &peers, node) {
		if (!found && peer_uses(peer, rdma)) {
			refcount_inc(&peer->references);
			found = peer;
		}
	}
	mutex_unlock(&peers_lock);
	return found;
}

void mitosis_connections_lost(struct mitosis_rdma *rdma)
{
	struct mitosis_peer *peer;

	for (;;) {
		peer = peer_using(rdma);
		if (!peer)
			return;
		peer_break(peer, -ENODEV);
		wait_event(peer->wait, !peer_uses(peer, rdma));
		peer_put(peer);
	}
}

/* ---- Errors on request, for tests ---- */

static void peer_fail(struct mitosis_peer *peer)
{
	struct mitosis_connection *connections[MITOSIS_CONNECTIONS_MAX];
	unsigned int i, count = 0;
	unsigned long flags;

	spin_lock_irqsave(&peer->lock, flags);
	if (peer->session && peer->session->up && !peer->session->broken) {
		for (; count < peer->session->count; count++) {
			connections[count] = peer->session->connections[count];
			connections[count]->busy++;
		}
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	for (i = 0; i < count; i++)
		mitosis_connection_fail(connections[i]);
	spin_lock_irqsave(&peer->lock, flags);
	for (i = 0; i < count; i++)
		connections[i]->busy--;
	wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
}

void mitosis_peers_fail(void)
{
	struct mitosis_peer *peer;

	mutex_lock(&peers_lock);
	list_for_each_entry(peer, &peers, node)
		peer_fail(peer);
	mutex_unlock(&peers_lock);
}

int mitosis_peer_init(void)
{
	read_cache = KMEM_CACHE(mitosis_read, 0);
	if (!read_cache)
		return -ENOMEM;
	read_pool = mempool_create_slab_pool(READS_RESERVE, read_cache);
	if (!read_pool)
		goto err_cache;
	peer_work = alloc_workqueue("mitosis_peer", WQ_UNBOUND, 0);
	if (!peer_work)
		goto err_pool;
	return 0;
err_pool:
	mempool_destroy(read_pool);
err_cache:
	kmem_cache_destroy(read_cache);
	return -ENOMEM;
}

/*
 * No remote is left but those that a keeper tries to open just now, for somebody who has gone. It holds
 * the last reference, and does not find them any more when the attempt is over.
 */
void mitosis_peer_exit(void)
{
	struct mitosis_peer *peer;

	mutex_lock(&peers_lock);
	list_for_each_entry(peer, &peers, node) {
		peer->closing = true;
		peer_break(peer, -ESHUTDOWN);
		peer_kick(peer);
	}
	mutex_unlock(&peers_lock);
	wait_event(peers_wait, !atomic_read(&peers_alive));
	destroy_workqueue(peer_work);
	mempool_destroy(read_pool);
	kmem_cache_destroy(read_cache);
}
