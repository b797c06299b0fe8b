/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * clt-peer.h - a host that has snapshots which are open here: the state that the clt- files share,
 * and what may happen to it under its lock.
 */
#ifndef MITOSIS_CLT_PEER_H
#define MITOSIS_CLT_PEER_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "clt-connection.h"

struct mitosis_table;

/* The connections to a host, which live and die together. */
struct mitosis_session {
	unsigned int count;
	struct mitosis_connection *connections[MITOSIS_CONNECTIONS_MAX];
	bool up, broken;
	int error;
};

struct mitosis_peer {
	struct list_head node;
	struct sockaddr_storage endpoint;
	unsigned int users;			/* remotes; under peers_lock */
	bool closing;				/* the module goes; under peers_lock */
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

/* A snapshot of it. */
struct mitosis_remote {
	refcount_t references;
	struct list_head node;			/* clt-remote.c's list */
	u8 uuid[16];
	struct mitosis_peer *peer;
	struct wait_queue_head wait;
	void *cookie;
	unsigned int read_max;
	/* Set at the first OPENED; then only its keys change, while the remote is not open. */
	struct mitosis_table *table;

	/* Under the peer's lock. */
	struct list_head peer_node;
	struct list_head parked;		/* reads that wait for it to be open */
	bool known;				/* has been open */
	bool open;				/* in the present session: reads may be posted */
	bool wanted;				/* is to be opened */
	int error;				/* lost */
	unsigned int tries;			/* to open it, since it was open */
	unsigned int faults;			/* access errors of these */
	unsigned long timeout;			/* jiffies */
	unsigned long good;			/* its reads were getting on until then */
};

/* Works hold a reference. All but the last in any context. */
void mitosis_peer_get(struct mitosis_peer *peer);
void mitosis_peer_put(struct mitosis_peer *peer);
/* The keeper is to look now; by the keeper: again at that time, unless it is kicked. */
void mitosis_peer_kick(struct mitosis_peer *peer);
void mitosis_peer_later(struct mitosis_peer *peer, unsigned long when);

/* Under the lock. */
/* Start the tick. */
void mitosis_peer_arm(struct mitosis_peer *peer);
/*
 * Its session is broken: its remotes are not open any more, reads that wait are parked. Those of
 * the keeper itself are not repeated: they come into failed.
 */
void mitosis_peer_break(struct mitosis_peer *peer, int error, struct list_head *failed);
/* For good: reads of it that are not posted come into failed. */
void mitosis_peer_lose(struct mitosis_remote *remote, int error, struct list_head *failed);

/* A peer lives as long as a remote is attached, and a while longer. NULL: no memory. */
struct mitosis_peer *mitosis_peer_attach(const struct sockaddr_storage *endpoint,
					 struct mitosis_remote *remote);
void mitosis_peer_detach(struct mitosis_remote *remote);
/*
 * By the keeper: true if it is time to go, and it is out of the list; what it has is to be ended.
 */
bool mitosis_peer_leave(struct mitosis_peer *peer);
bool mitosis_peer_is_at(const struct mitosis_peer *peer, const struct sockaddr_storage *endpoint);
/* Who shares a remote is as patient as the most patient of them. */
void mitosis_peer_allow(struct mitosis_remote *remote, unsigned long timeout);
bool mitosis_peer_settled(struct mitosis_remote *remote);
/* What a remote is lost for when its reads have waited for too long. */
int mitosis_peer_loss_reason(const struct mitosis_peer *peer);

/* The first that has a connection through the device, referenced; NULL: there is none. */
struct mitosis_peer *mitosis_peer_using(const struct mitosis_rdma *rdma);
bool mitosis_peer_uses(struct mitosis_peer *peer, const struct mitosis_rdma *rdma);
/* For tests: errors on all queue pairs to other hosts. */
void mitosis_peers_fail(void);

/* The works: one keeps the sessions, one ticks while there are reads. */
int mitosis_peer_init(work_func_t keep, work_func_t tick);
/*
 * No remote is left that anybody has. Each peer is ended as told, and all of them have gone on
 * return.
 */
void mitosis_peer_exit(void (*end)(struct mitosis_peer *peer));

#endif
