// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-session.c - the connections to a host, which live and die together: how they are made, what
 * they tell, and how they end.
 *
 *   none --keeper--> connecting --the first one is established--> up --first trouble--> broken
 *   broken --keeper: disconnect, drain, destroy--> none
 *
 * Connections are made at once, and the first one decides: the others need not succeed. Between
 * failures the keeper pauses, longer each time.
 *
 * The keeper (clt-keeper.c) is the only one to make and end sessions, so it may look at .session
 * without the lock.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "clt-peer.h"
#include "clt-read.h"
#include "clt-session.h"
#include "compat/compat.h"
#include "counters.h"
#include "params.h"
#include "rdma-device.h"
#include "trace.h"

#define PAUSE_MAX_MS	500U
#define ATTEMPT_MS	1000U		/* to connect, at first */
#define ATTEMPT_SHIFT	3U		/* later up to so much longer */

/* ---- What connections tell ---- */

void mitosis_session_break(struct mitosis_peer *peer, int error)
{
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	mitosis_peer_break(peer, error, &failed);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_end(&failed, -EAGAIN);
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

static void connection_is(struct mitosis_connection *c, int status)
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
		mitosis_peer_break(peer, status, &failed);
	wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_end(&failed, -EAGAIN);
}

static void connection_uses(struct mitosis_connection *c, struct mitosis_rdma *rdma)
{
	unsigned long flags;

	spin_lock_irqsave(&c->peer->lock, flags);
	c->rdma = rdma;
	spin_unlock_irqrestore(&c->peer->lock, flags);
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
			mitosis_peer_lose(remote, -ENOENT, failed);
	}
}

static void connection_told(struct mitosis_connection *c, const struct mitosis_message *m)
{
	struct mitosis_peer *peer = c->peer;
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	if (m->type == cpu_to_le16(MITOSIS_MESSAGE_RELEASED)) {
		peer_released(peer, m->uuid, &failed);
	} else if (!peer_answered(c, m)) {
		mitosis_count(refused_messages);
		mitosis_peer_break(peer, -EPROTO, &failed);
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_fail(&failed);
}

static const struct mitosis_connection_ops connection_ops = {
	.uses = connection_uses,
	.is = connection_is,
	.told = connection_told,
	.read_done = mitosis_reads_completed,
};

/* ---- Its end ---- */

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

void mitosis_session_reap(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	struct mitosis_connection *c;
	unsigned long flags;
	unsigned int i;

	if (!session || !session->broken)
		return;
	wait_event(peer->wait, session_is_unused(peer));
	/*
	 * Handlers find the session until the last connection is freed, others no connection in it.
	 */
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

/* ---- Making ---- */

static unsigned int attempt_ms(const struct mitosis_peer *peer)
{
	return ATTEMPT_MS << min(peer->attempts / 3, ATTEMPT_SHIFT);
}

/* The n-th attempt follows the one before after 0, 10, 20, 40 ... ms. */
unsigned long mitosis_session_pause(const struct mitosis_peer *peer)
{
	unsigned int n = peer->attempts;

	if (n <= 1)
		return 0;
	return msecs_to_jiffies(min(MITOSIS_PAUSE_MIN_MS << min(n - 2, 10U), PAUSE_MAX_MS));
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

static struct mitosis_session *session_new(struct mitosis_peer *peer, const u8 uuid[16])
{
	unsigned int wanted = clamp(READ_ONCE(mitosis_param_connections), 1U,
				    MITOSIS_CONNECTIONS_MAX);
	struct mitosis_session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	struct mitosis_connection *c;

	if (!session)
		return NULL;
	while (session->count < wanted) {
		c = mitosis_connection_new(peer, &connection_ops, uuid);
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
	mitosis_session_reap(peer);
	return error;
}

int mitosis_session_make(struct mitosis_peer *peer, const u8 uuid[16])
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
				connection_is(session->connections[i], error);
		}
		wait_event_timeout(peer->wait, session_is_settled(peer), msecs_to_jiffies(limit));
		error = session_finish(peer);
	}
	peer->pause_until = jiffies + mitosis_session_pause(peer);
	trace_mitosis_connect((struct sockaddr *)&peer->endpoint, error);
	if (!error && peer->connected_before)
		mitosis_count(reconnects);
	if (!error)
		peer->connected_before = true;
	return error;
}

/* ---- Asking ---- */

int mitosis_session_ask(struct mitosis_peer *peer, const u8 uuid[16],
			struct mitosis_message *answer)
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
		wait_event_timeout(peer->wait,
				   !READ_ONCE(peer->asked) || READ_ONCE(session->broken),
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
		mitosis_session_break(peer, -ETIMEDOUT);
	return -EAGAIN;
}

unsigned int mitosis_session_sge_max(struct mitosis_peer *peer)
{
	struct mitosis_session *session = peer->session;
	unsigned int i, most = session ? MITOSIS_READ_PAGES : 0;

	for (i = 0; session && i < session->count; i++)
		most = min(most, session->connections[i]->sge_max);
	return most;
}

/* ---- The device goes away ---- */

static int sessions_lost(struct notifier_block *notifier, unsigned long unused, void *rdma)
{
	struct mitosis_peer *peer;

	for (;;) {
		peer = mitosis_peer_using(rdma);
		if (!peer)
			return NOTIFY_DONE;
		mitosis_session_break(peer, -ENODEV);
		wait_event(peer->wait, !mitosis_peer_uses(peer, rdma));
		mitosis_peer_put(peer);
	}
}

static struct notifier_block lost_notifier = {
	.notifier_call = sessions_lost,
	.priority = MITOSIS_LOST_NEXT,
};

void mitosis_session_init(void)
{
	mitosis_rdma_register(&lost_notifier);
}

void mitosis_session_exit(void)
{
	mitosis_rdma_unregister(&lost_notifier);
}
