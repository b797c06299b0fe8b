// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * bench.c - connections made for the sake of measuring them, by a kernel thread: the counterpart of
 * what mitosis-rcbench does in user space, step by step, against the same server.
 *
 *   create id, resolve address .. ADDR_RESOLVED, resolve route .. ROUTE_RESOLVED,
 *   create queue pair, connect .. ESTABLISHED, [message .. its answer],
 *   disconnect .. DISCONNECTED, destroy
 *
 * One call of the ioctl is one run: a thread that has up to .depth connections under way. The
 * handlers of the connection manager and of completions only note what happened and wake the
 * thread, which takes all steps. With MITOSIS_BENCH_REUSE it makes .depth connections, takes one of
 * them at a time, .count times, and ends them.
 *
 * The run ends when all is done, on a signal to the caller (nothing is begun any more), when the
 * caller is killed or the device goes (what is under way is dropped). Each wait of the thread is at
 * most TICK_NS long, and a step that takes longer than .timeout_ms fails, so that the end is never
 * far.
 *
 * A queue pair on which something was posted is drained before it is destroyed: its connection's
 * work requests are used again by the next one. A run has a protection domain of its own, so that
 * the server can reach nothing of this host, snapshots least of all. The server's answer to a
 * message is the message with each bit inverted.
 *
 * Lock: bench->lock (spinlock, interrupts off) guards what handlers and the thread share: the list
 * of connections with news, and their .news and .error.
 */
#include <linux/dma-mapping.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <rdma/ib_cm.h>
#include <rdma/rdma_cm.h>

#include "bench.h"
#include "compat/compat.h"
#include "counters.h"
#include "rdma-device.h"

#define TICK_NS		(NSEC_PER_SEC / 10)
#define MESSAGE		64U
#define WORDS		(MESSAGE / sizeof(u64))

enum bench_state {
	BENCH_IDLE,
	BENCH_ADDR,
	BENCH_ROUTE,
	BENCH_CONNECT,
	BENCH_VERIFY,
	BENCH_READY,
	BENCH_DISCONNECT
};

/* What a handler notes. */
#define NEWS_ADDR		BIT(0)
#define NEWS_ROUTE		BIT(1)
#define NEWS_ESTABLISHED	BIT(2)
#define NEWS_SENT		BIT(3)
#define NEWS_ANSWER		BIT(4)
#define NEWS_DISCONNECTED	BIT(5)

struct bench;

struct bench_connection {
	struct bench *bench;
	struct bench_connection *next;		/* idle */
	struct rdma_cm_id *id;
	enum bench_state state;
	bool posted;				/* something to drain */
	unsigned int slot;
	u64 begun, step;			/* ns */
	u64 seed;
	struct mitosis_ioc_bench_sample sample;
	struct ib_cqe sent, answered;

	/* Under bench->lock. */
	struct list_head node;			/* has news */
	unsigned int news;
	int error;				/* the first */
};

struct bench {
	struct mitosis_ioc_bench *io;
	const struct sockaddr_storage *to, *from;
	struct mitosis_ioc_bench_sample *samples;
	struct task_struct *thread;
	struct completion ended;
	bool stop, abort;

	/* once an address was resolved; then the rest is made, too */
	struct mitosis_rdma *rdma;
	int queues_error;
	struct ib_pd *pd;
	struct ib_cq *cq;
	u64 *messages;				/* two for each connection: out, in */
	u64 messages_dma;

	struct bench_connection *connections, *idle;
	unsigned int under_way, ready;		/* ready ones are under way, too */
	u64 begun;				/* tickets */
	u64 done;				/* samples */
	u64 failures;

	spinlock_t lock;
	struct list_head news;
	wait_queue_head_t wait;
};

/* ---- What handlers note ---- */

static void bench_note(struct bench_connection *c, unsigned int news, int error)
{
	struct bench *bench = c->bench;
	unsigned long flags;

	spin_lock_irqsave(&bench->lock, flags);
	c->news |= news;
	if (error && !c->error)
		c->error = error;
	if (list_empty(&c->node))
		list_add_tail(&c->node, &bench->news);
	/* Under the lock, behind which the run may end. */
	wake_up(&bench->wait);
	spin_unlock_irqrestore(&bench->lock, flags);
}

static int error_of_rejection(const struct rdma_cm_event *event)
{
	switch (event->status) {
	case IB_CM_REJ_INVALID_SERVICE_ID:
		return -ECONNREFUSED;
	case IB_CM_REJ_STALE_CONN:
		return -ESTALE;
	case IB_CM_REJ_NO_QP:
	case IB_CM_REJ_NO_RESOURCES:
		return -EBUSY;
	default:
		return -EPROTO;
	}
}

/* Never destroys the id by its result: that is the thread's. */
static int bench_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct bench_connection *c = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		bench_note(c, NEWS_ADDR, 0);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		bench_note(c, NEWS_ROUTE, 0);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		bench_note(c, NEWS_ESTABLISHED, 0);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		bench_note(c, NEWS_DISCONNECTED, 0);
		break;
	case RDMA_CM_EVENT_REJECTED:
		bench_note(c, 0, error_of_rejection(event));
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		bench_note(c, 0, -ENODEV);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		bench_note(c, 0, -EHOSTUNREACH);
		break;
	case RDMA_CM_EVENT_CONNECT_ERROR:
		bench_note(c, 0, event->status < 0 ? event->status : -ECONNRESET);
		break;
	default:
		break;
	}
	return 0;
}

static int error_of_completion(const struct ib_wc *wc)
{
	switch (wc->status) {
	case IB_WC_SUCCESS:
		return 0;
	case IB_WC_RETRY_EXC_ERR:
	case IB_WC_RNR_RETRY_EXC_ERR:
		return -EHOSTUNREACH;
	case IB_WC_WR_FLUSH_ERR:
		return -ECONNRESET;
	default:
		return -EIO;
	}
}

static void bench_sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct bench_connection *c = container_of(wc->wr_cqe, struct bench_connection, sent);

	bench_note(c, NEWS_SENT, error_of_completion(wc));
}

static void bench_answered(struct ib_cq *cq, struct ib_wc *wc)
{
	struct bench_connection *c = container_of(wc->wr_cqe, struct bench_connection, answered);

	bench_note(c, NEWS_ANSWER, error_of_completion(wc));
}

/* ---- Messages ---- */

static struct ib_device *device_of(const struct bench *bench)
{
	return mitosis_rdma_device(bench->rdma);
}

static bool verifies(const struct bench *bench)
{
	return bench->io->flags & MITOSIS_BENCH_VERIFY;
}

static u64 *message_out(const struct bench_connection *c)
{
	return c->bench->messages + c->slot * 2 * WORDS;
}

static u64 *message_in(const struct bench_connection *c)
{
	return message_out(c) + WORDS;
}

static struct ib_sge message_sge(const struct bench_connection *c, const u64 *message)
{
	return (struct ib_sge){
		.addr = c->bench->messages_dma + (message - c->bench->messages) * sizeof(u64),
		.length = MESSAGE,
		.lkey = c->bench->pd->local_dma_lkey,
	};
}

/* No two messages are alike, so an old one is not taken for an answer. */
static u64 word_of(u64 seed, unsigned int i)
{
	return (seed + i + 1) * 0x9e3779b97f4a7c15ULL;
}

static int message_expect(struct bench_connection *c)
{
	struct ib_sge sge = message_sge(c, message_in(c));
	struct ib_recv_wr wr = { .wr_cqe = &c->answered, .sg_list = &sge, .num_sge = 1 };

	c->posted = true;
	memset(message_in(c), 0, MESSAGE);
	ib_dma_sync_single_for_device(device_of(c->bench), sge.addr, MESSAGE, DMA_BIDIRECTIONAL);
	return ib_post_recv(c->id->qp, &wr, NULL);
}

static int message_send(struct bench_connection *c)
{
	struct ib_sge sge = message_sge(c, message_out(c));
	struct ib_send_wr wr = { .wr_cqe = &c->sent, .sg_list = &sge, .num_sge = 1,
				 .opcode = IB_WR_SEND, .send_flags = IB_SEND_SIGNALED };
	unsigned int i;

	c->seed = c->bench->done * 1000003 + c->slot;
	for (i = 0; i < WORDS; i++)
		message_out(c)[i] = word_of(c->seed, i);
	ib_dma_sync_single_for_device(device_of(c->bench), sge.addr, MESSAGE, DMA_BIDIRECTIONAL);
	return ib_post_send(c->id->qp, &wr, NULL);
}

static bool message_is_answer(const struct bench_connection *c)
{
	struct ib_sge sge = message_sge(c, message_in(c));
	unsigned int i;

	ib_dma_sync_single_for_cpu(device_of(c->bench), sge.addr, MESSAGE, DMA_BIDIRECTIONAL);
	for (i = 0; i < WORDS; i++) {
		if (message_in(c)[i] != ~word_of(c->seed, i))
			return false;
	}
	return true;
}

/* ---- Steps ---- */

static void step_end(struct bench_connection *c, enum mitosis_bench_step step)
{
	u64 now = ktime_get_ns();

	c->sample.ns[step] = now - c->step;
	c->sample.steps |= BIT(step);
	c->step = now;
}

static void bench_sample(struct bench *bench, const struct mitosis_ioc_bench_sample *sample)
{
	bench->samples[bench->done++] = *sample;
}

static void connection_end(struct bench_connection *c, int error)
{
	struct bench *bench = c->bench;
	unsigned long flags;

	if (c->id && c->id->qp) {
		if (c->posted)
			ib_drain_qp(c->id->qp);
		rdma_destroy_qp(c->id);
	}
	if (c->id) {
		rdma_destroy_id(c->id);
		mitosis_count(bench_ended);
	}
	c->id = NULL;
	/* No handler runs for it any more. */
	spin_lock_irqsave(&bench->lock, flags);
	list_del_init(&c->node);
	spin_unlock_irqrestore(&bench->lock, flags);
	step_end(c, MITOSIS_BENCH_DESTROY);
	c->sample.error = error;
	c->sample.total_ns = c->step - c->begun;
	bench_sample(bench, &c->sample);
	if (c->state == BENCH_READY)
		bench->ready--;
	if (error)
		bench->failures++;
	c->state = BENCH_IDLE;
	c->next = bench->idle;
	bench->idle = c;
	bench->under_way--;
}

static void connection_disconnect(struct bench_connection *c)
{
	int error;

	if (c->state == BENCH_READY)
		c->bench->ready--;
	c->state = BENCH_DISCONNECT;
	c->step = ktime_get_ns();
	error = rdma_disconnect(c->id);
	if (error)
		connection_end(c, error);
}

static void connection_settled(struct bench_connection *c)
{
	if (!(c->bench->io->flags & MITOSIS_BENCH_REUSE)) {
		connection_disconnect(c);
		return;
	}
	c->state = BENCH_READY;
	c->bench->ready++;
}

static int bench_make_queues(struct bench *bench)
{
	unsigned int entries = verifies(bench) ? 4 * bench->io->depth : 1;
	size_t bytes = (size_t)bench->io->depth * 2 * MESSAGE;
	struct ib_pd *pd;
	struct ib_cq *cq;
	u64 dma;

	pd = ib_alloc_pd(device_of(bench), 0);
	if (IS_ERR(pd))
		return PTR_ERR(pd);
	bench->pd = pd;
	cq = ib_alloc_cq_any(device_of(bench), NULL, entries, IB_POLL_SOFTIRQ);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	bench->cq = cq;
	if (!verifies(bench))
		return 0;
	bench->messages = kzalloc(bytes, GFP_KERNEL | __GFP_NOWARN);
	if (!bench->messages)
		return -ENOMEM;
	dma = ib_dma_map_single(device_of(bench), bench->messages, bytes, DMA_BIDIRECTIONAL);
	if (ib_dma_mapping_error(device_of(bench), dma)) {
		kfree(bench->messages);
		bench->messages = NULL;
		return -EIO;
	}
	bench->messages_dma = dma;
	return 0;
}

/* The address is resolved, so the device is known: the same for all. */
static int bench_take_device(struct bench *bench, struct ib_device *device)
{
	struct mitosis_rdma *rdma;

	if (!bench->rdma) {
		rdma = mitosis_rdma_get(device);
		if (IS_ERR(rdma))
			return PTR_ERR(rdma);
		bench->rdma = rdma;
		bench->queues_error = bench_make_queues(bench);
	}
	if (bench->queues_error)
		return bench->queues_error;
	return device_of(bench) == device ? 0 : -ENODEV;
}

static int connection_resolve_route(struct bench_connection *c)
{
	int error = bench_take_device(c->bench, c->id->device);

	if (error)
		return error;
	step_end(c, MITOSIS_BENCH_RESOLVE_ADDR);
	c->state = BENCH_ROUTE;
	return rdma_resolve_route(c->id, c->bench->io->timeout_ms);
}

static int connection_connect(struct bench_connection *c)
{
	struct bench *bench = c->bench;
	struct ib_qp_init_attr attr = {
		.send_cq = bench->cq,
		.recv_cq = bench->cq,
		/* One more each for the drain. */
		.cap = { .max_send_wr = 2, .max_recv_wr = 2, .max_send_sge = 1, .max_recv_sge = 1 },
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	struct rdma_conn_param param = {
		.private_data = bench->io->private_data,
		.private_data_len = bench->io->private_data_length,
		.retry_count = 5,		/* 7 means for ever on some devices */
		.rnr_retry_count = 6,
	};
	int error;

	step_end(c, MITOSIS_BENCH_RESOLVE_ROUTE);
	error = rdma_create_qp(c->id, bench->pd, &attr);
	if (error)
		return error;
	step_end(c, MITOSIS_BENCH_CREATE_QP);
	c->state = BENCH_CONNECT;
	return rdma_connect(c->id, &param);
}

/* A queue pair that was never connected needs no drain, so nothing is posted before. */
static int connection_established(struct bench_connection *c)
{
	int error;

	step_end(c, MITOSIS_BENCH_CONNECT);
	if (!verifies(c->bench)) {
		connection_settled(c);
		return 0;
	}
	c->state = BENCH_VERIFY;
	error = message_expect(c);
	return error ? error : message_send(c);
}

static int connection_verified(struct bench_connection *c)
{
	int error;

	if (!message_is_answer(c))
		return -EBADMSG;
	step_end(c, MITOSIS_BENCH_VERIFY_MESSAGE);
	/* That of a pool is used again. */
	if (c->bench->io->flags & MITOSIS_BENCH_REUSE) {
		error = message_expect(c);
		if (error)
			return error;
	}
	connection_settled(c);
	return 0;
}

static int connection_advance(struct bench_connection *c, unsigned int news)
{
	switch (c->state) {
	case BENCH_ADDR:
		return news & NEWS_ADDR ? connection_resolve_route(c) : 0;
	case BENCH_ROUTE:
		return news & NEWS_ROUTE ? connection_connect(c) : 0;
	case BENCH_CONNECT:
		return news & NEWS_ESTABLISHED ? connection_established(c) : 0;
	case BENCH_VERIFY:
		/* Both, so that the work requests are free again. */
		if ((news & (NEWS_SENT | NEWS_ANSWER)) != (NEWS_SENT | NEWS_ANSWER))
			return 0;
		return connection_verified(c);
	default:
		return 0;
	}
}

/* News that are taken are forgotten, but for what a state awaits together with something else. */
static void connection_news(struct bench_connection *c)
{
	struct bench *bench = c->bench;
	unsigned int news;
	int error;

	spin_lock_irq(&bench->lock);
	news = c->news;
	error = c->error;
	if (c->state != BENCH_VERIFY)
		c->news &= NEWS_SENT | NEWS_ANSWER | NEWS_DISCONNECTED;
	spin_unlock_irq(&bench->lock);

	if (c->state == BENCH_DISCONNECT && (news & NEWS_DISCONNECTED)) {
		/* Receives that were flushed meanwhile are no failure. */
		step_end(c, MITOSIS_BENCH_DISCONNECT);
		connection_end(c, 0);
		return;
	}
	if (c->state == BENCH_DISCONNECT)
		return;
	if (!error && (news & NEWS_DISCONNECTED))
		error = -ECONNRESET;
	if (!error)
		error = connection_advance(c, news);
	if (error && c->state != BENCH_IDLE)
		connection_end(c, error);
}

static void connection_begin(struct bench_connection *c, u64 intended)
{
	struct bench *bench = c->bench;
	struct rdma_cm_id *id;
	int error;

	bench->under_way++;
	memset(&c->sample, 0, sizeof(c->sample));
	c->news = 0;
	c->error = 0;
	c->posted = false;
	c->step = ktime_get_ns();
	c->begun = intended ? intended : c->step;
	c->sample.late_ns = c->step - c->begun;
	c->state = BENCH_ADDR;
	id = rdma_create_id(&init_net, bench_event, c, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id)) {
		connection_end(c, PTR_ERR(id));
		return;
	}
	mitosis_count(bench_made);
	c->id = id;
	step_end(c, MITOSIS_BENCH_CREATE_ID);
	error = rdma_resolve_addr(id,
				  bench->from->ss_family ? (struct sockaddr *)bench->from : NULL,
				  (const struct sockaddr *)bench->to, bench->io->timeout_ms);
	if (error)
		connection_end(c, error);
}

/* ---- The thread ---- */

static struct bench_connection *bench_next_news(struct bench *bench)
{
	struct bench_connection *c;

	spin_lock_irq(&bench->lock);
	c = list_first_entry_or_null(&bench->news, struct bench_connection, node);
	if (c)
		list_del_init(&c->node);
	spin_unlock_irq(&bench->lock);
	return c;
}

static bool bench_must_abort(const struct bench *bench)
{
	return READ_ONCE(bench->abort) || (bench->rdma && mitosis_rdma_is_lost(bench->rdma));
}

/* What waits too long fails; when all is to be dropped, everything does. */
static void bench_check(struct bench *bench)
{
	u64 now = ktime_get_ns(), limit = (u64)bench->io->timeout_ms * NSEC_PER_MSEC;
	bool abort = bench_must_abort(bench);
	unsigned int i;

	for (i = 0; i < bench->io->depth; i++) {
		struct bench_connection *c = &bench->connections[i];

		if (c->state == BENCH_IDLE)
			continue;
		if (abort)
			connection_end(c, READ_ONCE(bench->abort) ? -EINTR : -ENODEV);
		else if (c->state != BENCH_READY && now - c->step > limit)
			connection_end(c, -ETIMEDOUT);
	}
}

/* Handle what has come, or wait for it: at most a tick, or until the time. */
static void bench_wait(struct bench *bench, u64 until)
{
	struct bench_connection *c = bench_next_news(bench);
	u64 now = ktime_get_ns(), wait = TICK_NS;

	if (!c) {
		if (until && until <= now)
			return;
		if (until)
			wait = min_t(u64, until - now, TICK_NS);
		wait_event_hrtimeout(bench->wait, !list_empty(&bench->news), ns_to_ktime(wait));
		c = bench_next_news(bench);
	}
	while (c) {
		connection_news(c);
		c = bench_next_news(bench);
	}
	cond_resched();
}

/* The next one's intended start, 0: at once; false: there is none any more. */
static bool bench_ticket(const struct bench *bench, u64 *intended)
{
	const struct mitosis_ioc_bench *io = bench->io;

	*intended = io->period_ns ? io->first_ns + bench->begun * io->period_ns : 0;
	if (READ_ONCE(bench->stop) || bench->failures > io->failures_max ||
	    bench_must_abort(bench) || bench->begun >= io->count)
		return false;
	return !io->until_ns || max_t(u64, *intended, ktime_get_ns()) < io->until_ns;
}

static struct bench_connection *bench_idle(struct bench *bench)
{
	struct bench_connection *c = bench->idle;

	bench->idle = c->next;
	return c;
}

static void bench_make(struct bench *bench)
{
	u64 intended, checked = ktime_get_ns();
	bool more;

	for (;;) {
		more = bench_ticket(bench, &intended);
		while (more && bench->under_way < bench->io->depth &&
		       (!intended || intended <= ktime_get_ns())) {
			bench->begun++;
			connection_begin(bench_idle(bench), intended);
			more = bench_ticket(bench, &intended);
		}
		if (!more && !bench->under_way)
			break;
		bench_wait(bench, more && bench->under_way < bench->io->depth ? intended : 0);
		if (ktime_get_ns() - checked > TICK_NS) {
			checked = ktime_get_ns();
			bench_check(bench);
		}
	}
}

/* One at a time: how long that takes is told, too. */
static void bench_fill(struct bench *bench)
{
	unsigned int i;

	for (i = 0; i < bench->io->depth && bench->failures <= bench->io->failures_max &&
		    !READ_ONCE(bench->stop);
	     i++) {
		connection_begin(bench_idle(bench), 0);
		while (bench->under_way > bench->ready) {
			bench_wait(bench, 0);
			bench_check(bench);
		}
	}
}

static void bench_empty(struct bench *bench)
{
	unsigned int i;

	for (i = 0; i < bench->io->depth; i++) {
		if (bench->connections[i].state == BENCH_READY)
			connection_disconnect(&bench->connections[i]);
		while (bench->under_way > bench->ready) {
			bench_wait(bench, 0);
			bench_check(bench);
		}
	}
}

static int bench_exchange(struct bench *bench, struct bench_connection *c)
{
	const unsigned int both = NEWS_SENT | NEWS_ANSWER;
	u64 begun = ktime_get_ns(), limit = (u64)bench->io->timeout_ms * NSEC_PER_MSEC;
	int error;

	spin_lock_irq(&bench->lock);
	c->news &= ~both;
	spin_unlock_irq(&bench->lock);
	error = message_send(c);
	while (!error && (READ_ONCE(c->news) & both) != both) {
		wait_event_hrtimeout(bench->wait,
				     (READ_ONCE(c->news) & both) == both || READ_ONCE(c->error),
				     ns_to_ktime(TICK_NS));
		error = READ_ONCE(c->error);
		if (!error && bench_must_abort(bench))
			error = -EINTR;
		if (!error && ktime_get_ns() - begun > limit)
			error = -ETIMEDOUT;
	}
	if (!error && !message_is_answer(c))
		error = -EBADMSG;
	return error;
}

/* A connection that is there and well, as for one fetch of a page. */
static void bench_take(struct bench *bench)
{
	struct mitosis_ioc_bench_sample sample;
	u64 intended, begun;
	int error;

	while (bench->ready && bench_ticket(bench, &intended)) {
		struct bench_connection *c = &bench->connections[bench->begun % bench->io->depth];

		while (intended > ktime_get_ns() && bench_ticket(bench, &intended))
			bench_wait(bench, intended);
		begun = ktime_get_ns();
		bench->begun++;
		if (c->state != BENCH_READY)
			continue;
		error = READ_ONCE(c->error);
		if (!error && (READ_ONCE(c->news) & NEWS_DISCONNECTED))
			error = -ECONNRESET;
		if (!error && verifies(bench))
			error = bench_exchange(bench, c);
		if (error) {
			connection_end(c, error);
			continue;
		}
		memset(&sample, 0, sizeof(sample));
		sample.total_ns = ktime_get_ns() - (intended ? intended : begun);
		sample.late_ns = intended ? begun - intended : 0;
		bench_sample(bench, &sample);
		if (verifies(bench)) {
			error = message_expect(c);
			if (error)
				connection_end(c, error);
		}
		if (!(bench->begun & 255))
			cond_resched();
	}
}

static int bench_thread(void *data)
{
	struct bench *bench = data;

	if (bench->io->flags & MITOSIS_BENCH_REUSE) {
		bench_fill(bench);
		bench_take(bench);
		bench_empty(bench);
	} else {
		bench_make(bench);
	}
	complete(&bench->ended);
	return 0;
}

/* ---- The caller ---- */

/* To its end; a signal hastens that. */
static void bench_await(struct bench *bench)
{
	if (!wait_for_completion_interruptible(&bench->ended))
		return;
	WRITE_ONCE(bench->stop, true);
	if (!wait_for_completion_killable(&bench->ended))
		return;
	WRITE_ONCE(bench->abort, true);
	wait_for_completion(&bench->ended);
}

static int bench_run(struct bench *bench)
{
	bench->thread = kthread_create(bench_thread, bench, "mitosis_bench");
	if (IS_ERR(bench->thread))
		return PTR_ERR(bench->thread);
	get_task_struct(bench->thread);
	wake_up_process(bench->thread);
	bench_await(bench);
	/* Until it has left the module's code. */
	kthread_stop(bench->thread);
	put_task_struct(bench->thread);
	return 0;
}

int mitosis_bench(struct mitosis_ioc_bench *io, const struct sockaddr_storage *to,
		  const struct sockaddr_storage *from, struct mitosis_ioc_bench_sample *samples)
{
	struct bench *bench = kzalloc(sizeof(*bench), GFP_KERNEL);
	unsigned int i;
	int error = -ENOMEM;

	if (!bench)
		return -ENOMEM;
	bench->io = io;
	bench->to = to;
	bench->from = from;
	bench->samples = samples;
	init_completion(&bench->ended);
	spin_lock_init(&bench->lock);
	INIT_LIST_HEAD(&bench->news);
	init_waitqueue_head(&bench->wait);
	bench->connections = kvcalloc(io->depth, sizeof(*bench->connections), GFP_KERNEL_ACCOUNT);
	if (!bench->connections)
		goto out;
	for (i = 0; i < io->depth; i++) {
		struct bench_connection *c = &bench->connections[i];

		c->bench = bench;
		c->slot = i;
		c->sent.done = bench_sent;
		c->answered.done = bench_answered;
		c->next = i + 1 < io->depth ? c + 1 : NULL;
		INIT_LIST_HEAD(&c->node);
	}
	bench->idle = bench->connections;
	error = bench_run(bench);
	io->done = bench->done;
	if (bench->messages) {
		ib_dma_unmap_single(device_of(bench), bench->messages_dma,
				    (size_t)io->depth * 2 * MESSAGE, DMA_BIDIRECTIONAL);
		kfree(bench->messages);
	}
	if (bench->cq)
		ib_free_cq(bench->cq);
	if (bench->pd)
		ib_dealloc_pd(bench->pd);
	if (bench->rdma)
		mitosis_rdma_put(bench->rdma);
out:
	kvfree(bench->connections);
	kfree(bench);
	return error;
}
