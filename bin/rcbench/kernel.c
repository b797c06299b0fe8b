// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * kernel.c - --space kernel: the connections are made by threads of the kernel module, one for each
 * thread of ours, which waits in an ioctl meanwhile. What is measured and how it is reported is
 * the same; the share of each thread is fixed beforehand.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "mitosis_ioctl.h"
#include "point.h"
#include "tool.h"

_Static_assert((int)STEPS == (int)MITOSIS_BENCH_STEPS, "the steps are the same");

/* How many one call does. With a pool as many as can be, since each call fills the pool anew. */
static uint64_t batch_of(const struct point *p)
{
	return p->reuse ? MITOSIS_BENCH_COUNT_MAX : 4096;
}

static int device_open(void)
{
	return open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC);
}

static int complain(bool others, const char *object, const char *text)
{
	if (others)
		tool_warn(object, "%s; --space kernel is left out", text);
	else
		tool_error(object, "%s", text);
	return -1;
}

int kernel_check(bool others)
{
	struct mitosis_ioc_bench io = { .size = sizeof(io), .count = 0 };
	int fd = device_open(), err;

	if (fd < 0)
		return complain(others, MITOSIS_DEVICE_PATH, errno != ENOENT ? strerror(errno) :
				"the kernel module is not loaded ('modprobe mitosis')");
	/*
	 * A count of 0 is always refused: with ENOTTY if the module does not know the request at
	 * all.
	 */
	err = ioctl(fd, MITOSIS_IOC_BENCH, &io) ? errno : 0;
	close(fd);
	if (err == ENOTTY)
		return complain(others, MITOSIS_DEVICE_PATH,
				"the kernel module is too old to make connections for measuring");
	return 0;
}

static void endpoint(struct mitosis_ioc_endpoint *to, const struct sockaddr_storage *from)
{
	to->length = from->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
	memcpy(to->sockaddr, from, to->length);
}

static void request_make(struct mitosis_ioc_bench *io, const struct worker *w,
			 struct mitosis_ioc_bench_sample *samples)
{
	const struct point *p = w->point;
	struct rcbench_hello hello;

	*io = (struct mitosis_ioc_bench){
		.size = sizeof(*io),
		.flags = (p->verify ? MITOSIS_BENCH_VERIFY : 0) |
			 (p->reuse ? MITOSIS_BENCH_REUSE : 0),
		.depth = p->depth,
		.timeout_ms = (uint32_t)((p->timeout_ns + 999999) / 1000000),
		.failures_max = p->max_failures < UINT32_MAX ? (uint32_t)p->max_failures
							     : UINT32_MAX,
		.private_data_length = sizeof(hello),
		.samples = (uintptr_t)samples,
	};
	hello_make(&hello, RCBENCH_CONNECTION, p->run);
	if (p->verify)
		hello.flags = htole16(RCBENCH_VERIFY);
	memcpy(io->private_data, &hello, sizeof(hello));
	endpoint(&io->to, &w->target->to);
	if (w->target->has_from)
		endpoint(&io->from, &w->target->from);
}

static enum outcome take_pooled(struct worker *w, const struct mitosis_ioc_bench_sample *from,
				uint64_t *seq)
{
	struct short_sample *s = worker_sample(w, &w->shorts);

	if (s)
		*s = (struct short_sample){
			.seq = (*seq)++, .total_ns = from->total_ns, .late_ns = from->late_ns,
		};
	return OUTCOME_OK;
}

static enum outcome take_made(struct worker *w, const struct mitosis_ioc_bench_sample *from,
			      uint64_t *seq)
{
	enum outcome outcome = from->error ? outcome_of_errno(-from->error) : OUTCOME_OK;
	struct sample *s = worker_sample(w, &w->samples);

	if (s) {
		*s = (struct sample){
			.seq = (*seq)++, .total_ns = from->total_ns, .late_ns = from->late_ns,
			.have = (uint16_t)from->steps, .outcome = (uint8_t)outcome,
		};
		memcpy(s->ns, from->ns, sizeof(s->ns));
	}
	return outcome;
}

/* When a call has to return: at the end, or before it when an interval's records are due. */
static uint64_t until(const struct point *p)
{
	uint64_t now = clock_now_ns(), end = point_end_ns(p), interval;

	if (!p->interval_ns)
		return end;
	interval = p->begun_ns + ((now - p->begun_ns) / p->interval_ns + 1) * p->interval_ns;
	return end && end < interval ? end : interval;
}

/* How many connections this thread is to begin before the end. */
static uint64_t due_within(const struct point *p, const struct worker *w)
{
	uint64_t all = (uint64_t)((unsigned __int128)p->duration_ns * p->rate / 1000000000u);

	return all / p->threads + (w->index < all % p->threads);
}

static int drive(struct worker *w, int fd, struct mitosis_ioc_bench_sample *samples)
{
	struct point *p = w->point;
	/* What this thread is to make of them all. */
	uint64_t most = p->count ? p->count / p->threads + (w->index < p->count % p->threads)
				 : UINT64_MAX;
	uint64_t begun = 0, seq = 0, short_seq = 0;
	struct mitosis_ioc_bench io;

	request_make(&io, w, samples);
	if (p->rate && p->duration_ns && due_within(p, w) < most)
		most = due_within(p, w);
	while (begun < most && !atomic_load(&p->stop) &&
	       (!p->end_ns || clock_now_ns() < point_end_ns(p))) {
		io.count = most - begun < batch_of(p) ? most - begun : batch_of(p);
		io.until_ns = until(p);
		if (p->rate) {
			/*
			 * The threads take turns: number n of this one is number n * threads +
			 * index of all.
			 */
			io.period_ns = (uint64_t)p->threads * 1000000000u / p->rate;
			io.first_ns = p->begun_ns + w->index * 1000000000u / p->rate +
				      begun * io.period_ns;
		}
		if (ioctl(fd, MITOSIS_IOC_BENCH, &io))
			return errno;
		for (uint64_t i = 0; i < io.done; i++) {
			bool made = samples[i].steps || samples[i].error;
			enum outcome outcome = made ? take_made(w, &samples[i], &seq)
						    : take_pooled(w, &samples[i], &short_seq);

			/*
			 * Connections that fill a pool are not what is measured: only their
			 * failures count.
			 */
			if (!made || !p->reuse || outcome != OUTCOME_OK)
				worker_count(w, outcome);
			begun += !made || !p->reuse;
		}
		atomic_store(&w->told_ns, clock_now_ns());
	}
	return 0;
}

void *drive_kernel(void *data)
{
	struct worker *w = data;
	struct mitosis_ioc_bench_sample *samples =
		calloc(batch_of(w->point) + w->point->depth, sizeof(*samples));
	int fd = device_open();

	if (fd < 0 || !samples)
		w->error = fd < 0 ? errno : ENOMEM;
	worker_start(w);
	if (!w->error)
		w->error = drive(w, fd, samples);
	if (fd >= 0)
		close(fd);
	free(samples);
	return worker_end(w);
}
