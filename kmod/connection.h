/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * connection.h - what the client's parts know of each other: connection.c (one queue pair), a host
 * (peer.h: peer.c, session.c, read.c) and remote.c (a snapshot).
 */
#ifndef MITOSIS_CONNECTION_H
#define MITOSIS_CONNECTION_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/socket.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include "protocol.h"

struct mitosis_peer;
struct mitosis_rdma;
struct mitosis_read;
struct mitosis_table;
struct rdma_cm_id;

#define MITOSIS_CONNECTIONS_MAX	16U
#define MITOSIS_READS_DEPTH	64U		/* posted at once on one connection */

/* One queue pair; made, used and closed by its peer. */
struct mitosis_connection {
	struct mitosis_peer *peer;
	struct rdma_cm_id *id;
	struct mitosis_rdma *rdma;
	struct ib_cq *send_cq, *recv_cq;
	unsigned int sge_max;
	u8 uuid[16];				/* a snapshot the host is said to have */
	struct mitosis_message *inbox;
	u64 inbox_dma;
	struct mitosis_inbox_slot *slots;
	atomic_t sends;
	bool closing;				/* under the id's handler lock */
	bool was_up;

	/* Under the peer's lock. */
	int status;				/* -EINPROGRESS, 0: up, or why not */
	unsigned int inflight;			/* reads reserved or posted */
	unsigned long progress;			/* a read succeeded, or the first was posted */
	unsigned int busy;			/* threads that use the queues just now */
};

/* connection.c. All but the last three sleep. */
/* As if the device had met an error: what is posted comes back flushed. */
int mitosis_connection_fail(struct mitosis_connection *c);
struct mitosis_connection *mitosis_connection_new(struct mitosis_peer *peer, const u8 uuid[16]);
int mitosis_connection_start(struct mitosis_connection *c, const struct sockaddr_storage *to,
			     unsigned int limit_ms);
/* Nobody may be busy with it. On return all that was posted has been completed. */
void mitosis_connection_free(struct mitosis_connection *c);
int mitosis_connection_send(struct mitosis_connection *c, enum mitosis_message_type type,
			    const u8 uuid[16]);
int mitosis_connection_map(struct mitosis_connection *c, struct mitosis_read *read);
int mitosis_connection_post(struct mitosis_connection *c, struct mitosis_read *read);
/* Handles what has completed. The caller keeps it busy. */
void mitosis_connection_poll(struct mitosis_connection *c);

/* A snapshot of a peer. */
struct mitosis_remote {
	refcount_t references;
	struct list_head node;			/* remote.c's list */
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

/* A host, for remote.c. A peer lives as long as a remote is attached, and a while longer. */
struct mitosis_peer *mitosis_peer_attach(const struct sockaddr_storage *endpoint,
					 struct mitosis_remote *remote);
void mitosis_peer_detach(struct mitosis_remote *remote);
bool mitosis_peer_is_at(const struct mitosis_peer *peer, const struct sockaddr_storage *endpoint);
void mitosis_peer_allow(struct mitosis_remote *remote, unsigned long timeout);
bool mitosis_peer_settled(struct mitosis_remote *remote);
int mitosis_peer_last_error(struct mitosis_peer *peer);
/* By the peer's keeper, on behalf of mitosis_remote_establish(): -EAGAIN when the session broke. */
int mitosis_peer_ask(struct mitosis_peer *peer, const u8 uuid[16], struct mitosis_message *answer);
int mitosis_peer_fetch(struct mitosis_peer *peer, void *to, u64 address, u32 rkey, u32 length);
void mitosis_peer_distrust(struct mitosis_peer *peer);
unsigned int mitosis_peer_sge_max(struct mitosis_peer *peer);	/* 0: no session */

/* A host, for connection.c. */
void mitosis_peer_connection_is(struct mitosis_connection *c, int status);
void mitosis_peer_told(struct mitosis_connection *c, const struct mitosis_message *m);
void mitosis_peer_read_done(struct mitosis_connection *c, struct mitosis_read *read,
			    enum ib_wc_status status);
void mitosis_peer_use_rdma(struct mitosis_connection *c, struct mitosis_rdma *rdma);

/* remote.c, for the host. */
int mitosis_remote_establish(struct mitosis_remote *remote);
bool mitosis_remote_key(const struct mitosis_remote *remote, pgoff_t first, unsigned int count,
			u32 *key);

int mitosis_peer_init(void);
void mitosis_peer_exit(void);

#endif
