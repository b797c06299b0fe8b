// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * service.c - completions of the server: messages are answered, receives posted again, peers that
 * do not answer a probe are told of.
 *
 * A queue pair's destruction does not take its completions out of the queue on every device. So a
 * completion carries the generation of its slot, and those of an older one are ignored. The
 * device's lock is held while a completion is handled, so that a slot's owner is there as long as
 * it is asked.
 */
#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "run.h"

/* Of what the peer has under way, so that it never has to wait. */
#define RECEIVES_FACTOR	4u
#define SERVICES_MAX	16u
/* Of buffers for what operations send, of all connections. */
#define TAKEN_BYTES	(256u << 20)

enum { WR_MESSAGE, WR_ANSWER, WR_PROBE, WR_TAKEN };

struct service_slot {
	struct service_slot *next;	/* free */
	void *owner;			/* NULL: put */
	struct ibv_qp *qp;
	uint32_t index, generation, taken;
	bool probing;
	uint8_t *buffer;		/* of what operations send; all receives share it */
	uint32_t size;
	struct ibv_mr *mr;
};

struct service {
	struct ibv_context *verbs;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	unsigned int room;		/* completions not yet promised to what operations send */
	uint64_t taken_bytes;
	uint8_t *messages;		/* two for each slot: in, out */
	size_t bytes;
	struct ibv_mr *mr, *region;
	uint8_t *region_bytes;
	struct service_slot *slots, *idle;
	unsigned int slot_count, depth;
	pthread_mutex_t lock;
	pthread_t thread;
	bool has_thread;
	_Atomic bool ended;
};

static const struct service_owner *callbacks;
static struct service *services[SERVICES_MAX];
static unsigned int service_count;
static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool stop;

void service_init(const struct service_owner *to)
{
	callbacks = to;
}

/* ---- Completions ---- */

static uint64_t wr_id(const struct service_slot *slot, unsigned int what)
{
	return (uint64_t)slot->generation << 32 | (uint64_t)slot->index << 8 | what;
}

static uint8_t *message_in(const struct service *v, const struct service_slot *slot)
{
	return v->messages + (size_t)slot->index * 2 * RCBENCH_MESSAGE;
}

static int receive_message(struct service *v, struct service_slot *slot)
{
	struct ibv_sge sge = { .addr = (uintptr_t)message_in(v, slot),
			       .length = RCBENCH_MESSAGE,
			       .lkey = v->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = wr_id(slot, WR_MESSAGE), .sg_list = &sge, .num_sge = 1 },
			   *bad;

	return ibv_post_recv(slot->qp, &wr, &bad);
}

static int receive_taken(struct service_slot *slot)
{
	struct ibv_sge sge = { .addr = (uintptr_t)slot->buffer,
			       .length = slot->size,
			       .lkey = slot->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = wr_id(slot, WR_TAKEN), .sg_list = &sge, .num_sge = 1 },
			   *bad;

	return ibv_post_recv(slot->qp, &wr, &bad);
}

/* The next message may come as soon as the answer is on its way. */
static int answer(struct service *v, struct service_slot *slot)
{
	uint8_t *in = message_in(v, slot), *out = in + RCBENCH_MESSAGE;
	struct ibv_sge sge = { .addr = (uintptr_t)out,
			       .length = RCBENCH_MESSAGE,
			       .lkey = v->mr->lkey };
	struct ibv_send_wr wr = { .wr_id = wr_id(slot, WR_ANSWER),
				  .sg_list = &sge,
				  .num_sge = 1,
				  .opcode = IBV_WR_SEND,
				  .send_flags = IBV_SEND_SIGNALED },
			   *bad;

	for (unsigned int i = 0; i < RCBENCH_MESSAGE; i++)
		out[i] = (uint8_t)~in[i];
	return receive_message(v, slot) || ibv_post_send(slot->qp, &wr, &bad);
}

/* With the lock. */
static void completed(struct service *v, const struct ibv_wc *wc)
{
	struct service_slot *slot = &v->slots[(wc->wr_id >> 8 & 0xffffff) % v->slot_count];
	int err = wc->status != IBV_WC_SUCCESS;

	if (!slot->owner || slot->generation != wc->wr_id >> 32)
		return;
	switch (wc->wr_id & 0xff) {
	case WR_MESSAGE:
		if (err || wc->byte_len != RCBENCH_MESSAGE) {
			err = 1;
			break;
		}
		callbacks->heard(slot->owner);
		err = answer(v, slot);
		break;
	case WR_TAKEN:
		err = err || receive_taken(slot);
		break;
	case WR_PROBE:
		slot->probing = false;
		break;
	}
	/* Flushed: its end was asked for, and the event says how. */
	if (err && wc->status != IBV_WC_WR_FLUSH_ERR)
		callbacks->lost(slot->owner);
}

static void *empty(void *data)
{
	struct service *v = data;
	struct ibv_wc wc[32];
	struct ibv_cq *cq;
	void *context;
	int n;

	while (!atomic_load(&stop)) {
		if (ibv_get_cq_event(v->channel, &cq, &context))
			continue;
		ibv_ack_cq_events(cq, 1);
		ibv_req_notify_cq(cq, 0);
		while ((n = ibv_poll_cq(cq, 32, wc)) > 0) {
			pthread_mutex_lock(&v->lock);
			for (int i = 0; i < n; i++)
				completed(v, &wc[i]);
			pthread_mutex_unlock(&v->lock);
		}
	}
	atomic_store(&v->ended, true);
	return NULL;
}

/* ---- Slots ---- */

struct service_slot *service_slot_take(struct service *v, void *owner)
{
	struct service_slot *slot;

	pthread_mutex_lock(&v->lock);
	slot = v->idle;
	if (slot) {
		v->idle = slot->next;
		slot->owner = owner;
		slot->probing = false;
	}
	pthread_mutex_unlock(&v->lock);
	return slot;
}

void service_slot_put(struct service *v, struct service_slot *slot)
{
	pthread_mutex_lock(&v->lock);
	slot->owner = NULL;
	slot->generation++;
	pthread_mutex_unlock(&v->lock);
}

void service_slot_free(struct service *v, struct service_slot *slot)
{
	if (slot->mr)
		ibv_dereg_mr(slot->mr);
	if (slot->buffer)
		munmap(slot->buffer, slot->size);
	slot->mr = NULL;
	slot->buffer = NULL;
	slot->qp = NULL;
	pthread_mutex_lock(&v->lock);
	v->room += slot->taken;
	v->taken_bytes -= slot->size;
	slot->taken = 0;
	slot->size = 0;
	slot->next = v->idle;
	v->idle = slot;
	pthread_mutex_unlock(&v->lock);
}

unsigned int service_depth(const struct service *v, unsigned int wanted)
{
	return wanted < v->depth ? wanted : v->depth;
}

/* For so many receives at once, as far as there is memory, and room for their completions. */
static int buffer_make(struct service *v, struct service_slot *slot, uint32_t size, uint32_t taken)
{
	pthread_mutex_lock(&v->lock);
	if (taken <= v->room && v->taken_bytes + size <= TAKEN_BYTES) {
		slot->taken = taken;
		slot->size = size;
		v->room -= taken;
		v->taken_bytes += size;
	}
	pthread_mutex_unlock(&v->lock);
	if (!slot->taken)
		return -1;
	slot->buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slot->buffer == MAP_FAILED) {
		slot->buffer = NULL;
		return -1;
	}
	slot->mr = ibv_reg_mr(v->pd, slot->buffer, size, IBV_ACCESS_LOCAL_WRITE);
	return slot->mr ? 0 : -1;
}

int service_queue_pair(struct service *v, struct service_slot *slot, struct rdma_cm_id *id,
		       const struct rcbench_hello *hello)
{
	uint32_t size = le32toh(hello->size),
		 taken = size ? le32toh(hello->outstanding) * RECEIVES_FACTOR : 0;
	bool messages = le16toh(hello->kind) == RCBENCH_CONTROL ||
			(le16toh(hello->flags) & RCBENCH_VERIFY);
	struct ibv_qp_init_attr attr = {
		.send_cq = v->cq,
		.recv_cq = v->cq,
		.qp_type = IBV_QPT_RC,
		/* Send: a probe, an answer, and the one before, which may not be reaped yet. */
		.cap = { .max_send_wr = messages ? 3 : 1,
			 .max_recv_wr = taken > 1 ? taken : messages ? 2 : 1,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};

	if (taken && buffer_make(v, slot, size, taken))
		return -1;
	if (rdma_create_qp(id, v->pd, &attr))
		return -1;
	slot->qp = id->qp;
	for (uint32_t i = 0; i < taken; i++) {
		if (receive_taken(slot))
			return -1;
	}
	return messages ? receive_message(v, slot) : 0;
}

void service_probe(struct service *v, struct service_slot *slot)
{
	struct ibv_send_wr wr = { .wr_id = wr_id(slot, WR_PROBE), .opcode = IBV_WR_RDMA_WRITE,
				  .send_flags = IBV_SEND_SIGNALED }, *bad;

	pthread_mutex_lock(&v->lock);
	if (slot->owner && slot->qp && !slot->probing && !ibv_post_send(slot->qp, &wr, &bad))
		slot->probing = true;
	pthread_mutex_unlock(&v->lock);
}

/* ---- A device ---- */

struct ibv_mr *service_region(struct service *v)
{
	pthread_mutex_lock(&v->lock);
	if (!v->region) {
		v->region_bytes = mmap(NULL, RCBENCH_REGION, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (v->region_bytes == MAP_FAILED)
			v->region_bytes = NULL;
		for (uint32_t i = 0; v->region_bytes && i < RCBENCH_REGION / 2; i++)
			v->region_bytes[i] = rcbench_pattern(i);
		if (v->region_bytes)
			v->region = ibv_reg_mr(v->pd, v->region_bytes, RCBENCH_REGION,
					       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
						       IBV_ACCESS_REMOTE_WRITE);
	}
	pthread_mutex_unlock(&v->lock);
	return v->region;
}

static void service_free(struct service *v)
{
	while (v->has_thread && !atomic_load(&v->ended)) {
		struct timespec pause = { .tv_nsec = 1000000 };

		run_wake(v->thread);
		nanosleep(&pause, NULL);
	}
	if (v->has_thread)
		pthread_join(v->thread, NULL);
	if (v->region)
		ibv_dereg_mr(v->region);
	if (v->region_bytes)
		munmap(v->region_bytes, RCBENCH_REGION);
	if (v->mr)
		ibv_dereg_mr(v->mr);
	if (v->messages)
		munmap(v->messages, v->bytes);
	if (v->cq)
		ibv_destroy_cq(v->cq);
	if (v->channel)
		ibv_destroy_comp_channel(v->channel);
	if (v->pd)
		ibv_dealloc_pd(v->pd);
	free(v->slots);
	free(v);
}

static int service_open(struct service *v, unsigned int max_connections)
{
	struct ibv_device_attr attr;
	unsigned int room;

	if (ibv_query_device(v->verbs, &attr))
		return -1;
	v->depth = attr.max_qp_rd_atom < 16 ? (unsigned int)attr.max_qp_rd_atom : 16;
	/* Per connection a message, two answers and a probe; and what a few take by SEND. */
	v->room = 4 * RECEIVES_FACTOR * RCBENCH_OUTSTANDING_MAX;
	if (v->room > (unsigned int)attr.max_cqe / 2)
		v->room = (unsigned int)attr.max_cqe / 2;
	v->slot_count = ((unsigned int)attr.max_cqe - v->room) / 4;
	if (v->slot_count > max_connections)
		v->slot_count = max_connections;
	room = v->room + 4 * v->slot_count;
	v->slots = calloc(v->slot_count, sizeof(*v->slots));
	if (!v->slots)
		return -1;
	for (unsigned int i = 0; i < v->slot_count; i++) {
		v->slots[i].index = i;
		v->slots[i].next = i + 1 < v->slot_count ? &v->slots[i + 1] : NULL;
	}
	v->idle = v->slots;
	v->pd = ibv_alloc_pd(v->verbs);
	v->channel = ibv_create_comp_channel(v->verbs);
	if (!v->pd || !v->channel)
		return -1;
	v->cq = ibv_create_cq(v->verbs, (int)room, NULL, v->channel, 0);
	if (!v->cq || ibv_req_notify_cq(v->cq, 0))
		return -1;
	v->bytes = (size_t)v->slot_count * 2 * RCBENCH_MESSAGE;
	v->messages =
		mmap(NULL, v->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->messages == MAP_FAILED) {
		v->messages = NULL;
		return -1;
	}
	v->mr = ibv_reg_mr(v->pd, v->messages, v->bytes, IBV_ACCESS_LOCAL_WRITE);
	if (!v->mr || pthread_create(&v->thread, NULL, empty, v))
		return -1;
	v->has_thread = true;
	return 0;
}

struct service *service_get(struct ibv_context *verbs, unsigned int max_connections)
{
	struct service *v = NULL;

	pthread_mutex_lock(&services_lock);
	for (unsigned int i = 0; i < service_count && !v; i++) {
		if (services[i]->verbs == verbs)
			v = services[i];
	}
	if (!v && service_count < SERVICES_MAX) {
		v = calloc(1, sizeof(*v));
		if (v) {
			v->verbs = verbs;
			pthread_mutex_init(&v->lock, NULL);
			if (service_open(v, max_connections)) {
				service_free(v);
				v = NULL;
			} else {
				services[service_count++] = v;
			}
		}
	}
	pthread_mutex_unlock(&services_lock);
	return v;
}

void service_exit(void)
{
	atomic_store(&stop, true);
	while (service_count)
		service_free(services[--service_count]);
}
