/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clt-connection.h - one queue pair to a host that has snapshots, and what goes over it. */
#ifndef MITOSIS_CLT_CONNECTION_H
#define MITOSIS_CLT_CONNECTION_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/socket.h>
#include <rdma/ib_verbs.h>
#include "protocol.h"

struct mitosis_connection;
struct mitosis_peer;
struct mitosis_rdma;
struct mitosis_remote;
struct rdma_cm_id;

#define MITOSIS_CONNECTIONS_MAX	16U
#define MITOSIS_READS_DEPTH	64U		/* posted at once on one connection */
#define MITOSIS_READ_PAGES	32U

/* One RDMA READ: pages of the snapshot that follow each other, all present, all in one chunk. */
struct mitosis_read {
	/* The caller's. */
	struct mitosis_remote *remote;
	pgoff_t first;
	unsigned int count;			/* 1 .. mitosis_remote_read_max() */
	struct page *pages[MITOSIS_READ_PAGES];
	/*
	 * Called once, in any context: the device has let go of the pages, which hold the data if
	 * error is 0. It frees the read.
	 */
	void (*done)(struct mitosis_read *read, int error);
	void *private;
	struct address_space *mapping;		/* of the pages, or NULL */

	/* The queue's (clt-read.c) and the connection's. */
	struct mitosis_connection *connection;
	unsigned int bytes;
	u64 begun;				/* ns */
	struct ib_cqe cqe;
	struct list_head node;
	unsigned long deadline;			/* jiffies */
	unsigned int tries;
	u64 dma[MITOSIS_READ_PAGES];
	struct ib_sge sge[MITOSIS_READ_PAGES];
	struct ib_rdma_wr wr;
};

/* What a connection tells its owner, in any context. */
struct mitosis_connection_ops {
	/* This is its device: to be noted in .rdma, under the owner's lock. */
	void (*uses)(struct mitosis_connection *c, struct mitosis_rdma *rdma);
	/* A step to connect is done (0: it is up), or it has failed. */
	void (*is)(struct mitosis_connection *c, int status);
	void (*told)(struct mitosis_connection *c, const struct mitosis_message *m);
	void (*read_done)(struct mitosis_connection *c, struct mitosis_read *read,
			  enum ib_wc_status status);
};

/* Made, used and closed by its owner. */
struct mitosis_connection {
	struct mitosis_peer *peer;		/* the owner's business */
	const struct mitosis_connection_ops *ops;
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

	/* Under the owner's lock. */
	int status;				/* -EINPROGRESS, 0: up, or why not */
	unsigned int inflight;			/* reads reserved or posted */
	unsigned long progress;			/* a read succeeded, or the first was posted */
	unsigned int busy;			/* threads that use the queues just now */
};

/* All but the last three sleep. */
/* As if the device had met an error: what is posted comes back flushed. */
int mitosis_connection_fail(struct mitosis_connection *c);
struct mitosis_connection *mitosis_connection_new(struct mitosis_peer *peer,
						  const struct mitosis_connection_ops *ops,
						  const u8 uuid[16]);
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

#endif
