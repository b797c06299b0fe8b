// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * session.c - the connections to a host, which live and die together, and what makes and ends them:
 * the keeper and the tick.
 *
 *   none --keeper--> connecting --the first one is established--> up --first trouble--> broken
 *   broken --keeper: disconnect, drain, destroy--> none
 *
 * A remote is open or not in a session. The keeper opens those that are wanted, one after the other,
 * and only when all connections of the session are established. That order is what makes keys safe:
 * the answer to OPEN proves that the first connection's other end has been the same module all along,
 * so the others end there too, and a key is never used on a host that was restarted in between.
 *
 * Time. A remote is lost when a parked read has waited for its timeout, counted from the submission
 * or from when reads of it last got on, whichever is later: a long queue is no fault. A session with a
 * connection on which nothing has got on for half of the shortest timeout, and for at least SESSION_PATIENCE, is
 * broken by us, so that half is left to repeat it. Between failures the keeper pauses, longer each time;
 * who opens a remote anew need not wait for that. Both is seen to by the tick, which runs only while there are reads.
 *
 * When no remote wants it but nothing waits either, a session is tried for once: who polls for a loss
 * hears of a release that way. Without any remote it is kept for a while, then the peer is freed.
 *
 * The keeper, a work item of its own per peer, is the only one to make and end sessions, so it may
 * look at .session without the lock.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "counters.h"
#include "params.h"
#include "peer.h"
#include "remote.h"
#include "trace.h"

#define PAUSE_MIN_MS	10U
#define PAUSE_MAX_MS	500U
#define ATTEMPT_MS	1000U		/* to connect, at first */
#define ATTEMPT_SHIFT	3U		/* later up to so much longer */
#define SESSION_PATIENCE	((unsigned long)HZ)	/* at least, for a silent connection */

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

/* ---- Breaking ---- */

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

void mitosis_session_break(struct mitosis_peer *peer, int error, struct list_head *failed)
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

void mitosis_peer_break(struct mitosis_peer *peer, int error)
{
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	mitosis_session_break(peer, error, &failed);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_end(&failed, -EAGAIN);
}

void mitosis_peer_distrust(struct mitosis_peer *peer)
{
	mitosis_peer_break(peer, -EPROTO);
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
		mitosis_session_break(peer, status, &failed);
	wake_up_all(&peer->wait);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_end(&failed, -EAGAIN);
}

void mitosis_peer_use_rdma(struct mitosis_connection *c, struct mitosis_rdma *rdma)
{
	unsigned long flags;

	spin_lock_irqsave(&c->peer->lock, flags);
	c->rdma = rdma;
	spin_unlock_irqrestore(&c->peer->lock, flags);
}

/* ---- Making ---- */

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

void mitosis_session_reap(struct mitosis_peer *peer)
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
	mitosis_session_reap(peer);
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
		mitosis_peer_break(peer, -ETIMEDOUT);
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
		mitosis_session_break(peer, -EPROTO, &failed);
	}
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_fail(&failed);
}

/* ---- The keeper ---- */

/* The next remote to be opened, referenced; *paused: there are others, later. */
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
	mitosis_reads_fail(&failed);
	mitosis_peer_pump(peer, UINT_MAX);
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

void mitosis_peer_keep(struct work_struct *work)
{
	struct mitosis_peer *peer = container_of(to_delayed_work(work), struct mitosis_peer, keeper);
	struct mitosis_remote *remote;
	bool paused;

	do {
		mitosis_session_reap(peer);
		remote = peer_next(peer, &paused);
		if (remote) {
			peer_open(peer, remote);
			mitosis_remote_put(remote);
		}
	} while (remote);
	if (paused)
		mitosis_peer_later(peer, peer->pause_until);
	mitosis_peer_leave(peer);
	mitosis_peer_put(peer);
}

/* ---- The tick ---- */

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
		mitosis_session_break(peer, -ETIMEDOUT, failed);
	more = peer->inflight || !list_empty(&peer->ready);
	list_for_each_entry(remote, &peer->remotes, peer_node) {
		if (remote_is_overdue(remote))
			remote_lose(remote, mitosis_peer_loss_reason(peer), failed);
		more |= !list_empty(&remote->parked);
	}
	return more;
}

void mitosis_peer_tick(struct work_struct *work)
{
	struct mitosis_peer *peer = container_of(to_delayed_work(work), struct mitosis_peer, tick);
	unsigned long flags;
	LIST_HEAD(failed);

	spin_lock_irqsave(&peer->lock, flags);
	peer->ticking = false;
	if (peer_check(peer, &failed))
		mitosis_peer_arm(peer);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_fail(&failed);
	mitosis_peer_pump(peer, UINT_MAX);
	mitosis_peer_put(peer);
}
