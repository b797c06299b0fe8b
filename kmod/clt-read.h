/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clt-read.h - the queue of reads from a host. struct mitosis_read is clt-connection.h's. */
#ifndef MITOSIS_CLT_READ_H
#define MITOSIS_CLT_READ_H

#include "clt-connection.h"

/* From a reserve: with gfp & __GFP_DIRECT_RECLAIM it does not fail. */
struct mitosis_read *mitosis_read_alloc(gfp_t gfp);
void mitosis_read_free(struct mitosis_read *read);
/*
 * Does not sleep and does not fail: trouble is told through done(). A connection that breaks is
 * made anew and the read repeated until the remote's timeout has passed since the submission.
 */
void mitosis_read_submit(struct mitosis_read *read);
/*
 * Nobody waits any more for the pages of a mapping that is exiting: its reads that no device has
 * end at once, others when the device has let go of them. They are not repeated.
 */
void mitosis_reads_abandon(struct mitosis_remote *remote);
/* A thread that spins for a page calls this in its loop. */
void mitosis_reads_poll(struct mitosis_remote *remote);

/* For who keeps the sessions. */
/*
 * End those in the list: with this error, or each with what its remote was lost for (-EAGAIN: it
 * was not).
 */
void mitosis_reads_end(struct list_head *reads, int error);
void mitosis_reads_fail(struct list_head *reads);
/* Post so many of the ready ones; at a completion one is enough. */
void mitosis_reads_pump(struct mitosis_peer *peer, unsigned int most);
/* A connection tells that the device has done with a read. */
void mitosis_reads_completed(struct mitosis_connection *c, struct mitosis_read *read,
			     enum ib_wc_status status);

int mitosis_reads_init(void);
void mitosis_reads_exit(void);

#endif
