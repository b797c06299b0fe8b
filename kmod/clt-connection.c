// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-connection.c - one queue pair to a host that has snapshots: from resolving its address to the
 * last completion.
 *
 *   start: address -> device, queues -> route -> request with a snapshot's UUID -> established
 *          each step is taken by the connection manager's handler when the one before is done, so
 *          that several connections are made at once; whoever started waits for .status
 *   up:    messages come into the inbox, whose slots are posted again at once; reads are posted by
 *          any number of threads, each of which has reserved its place with the owner
 *   free:  disconnect, drain, destroy; nothing of it is touched by the device or a handler any more
 *
 * There is no way back from a failure: the owner is told, and makes another connection. What it is
 * told (struct mitosis_connection_ops) comes from the handler, from softirq, or, of reads, from
 * threads that spin.
 *
 * What is sent, reads and messages, has one completion queue, what is received another. The first
 * may be emptied by threads that spin as well as by softirq, in any order; messages come in the
 * order in which they were sent.
 *
 * The receives are posted when the connection is established: until this side has asked for a
 * snapshot, the other has nothing to say, and a queue pair that was never connected needs no drain.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <rdma/ib_cm.h>
#include <rdma/rdma_cm.h>

#include "clt-connection.h"
#include "compat/compat.h"
#include "counters.h"
#include "params.h"
#include "rdma-device.h"

#define INBOX		16U
#define SENDS_MAX	32U		/* messages under way */
#define ROUTE_MS	2000

/* One more each for the drain. */
#define SEND_ENTRIES	(MITOSIS_READS_DEPTH + SENDS_MAX + 1)
#define RECEIVE_ENTRIES	(INBOX + 1)

struct mitosis_inbox_slot {
	struct mitosis_connection *c;
	struct ib_cqe cqe;
};

struct sending {
	struct mitosis_connection *c;
	struct ib_cqe cqe;
	struct ib_sge sge;
	struct mitosis_message message;
};

static struct ib_device *device_of(const struct mitosis_connection *c)
{
	return mitosis_rdma_device(c->rdma);
}

/* ---- Messages ---- */

/* OPENED is looked at more closely by who asked. */
static bool message_is_valid(const struct mitosis_message *m)
{
	const size_t head = offsetof(struct mitosis_message, reason);

	if (m->magic != cpu_to_le32(MITOSIS_PROTOCOL_MAGIC) ||
	    m->version != cpu_to_le16(MITOSIS_PROTOCOL_VERSION))
		return false;
	return m->type == cpu_to_le16(MITOSIS_MESSAGE_OPENED) ||
	       (m->type == cpu_to_le16(MITOSIS_MESSAGE_RELEASED) &&
		!memchr_inv((const u8 *)m + head, 0, sizeof(*m) - head));
}

static u64 slot_address(const struct mitosis_inbox_slot *slot)
{
	return slot->c->inbox_dma + (slot - slot->c->slots) * sizeof(struct mitosis_message);
}

static int slot_post(struct mitosis_inbox_slot *slot)
{
	struct mitosis_connection *c = slot->c;
	struct ib_sge sge = {
		.addr = slot_address(slot),
		.length = sizeof(struct mitosis_message),
		.lkey = mitosis_rdma_client_pd(c->rdma)->local_dma_lkey,
	};
	struct ib_recv_wr wr = { .wr_cqe = &slot->cqe, .sg_list = &sge, .num_sge = 1 };

	ib_dma_sync_single_for_device(device_of(c), sge.addr, sge.length, DMA_FROM_DEVICE);
	return ib_post_recv(c->id->qp, &wr, NULL);
}

static void slot_received(struct ib_cq *cq, struct ib_wc *wc)
{
	struct mitosis_inbox_slot *slot = container_of(wc->wr_cqe, struct mitosis_inbox_slot, cqe);
	struct mitosis_connection *c = slot->c;
	struct mitosis_message m;

	if (wc->status != IB_WC_SUCCESS) {
		/* Flushed, since the other side has gone; or the message was too long. */
		c->ops->is(c, wc->status == IB_WC_WR_FLUSH_ERR ? -ECONNRESET : -EPROTO);
		return;
	}
	ib_dma_sync_single_for_cpu(device_of(c), slot_address(slot), sizeof(m), DMA_FROM_DEVICE);
	memcpy(&m, &c->inbox[slot - c->slots], sizeof(m));
	if (wc->opcode != IB_WC_RECV || wc->byte_len != sizeof(m) || !message_is_valid(&m)) {
		mitosis_count(refused_messages);
		c->ops->is(c, -EPROTO);
		return;
	}
	c->ops->told(c, &m);
	if (slot_post(slot))
		c->ops->is(c, -ECONNRESET);
}

static int inbox_make(struct mitosis_connection *c)
{
	unsigned int i;

	c->slots = kcalloc(INBOX, sizeof(*c->slots), GFP_KERNEL);
	if (!c->slots)
		return -ENOMEM;
	/* It is there only as long as it is mapped: inbox_free() goes by that. */
	c->inbox = kcalloc(INBOX, sizeof(*c->inbox), GFP_KERNEL);
	if (!c->inbox)
		return -ENOMEM;
	for (i = 0; i < INBOX; i++) {
		c->slots[i].c = c;
		c->slots[i].cqe.done = slot_received;
	}
	c->inbox_dma = ib_dma_map_single(device_of(c), c->inbox, INBOX * sizeof(*c->inbox),
					 DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(device_of(c), c->inbox_dma)) {
		kfree(c->inbox);
		c->inbox = NULL;
		return -EIO;
	}
	return 0;
}

static void inbox_free(struct mitosis_connection *c)
{
	if (c->inbox)
		ib_dma_unmap_single(device_of(c), c->inbox_dma, INBOX * sizeof(*c->inbox),
				    DMA_FROM_DEVICE);
	kfree(c->inbox);
	kfree(c->slots);
}

static void sending_free(struct sending *sending)
{
	struct mitosis_connection *c = sending->c;

	ib_dma_unmap_single(device_of(c), sending->sge.addr, sending->sge.length, DMA_TO_DEVICE);
	kfree(sending);
	atomic_dec(&c->sends);
}

static void sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct sending *sending = container_of(wc->wr_cqe, struct sending, cqe);
	struct mitosis_connection *c = sending->c;

	if (wc->status != IB_WC_SUCCESS)
		c->ops->is(c, -ECONNRESET);
	sending_free(sending);
}

static struct sending *sending_new(struct mitosis_connection *c, enum mitosis_message_type type,
				   const u8 uuid[16])
{
	struct sending *sending = kzalloc(sizeof(*sending), GFP_KERNEL);
	struct mitosis_message *m;

	if (!sending)
		return NULL;
	m = &sending->message;
	m->magic = cpu_to_le32(MITOSIS_PROTOCOL_MAGIC);
	m->version = cpu_to_le16(MITOSIS_PROTOCOL_VERSION);
	m->type = cpu_to_le16(type);
	memcpy(m->uuid, uuid, sizeof(m->uuid));
	sending->c = c;
	sending->cqe.done = sent;
	sending->sge.length = sizeof(*m);
	sending->sge.lkey = mitosis_rdma_client_pd(c->rdma)->local_dma_lkey;
	sending->sge.addr = ib_dma_map_single(device_of(c), m, sizeof(*m), DMA_TO_DEVICE);
	if (ib_dma_mapping_error(device_of(c), sending->sge.addr)) {
		kfree(sending);
		return NULL;
	}
	return sending;
}

int mitosis_connection_send(struct mitosis_connection *c, enum mitosis_message_type type,
			    const u8 uuid[16])
{
	struct ib_send_wr wr = { .opcode = IB_WR_SEND,
				 .send_flags = IB_SEND_SIGNALED,
				 .num_sge = 1 };
	struct sending *sending;
	int error;

	if (!atomic_add_unless(&c->sends, 1, SENDS_MAX))
		return -EBUSY;
	sending = sending_new(c, type, uuid);
	if (!sending) {
		atomic_dec(&c->sends);
		return -ENOMEM;
	}
	wr.wr_cqe = &sending->cqe;
	wr.sg_list = &sending->sge;
	error = ib_post_send(c->id->qp, &wr, NULL);
	if (error)
		sending_free(sending);
	return error;
}

/* ---- Reads ---- */

static void read_unmap(struct mitosis_connection *c, struct mitosis_read *read, unsigned int count)
{
	while (count--)
		ib_dma_unmap_page(device_of(c), read->dma[count], PAGE_SIZE, DMA_FROM_DEVICE);
}

static void read_completed(struct ib_cq *cq, struct ib_wc *wc)
{
	struct mitosis_read *read = container_of(wc->wr_cqe, struct mitosis_read, cqe);
	struct mitosis_connection *c = read->connection;

	read_unmap(c, read, read->count);
	c->ops->read_done(c, read, wc->status);
}

/* Pages that lie behind each other, as those of a large folio, need one entry of the list. */
static void read_scatter(struct mitosis_connection *c, struct mitosis_read *read)
{
	unsigned int i, n = 0, rest = read->bytes;
	struct ib_sge *last = NULL;

	for (i = 0; i < read->count; i++) {
		unsigned int length = min_t(unsigned int, rest, PAGE_SIZE);

		if (last && last->addr + last->length == read->dma[i]) {
			last->length += length;
		} else {
			last = &read->sge[n++];
			last->addr = read->dma[i];
			last->length = length;
			last->lkey = mitosis_rdma_client_pd(c->rdma)->local_dma_lkey;
		}
		rest -= length;
	}
	read->wr.wr.num_sge = n;
}

/* Any context. The pages belong to the device from here to the completion. */
int mitosis_connection_map(struct mitosis_connection *c, struct mitosis_read *read)
{
	unsigned int i;

	for (i = 0; i < read->count; i++) {
		read->dma[i] = ib_dma_map_page(device_of(c), read->pages[i], 0, PAGE_SIZE,
					       DMA_FROM_DEVICE);
		if (ib_dma_mapping_error(device_of(c), read->dma[i])) {
			read_unmap(c, read, i);
			return -ENOMEM;
		}
	}
	read_scatter(c, read);
	return 0;
}

/* Any context. A mapped read, with .wr's remote address and key filled in. */
int mitosis_connection_post(struct mitosis_connection *c, struct mitosis_read *read)
{
	int error;

	read->connection = c;
	read->cqe.done = read_completed;
	read->wr.wr.next = NULL;
	read->wr.wr.wr_cqe = &read->cqe;
	read->wr.wr.sg_list = read->sge;
	read->wr.wr.opcode = IB_WR_RDMA_READ;
	read->wr.wr.send_flags = IB_SEND_SIGNALED;
	/*
	 * soft-RoCE sends from a tasklet. Raised with bottom halves off it runs when they are on
	 * again, here and not in a thread that has to be woken.
	 */
	local_bh_disable();
	error = ib_post_send(c->id->qp, &read->wr.wr, NULL);
	local_bh_enable();
	if (error)
		read_unmap(c, read, read->count);
	return error;
}

/*
 * Completions are handled as in the softirq that they otherwise come by, and at the same time as
 * there.
 */
void mitosis_connection_poll(struct mitosis_connection *c)
{
	local_bh_disable();
	ib_process_cq_direct(c->send_cq, 8);
	local_bh_enable();
}

/* ---- Its beginning ---- */

static void queue_event(struct ib_event *event, void *context)
{
	struct mitosis_connection *c = context;

	if (event->event == IB_EVENT_QP_FATAL || event->event == IB_EVENT_QP_REQ_ERR ||
	    event->event == IB_EVENT_QP_ACCESS_ERR || event->event == IB_EVENT_DEVICE_FATAL)
		c->ops->is(c, -ECONNRESET);
}

static int queues_make(struct mitosis_connection *c)
{
	struct ib_device *dev = device_of(c);
	struct ib_qp_init_attr attr = {
		.event_handler = queue_event,
		.qp_context = c,
		.cap = { .max_send_wr = SEND_ENTRIES, .max_recv_wr = RECEIVE_ENTRIES,
			 .max_recv_sge = 1 },
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	struct ib_cq *cq;
	int error;

	c->sge_max = min3((unsigned int)dev->attrs.max_send_sge,
			  dev->attrs.max_sge_rd ? (unsigned int)dev->attrs.max_sge_rd : UINT_MAX,
			  MITOSIS_READ_PAGES);
	cq = ib_alloc_cq_any(dev, NULL, SEND_ENTRIES, IB_POLL_SOFTIRQ);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	c->send_cq = cq;
	cq = ib_alloc_cq_any(dev, NULL, RECEIVE_ENTRIES, IB_POLL_SOFTIRQ);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	c->recv_cq = cq;
	attr.send_cq = c->send_cq;
	attr.recv_cq = c->recv_cq;
	attr.cap.max_send_sge = c->sge_max;
	error = rdma_create_qp(c->id, mitosis_rdma_client_pd(c->rdma), &attr);
	if (!error)
		mitosis_count(connections_made);
	return error;
}

/* The address is resolved, so the device is known. */
static int take_device(struct mitosis_connection *c)
{
	struct mitosis_rdma *rdma = mitosis_rdma_get(c->id->device);
	int error;

	if (IS_ERR(rdma))
		return PTR_ERR(rdma);
	c->ops->uses(c, rdma);
	/* Lost before the owner knew that it uses it: then nobody tells, but asking again does. */
	rdma = mitosis_rdma_get(c->id->device);
	if (IS_ERR(rdma))
		return PTR_ERR(rdma);
	mitosis_rdma_put(rdma);
	error = queues_make(c);
	if (!error)
		error = inbox_make(c);
	if (!error)
		error = rdma_resolve_route(c->id, ROUTE_MS);
	return error;
}

static int request(struct mitosis_connection *c)
{
	const struct ib_device_attr *attrs = &device_of(c)->attrs;
	struct mitosis_hello hello = {
		.magic = cpu_to_le32(MITOSIS_PROTOCOL_MAGIC),
		.version = cpu_to_le16(MITOSIS_PROTOCOL_VERSION),
		.kind = cpu_to_le16(MITOSIS_HELLO_PEER),
	};
	struct rdma_conn_param param = {
		.private_data = &hello,
		.private_data_len = sizeof(hello),
		/* The other side is to read nothing: .responder_resources is 0. */
		.initiator_depth = min(attrs->max_qp_init_rd_atom, U8_MAX),
		.retry_count = min(READ_ONCE(mitosis_param_retry_count), 7U),
		.rnr_retry_count = 7,
	};

	memcpy(hello.uuid, c->uuid, sizeof(hello.uuid));
	return rdma_connect_locked(c->id, &param);
}

/* Padded with zeros by some fabrics. */
static bool hello_is_valid(const struct rdma_conn_param *reply)
{
	const struct mitosis_hello *hello = reply->private_data;

	return hello && reply->private_data_len >= sizeof(*hello) &&
	       hello->magic == cpu_to_le32(MITOSIS_PROTOCOL_MAGIC) &&
	       hello->version == cpu_to_le16(MITOSIS_PROTOCOL_VERSION) &&
	       hello->kind == cpu_to_le16(MITOSIS_HELLO_PEER) &&
	       !memchr_inv(hello->uuid, 0, reply->private_data_len -
			   offsetof(struct mitosis_hello, uuid));
}

static int established(struct mitosis_connection *c, const struct rdma_conn_param *reply)
{
	unsigned int i;
	int error;

	/* From here on there may be something to drain. */
	c->was_up = true;
	if (!hello_is_valid(reply))
		return -EPROTO;
	for (i = 0; i < INBOX; i++) {
		error = slot_post(&c->slots[i]);
		if (error)
			return error;
	}
	c->ops->is(c, 0);
	return 0;
}

static int error_of_reason(const struct mitosis_reject *reject, u8 length)
{
	if (length < sizeof(*reject) || reject->magic != cpu_to_le32(MITOSIS_PROTOCOL_MAGIC) ||
	    reject->version != cpu_to_le16(MITOSIS_PROTOCOL_VERSION))
		return -EPROTO;
	switch (le16_to_cpu(reject->reason)) {
	case MITOSIS_REASON_NO_SNAPSHOT:
		return -ENOENT;
	case MITOSIS_REASON_BUSY:
		return -EBUSY;
	case MITOSIS_REASON_DEVICE:
		return -ENODEV;
	case MITOSIS_REASON_RESOURCES:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

static int error_of_rejection(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	const void *data;
	u8 length = 0;

	data = rdma_consumer_reject_data(id, event, &length);
	if (data)
		return error_of_reason(data, length);
	/* The other host still holds a connection that had our queue pair's number. */
	if (event->status == IB_CM_REJ_STALE_CONN)
		return -EAGAIN;
	return -ECONNREFUSED;
}

/* Of an event that says that a step failed. */
static int error_of_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
		return event->status < 0 ? event->status : -EHOSTUNREACH;
	case RDMA_CM_EVENT_UNREACHABLE:
		return event->status < 0 ? event->status : -ETIMEDOUT;
	case RDMA_CM_EVENT_REJECTED:
		return error_of_rejection(id, event);
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return -ENODEV;
	default:
		return -ECONNRESET;
	}
}

/* Never destroys the id by its result: that is mitosis_connection_free()'s. */
static int connection_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct mitosis_connection *c = id->context;
	int error;

	if (c->closing)
		return 0;
	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		error = take_device(c);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		error = request(c);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		error = established(c, &event->param.conn);
		break;
	default:
		error = error_of_event(id, event);
		break;
	}
	if (error)
		c->ops->is(c, error);
	return 0;
}

struct mitosis_connection *mitosis_connection_new(struct mitosis_peer *peer,
						  const struct mitosis_connection_ops *ops,
						  const u8 uuid[16])
{
	struct mitosis_connection *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return NULL;
	c->peer = peer;
	c->ops = ops;
	c->status = -EINPROGRESS;
	memcpy(c->uuid, uuid, sizeof(c->uuid));
	return c;
}

/* The owner knows c already: it is told how it went, now (and then by the result too) or later. */
int mitosis_connection_start(struct mitosis_connection *c, const struct sockaddr_storage *to,
			     unsigned int limit_ms)
{
	unsigned int ack_timeout = READ_ONCE(mitosis_param_ack_timeout);
	struct rdma_cm_id *id;
	int error = 0;

	id = rdma_create_id(&init_net, connection_event, c, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	c->id = id;
	if (ack_timeout)
		error = rdma_set_ack_timeout(id, min(ack_timeout, 31U));
	if (!error)
		error = rdma_resolve_addr(id, NULL, (const struct sockaddr *)to, limit_ms);
	return error;
}

/* ---- Its end ---- */

int mitosis_connection_fail(struct mitosis_connection *c)
{
	struct ib_qp_attr attr = { .qp_state = IB_QPS_ERR };

	return ib_modify_qp(c->id->qp, &attr, IB_QP_STATE);
}

void mitosis_connection_free(struct mitosis_connection *c)
{
	if (c->id) {
		rdma_lock_handler(c->id);
		c->closing = true;
		rdma_unlock_handler(c->id);
		/* Fails where it was not connected or is not any more. */
		rdma_disconnect(c->id);
		if (c->was_up)
			ib_drain_qp(c->id->qp);
		if (c->id->qp) {
			rdma_destroy_qp(c->id);
			mitosis_count(connections_closed);
		}
		rdma_destroy_id(c->id);
	}
	if (c->recv_cq)
		ib_free_cq(c->recv_cq);
	if (c->send_cq)
		ib_free_cq(c->send_cq);
	if (c->rdma) {
		inbox_free(c);
		mitosis_rdma_put(c->rdma);
	}
	kfree(c);
}
