/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * remote.h - the child's side: a snapshot of another host, the connection to it, and reading its
 * pages.
 *
 * One struct mitosis_remote per (endpoint, UUID) on this host, shared by all who open it. It is told
 * of its loss exactly once (.error), and then every read of it fails at once.
 */
#ifndef MITOSIS_REMOTE_H
#define MITOSIS_REMOTE_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/socket.h>
#include <rdma/ib_verbs.h>
#include "protocol.h"

struct mitosis_remote;

/*
 * Find or make. Connects and reads the table: sleeps, killable, at most timeout_ms (0: the module
 * parameter). ERR_PTR as documented at MITOSIS_IOC_OPEN.
 */
struct mitosis_remote *mitosis_remote_open(const struct sockaddr_storage *endpoint, const u8 uuid[16],
					   unsigned int timeout_ms);
void mitosis_remote_get(struct mitosis_remote *remote);
void mitosis_remote_put(struct mitosis_remote *remote);		/* may sleep */

/* 0, or why it is lost for good. */
int mitosis_remote_error(const struct mitosis_remote *remote);
/* 16 bytes. */
const u8 *mitosis_remote_uuid(const struct mitosis_remote *remote);
u64 mitosis_remote_pages(const struct mitosis_remote *remote);
/* Is the page part of the snapshot? Any context. */
bool mitosis_remote_has(const struct mitosis_remote *remote, pgoff_t page);
/*
 * The first run of pages at or behind *page: its start in *page, its length returned, most if it is
 * longer; 0: none. What it costs grows with most.
 */
unsigned long mitosis_remote_next(const struct mitosis_remote *remote, pgoff_t *page, unsigned long most);
/* Most pages of one read: the device's scatter list bounds it. */
unsigned int mitosis_remote_read_max(const struct mitosis_remote *remote);

/* Woken at loss, for poll(2). */
struct wait_queue_head *mitosis_remote_wait(struct mitosis_remote *remote);
/* Kept for the page cache's side: one pointer, set and read under its own lock. */
void **mitosis_remote_cookie(struct mitosis_remote *remote);

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

	/* read.c's and connection.c's. */
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

/* From a reserve: with gfp & __GFP_DIRECT_RECLAIM it does not fail. */
struct mitosis_read *mitosis_read_alloc(gfp_t gfp);
void mitosis_read_free(struct mitosis_read *read);
/*
 * Does not sleep and does not fail: trouble is told through done(). A connection that breaks is made
 * anew and the read repeated until the remote's timeout has passed since the submission.
 */
void mitosis_read_submit(struct mitosis_read *read);
/*
 * Nobody waits any more for the pages of a mapping that is exiting: its reads that no device has end at
 * once, others when the device has let go of them. They are not repeated.
 */
void mitosis_remote_abandon(struct mitosis_remote *remote);
/* A thread that spins for a page calls this in its loop. */
void mitosis_remote_poll(struct mitosis_remote *remote);

/* The device is going away: close connections through it and wait until they are. */
struct mitosis_rdma;
void mitosis_connections_lost(struct mitosis_rdma *rdma);
/* For tests: errors on all queue pairs to other hosts. */
void mitosis_peers_fail(void);

int mitosis_remote_init(void);
void mitosis_remote_exit(void);

#endif
