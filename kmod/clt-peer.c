// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-peer.c - the hosts that have snapshots which are open here: who uses them, how long they are
 * kept, and what becomes of their reads when a session or a snapshot is lost.
 *
 * Locks: peers_lock (mutex) guards the list of peers and .users; peer->lock (spinlock, irqs off)
 * all that is marked so in clt-peer.h, in any context.
 */
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "clt-peer.h"
#include "compat/compat.h"
#include "params.h"

#define TICK_MS		50U

static LIST_HEAD(peers);
static DEFINE_MUTEX(peers_lock);
static atomic_t peers_alive = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(peers_wait);
static struct workqueue_struct *peer_work;
static work_func_t peer_keep, peer_tick;

/* ---- Works hold a reference ---- */

void mitosis_peer_get(struct mitosis_peer *peer)
{
	refcount_inc(&peer->references);
}

void mitosis_peer_put(struct mitosis_peer *peer)
{
	if (!refcount_dec_and_test(&peer->references))
		return;
	kfree(peer);
	if (atomic_dec_and_test(&peers_alive))
		wake_up_all(&peers_wait);
}

void mitosis_peer_kick(struct mitosis_peer *peer)
{
	mitosis_peer_get(peer);
	if (mod_delayed_work(peer_work, &peer->keeper, 0))
		mitosis_peer_put(peer);
}

void mitosis_peer_later(struct mitosis_peer *peer, unsigned long when)
{
	unsigned long now = jiffies;

	mitosis_peer_get(peer);
	if (!queue_delayed_work(peer_work, &peer->keeper, time_after(when, now) ? when - now : 0))
		mitosis_peer_put(peer);
}

void mitosis_peer_arm(struct mitosis_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	if (peer->ticking)
		return;
	peer->ticking = true;
	mitosis_peer_get(peer);
	queue_delayed_work(peer_work, &peer->tick, msecs_to_jiffies(TICK_MS));
}

/* ---- Loss ---- */

void mitosis_peer_lose(struct mitosis_remote *remote, int error, struct list_head *failed)
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

void mitosis_peer_break(struct mitosis_peer *peer, int error, struct list_head *failed)
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
	mitosis_peer_kick(peer);
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
		mitosis_peer_kick(peer);
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
		mitosis_peer_kick(peer);
	}
	mutex_unlock(&peers_lock);
}

bool mitosis_peer_leave(struct mitosis_peer *peer)
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
		mitosis_peer_later(peer, until);
	return leave;
}

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

int mitosis_peer_loss_reason(const struct mitosis_peer *peer)
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

/* What is being freed does not count: its references are waited for. */
bool mitosis_peer_uses(struct mitosis_peer *peer, const struct mitosis_rdma *rdma)
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

struct mitosis_peer *mitosis_peer_using(const struct mitosis_rdma *rdma)
{
	struct mitosis_peer *peer, *found = NULL;

	mutex_lock(&peers_lock);
	list_for_each_entry(peer, &peers, node) {
		if (!found && mitosis_peer_uses(peer, rdma)) {
			mitosis_peer_get(peer);
			found = peer;
		}
	}
	mutex_unlock(&peers_lock);
	return found;
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

/* ---- Begin and end ---- */

int mitosis_peer_init(work_func_t keep, work_func_t tick)
{
	peer_keep = keep;
	peer_tick = tick;
	peer_work = alloc_workqueue("mitosis_peer", WQ_UNBOUND, 0);
	return peer_work ? 0 : -ENOMEM;
}

/*
 * No remote is left but those that a keeper tries to open just now, for somebody who has gone. It
 * holds the last reference, and does not find them any more when the attempt is over.
 */
void mitosis_peer_exit(void (*end)(struct mitosis_peer *peer))
{
	struct mitosis_peer *peer;

	mutex_lock(&peers_lock);
	list_for_each_entry(peer, &peers, node) {
		peer->closing = true;
		end(peer);
		mitosis_peer_kick(peer);
	}
	mutex_unlock(&peers_lock);
	wait_event(peers_wait, !atomic_read(&peers_alive));
	destroy_workqueue(peer_work);
}
