// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rdma-self.c - the connection of this host to itself, by which memory is registered.
 *
 * Work requests that register or invalidate need a queue pair that is ready to send. So the module
 * has, for each device that serves, a connection to itself: made when it is first needed, and
 * remade when it has died. It goes through the listener for peers like any other, with a secret in
 * place of a UUID, by which the listener knows it.
 *
 * Who has acquired it posts a batch and waits for its end; batches are short, so the queue never
 * overflows. An error leaves the queue pair unusable and completions outstanding, so the connection
 * is drained and closed before anything that they refer to is left.
 *
 * Lock: self->lock (mutex) is held from acquiring to releasing, and while connecting to itself;
 * therefore no handler of the connection manager may take it.
 */
#include <crypto/algapi.h>
#include <linux/completion.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <rdma/rdma_cm.h>

#include "compat/compat.h"
#include "protocol.h"
#include "rdma-self.h"

#define WAIT		(5 * HZ)		/* for each step of a connection, for each batch */
#define RESOLVE_MS	2000

/* A batch of work requests under way. */
struct batch {
	struct ib_cqe cqe;
	struct completion done;
	enum ib_wc_status status;
};

/* One connection, the end that sends. */
struct link {
	struct rdma_cm_id *id;
	struct completion step;
	int error;			/* of the last step */
	bool dead;
};

struct mitosis_self {
	struct ib_device *device;
	struct ib_pd *pd;
	struct ib_cq *cq;
	bool retired;
	struct sockaddr_storage endpoint;
	bool has_endpoint;

	struct mutex lock;		/* of all above but .retired, and of the rest */
	struct link *link;		/* NULL: not connected */
	struct batch batch;
};

static u8 secret[16];			/* what a request to connect from here carries */

/* ---- Connecting ---- */

static int link_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct link *link = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
	case RDMA_CM_EVENT_ESTABLISHED:
		complete(&link->step);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		WRITE_ONCE(link->dead, true);
		break;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		break;
	default:
		link->error = event->status < 0 ? event->status : -ECONNREFUSED;
		WRITE_ONCE(link->dead, true);
		complete(&link->step);
		break;
	}
	return 0;
}

static int link_wait(struct link *link)
{
	long left = wait_for_completion_killable_timeout(&link->step, WAIT);

	if (left <= 0)
		return left ? -EINTR : -ETIMEDOUT;
	return link->error;
}

/* With self->lock. */
static void link_close(struct mitosis_self *self)
{
	struct link *link = self->link;

	if (!link)
		return;
	self->link = NULL;
	if (link->id->qp) {
		rdma_disconnect(link->id);
		ib_drain_qp(link->id->qp);
		rdma_destroy_qp(link->id);
	}
	rdma_destroy_id(link->id);
	kfree(link);
}

static int link_connect(struct mitosis_self *self, struct link *link)
{
	struct mitosis_hello hello = {
		.magic = cpu_to_le32(MITOSIS_PROTOCOL_MAGIC),
		.version = cpu_to_le16(MITOSIS_PROTOCOL_VERSION),
		.kind = cpu_to_le16(MITOSIS_HELLO_SELF),
	};
	struct rdma_conn_param param = {
		.private_data = &hello,
		.private_data_len = sizeof(hello),
		.retry_count = 5,
		.rnr_retry_count = 5,
	};
	struct ib_qp_init_attr attr = {
		.send_cq = self->cq,
		.recv_cq = self->cq,
		/* One more each for the drain. */
		.cap = { .max_send_wr = MITOSIS_SELF_BATCH + 1, .max_recv_wr = 1,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	struct sockaddr_storage from = self->endpoint, to = self->endpoint;
	int error;

	/* The port is that of the listener; our own is any. */
	if (from.ss_family == AF_INET)
		((struct sockaddr_in *)&from)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&from)->sin6_port = 0;
	memcpy(hello.uuid, secret, sizeof(hello.uuid));

	error = rdma_resolve_addr(link->id, (struct sockaddr *)&from, (struct sockaddr *)&to,
				  RESOLVE_MS);
	if (!error)
		error = link_wait(link);
	if (error)
		goto out;
	if (link->id->device != self->device) {
		error = -EADDRNOTAVAIL;
		goto out;
	}
	error = rdma_resolve_route(link->id, RESOLVE_MS);
	if (!error)
		error = link_wait(link);
	if (!error)
		error = rdma_create_qp(link->id, self->pd, &attr);
	if (!error)
		error = rdma_connect(link->id, &param);
	if (!error)
		error = link_wait(link);
out:
	memzero_explicit(&hello, sizeof(hello));
	return error;
}

/* With self->lock: the connection is there, as far as can be known. */
static int link_open(struct mitosis_self *self)
{
	struct link *link;
	int error;

	if (self->link && !READ_ONCE(self->link->dead))
		return 0;
	link_close(self);
	if (READ_ONCE(self->retired))
		return -ENODEV;
	if (!self->has_endpoint)
		return -EADDRNOTAVAIL;

	link = kzalloc(sizeof(*link), GFP_KERNEL);
	if (!link)
		return -ENOMEM;
	init_completion(&link->step);
	link->id = rdma_create_id(&init_net, link_event, link, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(link->id)) {
		error = PTR_ERR(link->id);
		kfree(link);
		return error;
	}
	self->link = link;
	error = link_connect(self, link);
	if (error) {
		link_close(self);
		pr_warn_ratelimited("mitosis: %s: cannot connect to itself at %pISpc: error %d\n",
				    dev_name(&self->device->dev), &self->endpoint, error);
	}
	return error;
}

int mitosis_self_connect(struct mitosis_self *self, const struct sockaddr_storage *endpoint)
{
	int error;

	if (mutex_lock_killable(&self->lock))
		return -EINTR;
	/* An address that changed makes the old connection useless for telling whether it works. */
	if (self->has_endpoint && memcmp(&self->endpoint, endpoint, sizeof(*endpoint)))
		link_close(self);
	self->endpoint = *endpoint;
	WRITE_ONCE(self->has_endpoint, true);
	error = link_open(self);
	mutex_unlock(&self->lock);
	return error;
}

int mitosis_self_endpoint(const struct mitosis_self *self, struct sockaddr_storage *to)
{
	if (!READ_ONCE(self->has_endpoint))
		return -EADDRNOTAVAIL;
	*to = self->endpoint;
	return 0;
}

bool mitosis_self_is_secret(const u8 said[16])
{
	return !crypto_memneq(said, secret, sizeof(secret));
}

/* ---- Work requests ---- */

static void batch_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct batch *batch = container_of(wc->wr_cqe, struct batch, cqe);

	/* The first error counts; what is flushed behind it comes here as well. */
	if (batch->status == IB_WC_SUCCESS)
		batch->status = wc->status;
	complete(&batch->done);
}

int mitosis_self_acquire(struct mitosis_self *self)
{
	int error;

	if (mutex_lock_killable(&self->lock))
		return -EINTR;
	error = link_open(self);
	if (error)
		mutex_unlock(&self->lock);
	return error;
}

bool mitosis_self_acquire_if_up(struct mitosis_self *self)
{
	mutex_lock(&self->lock);
	if (self->link && !READ_ONCE(self->link->dead))
		return true;
	mutex_unlock(&self->lock);
	return false;
}

void mitosis_self_release(struct mitosis_self *self)
{
	mutex_unlock(&self->lock);
}

int mitosis_self_run(struct mitosis_self *self, struct ib_send_wr *first)
{
	struct batch *batch = &self->batch;
	struct ib_send_wr *wr;
	int error;

	lockdep_assert_held(&self->lock);
	init_completion(&batch->done);
	batch->cqe.done = batch_done;
	batch->status = IB_WC_SUCCESS;
	for (wr = first; wr; wr = wr->next) {
		wr->wr_cqe = &batch->cqe;
		wr->send_flags = wr->next ? 0 : IB_SEND_SIGNALED;
	}
	error = ib_post_send(self->link->id->qp, first, NULL);
	if (!error && !wait_for_completion_timeout(&batch->done, WAIT))
		error = -ETIMEDOUT;
	if (!error && batch->status != IB_WC_SUCCESS)
		error = -EIO;
	if (error) {
		pr_warn_ratelimited("mitosis: %s: registering memory failed: error %d, %s\n",
				    dev_name(&self->device->dev), error,
				    ib_wc_status_msg(batch->status));
		link_close(self);
	}
	return error;
}

/* ---- Life ---- */

struct mitosis_self *mitosis_self_make(struct ib_device *dev, struct ib_pd *pd)
{
	struct mitosis_self *self = kzalloc(sizeof(*self), GFP_KERNEL);
	int error;

	if (!self)
		return ERR_PTR(-ENOMEM);
	self->device = dev;
	self->pd = pd;
	mutex_init(&self->lock);
	/* And two for the drain. */
	self->cq = ib_alloc_cq(dev, NULL, MITOSIS_SELF_BATCH + 2, 0, IB_POLL_SOFTIRQ);
	if (!IS_ERR(self->cq))
		return self;
	error = PTR_ERR(self->cq);
	kfree(self);
	return ERR_PTR(error);
}

void mitosis_self_retire(struct mitosis_self *self)
{
	WRITE_ONCE(self->retired, true);
}

void mitosis_self_close(struct mitosis_self *self)
{
	mutex_lock(&self->lock);
	link_close(self);
	mutex_unlock(&self->lock);
}

void mitosis_self_free(struct mitosis_self *self)
{
	WARN_ON(self->link);
	ib_free_cq(self->cq);
	kfree(self);
}

void mitosis_self_init(void)
{
	get_random_bytes(secret, sizeof(secret));
}

void mitosis_self_exit(void)
{
	memzero_explicit(secret, sizeof(secret));
}
