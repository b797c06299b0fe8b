// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-keeper.c - what a host's connections and snapshots are kept going by: the keeper and the
 * tick.
 *
 * A remote is open or not in a session. The keeper opens those that are wanted, one after the
 * other, and only when all connections of the session are established. That order is what makes
 * keys safe: the answer to OPEN proves that the first connection's other end has been the same
 * module all along, so the others end there too, and a key is never used on a host that was
 * restarted in between.
 *
 * Time. A remote is lost when a parked read has waited for its timeout, counted from the submission
 * or from when reads of it last got on, whichever is later: a long queue is no fault. A session
 * with a connection on which nothing has got on for half of the shortest timeout, and for at least
 * SESSION_PATIENCE, is broken by us, so that half is left to repeat it. Between failures the keeper
 * pauses, longer each time; who opens a remote anew need not wait for that. Both is seen to by the
 * tick, which runs only while there are reads.
 *
 * When no remote wants it but nothing waits either, a session is tried for once: who polls for a
 * loss hears of a release that way. Without any remote it is kept for a while, then the peer is
 * freed.
 *
 * The keeper is a work item of its own per peer, and the only one to make and end sessions.
 */
#include <linux/jiffies.h>

#include "clt-establish.h"
#include "clt-keeper.h"
#include "clt-read.h"
#include "clt-remote.h"
#include "clt-session.h"
#include "compat/compat.h"

#define SESSION_PATIENCE	((unsigned long)HZ)	/* at least, for a silent connection */

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
		mitosis_peer_lose(remote, error, &failed);
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
	mitosis_reads_pump(peer, UINT_MAX);
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
		error = mitosis_session_make(peer, remote->uuid);
		if (error) {
			remote_settle(remote, error, false);
			peer_rest(peer);
			return;
		}
	}
	error = mitosis_remote_establish(remote);
	if (error)
		peer->pause_until = jiffies + max(mitosis_session_pause(peer),
						  msecs_to_jiffies(MITOSIS_PAUSE_MIN_MS));
	remote_settle(remote, error, true);
}

static void keeper_work(struct work_struct *work)
{
	struct mitosis_peer *peer = container_of(to_delayed_work(work), struct mitosis_peer,
						 keeper);
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
	if (mitosis_peer_leave(peer)) {
		mitosis_session_break(peer, -ESHUTDOWN);
		mitosis_session_reap(peer);
		mitosis_peer_put(peer);		/* the list's */
	}
	mitosis_peer_put(peer);
}

/* ---- The tick ---- */

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
	/*
	 * The connections are shared: one remote's haste may not keep breaking those of the others.
	 */
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
		mitosis_peer_break(peer, -ETIMEDOUT, failed);
	more = peer->inflight || !list_empty(&peer->ready);
	list_for_each_entry(remote, &peer->remotes, peer_node) {
		if (remote_is_overdue(remote))
			mitosis_peer_lose(remote, mitosis_peer_loss_reason(peer), failed);
		more |= !list_empty(&remote->parked);
	}
	return more;
}

static void tick_work(struct work_struct *work)
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
	mitosis_reads_pump(peer, UINT_MAX);
	mitosis_peer_put(peer);
}

/* ---- Begin and end ---- */

int mitosis_keeper_init(void)
{
	int error = mitosis_reads_init();

	if (error)
		return error;
	error = mitosis_peer_init(keeper_work, tick_work);
	if (error) {
		mitosis_reads_exit();
		return error;
	}
	mitosis_session_init();
	return 0;
}

static void peer_end(struct mitosis_peer *peer)
{
	mitosis_session_break(peer, -ESHUTDOWN);
}

void mitosis_keeper_exit(void)
{
	mitosis_peer_exit(peer_end);
	mitosis_session_exit();
	mitosis_reads_exit();
	mitosis_remote_exit();
}
