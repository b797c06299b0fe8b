/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * service.h - what the server's connections of one device share: completion queue, the thread that
 * empties it, slots with two messages each, and the region that READ and WRITE use.
 */
#ifndef RCBENCH_SERVICE_H
#define RCBENCH_SERVICE_H

#include <rdma/rdma_cma.h>

#include "protocol.h"

struct service;
struct service_slot;

/* Called by the thread of completions, with the owner of the slot. */
struct service_owner {
	void (*heard)(void *owner);		/* a message came */
	void (*lost)(void *owner);		/* its peer does not answer, or broke the rules */
};

void service_init(const struct service_owner *callbacks);
/* Every slot has been put. */
void service_exit(void);

/* That of this device, made when it is first needed; NULL: it cannot be made. */
struct service *service_get(struct ibv_context *verbs, unsigned int max_connections);
struct service_slot *service_slot_take(struct service *service, void *owner);
/* The owner is told nothing any more. Its queue pair is destroyed next, then the slot is freed. */
void service_slot_put(struct service *service, struct service_slot *slot);
void service_slot_free(struct service *service, struct service_slot *slot);
/* READs of the peer that may be under way at once. */
unsigned int service_depth(const struct service *service, unsigned int wanted);
/* A queue pair with receives for what the hello announces. */
int service_queue_pair(struct service *service, struct service_slot *slot, struct rdma_cm_id *id,
		       const struct rcbench_hello *hello);
struct ibv_mr *service_region(struct service *service);
/* Find out whether the peer is there; the answer comes by lost(), or not at all. */
void service_probe(struct service *service, struct service_slot *slot);

#endif
