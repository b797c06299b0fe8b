// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * operate.c - READ, WRITE and SEND over an established connection: each is timed from being posted
 * to its completion, with --outstanding of them under way.
 *
 * The server has a region of two halves. READ takes from the first, which holds a pattern; WRITE
 * puts the pattern into the second; each operation that is under way has a place of its own there.
 * With --verify all that was read is compared, and what was written last is read back.
 */
#include "operate.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "connection.h"

#define HALF		(RCBENCH_REGION / 2)
#define BUFFER_MAX	(64u << 20)

struct operations {
	struct driver *d;
	struct connection *c;
	uint8_t *buffer;
	size_t bytes;
	struct ibv_mr *mr;
	unsigned int places;		/* in the buffer */
	unsigned int under_way;
	uint64_t seq, moved_ns;
	struct {
		uint64_t begun_ns, late_ns;
		bool busy;
	} slots[RCBENCH_OUTSTANDING_MAX];
};

/* An offset in a half of the region. */
static uint32_t place_of(const struct point *p, unsigned int slot)
{
	return slot % (HALF / p->size) * p->size;
}

static uint8_t *buffer_of(const struct operations *o, unsigned int slot)
{
	return o->buffer + (size_t)(slot % o->places) * o->d->worker->point->size;
}

static int post(struct operations *o, enum operation operation, unsigned int slot, uint32_t offset)
{
	const struct point *p = o->d->worker->point;
	struct ibv_sge sge = { .addr = (uintptr_t)buffer_of(o, slot),
			       .length = p->size,
			       .lkey = o->mr->lkey };
	struct ibv_send_wr wr = { .wr_id = slot,
				  .sg_list = &sge,
				  .num_sge = 1,
				  .send_flags = IBV_SEND_SIGNALED },
			   *bad;

	switch (operation) {
	case OPERATION_READ:
		wr.opcode = IBV_WR_RDMA_READ;
		break;
	case OPERATION_WRITE:
		wr.opcode = IBV_WR_RDMA_WRITE;
		break;
	default:
		wr.opcode = IBV_WR_SEND;
		break;
	}
	if (operation != OPERATION_SEND) {
		wr.wr.rdma.remote_addr = o->c->address + offset;
		wr.wr.rdma.rkey = o->c->rkey;
	}
	return ibv_post_send(o->c->id->qp, &wr, &bad);
}

static bool holds_pattern(const uint8_t *bytes, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (bytes[i] != rcbench_pattern(from + i))
			return false;
	}
	return true;
}

static void put_pattern(uint8_t *bytes, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = rcbench_pattern(from + i);
}

static int begin(struct operations *o, uint64_t intended)
{
	const struct point *p = o->d->worker->point;
	uint32_t offset;
	unsigned int slot = 0;

	while (o->slots[slot].busy)
		slot++;
	offset = place_of(p, slot) + (p->operation == OPERATION_WRITE ? HALF : 0);
	if (p->verify && p->operation == OPERATION_READ)
		memset(buffer_of(o, slot), 0, p->size);
	else if (p->verify && p->operation == OPERATION_WRITE)
		put_pattern(buffer_of(o, slot), offset, p->size);
	o->slots[slot].busy = true;
	o->slots[slot].begun_ns = clock_now_ns();
	o->slots[slot].late_ns = intended ? o->slots[slot].begun_ns - intended : 0;
	o->under_way++;
	return post(o, p->operation, slot, offset);
}

static enum outcome outcome_of_status(enum ibv_wc_status status)
{
	if (status == IBV_WC_RETRY_EXC_ERR || status == IBV_WC_RNR_RETRY_EXC_ERR)
		return OUTCOME_UNREACHABLE;
	return status == IBV_WC_WR_FLUSH_ERR ? OUTCOME_DISCONNECTED : OUTCOME_ERROR;
}

static enum outcome completed(struct operations *o, const struct ibv_wc *wc)
{
	struct worker *w = o->d->worker;
	const struct point *p = w->point;
	unsigned int slot = (unsigned int)wc->wr_id;
	struct short_sample *s;

	if (wc->status != IBV_WC_SUCCESS)
		return outcome_of_status(wc->status);
	o->moved_ns = clock_now_ns();
	o->slots[slot].busy = false;
	o->under_way--;
	if (p->verify && p->operation == OPERATION_READ &&
	    !holds_pattern(buffer_of(o, slot), place_of(p, slot), p->size))
		return OUTCOME_MISMATCH;
	s = worker_sample(w, &w->shorts);
	if (s)
		*s = (struct short_sample){
			.seq = o->seq, .late_ns = o->slots[slot].late_ns,
			.total_ns = o->moved_ns - o->slots[slot].begun_ns + o->slots[slot].late_ns,
		};
	o->seq++;
	worker_count(w, OUTCOME_OK);
	return OUTCOME_OK;
}

/* Completions that are there; outcome of the first that went wrong. */
static enum outcome poll_completions(struct operations *o)
{
	struct ibv_wc wc[16];
	int n = ibv_poll_cq(o->d->cq, 16, wc);
	enum outcome outcome = n < 0 ? OUTCOME_ERROR : OUTCOME_OK;

	for (int i = 0; i < n && outcome == OUTCOME_OK; i++)
		outcome = completed(o, &wc[i]);
	if (!n && clock_now_ns() - o->moved_ns > o->d->worker->point->timeout_ns)
		return OUTCOME_TIMEOUT;
	if (!n)
		sched_yield();
	return outcome;
}

static enum outcome measure(struct operations *o)
{
	struct worker *w = o->d->worker;
	struct point *p = w->point;
	enum outcome outcome = OUTCOME_OK;
	uint64_t intended = 0;
	bool more = point_ticket(p, &intended);

	o->moved_ns = clock_now_ns();
	while ((more || o->under_way) && outcome == OUTCOME_OK) {
		while (more && o->under_way < p->outstanding &&
		       (!intended || intended <= clock_now_ns())) {
			if (begin(o, intended))
				return OUTCOME_ERROR;
			more = point_ticket(p, &intended);
		}
		if (o->under_way) {
			outcome = poll_completions(o);
		} else if (more) {
			more = worker_sleep_until(w, intended);
			o->moved_ns = clock_now_ns();
		}
	}
	return outcome;
}

/* What was written last, from the server. */
static enum outcome read_back(struct operations *o)
{
	const struct point *p = o->d->worker->point;
	unsigned int slots = p->outstanding < o->seq ? p->outstanding : (unsigned int)o->seq;
	struct ibv_wc wc = { 0 };

	for (unsigned int slot = 0; slot < slots; slot++) {
		uint32_t offset = place_of(p, slot) + HALF;
		uint64_t end = clock_now_ns() + p->timeout_ns;
		int n;

		memset(buffer_of(o, slot), 0, p->size);
		if (post(o, OPERATION_READ, slot, offset))
			return OUTCOME_ERROR;
		while (!(n = ibv_poll_cq(o->d->cq, 1, &wc)) && clock_now_ns() < end)
			sched_yield();
		if (n <= 0)
			return n ? OUTCOME_ERROR : OUTCOME_TIMEOUT;
		if (wc.status != IBV_WC_SUCCESS)
			return outcome_of_status(wc.status);
		if (!holds_pattern(buffer_of(o, slot), offset, p->size))
			return OUTCOME_MISMATCH;
	}
	return OUTCOME_OK;
}

static int buffer_make(struct operations *o)
{
	const struct point *p = o->d->worker->point;

	o->places = BUFFER_MAX / p->size < p->outstanding ? BUFFER_MAX / p->size : p->outstanding;
	o->bytes = (size_t)o->places * p->size;
	o->buffer = mmap(NULL, o->bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (o->buffer == MAP_FAILED) {
		o->buffer = NULL;
		return -1;
	}
	o->mr = ibv_reg_mr(o->d->target->pd, o->buffer, o->bytes, IBV_ACCESS_LOCAL_WRITE);
	return o->mr ? 0 : -1;
}

static void drive(struct operations *o)
{
	struct worker *w = o->d->worker;
	enum outcome outcome;

	outcome = o->c && !w->error ? measure(o) : OUTCOME_OK;
	if (outcome == OUTCOME_OK && o->c && w->point->verify &&
	    w->point->operation == OPERATION_WRITE)
		outcome = read_back(o);
	if (outcome != OUTCOME_OK)
		worker_count(w, outcome);
	if (o->c && (outcome == OUTCOME_OK || outcome == OUTCOME_MISMATCH))
		connection_teardown(o->c);
	else if (o->c)
		connection_drop(o->c, OUTCOME_OK);
	while (o->d->under_way)
		driver_wait(o->d);
}

void *drive_operations(void *data)
{
	struct worker *w = data;
	const struct point *p = w->point;
	struct operations o = { 0 };
	struct driver d;

	if (driver_open(&d, w, 1, false, p->outstanding)) {
		worker_start(w);
		return worker_end(w);
	}
	o.d = &d;
	d.keep = true;
	d.silent = true;
	d.hello.kind = htole16(RCBENCH_OPERATIONS);
	d.hello.size = htole32(p->operation == OPERATION_SEND ? p->size : 0);
	d.hello.outstanding = htole32(p->outstanding);
	d.cap.max_send_wr = p->outstanding;
	if (buffer_make(&o)) {
		w->error = errno;
	} else {
		connection_begin(driver_idle(&d), 0);
		while (d.under_way > d.ready)
			driver_wait(&d);
		if (d.ready)
			o.c = &d.connections[0];
		if (o.c && o.c->bytes < RCBENCH_REGION && p->operation != OPERATION_SEND)
			w->error = EPROTO;
	}
	worker_start(w);
	drive(&o);
	if (o.mr)
		ibv_dereg_mr(o.mr);
	if (o.buffer)
		munmap(o.buffer, o.bytes);
	driver_close(&d);
	return worker_end(w);
}
