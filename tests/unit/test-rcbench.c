// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * test-rcbench.c - mitosis-rcbench without RDMA: samples over many blocks, the reason that an event or an
 * error stands for, and the sizes of what goes over the wire.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "failures.h"
#include "protocol.h"
#include "samples.h"

static int failures;

#define EXPECT(condition) \
	((condition) ? (void)0 : (printf("test-rcbench.c:%d: not true: %s\n", __LINE__, #condition), (void)failures++))

_Static_assert(sizeof(struct rcbench_hello) == 36, "the protocol is fixed");
_Static_assert(sizeof(struct rcbench_welcome) == 24, "the protocol is fixed");
_Static_assert(sizeof(struct rcbench_refusal) == 8, "the protocol is fixed");

struct sum {
	uint64_t next, wrong;
};

static void add_up(const void *sample, void *data)
{
	const struct short_sample *s = sample;
	struct sum *sum = data;

	sum->wrong += s->seq != sum->next++ || s->total_ns || s->late_ns;
}

static void samples(void)
{
	struct samples store;
	struct sum sum = { 0, 0 };
	const uint64_t many = 100000;

	samples_init(&store, sizeof(struct short_sample));
	samples_each(&store, add_up, &sum);
	EXPECT(!sum.next);
	for (uint64_t i = 0; i < many; i++) {
		struct short_sample *s = samples_add(&store);

		if (!s)
			break;
		s->seq = i;
	}
	samples_each(&store, add_up, &sum);
	EXPECT(store.count == many && sum.next == many && !sum.wrong);
	samples_free(&store);
	EXPECT(!store.count);
	samples_each(&store, add_up, &sum);
	EXPECT(sum.next == many);
}

static enum outcome of(enum rdma_cm_event_type type, int status, uint16_t refusal)
{
	struct cm_event event = { .type = type, .status = status, .refusal = refusal };

	return outcome_of_event(&event);
}

static void outcomes(void)
{
	EXPECT(of(RDMA_CM_EVENT_ADDR_RESOLVED, 0, 0) == OUTCOME_OK);
	EXPECT(of(RDMA_CM_EVENT_ESTABLISHED, 0, 0) == OUTCOME_OK);
	EXPECT(of(RDMA_CM_EVENT_TIMEWAIT_EXIT, 0, 0) == OUTCOME_OK);
	EXPECT(of(RDMA_CM_EVENT_ADDR_ERROR, -ETIMEDOUT, 0) == OUTCOME_UNREACHABLE);
	EXPECT(of(RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT, 0) == OUTCOME_UNREACHABLE);
	/* By the reasons of the InfiniBand specification. */
	EXPECT(of(RDMA_CM_EVENT_REJECTED, 8, 0) == OUTCOME_REFUSED);
	EXPECT(of(RDMA_CM_EVENT_REJECTED, 10, 0) == OUTCOME_STALE);
	EXPECT(of(RDMA_CM_EVENT_REJECTED, 28, 0) == OUTCOME_REJECTED);
	EXPECT(of(RDMA_CM_EVENT_REJECTED, 28, RCBENCH_REFUSED_RUN) == OUTCOME_REJECTED);
	EXPECT(of(RDMA_CM_EVENT_REJECTED, 28, RCBENCH_REFUSED_BUSY) == OUTCOME_BUSY);
	EXPECT(of(RDMA_CM_EVENT_DISCONNECTED, 0, 0) == OUTCOME_DISCONNECTED);
	EXPECT(of(RDMA_CM_EVENT_DEVICE_REMOVAL, 0, 0) == OUTCOME_DEVICE);
	/* What the kernel module tells of its connections. */
	EXPECT(outcome_of_errno(ECONNREFUSED) == OUTCOME_REFUSED);
	EXPECT(outcome_of_errno(EPROTO) == OUTCOME_REJECTED);
	EXPECT(outcome_of_errno(EHOSTUNREACH) == OUTCOME_UNREACHABLE);
	EXPECT(outcome_of_errno(ETIMEDOUT) == OUTCOME_TIMEOUT);
	EXPECT(outcome_of_errno(EBADMSG) == OUTCOME_MISMATCH);
	EXPECT(outcome_of_errno(ENODEV) == OUTCOME_DEVICE);
	EXPECT(outcome_of_errno(EILSEQ) == OUTCOME_ERROR);
	for (unsigned int i = 0; i < OUTCOMES; i++)
		EXPECT(outcome_names[i] && *outcome_names[i]);
}

int main(void)
{
	samples();
	outcomes();
	return failures ? 1 : 0;
}
