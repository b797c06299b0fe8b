// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * srv-connection.c - connections that peers made to this host: who may connect, and the messages of
 * protocol.h.
 *
 *   CONNECT_REQUEST --refused--> rejection with a reason, nothing kept
 *        |
 *        v accepted: struct served, in the list, receives posted before the peer can send
 *   served  <-- OPEN, CLOSE; --> OPENED, RELEASED
 *        |
 *        v the peer left, broke the protocol, fell silent, or the device or the module goes
 *   closing (once): a work item disconnects, drains, destroys and frees it
 *
 * The connection manager forbids to destroy an id in its own handler, and completions come in
 * softirq, therefore the work item.
 *
 * Memory per peer is bounded: each of SLOTS receive buffers has its own reply, and is posted again
 * only when that has been sent; what a peer has opened is at most OPENED_MAX entries, each with the
 * RELEASED that it may need once. A peer that does not receive holds up only its own queue.
 *
 * A peer whose host has lost power says nothing. So each connection is probed every PROBE_MS by an
 * RDMA WRITE of no bytes, which its device answers by itself; the connection ends if that fails or
 * takes longer than until the next but one. Connections that were never established end likewise.
 *
 * The pages themselves are not handled here: the device answers READs. A request has to name a
 * snapshot that is there, and a key belongs to one snapshot and dies with it.
 *
 * Locks: served_lock (spinlock, bottom halves off) guards the list; in it conn->lock guards what a
 * connection has opened and what is posted, and in it the registry's. OPEN notes the UUID before it
 * looks for the snapshot, and a release hides the snapshot before it looks for who noted it, so
 * that one of them sees the other.
 */
#include <crypto/algapi.h>
#include <linux/inet.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/ib_cm.h>
#include <rdma/rdma_cm.h>

#include "compat/compat.h"
#include "counters.h"
#include "params.h"
#include "protocol.h"
#include "rdma-device.h"
#include "rdma-self.h"
#include "srv-connection.h"
#include "srv-registry.h"

#define SLOTS		16U
#define RELEASES	8U		/* RELEASED under way on one connection */
#define OPENED_MAX	4096U
#define PROBE_MS	5000
#define BACKLOG		64

/* Queue entries; one more each for the drain. */
#define SENDS		(SLOTS + RELEASES + 1 + 1)
#define RECEIVES	(SLOTS + 1)

struct served;

struct slot {
	struct served *conn;
	struct ib_cqe received, replied;
	struct ib_sge in_sge, out_sge;
	/* Lines of their own: the device writes one of them. */
	struct mitosis_message in ____cacheline_aligned;
	struct mitosis_message out ____cacheline_aligned;
};

/* A snapshot that the peer has opened. */
struct opened {
	struct list_head node;		/* in opened, released or under_way */
	struct served *conn;
	struct ib_cqe cqe;
	struct ib_sge sge;
	struct mitosis_message message;	/* RELEASED, with the UUID */
};

enum served_flag {
	SERVED_ACCEPTED,		/* its queue pair can send */
	SERVED_CLOSING,
	SERVED_UNANSWERED,		/* a probe is under way */
};

struct served {
	struct list_head node;
	struct rdma_cm_id *id;
	struct mitosis_rdma *rdma;
	struct ib_cq *cq;
	bool self;
	unsigned long flags;
	struct work_struct destroy;
	struct ib_cqe probe;
	unsigned int unanswered;	/* looks at it since the probe */

	spinlock_t lock;
	struct list_head opened;
	struct list_head released;	/* to be told */
	struct list_head under_way;	/* being told */
	unsigned int opened_count;	/* in all three */
	unsigned int releases;		/* in under_way */

	struct slot slots[SLOTS];
};

static struct rdma_cm_id *listener;
static struct workqueue_struct *server_work;
static struct delayed_work probe_work;
static LIST_HEAD(served);
static DEFINE_SPINLOCK(served_lock);
static unsigned int served_peers;	/* in the list, but for the host itself */
static bool server_down = true;
static DECLARE_WAIT_QUEUE_HEAD(served_wait);

/* ---- The end of a connection ---- */

/* Any context. */
static void served_close(struct served *conn)
{
	if (!test_and_set_bit(SERVED_CLOSING, &conn->flags))
		queue_work(server_work, &conn->destroy);
}

static void opened_unmap(struct opened *opened)
{
	if (!opened->sge.length)
		return;
	ib_dma_unmap_single(mitosis_rdma_device(opened->conn->rdma), opened->sge.addr,
			    opened->sge.length, DMA_TO_DEVICE);
	opened->sge.length = 0;
}

static void opened_free_all(struct list_head *list)
{
	struct opened *opened, *next;

	list_for_each_entry_safe(opened, next, list, node) {
		list_del(&opened->node);
		opened_unmap(opened);
		kfree(opened);
	}
}

static void slots_unmap(struct served *conn)
{
	struct ib_device *dev = mitosis_rdma_device(conn->rdma);
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		struct slot *slot = &conn->slots[i];

		if (slot->in_sge.length)
			ib_dma_unmap_single(dev, slot->in_sge.addr, slot->in_sge.length,
					    DMA_FROM_DEVICE);
		if (slot->out_sge.length)
			ib_dma_unmap_single(dev, slot->out_sge.addr, slot->out_sge.length,
					    DMA_TO_DEVICE);
	}
}

/* Its queue pair is gone, so no completion comes any more. */
static void served_free(struct served *conn)
{
	slots_unmap(conn);
	opened_free_all(&conn->opened);
	opened_free_all(&conn->released);
	opened_free_all(&conn->under_way);
	if (conn->cq)
		ib_cq_pool_put(conn->cq, SENDS + RECEIVES);
	mitosis_rdma_put(conn->rdma);
	kfree(conn);
}

static void served_unlist(struct served *conn)
{
	spin_lock_bh(&served_lock);
	list_del(&conn->node);
	if (!conn->self)
		served_peers--;
	spin_unlock_bh(&served_lock);
}

static void served_destroy(struct work_struct *work)
{
	struct served *conn = container_of(work, struct served, destroy);

	/*
	 * Who found it not closing has posted when the lock is free; behind the drain nobody may.
	 */
	spin_lock_bh(&conn->lock);
	spin_unlock_bh(&conn->lock);
	rdma_disconnect(conn->id);
	ib_drain_qp(conn->id->qp);
	rdma_destroy_qp(conn->id);
	rdma_destroy_id(conn->id);
	/* Until here it is in the list, for who waits for it. */
	served_unlist(conn);
	if (!conn->self)
		mitosis_count(served_closed);
	served_free(conn);
	wake_up_all(&served_wait);
}

/* ---- Messages ---- */

static void message_init(struct mitosis_message *m, enum mitosis_message_type type,
			 const u8 uuid[16])
{
	memset(m, 0, sizeof(*m));
	m->magic = cpu_to_le32(MITOSIS_PROTOCOL_MAGIC);
	m->version = cpu_to_le16(MITOSIS_PROTOCOL_VERSION);
	m->type = cpu_to_le16(type);
	memcpy(m->uuid, uuid, sizeof(m->uuid));
}

/* What a client may send: nothing but the head of OPEN and CLOSE. */
static bool message_is_valid(const struct mitosis_message *m, u32 length)
{
	const size_t head = offsetof(struct mitosis_message, reason);

	return length == sizeof(*m) &&
	       m->magic == cpu_to_le32(MITOSIS_PROTOCOL_MAGIC) &&
	       m->version == cpu_to_le16(MITOSIS_PROTOCOL_VERSION) &&
	       (m->type == cpu_to_le16(MITOSIS_MESSAGE_OPEN) ||
		m->type == cpu_to_le16(MITOSIS_MESSAGE_CLOSE)) &&
	       !memchr_inv((const u8 *)m + head, 0, sizeof(*m) - head);
}

/* With conn->lock and not closing, as for all that is posted once others know the connection. */
static int slot_receive(struct slot *slot)
{
	struct ib_recv_wr wr = {
		.wr_cqe = &slot->received,
		.sg_list = &slot->in_sge,
		.num_sge = 1,
	};

	ib_dma_sync_single_for_device(mitosis_rdma_device(slot->conn->rdma), slot->in_sge.addr,
				      slot->in_sge.length, DMA_FROM_DEVICE);
	return ib_post_recv(slot->conn->id->qp, &wr, NULL);
}

static int slot_reply(struct slot *slot)
{
	struct ib_send_wr wr = {
		.wr_cqe = &slot->replied,
		.sg_list = &slot->out_sge,
		.num_sge = 1,
		.opcode = IB_WR_SEND,
		.send_flags = IB_SEND_SIGNALED,
	};

	ib_dma_sync_single_for_device(mitosis_rdma_device(slot->conn->rdma), slot->out_sge.addr,
				      slot->out_sge.length, DMA_TO_DEVICE);
	return ib_post_send(slot->conn->id->qp, &wr, NULL);
}

/* With conn->lock. */
static struct opened *opened_find(struct served *conn, const u8 uuid[16])
{
	struct opened *opened;

	list_for_each_entry(opened, &conn->opened, node) {
		if (!crypto_memneq(opened->message.uuid, uuid, sizeof(opened->message.uuid)))
			return opened;
	}
	return NULL;
}

/* With conn->lock. */
static void opened_forget(struct served *conn, struct opened *opened)
{
	list_del(&opened->node);
	conn->opened_count--;
	opened_unmap(opened);
	kfree(opened);
}

/* With conn->lock. */
static enum mitosis_reason opened_note(struct served *conn, const u8 uuid[16])
{
	struct opened *opened;

	if (opened_find(conn, uuid))
		return MITOSIS_REASON_NONE;
	if (conn->opened_count >= OPENED_MAX)
		return MITOSIS_REASON_RESOURCES;
	opened = kzalloc(sizeof(*opened), GFP_ATOMIC);
	if (!opened)
		return MITOSIS_REASON_RESOURCES;
	opened->conn = conn;
	message_init(&opened->message, MITOSIS_MESSAGE_RELEASED, uuid);
	list_add_tail(&opened->node, &conn->opened);
	conn->opened_count++;
	return MITOSIS_REASON_NONE;
}

/*
 * With conn->lock. A UUID that is not in the list was released a moment ago: the peer could not
 * know.
 */
static void opened_drop(struct served *conn, const u8 uuid[16])
{
	struct opened *opened = opened_find(conn, uuid);

	if (opened)
		opened_forget(conn, opened);
}

/* With conn->lock until the reply is posted: RELEASED must not overtake it. */
static int served_open(struct served *conn, struct slot *slot)
{
	enum mitosis_reason reason;

	message_init(&slot->out, MITOSIS_MESSAGE_OPENED, slot->in.uuid);
	reason = opened_note(conn, slot->in.uuid);
	if (reason == MITOSIS_REASON_NONE) {
		mitosis_registry_describe(slot->in.uuid, mitosis_rdma_device(conn->rdma),
					  &slot->out);
		reason = le16_to_cpu(slot->out.reason);
		if (reason != MITOSIS_REASON_NONE)
			opened_drop(conn, slot->in.uuid);
	}
	if (reason != MITOSIS_REASON_NONE)
		mitosis_count(refused_requests);
	slot->out.reason = cpu_to_le16(reason);
	return slot_reply(slot);
}

static int served_handle(struct served *conn, struct slot *slot)
{
	int error = 0;

	spin_lock_bh(&conn->lock);
	if (test_bit(SERVED_CLOSING, &conn->flags))
		goto out;
	if (slot->in.type == cpu_to_le16(MITOSIS_MESSAGE_OPEN)) {
		error = served_open(conn, slot);
	} else {
		opened_drop(conn, slot->in.uuid);
		error = slot_receive(slot);
	}
out:
	spin_unlock_bh(&conn->lock);
	return error;
}

static void slot_received(struct ib_cq *cq, struct ib_wc *wc)
{
	struct slot *slot = container_of(wc->wr_cqe, struct slot, received);
	struct served *conn = slot->conn;

	if (wc->status != IB_WC_SUCCESS) {
		/* Flushed: the connection ends anyhow. All else is a message that did not fit. */
		if (wc->status != IB_WC_WR_FLUSH_ERR)
			mitosis_count(refused_messages);
		served_close(conn);
		return;
	}
	if (test_bit(SERVED_CLOSING, &conn->flags))
		return;
	ib_dma_sync_single_for_cpu(mitosis_rdma_device(conn->rdma), slot->in_sge.addr,
				   slot->in_sge.length, DMA_FROM_DEVICE);
	/*
	 * A peer may make the device invalidate a region of which it knows the key: once per
	 * connection.
	 */
	if (!message_is_valid(&slot->in, wc->byte_len) || wc->opcode != IB_WC_RECV ||
	    wc->wc_flags & IB_WC_WITH_INVALIDATE) {
		mitosis_count(refused_messages);
		served_close(conn);
		return;
	}
	if (served_handle(conn, slot))
		served_close(conn);
}

static void slot_replied(struct ib_cq *cq, struct ib_wc *wc)
{
	struct slot *slot = container_of(wc->wr_cqe, struct slot, replied);
	struct served *conn = slot->conn;

	spin_lock_bh(&conn->lock);
	if (wc->status != IB_WC_SUCCESS ||
	    (!test_bit(SERVED_CLOSING, &conn->flags) && slot_receive(slot)))
		served_close(conn);
	spin_unlock_bh(&conn->lock);
}

/* ---- RELEASED ---- */

static void released_told(struct ib_cq *cq, struct ib_wc *wc);

static int released_send(struct opened *opened)
{
	struct ib_device *dev = mitosis_rdma_device(opened->conn->rdma);
	struct ib_send_wr wr = {
		.wr_cqe = &opened->cqe,
		.sg_list = &opened->sge,
		.num_sge = 1,
		.opcode = IB_WR_SEND,
		.send_flags = IB_SEND_SIGNALED,
	};

	opened->cqe.done = released_told;
	opened->sge.addr = ib_dma_map_single(dev, &opened->message, sizeof(opened->message),
					     DMA_TO_DEVICE);
	if (ib_dma_mapping_error(dev, opened->sge.addr))
		return -EIO;
	opened->sge.length = sizeof(opened->message);
	opened->sge.lkey = mitosis_rdma_pd(opened->conn->rdma)->local_dma_lkey;
	return ib_post_send(opened->conn->id->qp, &wr, NULL);
}

/* With conn->lock: send what waits, as far as the queue has room. */
static void released_push(struct served *conn)
{
	struct opened *opened;

	while (conn->releases < RELEASES && !test_bit(SERVED_CLOSING, &conn->flags)) {
		opened = list_first_entry_or_null(&conn->released, struct opened, node);
		if (!opened)
			return;
		list_move_tail(&opened->node, &conn->under_way);
		conn->releases++;
		if (released_send(opened))
			served_close(conn);
	}
}

static void released_told(struct ib_cq *cq, struct ib_wc *wc)
{
	struct opened *opened = container_of(wc->wr_cqe, struct opened, cqe);
	struct served *conn = opened->conn;

	spin_lock_bh(&conn->lock);
	opened_forget(conn, opened);
	conn->releases--;
	if (wc->status != IB_WC_SUCCESS)
		served_close(conn);
	else
		released_push(conn);
	spin_unlock_bh(&conn->lock);
}

void mitosis_served_announce_release(const u8 uuid[16])
{
	struct opened *opened;
	struct served *conn;

	spin_lock_bh(&served_lock);
	list_for_each_entry(conn, &served, node) {
		spin_lock(&conn->lock);
		opened = opened_find(conn, uuid);
		if (opened) {
			list_move_tail(&opened->node, &conn->released);
			released_push(conn);
		}
		spin_unlock(&conn->lock);
	}
	spin_unlock_bh(&served_lock);
}

/* ---- Peers that fell silent ---- */

static void probe_answered(struct ib_cq *cq, struct ib_wc *wc)
{
	struct served *conn = container_of(wc->wr_cqe, struct served, probe);

	if (wc->status != IB_WC_SUCCESS)
		served_close(conn);
	clear_bit(SERVED_UNANSWERED, &conn->flags);
}

/* With conn->lock. */
static void served_probe(struct served *conn)
{
	struct ib_rdma_wr wr = {
		.wr = {
			.wr_cqe = &conn->probe,
			.opcode = IB_WR_RDMA_WRITE,
			.send_flags = IB_SEND_SIGNALED,
		},
	};

	if (!test_bit(SERVED_ACCEPTED, &conn->flags) || test_bit(SERVED_CLOSING, &conn->flags) ||
	    conn->self)
		return;
	if (test_and_set_bit(SERVED_UNANSWERED, &conn->flags)) {
		if (++conn->unanswered > 1)
			served_close(conn);
		return;
	}
	conn->unanswered = 0;
	if (ib_post_send(conn->id->qp, &wr.wr, NULL))
		served_close(conn);
}

static void server_probe(struct work_struct *work)
{
	struct served *conn;

	spin_lock_bh(&served_lock);
	list_for_each_entry(conn, &served, node) {
		spin_lock(&conn->lock);
		served_probe(conn);
		spin_unlock(&conn->lock);
	}
	spin_unlock_bh(&served_lock);
	queue_delayed_work(server_work, &probe_work, msecs_to_jiffies(PROBE_MS));
}

/* ---- The beginning of a connection ---- */

static void served_async(struct ib_event *event, void *context)
{
	struct served *conn = context;

	/* The first message may be here before the connection manager's last. */
	if (event->event == IB_EVENT_COMM_EST)
		rdma_notify(conn->id, event->event);
	else if (event->event == IB_EVENT_QP_FATAL || event->event == IB_EVENT_QP_REQ_ERR ||
		 event->event == IB_EVENT_QP_ACCESS_ERR)
		served_close(conn);
}

static int slot_init(struct served *conn, struct slot *slot)
{
	struct ib_device *dev = mitosis_rdma_device(conn->rdma);
	u32 lkey = mitosis_rdma_pd(conn->rdma)->local_dma_lkey;
	u64 address;

	slot->conn = conn;
	slot->received.done = slot_received;
	slot->replied.done = slot_replied;
	address = ib_dma_map_single(dev, &slot->in, sizeof(slot->in), DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(dev, address))
		return -EIO;
	slot->in_sge = (struct ib_sge){ .addr = address, .length = sizeof(slot->in), .lkey = lkey };
	address = ib_dma_map_single(dev, &slot->out, sizeof(slot->out), DMA_TO_DEVICE);
	if (ib_dma_mapping_error(dev, address))
		return -EIO;
	slot->out_sge = (struct ib_sge){ .addr = address,
					 .length = sizeof(slot->out),
					 .lkey = lkey };
	return 0;
}

static struct served *served_alloc(struct rdma_cm_id *id, struct mitosis_rdma *rdma, bool self)
{
	struct served *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!conn)
		return NULL;
	conn->id = id;
	conn->rdma = rdma;
	conn->self = self;
	INIT_LIST_HEAD(&conn->node);
	INIT_WORK(&conn->destroy, served_destroy);
	conn->probe.done = probe_answered;
	spin_lock_init(&conn->lock);
	INIT_LIST_HEAD(&conn->opened);
	INIT_LIST_HEAD(&conn->released);
	INIT_LIST_HEAD(&conn->under_way);
	return conn;
}

static int served_make_queues(struct served *conn)
{
	struct ib_qp_init_attr attr = {
		.event_handler = served_async,
		.qp_context = conn,
		.cap = { .max_send_wr = SENDS, .max_recv_wr = RECEIVES,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	struct ib_cq *cq;
	unsigned int i;
	int error;

	cq = ib_cq_pool_get(mitosis_rdma_device(conn->rdma), SENDS + RECEIVES, -1, IB_POLL_SOFTIRQ);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	conn->cq = cq;
	for (i = 0; i < SLOTS; i++) {
		error = slot_init(conn, &conn->slots[i]);
		if (error)
			return error;
	}
	attr.send_cq = cq;
	attr.recv_cq = cq;
	error = rdma_create_qp(conn->id, mitosis_rdma_pd(conn->rdma), &attr);
	if (error)
		return error;
	/* The host's connection to itself carries no messages: one that comes is an error. */
	for (i = 0; i < SLOTS && !conn->self && !error; i++)
		error = slot_receive(&conn->slots[i]);
	return error;
}

/* In the list, where it is counted, found by whoever goes, and probed. */
static enum mitosis_reason served_list(struct served *conn)
{
	enum mitosis_reason reason = MITOSIS_REASON_NONE;

	spin_lock_bh(&served_lock);
	if (server_down || mitosis_rdma_is_lost(conn->rdma))
		reason = MITOSIS_REASON_DEVICE;
	else if (!conn->self && served_peers >= READ_ONCE(mitosis_param_served_max))
		reason = MITOSIS_REASON_BUSY;
	else {
		list_add_tail(&conn->node, &served);
		if (!conn->self)
			served_peers++;
	}
	spin_unlock_bh(&served_lock);
	return reason;
}

static int served_accept(struct served *conn, const struct rdma_conn_param *request)
{
	struct mitosis_hello hello = {
		.magic = cpu_to_le32(MITOSIS_PROTOCOL_MAGIC),
		.version = cpu_to_le16(MITOSIS_PROTOCOL_VERSION),
		.kind = cpu_to_le16(conn->self ? MITOSIS_HELLO_SELF : MITOSIS_HELLO_PEER),
	};
	struct rdma_conn_param param = {
		.private_data = &hello,
		.private_data_len = sizeof(hello),
		.responder_resources = min_t(int, request->responder_resources,
					     mitosis_rdma_device(conn->rdma)->attrs.max_qp_rd_atom),
		.rnr_retry_count = 7,	/* for ever: the probe bounds it */
	};

	return rdma_accept(conn->id, &param);
}

/* All it has was made, or nothing is kept. */
static enum mitosis_reason served_make(struct rdma_cm_id *id, const struct rdma_conn_param *request,
				       bool self)
{
	enum mitosis_reason reason = MITOSIS_REASON_RESOURCES;
	struct mitosis_rdma *rdma;
	struct served *conn;

	rdma = mitosis_rdma_get(id->device);
	if (IS_ERR(rdma))
		return MITOSIS_REASON_DEVICE;
	conn = served_alloc(id, rdma, self);
	if (!conn) {
		mitosis_rdma_put(rdma);
		return reason;
	}
	if (served_make_queues(conn))
		goto err;
	id->context = conn;
	reason = served_list(conn);
	if (reason != MITOSIS_REASON_NONE)
		goto err;
	if (!self)
		mitosis_count(served_made);
	/* From here on others may close it; that waits until this handler has returned. */
	if (served_accept(conn, request))
		served_close(conn);
	else
		set_bit(SERVED_ACCEPTED, &conn->flags);
	return MITOSIS_REASON_NONE;
err:
	/* What is flushed now must not have it closed by the work item as well. */
	set_bit(SERVED_CLOSING, &conn->flags);
	if (id->qp) {
		ib_drain_qp(id->qp);
		rdma_destroy_qp(id);
	}
	served_free(conn);
	return reason;
}

/* What the request says must be right to the last byte; it is padded with zeros by some fabrics. */
static bool hello_is_valid(const struct rdma_conn_param *request)
{
	const struct mitosis_hello *hello = request->private_data;

	return hello && request->private_data_len >= sizeof(*hello) &&
	       hello->magic == cpu_to_le32(MITOSIS_PROTOCOL_MAGIC) &&
	       hello->version == cpu_to_le16(MITOSIS_PROTOCOL_VERSION) &&
	       !memchr_inv(hello + 1, 0, request->private_data_len - sizeof(*hello));
}

static enum mitosis_reason server_admit(struct rdma_cm_id *id,
					const struct rdma_conn_param *request)
{
	const struct mitosis_hello *hello = request->private_data;

	if (!hello_is_valid(request))
		return MITOSIS_REASON_PROTOCOL;
	switch (le16_to_cpu(hello->kind)) {
	case MITOSIS_HELLO_PEER:
		if (!mitosis_registry_has(hello->uuid))
			return MITOSIS_REASON_NO_SNAPSHOT;
		return served_make(id, request, false);
	case MITOSIS_HELLO_SELF:
		if (!mitosis_self_is_secret(hello->uuid))
			return MITOSIS_REASON_PROTOCOL;
		return served_make(id, request, true);
	default:
		return MITOSIS_REASON_PROTOCOL;
	}
}

/* Not 0: the connection manager destroys the new id. */
static int server_request(struct rdma_cm_id *id, const struct rdma_conn_param *request)
{
	struct mitosis_reject reject = {
		.magic = cpu_to_le32(MITOSIS_PROTOCOL_MAGIC),
		.version = cpu_to_le16(MITOSIS_PROTOCOL_VERSION),
	};
	enum mitosis_reason reason = server_admit(id, request);

	if (reason == MITOSIS_REASON_NONE)
		return 0;
	mitosis_count(refused_requests);
	reject.reason = cpu_to_le16(reason);
	rdma_reject(id, &reject, sizeof(reject), IB_CM_REJ_CONSUMER_DEFINED);
	return -ECONNREFUSED;
}

static int server_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	/* The listener has no context; a new id has its listener's. */
	struct served *conn = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return server_request(id, &event->param.conn);
	case RDMA_CM_EVENT_ESTABLISHED:
	case RDMA_CM_EVENT_ADDR_CHANGE:
		return 0;
	default:
		if (conn)
			served_close(conn);
		return 0;
	}
}

/* ---- All connections ---- */

static bool served_close_all(const struct mitosis_rdma *rdma)
{
	struct served *conn;
	bool any = false;

	spin_lock_bh(&served_lock);
	list_for_each_entry(conn, &served, node) {
		if (rdma && conn->rdma != rdma)
			continue;
		served_close(conn);
		any = true;
	}
	spin_unlock_bh(&served_lock);
	return any;
}

static int served_lost(struct notifier_block *notifier, unsigned long unused, void *rdma)
{
	wait_event(served_wait, !served_close_all(rdma));
	return NOTIFY_DONE;
}

/* Last: the connection of the device to itself, which others may still use, is one of them. */
static struct notifier_block lost_notifier = {
	.notifier_call = served_lost,
	.priority = MITOSIS_LOST_LAST,
};

static int server_listen(sa_family_t family)
{
	struct sockaddr_storage any = { .ss_family = family };
	int error;

	if (family == AF_INET)
		((struct sockaddr_in *)&any)->sin_port = htons(mitosis_param_port);
	else
		((struct sockaddr_in6 *)&any)->sin6_port = htons(mitosis_param_port);
	listener = rdma_create_id(&init_net, server_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(listener))
		return PTR_ERR(listener);
	/* One listener of IPv6 hears IPv4 too. */
	error = family == AF_INET6 ? rdma_set_afonly(listener, 0) : 0;
	if (!error)
		error = rdma_bind_addr(listener, (struct sockaddr *)&any);
	if (!error)
		error = rdma_listen(listener, BACKLOG);
	if (error)
		rdma_destroy_id(listener);
	return error;
}

int mitosis_served_init(void)
{
	int error;

	server_work = alloc_workqueue("mitosis_server", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!server_work)
		return -ENOMEM;
	INIT_DELAYED_WORK(&probe_work, server_probe);
	mitosis_rdma_register(&lost_notifier);
	server_down = false;
	error = server_listen(AF_INET6);
	if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL)
		error = server_listen(AF_INET);
	if (error) {
		pr_err("mitosis: cannot listen at port %u: error %d\n", mitosis_param_port, error);
		server_down = true;
		mitosis_rdma_unregister(&lost_notifier);
		destroy_workqueue(server_work);
		return error;
	}
	queue_delayed_work(server_work, &probe_work, msecs_to_jiffies(PROBE_MS));
	return 0;
}

void mitosis_served_exit(void)
{
	rdma_destroy_id(listener);
	spin_lock_bh(&served_lock);
	server_down = true;
	spin_unlock_bh(&served_lock);
	cancel_delayed_work_sync(&probe_work);
	wait_event(served_wait, !served_close_all(NULL));
	mitosis_rdma_unregister(&lost_notifier);
	destroy_workqueue(server_work);
}
