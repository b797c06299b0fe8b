// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* connection.c - the steps of a connection: see connection.h. */
#include "connection.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"

/* A step that has ended, and the next begins. Returns the time. */
static uint64_t step_end(struct connection *c, enum step step)
{
	uint64_t now = clock_now_ns();

	c->sample.ns[step] = now - c->step_ns;
	c->sample.have |= (uint16_t)(1u << step);
	c->step_ns = now;
	return now;
}

static void connection_end(struct connection *c)
{
	struct driver *d = c->driver;
	struct worker *w = d->worker;
	struct sample *s;
	uint64_t now;

	if (c->id && c->id->qp)
		rdma_destroy_qp(c->id);
	if (c->id)
		rdma_destroy_id(c->id);
	c->id = NULL;
	now = step_end(c, STEP_DESTROY);
	c->sample.total_ns = now - c->begun_ns;
	c->sample.seq = d->seq++;
	s = d->silent ? NULL : worker_sample(w, &w->samples);
	if (s)
		*s = c->sample;
	if (c->state == CONNECTION_READY)
		d->ready--;
	c->state = CONNECTION_IDLE;
	c->next = d->idle;
	d->idle = c;
	d->under_way--;
	/* One that is kept is not itself what is measured: only its failure counts. */
	if (!d->keep || c->sample.outcome != OUTCOME_OK)
		worker_count(w, c->sample.outcome);
}

void connection_drop(struct connection *c, enum outcome outcome)
{
	c->sample.outcome = outcome;
	connection_end(c);
}

/* ---- Messages ---- */

/* No two messages are alike, so an old one is not taken for an answer. */
static uint64_t word_of(uint64_t seed, unsigned int i)
{
	return (seed + i + 1) * 0x9e3779b97f4a7c15u;
}

static uint64_t *message_out(const struct connection *c)
{
	return (uint64_t *)(c->driver->arena + (size_t)c->slot * 2 * RCBENCH_MESSAGE);
}

static uint64_t *message_in(const struct connection *c)
{
	return message_out(c) + RCBENCH_MESSAGE / 8;
}

int connection_expect(struct connection *c)
{
	struct ibv_sge sge = { .addr = (uintptr_t)message_in(c),
			       .length = RCBENCH_MESSAGE,
			       .lkey = c->driver->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = c->slot, .sg_list = &sge, .num_sge = 1 }, *bad;

	memset(message_in(c), 0, RCBENCH_MESSAGE);
	return ibv_post_recv(c->id->qp, &wr, &bad);
}

static int message_send(struct connection *c, uint64_t seed)
{
	struct ibv_sge sge = { .addr = (uintptr_t)message_out(c),
			       .length = RCBENCH_MESSAGE,
			       .lkey = c->driver->mr->lkey };
	struct ibv_send_wr wr = { .wr_id = c->slot,
				  .sg_list = &sge,
				  .num_sge = 1,
				  .opcode = IBV_WR_SEND,
				  .send_flags = IBV_SEND_SIGNALED },
			   *bad;

	c->seed = seed;
	for (unsigned int i = 0; i < RCBENCH_MESSAGE / 8; i++)
		message_out(c)[i] = word_of(seed, i);
	return ibv_post_send(c->id->qp, &wr, &bad);
}

static bool message_is_answer(const struct connection *c)
{
	for (unsigned int i = 0; i < RCBENCH_MESSAGE / 8; i++) {
		if (message_in(c)[i] != ~word_of(c->seed, i))
			return false;
	}
	return true;
}

static enum outcome outcome_of_completion(const struct ibv_wc *wc)
{
	switch (wc->status) {
	case IBV_WC_SUCCESS:
		return OUTCOME_OK;
	case IBV_WC_RETRY_EXC_ERR:
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return OUTCOME_UNREACHABLE;
	case IBV_WC_WR_FLUSH_ERR:
		return OUTCOME_DISCONNECTED;
	default:
		return OUTCOME_ERROR;
	}
}

/* The connection has the completion queue to itself. Spins, since a latency is measured. */
int connection_exchange(struct connection *c, uint64_t seed, enum outcome *outcome)
{
	uint64_t end = clock_now_ns() + c->driver->worker->point->timeout_ns;
	unsigned int spins = 0;
	struct ibv_wc wc;
	bool answered = false, sent = false;

	*outcome = OUTCOME_ERROR;
	if (message_send(c, seed))
		return -1;
	while (!answered || !sent) {
		int n = ibv_poll_cq(c->driver->cq, 1, &wc);

		if (n < 0)
			return -1;
		/* A completion of an earlier connection, which has failed. */
		if (n && wc.qp_num != c->id->qp->qp_num)
			continue;
		if (n && wc.status != IBV_WC_SUCCESS) {
			*outcome = outcome_of_completion(&wc);
			return -1;
		}
		if (n && wc.opcode == IBV_WC_RECV)
			answered = true;
		else if (n)
			sent = true;
		else if (++spins % 64 == 0)
			sched_yield();
		if (spins % 1024 == 1023 && clock_now_ns() > end) {
			*outcome = OUTCOME_TIMEOUT;
			return -1;
		}
	}
	*outcome = message_is_answer(c) ? OUTCOME_OK : OUTCOME_MISMATCH;
	return *outcome == OUTCOME_OK ? 0 : -1;
}

/* ---- Steps ---- */

void connection_teardown(struct connection *c)
{
	if (c->state == CONNECTION_READY)
		c->driver->ready--;
	c->state = CONNECTION_DISCONNECT;
	c->step_ns = clock_now_ns();
	if (rdma_disconnect(c->id))
		connection_drop(c, outcome_of_errno(errno));
}

static void connection_settled(struct connection *c)
{
	if (!c->driver->keep) {
		connection_teardown(c);
		return;
	}
	c->state = CONNECTION_READY;
	c->driver->ready++;
}

static void connection_established(struct connection *c, const struct cm_event *event)
{
	struct driver *d = c->driver;
	uint64_t seed = d->seq * 1000003 + c->slot;
	enum outcome outcome;

	step_end(c, STEP_CONNECT);
	c->address = event->address;
	c->rkey = event->rkey;
	c->bytes = event->bytes;
	if (!d->worker->point->verify || d->worker->point->operation != OPERATION_CONNECT) {
		connection_settled(c);
		return;
	}
	c->state = CONNECTION_VERIFY;
	if (!d->inline_verify) {
		if (message_send(c, seed))
			connection_drop(c, OUTCOME_ERROR);
		return;
	}
	if (connection_exchange(c, seed, &outcome)) {
		connection_drop(c, outcome);
		return;
	}
	step_end(c, STEP_VERIFY);
	/* A pool sends further messages over it: ready for the next answer. */
	if (d->keep && connection_expect(c))
		connection_drop(c, OUTCOME_ERROR);
	else
		connection_settled(c);
}

static void connection_connect(struct connection *c)
{
	struct driver *d = c->driver;
	struct ibv_qp_init_attr attr = {
		.send_cq = d->cq, .recv_cq = d->cq, .cap = d->cap, .qp_type = IBV_QPT_RC
	};
	struct rdma_conn_param param;

	step_end(c, STEP_RESOLVE_ROUTE);
	if (rdma_create_qp(c->id, d->target->pd, &attr)) {
		connection_drop(c, outcome_of_errno(errno));
		return;
	}
	step_end(c, STEP_CREATE_QP);
	if (d->mr && connection_expect(c)) {
		connection_drop(c, OUTCOME_ERROR);
		return;
	}
	hello_param(d->target, &d->hello, &param);
	c->state = CONNECTION_CONNECT;
	if (rdma_connect(c->id, &param))
		connection_drop(c, outcome_of_errno(errno));
}

static void connection_resolve_route(struct connection *c)
{
	struct driver *d = c->driver;

	step_end(c, STEP_RESOLVE_ADDR);
	if (c->id->verbs != d->target->verbs) {
		connection_drop(c, OUTCOME_DEVICE);
		return;
	}
	c->state = CONNECTION_RESOLVE_ROUTE;
	if (rdma_resolve_route(c->id, (int)(d->worker->point->timeout_ns / 1000000 + 1)))
		connection_drop(c, outcome_of_errno(errno));
}

struct connection *driver_idle(struct driver *d)
{
	struct connection *c = d->idle;

	d->idle = c->next;
	return c;
}

void connection_begin(struct connection *c, uint64_t intended_ns)
{
	struct driver *d = c->driver;
	struct target *t = d->target;

	d->under_way++;
	memset(&c->sample, 0, sizeof(c->sample));
	atomic_store_explicit(&c->dead, false, memory_order_relaxed);
	c->step_ns = clock_now_ns();
	c->begun_ns = intended_ns ? intended_ns : c->step_ns;
	c->sample.late_ns = c->step_ns - c->begun_ns;
	c->state = CONNECTION_RESOLVE_ADDR;
	if (rdma_create_id(d->channel, &c->id, c, RDMA_PS_TCP)) {
		c->id = NULL;
		connection_drop(c, outcome_of_errno(errno));
		return;
	}
	step_end(c, STEP_CREATE_ID);
	if (rdma_resolve_addr(c->id, t->has_from ? (struct sockaddr *)&t->from : NULL,
			      (struct sockaddr *)&t->to,
			      (int)(d->worker->point->timeout_ns / 1000000 + 1)))
		connection_drop(c, outcome_of_errno(errno));
}

void connection_event(const struct cm_event *event)
{
	struct connection *c = event->context;
	enum outcome outcome = outcome_of_event(event);

	if (c->state == CONNECTION_DISCONNECT && outcome != OUTCOME_OK) {
		step_end(c, STEP_DISCONNECT);
		if (outcome != OUTCOME_DISCONNECTED)
			c->sample.outcome = outcome;
		connection_end(c);
	} else if (c->state == CONNECTION_READY && outcome != OUTCOME_OK) {
		/* It may be in use just now: whoever takes it next finds it dead, and drops it. */
		c->sample.outcome = outcome;
		atomic_store_explicit(&c->dead, true, memory_order_release);
	} else if (outcome != OUTCOME_OK) {
		connection_drop(c, outcome);
	} else if (event->type == RDMA_CM_EVENT_ADDR_RESOLVED) {
		connection_resolve_route(c);
	} else if (event->type == RDMA_CM_EVENT_ROUTE_RESOLVED) {
		connection_connect(c);
	} else if (event->type == RDMA_CM_EVENT_ESTABLISHED) {
		connection_established(c, event);
	}
}

/* ---- Driver ---- */

void driver_poll(struct driver *d)
{
	struct ibv_wc wc[16];
	struct ibv_cq *cq;
	void *context;
	int n;

	if (ibv_get_cq_event(d->completions, &cq, &context))
		return;
	ibv_ack_cq_events(cq, 1);
	/* Armed before the queue is emptied: what completes after the last poll is announced. */
	ibv_req_notify_cq(d->cq, 0);
	while ((n = ibv_poll_cq(d->cq, 16, wc)) > 0) {
		for (int i = 0; i < n; i++) {
			struct connection *c = &d->connections[wc[i].wr_id];

			/*
			 * The completion may belong to an earlier connection in the same slot. The
			 * present one either has sent nothing yet, which its state tells, or has
			 * another queue pair.
			 */
			if (c->state != CONNECTION_VERIFY)
				continue;
			if (wc[i].status != IBV_WC_SUCCESS) {
				if (wc[i].qp_num == c->id->qp->qp_num)
					connection_drop(c, outcome_of_completion(&wc[i]));
			} else if (wc[i].opcode == IBV_WC_RECV &&
				   wc[i].qp_num == c->id->qp->qp_num) {
				step_end(c, STEP_VERIFY);
				if (message_is_answer(c))
					connection_settled(c);
				else
					connection_drop(c, OUTCOME_MISMATCH);
			}
		}
	}
}

void driver_check(struct driver *d, uint64_t now_ns)
{
	uint64_t timeout = d->worker->point->timeout_ns;

	if (now_ns - d->checked_ns < timeout / 8)
		return;
	d->checked_ns = now_ns;
	for (unsigned int i = 0; i < d->count; i++) {
		struct connection *c = &d->connections[i];

		if (c->state == CONNECTION_IDLE || c->state == CONNECTION_READY ||
		    now_ns - c->step_ns < timeout)
			continue;
		connection_drop(c, OUTCOME_TIMEOUT);
	}
}

void driver_wait(struct driver *d)
{
	struct cm_event event;

	atomic_store_explicit(&d->worker->waiting_since, clock_now_ns(), memory_order_relaxed);
	if (!cm_event_next(d->channel, &event))
		connection_event(&event);
	driver_check(d, clock_now_ns());
}

int driver_open(struct driver *d, struct worker *w, unsigned int count, bool awaits_many,
		unsigned int cq_size)
{
	bool messages = w->point->verify && w->point->operation == OPERATION_CONNECT;
	size_t bytes = (size_t)count * 2 * RCBENCH_MESSAGE;

	*d = (struct driver){
		.worker = w, .target = w->target, .count = count, .inline_verify = !awaits_many,
	};
	d->cap = (struct ibv_qp_cap){
		.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1
	};
	hello_make(&d->hello, RCBENCH_CONNECTION, w->point->run);
	if (messages)
		d->hello.flags = htole16(RCBENCH_VERIFY);
	d->checked_ns = clock_now_ns();
	d->connections = calloc(count, sizeof(*d->connections));
	d->channel = rdma_create_event_channel();
	if (!d->connections || !d->channel)
		goto err;
	for (unsigned int i = 0; i < count; i++) {
		d->connections[i].driver = d;
		d->connections[i].slot = i;
		d->connections[i].next = i + 1 < count ? &d->connections[i + 1] : NULL;
	}
	d->idle = d->connections;
	if (messages && awaits_many) {
		d->completions = ibv_create_comp_channel(d->target->verbs);
		if (!d->completions)
			goto err;
	}
	d->cq = ibv_create_cq(d->target->verbs, (int)((messages ? 4 * count : 1) + cq_size), NULL,
			      d->completions, 0);
	if (!d->cq)
		goto err;
	if (!messages)
		return 0;
	if (d->completions && ibv_req_notify_cq(d->cq, 0))
		goto err;
	d->arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->arena == MAP_FAILED) {
		d->arena = NULL;
		goto err;
	}
	d->mr = ibv_reg_mr(d->target->pd, d->arena, bytes, IBV_ACCESS_LOCAL_WRITE);
	if (d->mr)
		return 0;
err:
	w->error = errno ? errno : ENOMEM;
	driver_close(d);
	errno = w->error;
	return -1;
}

void driver_close(struct driver *d)
{
	if (d->mr)
		ibv_dereg_mr(d->mr);
	if (d->arena)
		munmap(d->arena, (size_t)d->count * 2 * RCBENCH_MESSAGE);
	if (d->cq)
		ibv_destroy_cq(d->cq);
	if (d->completions)
		ibv_destroy_comp_channel(d->completions);
	if (d->channel)
		rdma_destroy_event_channel(d->channel);
	free(d->connections);
	*d = (struct driver){ 0 };
}
