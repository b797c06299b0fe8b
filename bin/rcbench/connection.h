/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * connection.h - one connection of a client, from rdma_create_id to rdma_destroy_id, each step
 * timed. A driver has a number of them under way on one event channel and hands them their events.
 *
 *   create id, resolve address .. ADDR_RESOLVED, resolve route .. ROUTE_RESOLVED,
 *   create queue pair, connect .. ESTABLISHED, [message .. its answer],
 *   disconnect .. DISCONNECTED, destroy
 */
#ifndef RCBENCH_CONNECTION_H
#define RCBENCH_CONNECTION_H

#include "point.h"

enum connection_state {
	CONNECTION_IDLE,
	CONNECTION_RESOLVE_ADDR,
	CONNECTION_RESOLVE_ROUTE,
	CONNECTION_CONNECT,
	CONNECTION_VERIFY,
	CONNECTION_READY,		/* kept: a pool's, or for operations */
	CONNECTION_DISCONNECT,
};

struct connection {
	struct driver *driver;
	struct connection *next;	/* in the list of idle ones */
	struct rdma_cm_id *id;
	enum connection_state state;
	uint64_t begun_ns, step_ns;	/* of the whole, of this step */
	struct sample sample;
	unsigned int slot;		/* of the driver's arena */
	uint64_t seed;
	_Atomic bool dead;		/* READY, and the peer has left */
	uint64_t address;		/* of the server's region */
	uint32_t rkey, bytes;
};

/* What the connections of one event channel share. */
struct driver {
	struct worker *worker;
	struct target *target;
	struct rdma_event_channel *channel;
	struct ibv_comp_channel *completions;	/* of the answers, where several are awaited */
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	uint8_t *arena;				/* two messages for each connection */
	struct rcbench_hello hello;
	struct ibv_qp_cap cap;
	bool keep;				/* READY instead of being torn down */
	bool silent;				/* no samples of connections */
	bool inline_verify;			/* await the answer at once */
	struct connection *connections, *idle;
	unsigned int count, under_way, ready;	/* ready are under way, too */
	uint64_t seq;
	uint64_t checked_ns;
};

/* 0, or -1 with errno. cq_size: further completions besides the messages'. */
int driver_open(struct driver *d, struct worker *w, unsigned int count, bool awaits_many,
		unsigned int cq_size);
void driver_close(struct driver *d);

/* One that is idle; there is one while under_way is less than count. */
struct connection *driver_idle(struct driver *d);
void connection_begin(struct connection *c, uint64_t intended_ns);
void connection_event(const struct cm_event *event);
/*
 * A message there and back; 0, or -1: the connection is no more fit for use, and *outcome says why.
 */
int connection_exchange(struct connection *c, uint64_t seed, enum outcome *outcome);
/* Before the next exchange on the same connection. */
int connection_expect(struct connection *c);
/* It is of no use any more. */
void connection_drop(struct connection *c, enum outcome outcome);
/* Answers that have come. */
void driver_poll(struct driver *d);
/* Ends what waits for longer than --timeout; cheap when called often. */
void driver_check(struct driver *d, uint64_t now_ns);
/* One event, or a signal. */
void driver_wait(struct driver *d);
/* Begin the teardown of one that is READY. */
void connection_teardown(struct connection *c);

#endif
