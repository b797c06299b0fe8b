/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * peer.h - a host that has snapshots, as the three files that keep it see it: peer.c (the hosts and their
 * users), session.c (the connections to one) and read.c (its queue of reads).
 */
#ifndef MITOSIS_PEER_H
#define MITOSIS_PEER_H

#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "connection.h"

struct mitosis_session {
	unsigned int count;
	struct mitosis_connection *connections[MITOSIS_CONNECTIONS_MAX];
	bool up, broken;
	int error;
};

struct mitosis_peer {
	struct list_head node;
	struct sockaddr_storage endpoint;
	unsigned int users;			/* remotes; peer.c's peers_lock */
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

/* peer.c. Works hold a reference. All but the last in any context. */
void mitosis_peer_put(struct mitosis_peer *peer);
/* The keeper is to look now; by the keeper: again at that time, unless it is kicked. */
void mitosis_peer_kick(struct mitosis_peer *peer);
void mitosis_peer_later(struct mitosis_peer *peer, unsigned long when);
/* Start the tick. Under the lock. */
void mitosis_peer_arm(struct mitosis_peer *peer);
/* By the keeper: out of the list, if it is time; the end of its session is the end of it. */
void mitosis_peer_leave(struct mitosis_peer *peer);

/* session.c */
/* Under the lock. Reads of the keeper itself are not repeated: they end in failed. */
void mitosis_session_break(struct mitosis_peer *peer, int error, struct list_head *failed);
/* The same for who does not hold it. */
void mitosis_peer_break(struct mitosis_peer *peer, int error);
/* By the keeper: end a session that is broken. */
void mitosis_session_reap(struct mitosis_peer *peer);
/* What a remote is lost for when its reads have waited for too long. */
int mitosis_peer_loss_reason(const struct mitosis_peer *peer);
void mitosis_peer_keep(struct work_struct *work);
void mitosis_peer_tick(struct work_struct *work);

/* read.c */
int mitosis_reads_init(void);
void mitosis_reads_exit(void);
/* End those in the list: with this error, or each with what its remote was lost for (-EAGAIN: it was not). */
void mitosis_reads_end(struct list_head *reads, int error);
void mitosis_reads_fail(struct list_head *reads);
/* Post so many of the ready ones; at a completion one is enough. */
void mitosis_peer_pump(struct mitosis_peer *peer, unsigned int most);

#endif
