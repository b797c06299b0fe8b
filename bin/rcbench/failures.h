/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* failures.h - how an attempt ended: done, or one of the reasons why not, which are counted. */
#ifndef RCBENCH_FAILURES_H
#define RCBENCH_FAILURES_H

#include <stdint.h>

#include <rdma/rdma_cma.h>

enum outcome {
	OUTCOME_OK,
	OUTCOME_REFUSED,	/* nobody listens there */
	OUTCOME_REJECTED,	/* the server's program does not want it */
	OUTCOME_BUSY,		/* the server has as many as it may have */
	OUTCOME_UNREACHABLE,	/* no address, no route, no answer of its connection manager */
	OUTCOME_TIMEOUT,	/* --timeout passed in a step */
	OUTCOME_STALE,		/* the peer still has a connection of this queue pair number */
	OUTCOME_DISCONNECTED,	/* the peer ended it before we did */
	OUTCOME_DEVICE,		/* resolved to another device than was asked for, or it went away */
	OUTCOME_RESOURCES,	/* this host has no more ids, queue pairs or memory to give */
	OUTCOME_MISMATCH,	/* other bytes came back than were expected */
	OUTCOME_ERROR,		/* any other */
	OUTCOMES
};

extern const char *const outcome_names[OUTCOMES];

/* A failed call of librdmacm or libibverbs. */
enum outcome outcome_of_errno(int err);

/* What is known of an event after it was acknowledged. */
struct cm_event {
	enum rdma_cm_event_type type;
	int status;
	uint16_t refusal;	/* enum rcbench_refusal_reason, or 0 */
	struct rdma_cm_id *id;
	void *context;
	uint64_t address;	/* ESTABLISHED: the server's welcome */
	uint32_t rkey, bytes;
};

/* The next event of a channel, acknowledged. -1 with errno, EINTR after a signal. */
int cm_event_next(struct rdma_event_channel *channel, struct cm_event *event);

/* Of an event that says that a step failed; OUTCOME_OK: it is not one. */
enum outcome outcome_of_event(const struct cm_event *event);

/* The reason in words, for a message about one connection. */
const char *cm_event_text(const struct cm_event *event);

#endif
