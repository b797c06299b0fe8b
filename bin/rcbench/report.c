// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* report.c - from samples to records. */
#include "report.h"

#include <stdio.h>

enum { C_OP, C_SPACE, C_MODE, C_SOURCE, C_THREADS, C_DEPTH, C_RATE, C_DEVICES, C_SERVERS, C_SIZE,
       C_OUTSTANDING, C_OUTCOME, C_THREAD, C_DEVICE, C_SERVER, C_SEQ, C_CREATE_ID, C_RESOLVE_ADDR,
       C_RESOLVE_ROUTE, C_CREATE_QP, C_CONNECT, C_VERIFY, C_DISCONNECT, C_DESTROY, C_LATE,
       C_TOTAL, C_INTERVAL, C_CONNS_PER_S, C_OPS_PER_S, C_BYTES_PER_S, C_FAILED, COLUMNS };

const struct record_column report_columns[] = {
	[C_OP]      = { "op", RECORD_STRING,
			"connect, or the operation over a connection: read, write, send" },
	[C_SPACE]   = { "space", RECORD_STRING, "user, kernel: who makes the connections" },
	[C_MODE]    = { "mode", RECORD_STRING,
			"serial: a thread's next begins when the last ended; pipelined" },
	[C_SOURCE]  = { "source", RECORD_STRING,
			"new: made for this; pool: taken from connections made before" },
	[C_THREADS] = { "threads", RECORD_UINT, "threads of the client" },
	[C_DEPTH]   = { "depth", RECORD_UINT, "connections under way per thread, or in its pool" },
	[C_RATE]    = { "rate", RECORD_UINT, "begun per second in all; 0: as fast as they end" },
	[C_DEVICES] = { "devices", RECORD_STRING, "devices used at once" },
	[C_SERVERS] = { "servers", RECORD_STRING, "servers used at once" },
	[C_SIZE]    = { "size", RECORD_SIZE, "of an operation, bytes" },
	[C_OUTSTANDING] = { "outstanding", RECORD_UINT, "operations under way per thread" },
	[C_OUTCOME] = { "outcome", RECORD_STRING, "ok, or the reason of the failure" },
	[C_THREAD]  = { "thread", RECORD_STRING, "this one, from 0; all: the sum of an interval" },
	[C_DEVICE]  = { "device", RECORD_STRING, "this thread's RDMA device" },
	[C_SERVER]  = { "server", RECORD_STRING, "this thread's server" },
	[C_SEQ]     = { "seq", RECORD_UINT, "number within the thread, from 0" },
	[C_CREATE_ID]     = { "create_id_ns", RECORD_NS, "rdma_create_id" },
	[C_RESOLVE_ADDR]  = { "resolve_addr_ns", RECORD_NS, "rdma_resolve_addr until its event" },
	[C_RESOLVE_ROUTE] = { "resolve_route_ns", RECORD_NS, "rdma_resolve_route until its event" },
	[C_CREATE_QP]     = { "create_qp_ns", RECORD_NS, "rdma_create_qp" },
	[C_CONNECT]       = { "connect_ns", RECORD_NS, "rdma_connect until it is established" },
	[C_VERIFY]        = { "verify_ns", RECORD_NS, "a message there and back (--verify)" },
	[C_DISCONNECT]    = { "disconnect_ns", RECORD_NS,
		  "rdma_disconnect until the peer has confirmed" },
	[C_DESTROY]       = { "destroy_ns", RECORD_NS, "rdma_destroy_qp and rdma_destroy_id" },
	[C_LATE]    = { "late_ns", RECORD_NS,
			"it began so long after its time (--rate); part of total_ns" },
	[C_TOTAL]   = { "total_ns", RECORD_NS,
			"the whole: a connection from create_id to destroy, an operation until "
			"its completion" },
	[C_INTERVAL] = { "interval_ns", RECORD_NS, "length of an interval (--interval)" },
	[C_CONNS_PER_S] = { "conns_per_s", RECORD_DOUBLE, "connections per second in it" },
	[C_OPS_PER_S]   = { "ops_per_s", RECORD_DOUBLE, "operations per second in it" },
	[C_BYTES_PER_S] = { "bytes_per_s", RECORD_DOUBLE, "bytes per second in it" },
	[C_FAILED]  = { "failed_count", RECORD_UINT, "failures in it" },
};
const size_t report_column_count = COLUMNS;

const char *const operation_names[OPERATIONS] = { "connect", "read", "write", "send" };

static void factors(struct record_stream *out, const struct point *p, const struct worker *w,
		    bool pooled)
{
	char text[24];

	record_string(out, C_OP, operation_names[p->operation]);
	record_string(out, C_SPACE, p->kernel ? "kernel" : "user");
	record_uint(out, C_THREADS, p->threads);
	record_uint(out, C_RATE, p->rate);
	record_string(out, C_DEVICES, p->devices);
	record_string(out, C_SERVERS, p->servers);
	if (p->operation == OPERATION_CONNECT) {
		record_string(out, C_MODE, p->pipelined ? "pipelined" : "serial");
		record_string(out, C_SOURCE, pooled ? "pool" : "new");
		record_uint(out, C_DEPTH, p->depth);
	} else {
		record_uint(out, C_SIZE, p->size);
		record_uint(out, C_OUTSTANDING, p->outstanding);
	}
	snprintf(text, sizeof(text), "%u", w ? w->index : 0);
	record_string(out, C_THREAD, w ? text : "all");
	if (w || p->target_count == 1) {
		const struct target *t = w ? w->target : p->targets[0];

		record_string(out, C_DEVICE, t->device);
		record_string(out, C_SERVER, t->server);
	} else {
		record_string(out, C_DEVICE, p->devices);
		record_string(out, C_SERVER, p->servers);
	}
}

struct where {
	struct record_stream *out;
	const struct point *p;
	const struct worker *w;
};

static void report_sample(const void *sample, void *data)
{
	static const size_t columns[STEPS] = {
		[STEP_CREATE_ID] = C_CREATE_ID, [STEP_RESOLVE_ADDR] = C_RESOLVE_ADDR,
		[STEP_RESOLVE_ROUTE] = C_RESOLVE_ROUTE, [STEP_CREATE_QP] = C_CREATE_QP,
		[STEP_CONNECT] = C_CONNECT, [STEP_VERIFY] = C_VERIFY,
		[STEP_DISCONNECT] = C_DISCONNECT, [STEP_DESTROY] = C_DESTROY,
	};
	const struct where *where = data;
	const struct sample *s = sample;

	record_begin(where->out);
	factors(where->out, where->p, where->w, false);
	record_string(where->out, C_OUTCOME, outcome_names[s->outcome]);
	record_uint(where->out, C_SEQ, s->seq);
	for (unsigned int step = 0; step < STEPS; step++) {
		if (s->have & 1u << step)
			record_uint(where->out, columns[step], s->ns[step]);
	}
	if (where->p->rate)
		record_uint(where->out, C_LATE, s->late_ns);
	/* A pool keeps it for as long as it likes: that is no cost of a connection. */
	if (s->outcome == OUTCOME_OK && !where->p->reuse)
		record_uint(where->out, C_TOTAL, s->total_ns);
	record_end(where->out);
}

static void report_short(const void *sample, void *data)
{
	const struct where *where = data;
	const struct short_sample *s = sample;

	record_begin(where->out);
	factors(where->out, where->p, where->w, true);
	record_string(where->out, C_OUTCOME, outcome_names[OUTCOME_OK]);
	record_uint(where->out, C_SEQ, s->seq);
	if (where->p->rate)
		record_uint(where->out, C_LATE, s->late_ns);
	record_uint(where->out, C_TOTAL, s->total_ns);
	record_end(where->out);
}

void report_samples(struct record_stream *out, const struct point *p, const struct worker *w)
{
	struct where where = { out, p, w };

	samples_each(&w->samples, report_sample, &where);
	samples_each(&w->shorts, report_short, &where);
}

void report_interval(struct record_stream *out, const struct point *p, const struct worker *w,
		     uint64_t done, uint64_t failed, uint64_t interval_ns)
{
	double per_s = (double)done * 1e9 / (double)interval_ns;

	record_begin(out);
	factors(out, p, w, p->reuse);
	record_uint(out, C_INTERVAL, interval_ns);
	if (p->operation == OPERATION_CONNECT) {
		record_double(out, C_CONNS_PER_S, per_s);
	} else {
		record_double(out, C_OPS_PER_S, per_s);
		record_double(out, C_BYTES_PER_S, per_s * p->size);
	}
	record_uint(out, C_FAILED, failed);
	record_end(out);
}

void report_outcomes(const uint64_t outcomes[OUTCOMES], char *text, size_t room)
{
	size_t used = 0;

	*text = '\0';
	for (unsigned int i = OUTCOME_OK + 1; i < OUTCOMES; i++) {
		if (outcomes[i] && used < room)
			used += (size_t)snprintf(text + used, room - used, "%s%llu %s",
						 used ? ", " : "", (unsigned long long)outcomes[i],
						 outcome_names[i]);
	}
}
