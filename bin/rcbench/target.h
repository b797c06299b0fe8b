/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * target.h - a server as it is reached through one device of this host: addresses, protection
 * domain, and the control connection that the client's run lasts as long as.
 */
#ifndef RCBENCH_TARGET_H
#define RCBENCH_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <rdma/rdma_cma.h>

#include "protocol.h"
#include "resolve.h"

/* Why an address of a server cannot be had, by how much it says. */
enum telling {
	NO_WAY = 1,				/* no way there from this host */
	FAILED,
	REFUSED,				/* a host is there, and nobody listens */
};

struct target {
	const char *server;			/* as the user wrote it */
	const char *wanted;			/* device asked for, or NULL: the route decides */
	const char *device;			/* that it became */
	struct sockaddr_storage to, from;
	bool has_from;
	struct ibv_context *verbs;
	struct ibv_pd *pd;
	enum telling telling;			/* of what failed: the most telling so far, or 0 */
	char failed_at[ADDRESS_TEXT_MAX], why[160];
	unsigned int depth;		/* READs under way on one connection, by the device */

	struct rdma_event_channel *channel;
	struct rdma_cm_id *control;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	uint8_t message[RCBENCH_MESSAGE];
};

/* Devices of this host, which stay open. 0, or STATUS_SKIP after a message with the remedies. */
int devices_open(void);
/* NULL after a message. */
struct ibv_context *device_find(const char *name);

/* How a target is reached. */
struct approach {
	const uint8_t *run;
	uint16_t port;
	uint64_t timeout_ns, wait_ns;		/* of a step; until the server listens */
};

/* Resolve and connect, to the first address that answers; -1 after a message. */
int target_open(struct target *t, const char *server, const char *device,
		const struct approach *how);
/* Says goodbye, so that the server knows that this was not an accident. */
void target_close(struct target *t, bool goodbye);

/* A request of this kind; param points to the hello. */
void hello_make(struct rcbench_hello *hello, enum rcbench_kind kind, const uint8_t run[16]);
void hello_param(const struct target *t, const struct rcbench_hello *hello,
		 struct rdma_conn_param *param);

/* "host", "host:port", "[address]:port", "": all. A message and -1 if it cannot be resolved. */
int address_to_listen(const char *text, uint16_t port, struct sockaddr_storage *to);

#endif
