// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rdma.c - the RDMA devices of this host, and memory regions that peers can read.
 *
 * A device is known from ib_client.add to ib_client.remove. The latter tells snapshots, served
 * connections and connections of children, and returns when the last reference is gone: who keeps
 * one gives it back on being told.
 *
 * A region goes through
 *
 *   idle (in the pool, or just allocated) -- make --> mapped -- post --> readable by peers
 *   readable -- LOCAL_INV, confirmed --> unmapped --> idle, or freed when the pool is full
 *   readable -- LOCAL_INV not confirmed --> ib_dereg_mr, which ends it on any device
 *
 * ib_alloc_mr() is nearly all of the time that registering takes, so regions are kept, and who was used
 * last is used again last. Each use has a key whose low byte is random and none that the region had
 * before, until it had all: a READ that was on its way when its snapshot was released must not find
 * the pages of another under the old key. The global rkey of a protection domain is never asked for,
 * since it would show peers all memory of this host for ever.
 *
 * A key is good for the queue pairs of its protection domain. Those that children use to read from
 * other hosts have a domain of their own, without any region: the host at the other end could read as
 * well, and it is its answer that decides, whatever the request says.
 *
 * Work requests that register or invalidate need a queue pair that is ready to send: the module has
 * a connection to itself (struct self), made when it is first needed and remade when it has died. It
 * goes through server.c's listener like any other, with a secret in place of a UUID. .lock of the
 * device serializes its use; the batches are short and each is waited for, so the queue never
 * overflows. An error leaves the queue pair unusable and completions outstanding, so the connection
 * is drained and closed before anything that they refer to is left.
 *
 * Locks: devices_lock (spinlock) and pool_lock (spinlock) are leaves. rdma->lock (mutex) is held while
 * connecting to itself, therefore no handler of the connection manager may take it.
 */
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/inet.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>
#include <rdma/rdma_cm.h>

#include "compat/compat.h"
#include "counters.h"
#include "params.h"
#include "protocol.h"
#include "rdma.h"
#include "remote.h"
#include "server.h"
#include "snapshot.h"

#define BATCH		64U
#define WAIT		(5 * HZ)		/* for each step of a connection, for each batch */
#define RESOLVE_MS	2000

/* A batch of work requests under way. */
struct batch {
	struct ib_cqe cqe;
	struct completion done;
	enum ib_wc_status status;
};

/* The module's connection to itself, the end that sends. */
struct self {
	struct rdma_cm_id *id;
	struct completion step;
	int error;			/* of the last step */
	bool dead;
};

struct mitosis_region {
	struct list_head node;		/* in the pool */
	struct ib_mr *mr;
	u64 *dma;			/* of its pages, 0: a hole; NULL: the device needs no unmapping */
	unsigned int count;
	bool readable;			/* posted, so that a peer may be able to read it */
	DECLARE_BITMAP(keys, 256);	/* low bytes of the keys that it had */
};

struct mitosis_rdma {
	struct kref ref;
	struct list_head node;
	struct ib_device *device;
	struct ib_pd *pd, *client_pd;
	struct ib_cq *cq;
	u64 zero_dma;
	bool lost;
	struct completion idle;		/* no reference is left */
	struct sockaddr_storage endpoint;
	bool has_endpoint;

	struct mutex lock;		/* endpoint, self, batch, work requests */
	struct self *self;
	struct batch batch;
	union {				/* here, so that a release needs no memory */
		struct ib_reg_wr reg[BATCH];
		struct ib_send_wr invalidate[BATCH];
	} wr;

	spinlock_t pool_lock;
	struct list_head pool;
	unsigned int pooled;
	struct work_struct refill;
};

static LIST_HEAD(devices);
static DEFINE_SPINLOCK(devices_lock);
static struct workqueue_struct *refill_work;

/* ---- References ---- */

static void rdma_idle(struct kref *ref)
{
	struct mitosis_rdma *rdma = container_of(ref, struct mitosis_rdma, ref);

	complete(&rdma->idle);
}

void mitosis_rdma_put(struct mitosis_rdma *rdma)
{
	kref_put(&rdma->ref, rdma_idle);
}

struct mitosis_rdma *mitosis_rdma_get(struct ib_device *dev)
{
	struct mitosis_rdma *rdma, *found = ERR_PTR(-ENODEV);

	spin_lock(&devices_lock);
	list_for_each_entry(rdma, &devices, node) {
		if (rdma->device != dev)
			continue;
		kref_get(&rdma->ref);
		found = rdma;
	}
	spin_unlock(&devices_lock);
	return found;
}

/* The n-th, to go through all and sleep in between; NULL: there are not so many. */
static struct mitosis_rdma *rdma_nth(unsigned int n)
{
	struct mitosis_rdma *rdma, *found = NULL;

	spin_lock(&devices_lock);
	list_for_each_entry(rdma, &devices, node) {
		if (n--)
			continue;
		kref_get(&rdma->ref);
		found = rdma;
		break;
	}
	spin_unlock(&devices_lock);
	return found;
}

bool mitosis_rdma_is_lost(const struct mitosis_rdma *rdma)
{
	return READ_ONCE(rdma->lost);
}

struct ib_device *mitosis_rdma_device(const struct mitosis_rdma *rdma)
{
	return rdma->device;
}

struct ib_pd *mitosis_rdma_pd(const struct mitosis_rdma *rdma)
{
	return rdma->pd;
}

struct ib_pd *mitosis_rdma_client_pd(const struct mitosis_rdma *rdma)
{
	return rdma->client_pd;
}

int mitosis_rdma_endpoint(const struct mitosis_rdma *rdma, struct sockaddr_storage *to)
{
	if (!READ_ONCE(rdma->has_endpoint))
		return -EADDRNOTAVAIL;
	*to = rdma->endpoint;
	return 0;
}

/* ---- Where peers reach a device ---- */

static void endpoint_set_port(struct sockaddr_storage *to)
{
	if (to->ss_family == AF_INET)
		((struct sockaddr_in *)to)->sin_port = htons(mitosis_param_port);
	else
		((struct sockaddr_in6 *)to)->sin6_port = htons(mitosis_param_port);
}

static bool endpoint_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return ipv6_addr_equal(&((const struct sockaddr_in6 *)a)->sin6_addr,
			       &((const struct sockaddr_in6 *)b)->sin6_addr);
}

/* Link-local addresses need an interface to be reached, which a reference does not carry. */
static bool gid_is_usable(const union ib_gid *gid)
{
	int type;

	if (rdma_is_zero_gid(gid))
		return false;
	type = ipv6_addr_type((const struct in6_addr *)gid);
	return !(type & (IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MULTICAST));
}

/* Of the addresses in a port's table: the wanted one, else the first of IPv4, else of IPv6. */
static bool endpoint_of_port(struct ib_device *dev, u32 port, const struct sockaddr_storage *wanted,
			     struct sockaddr_storage *to)
{
	struct sockaddr_storage address;
	struct ib_port_attr attr;
	bool found = false;
	union ib_gid gid;
	int i;

	if (ib_query_port(dev, port, &attr) || attr.state != IB_PORT_ACTIVE)
		return false;
	if (!rdma_protocol_roce(dev, port)) {
		/* Its table holds no IP addresses; connecting to itself will tell. */
		if (wanted)
			*to = *wanted;
		return wanted;
	}
	for (i = 0; i < attr.gid_tbl_len; i++) {
		if (rdma_query_gid(dev, port, i, &gid) || !gid_is_usable(&gid))
			continue;
		memset(&address, 0, sizeof(address));
		rdma_gid2ip((struct sockaddr *)&address, &gid);
		if (wanted && !endpoint_same_host(wanted, &address))
			continue;
		if (!wanted && found && address.ss_family != AF_INET)
			continue;
		*to = address;
		found = true;
		if (wanted || address.ss_family == AF_INET)
			break;
	}
	return found;
}

static bool endpoint_of_device(struct ib_device *dev, const struct sockaddr_storage *wanted,
			       struct sockaddr_storage *to)
{
	u32 port;

	rdma_for_each_port(dev, port) {
		if (endpoint_of_port(dev, port, wanted, to))
			return true;
	}
	return false;
}

/* 1: the parameter names an address, 0: it is not set, or -EINVAL. */
static int endpoint_wanted(struct sockaddr_storage *wanted)
{
	if (!mitosis_param_address || !*mitosis_param_address)
		return 0;
	return inet_pton_with_scope(&init_net, AF_UNSPEC, mitosis_param_address, NULL, wanted) ?
	       -EINVAL : 1;
}

static bool device_is_wanted(const struct ib_device *dev)
{
	return !mitosis_param_device || !*mitosis_param_device ||
	       !strcmp(mitosis_param_device, dev_name(&dev->dev));
}

/* ---- The connection to itself ---- */

static int self_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct self *self = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
	case RDMA_CM_EVENT_ESTABLISHED:
		complete(&self->step);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		WRITE_ONCE(self->dead, true);
		break;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		break;
	default:
		self->error = event->status < 0 ? event->status : -ECONNREFUSED;
		WRITE_ONCE(self->dead, true);
		complete(&self->step);
		break;
	}
	return 0;
}

static int self_wait(struct self *self)
{
	long left = wait_for_completion_killable_timeout(&self->step, WAIT);

	if (left <= 0)
		return left ? -EINTR : -ETIMEDOUT;
	return self->error;
}

static void self_close(struct mitosis_rdma *rdma)
{
	struct self *self = rdma->self;

	if (!self)
		return;
	rdma->self = NULL;
	if (self->id->qp) {
		rdma_disconnect(self->id);
		ib_drain_qp(self->id->qp);
		rdma_destroy_qp(self->id);
	}
	rdma_destroy_id(self->id);
	kfree(self);
}

static int self_connect(struct mitosis_rdma *rdma, struct self *self)
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
		.send_cq = rdma->cq,
		.recv_cq = rdma->cq,
		/* One more each for the drain. */
		.cap = { .max_send_wr = BATCH + 1, .max_recv_wr = 1,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	struct sockaddr_storage from = rdma->endpoint, to = rdma->endpoint;
	int error;

	/* The port is that of the listener; our own is any. */
	if (from.ss_family == AF_INET)
		((struct sockaddr_in *)&from)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&from)->sin6_port = 0;
	memcpy(hello.uuid, mitosis_server_secret, sizeof(hello.uuid));

	error = rdma_resolve_addr(self->id, (struct sockaddr *)&from, (struct sockaddr *)&to,
				  RESOLVE_MS);
	if (!error)
		error = self_wait(self);
	if (error)
		goto out;
	if (self->id->device != rdma->device) {
		error = -EADDRNOTAVAIL;
		goto out;
	}
	error = rdma_resolve_route(self->id, RESOLVE_MS);
	if (!error)
		error = self_wait(self);
	if (!error)
		error = rdma_create_qp(self->id, rdma->pd, &attr);
	if (!error)
		error = rdma_connect(self->id, &param);
	if (!error)
		error = self_wait(self);
out:
	memzero_explicit(&hello, sizeof(hello));
	return error;
}

/* With rdma->lock: the connection is there, as far as can be known. */
static int self_open(struct mitosis_rdma *rdma)
{
	struct self *self;
	int error;

	if (rdma->self && !READ_ONCE(rdma->self->dead))
		return 0;
	self_close(rdma);
	if (mitosis_rdma_is_lost(rdma))
		return -ENODEV;
	if (!rdma->has_endpoint)
		return -EADDRNOTAVAIL;

	self = kzalloc(sizeof(*self), GFP_KERNEL);
	if (!self)
		return -ENOMEM;
	init_completion(&self->step);
	self->id = rdma_create_id(&init_net, self_event, self, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(self->id)) {
		error = PTR_ERR(self->id);
		kfree(self);
		return error;
	}
	rdma->self = self;
	error = self_connect(rdma, self);
	if (error) {
		self_close(rdma);
		pr_warn_ratelimited("mitosis: %s: cannot connect to itself at %pISpc: error %d\n",
				    dev_name(&rdma->device->dev), &rdma->endpoint, error);
	}
	return error;
}

static struct mitosis_rdma *rdma_prepare(struct mitosis_rdma *rdma,
					 const struct sockaddr_storage *endpoint)
{
	int error;

	if (mutex_lock_killable(&rdma->lock))
		return ERR_PTR(-EINTR);
	/* An address that changed makes the old connection useless for telling whether it works. */
	if (rdma->has_endpoint && memcmp(&rdma->endpoint, endpoint, sizeof(*endpoint)))
		self_close(rdma);
	rdma->endpoint = *endpoint;
	WRITE_ONCE(rdma->has_endpoint, true);
	error = self_open(rdma);
	mutex_unlock(&rdma->lock);
	if (error)
		return ERR_PTR(error);
	if (READ_ONCE(rdma->pooled) < READ_ONCE(mitosis_param_regions) / 2 ||
	    READ_ONCE(rdma->pooled) > READ_ONCE(mitosis_param_regions))
		queue_work(refill_work, &rdma->refill);
	return rdma;
}

struct mitosis_rdma *mitosis_rdma_server(void)
{
	struct sockaddr_storage wanted = {}, endpoint;
	struct mitosis_rdma *rdma, *served;
	int error = -ENODEV, has_wanted;
	unsigned int i;

	has_wanted = endpoint_wanted(&wanted);
	if (has_wanted < 0)
		return ERR_PTR(has_wanted);
	for (i = 0; (rdma = rdma_nth(i)) != NULL; i++) {
		served = ERR_PTR(-ENODEV);
		memset(&endpoint, 0, sizeof(endpoint));
		if (device_is_wanted(rdma->device)) {
			served = ERR_PTR(-EADDRNOTAVAIL);
			if (endpoint_of_device(rdma->device, has_wanted ? &wanted : NULL, &endpoint)) {
				endpoint_set_port(&endpoint);
				served = rdma_prepare(rdma, &endpoint);
			}
		}
		if (!IS_ERR(served))
			return served;
		mitosis_rdma_put(rdma);
		/* What is told is about the device that came nearest. */
		if (error == -ENODEV || error == -EADDRNOTAVAIL)
			error = PTR_ERR(served) == -ENODEV ? error : PTR_ERR(served);
	}
	return ERR_PTR(error);
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

static void batch_begin(struct mitosis_rdma *rdma)
{
	init_completion(&rdma->batch.done);
	rdma->batch.cqe.done = batch_done;
	rdma->batch.status = IB_WC_SUCCESS;
}

/*
 * With rdma->lock: post the chain, whose last request is signaled, and wait. After an error none of
 * it is confirmed, and nothing of it is outstanding.
 */
static int batch_run(struct mitosis_rdma *rdma, const struct ib_send_wr *first)
{
	struct self *self = rdma->self;
	int error;

	error = ib_post_send(self->id->qp, first, NULL);
	if (!error && !wait_for_completion_timeout(&rdma->batch.done, WAIT))
		error = -ETIMEDOUT;
	if (!error && rdma->batch.status != IB_WC_SUCCESS)
		error = -EIO;
	if (error) {
		pr_warn_ratelimited("mitosis: %s: registering memory failed: error %d, %s\n",
				    dev_name(&rdma->device->dev), error,
				    ib_wc_status_msg(rdma->batch.status));
		self_close(rdma);
	}
	return error;
}

/* ---- Regions ---- */

/*
 * Up to Linux 6.2, soft-RoCE looks at the list entry behind the last page when it has sent that. One
 * more than a chunk has makes the entry exist. It declares 512 as its limit and has none.
 */
static u32 region_room(const struct ib_device *dev)
{
	if (dev->ops.driver_id == RDMA_DRIVER_RXE)
		return MITOSIS_CHUNK_PAGES + 1;
	return MITOSIS_CHUNK_PAGES;
}

static struct mitosis_region *region_alloc(struct mitosis_rdma *rdma)
{
	struct mitosis_region *region = kzalloc(sizeof(*region), GFP_KERNEL);
	int error;

	if (!region)
		return ERR_PTR(-ENOMEM);
	region->mr = ib_alloc_mr(rdma->pd, IB_MR_TYPE_MEM_REG, region_room(rdma->device));
	if (IS_ERR(region->mr)) {
		error = PTR_ERR(region->mr);
		kfree(region);
		return ERR_PTR(error);
	}
	return region;
}

static void region_deregister(struct mitosis_region *region)
{
	int error = ib_dereg_mr(region->mr);

	/* Only a memory window bound to it could keep it, and the module binds none. */
	WARN_ONCE(error, "mitosis: a memory region cannot be freed: error %d\n", error);
	region->mr = NULL;
}

static void region_free(struct mitosis_region *region)
{
	if (region->mr)
		region_deregister(region);
	kfree(region);
}

static struct mitosis_region *pool_take(struct mitosis_rdma *rdma)
{
	struct mitosis_region *region;

	spin_lock(&rdma->pool_lock);
	region = list_first_entry_or_null(&rdma->pool, struct mitosis_region, node);
	if (region) {
		list_del(&region->node);
		rdma->pooled--;
	}
	spin_unlock(&rdma->pool_lock);
	return region;
}

static bool pool_give(struct mitosis_rdma *rdma, struct mitosis_region *region)
{
	bool kept;

	spin_lock(&rdma->pool_lock);
	kept = !rdma->lost && rdma->pooled < READ_ONCE(mitosis_param_regions);
	if (kept) {
		list_add_tail(&region->node, &rdma->pool);
		rdma->pooled++;
	}
	spin_unlock(&rdma->pool_lock);
	return kept;
}

static void pool_empty(struct mitosis_rdma *rdma)
{
	struct mitosis_region *region;

	while ((region = pool_take(rdma)) != NULL)
		region_free(region);
}

/* What the next snapshots need, made while nobody waits for it; less, if less is asked for now. */
static void pool_refill(struct work_struct *work)
{
	struct mitosis_rdma *rdma = container_of(work, struct mitosis_rdma, refill);
	struct mitosis_region *region;

	while (READ_ONCE(rdma->pooled) > READ_ONCE(mitosis_param_regions)) {
		region = pool_take(rdma);
		if (!region)
			break;
		region_free(region);
		cond_resched();
	}
	while (!mitosis_rdma_is_lost(rdma) &&
	       READ_ONCE(rdma->pooled) < READ_ONCE(mitosis_param_regions)) {
		region = region_alloc(rdma);
		if (IS_ERR(region))
			return;		/* a snapshot will try by itself, and tell */
		if (!pool_give(rdma, region)) {
			region_free(region);
			return;
		}
		cond_resched();
	}
}

static void region_unmap(struct mitosis_rdma *rdma, struct mitosis_region *region)
{
	unsigned int i;

	if (!region->dma)
		return;
	for (i = 0; i < region->count; i++) {
		if (region->dma[i])
			ib_dma_unmap_page(rdma->device, region->dma[i], PAGE_SIZE, DMA_TO_DEVICE);
	}
	kfree(region->dma);
	region->dma = NULL;
}

/* Device addresses of the pages into the list; holes get the zero page, mapped once per device. */
static int region_map(struct mitosis_rdma *rdma, struct mitosis_region *region, struct page **pages,
		      struct scatterlist *list)
{
	unsigned int i;
	u64 address;

	if (!ib_uses_virt_dma(rdma->device)) {
		region->dma = kcalloc(region->count, sizeof(*region->dma), GFP_KERNEL);
		if (!region->dma)
			return -ENOMEM;
	}
	sg_init_table(list, region->count);
	for (i = 0; i < region->count; i++) {
		address = rdma->zero_dma;
		if (pages[i]) {
			address = ib_dma_map_page(rdma->device, pages[i], 0, PAGE_SIZE,
						  DMA_TO_DEVICE);
			if (ib_dma_mapping_error(rdma->device, address))
				return -EIO;
			if (region->dma)
				region->dma[i] = address;
		}
		sg_set_page(&list[i], pages[i] ? pages[i] : ZERO_PAGE(0), PAGE_SIZE, 0);
		sg_dma_address(&list[i]) = address;
		sg_dma_len(&list[i]) = PAGE_SIZE;
	}
	return 0;
}

static unsigned int region_free_key(const struct mitosis_region *region)
{
	unsigned int key;
	u8 start;

	get_random_bytes(&start, sizeof(start));
	key = find_next_zero_bit(region->keys, 256, start);
	return key < 256 ? key : find_first_zero_bit(region->keys, 256);
}

static void region_renew_key(struct mitosis_region *region)
{
	unsigned int old = region->mr->rkey & 0xff, key;

	__set_bit(old, region->keys);
	key = region_free_key(region);
	if (key == 256) {
		bitmap_zero(region->keys, 256);
		__set_bit(old, region->keys);
		key = region_free_key(region);
	}
	ib_update_fast_reg_key(region->mr, key);
}

/* The region is no longer readable. */
static void region_discard(struct mitosis_rdma *rdma, struct mitosis_region *region)
{
	region_unmap(rdma, region);
	region->count = 0;
	if (!region->mr || !pool_give(rdma, region))
		region_free(region);
}

struct mitosis_region *mitosis_region_make(struct mitosis_rdma *rdma, struct page **pages,
					   unsigned int count, u64 iova)
{
	struct mitosis_region *region;
	struct scatterlist *list;
	int error, mapped;

	if (WARN_ON_ONCE(!count || count > MITOSIS_CHUNK_PAGES))
		return ERR_PTR(-EINVAL);
	list = kvmalloc_array(count, sizeof(*list), GFP_KERNEL);
	if (!list)
		return ERR_PTR(-ENOMEM);
	region = pool_take(rdma);
	if (!region)
		region = region_alloc(rdma);
	if (IS_ERR(region))
		goto out;
	region->count = count;
	error = region_map(rdma, region, pages, list);
	if (!error) {
		mapped = ib_map_mr_sg(region->mr, list, count, NULL, PAGE_SIZE);
		if (mapped != count)
			error = mapped < 0 ? mapped : -EIO;
	}
	if (error) {
		region_discard(rdma, region);
		region = ERR_PTR(error);
		goto out;
	}
	region->mr->iova = iova;
	region_renew_key(region);
	mitosis_count(regions_made);
out:
	kvfree(list);
	return region;
}

u32 mitosis_region_key(const struct mitosis_region *region)
{
	return region->mr->rkey;
}

/* With rdma->lock. */
static int regions_post_batch(struct mitosis_rdma *rdma, struct mitosis_region **regions,
			      unsigned int count)
{
	unsigned int i;
	int error;

	error = self_open(rdma);
	if (error)
		return error;
	batch_begin(rdma);
	memset(rdma->wr.reg, 0, sizeof(rdma->wr.reg));
	for (i = 0; i < count; i++) {
		struct ib_reg_wr *wr = &rdma->wr.reg[i];

		wr->wr.opcode = IB_WR_REG_MR;
		wr->wr.wr_cqe = &rdma->batch.cqe;
		wr->wr.next = i + 1 < count ? &rdma->wr.reg[i + 1].wr : NULL;
		wr->wr.send_flags = i + 1 < count ? 0 : IB_SEND_SIGNALED;
		wr->mr = regions[i]->mr;
		wr->key = regions[i]->mr->rkey;
		wr->access = IB_ACCESS_REMOTE_READ;
		regions[i]->readable = true;
	}
	return batch_run(rdma, &rdma->wr.reg[0].wr);
}

int mitosis_regions_post(struct mitosis_rdma *rdma, struct mitosis_region **regions,
			 unsigned int count)
{
	unsigned int i, n;
	int error = 0;

	for (i = 0; i < count && !error; i += n) {
		n = min(BATCH, count - i);
		if (mutex_lock_killable(&rdma->lock))
			return -EINTR;
		error = regions_post_batch(rdma, regions + i, n);
		mutex_unlock(&rdma->lock);
	}
	return error;
}

/*
 * With rdma->lock: true if none of them is readable any more. A connection that has died is not
 * remade for it: freeing the regions does as well and does not depend on the network.
 */
static bool regions_invalidate_batch(struct mitosis_rdma *rdma, struct mitosis_region **regions,
				     unsigned int count)
{
	struct ib_send_wr *last = NULL;
	unsigned int i, n = 0;

	memset(rdma->wr.invalidate, 0, sizeof(rdma->wr.invalidate));
	for (i = 0; i < count; i++) {
		struct ib_send_wr *wr = &rdma->wr.invalidate[n];

		if (!regions[i]->readable)
			continue;
		wr->opcode = IB_WR_LOCAL_INV;
		wr->wr_cqe = &rdma->batch.cqe;
		wr->ex.invalidate_rkey = regions[i]->mr->rkey;
		if (last)
			last->next = wr;
		last = wr;
		n++;
	}
	if (!last)
		return true;
	if (!rdma->self || READ_ONCE(rdma->self->dead))
		return false;
	last->send_flags = IB_SEND_SIGNALED;
	batch_begin(rdma);
	return !batch_run(rdma, rdma->wr.invalidate);
}

void mitosis_regions_drop(struct mitosis_rdma *rdma, struct mitosis_region **regions,
			  unsigned int count)
{
	bool invalidated = false, confirmed;
	unsigned int i, k, n;

	for (i = 0; i < count; i += n) {
		n = min(BATCH, count - i);
		mutex_lock(&rdma->lock);
		confirmed = regions_invalidate_batch(rdma, regions + i, n);
		mutex_unlock(&rdma->lock);
		for (k = i; k < i + n; k++) {
			mitosis_count(regions_freed);
			if (!confirmed && regions[k]->readable)
				region_deregister(regions[k]);
			invalidated |= regions[k]->readable;
			regions[k]->readable = false;
		}
		cond_resched();
	}
	/*
	 * A device in software may be amid copying a page for a READ that it admitted before; it does
	 * so in softirq or in a worker for a few microseconds.
	 */
	if (invalidated && ib_uses_virt_dma(rdma->device))
		synchronize_rcu();
	for (i = 0; i < count; i++)
		region_discard(rdma, regions[i]);
}

/* ---- Devices that come and go ---- */

static struct ib_client rdma_client;

static int rdma_add(struct ib_device *dev)
{
	struct mitosis_rdma *rdma;
	int error;

	if (!(dev->attrs.device_cap_flags & IB_DEVICE_MEM_MGT_EXTENSIONS) ||
	    dev->attrs.max_fast_reg_page_list_len < MITOSIS_CHUNK_PAGES)
		return -EOPNOTSUPP;
	rdma = kzalloc(sizeof(*rdma), GFP_KERNEL);
	if (!rdma)
		return -ENOMEM;
	kref_init(&rdma->ref);
	rdma->device = dev;
	init_completion(&rdma->idle);
	mutex_init(&rdma->lock);
	spin_lock_init(&rdma->pool_lock);
	INIT_LIST_HEAD(&rdma->pool);
	INIT_WORK(&rdma->refill, pool_refill);

	rdma->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(rdma->pd)) {
		error = PTR_ERR(rdma->pd);
		goto err_pd;
	}
	rdma->client_pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(rdma->client_pd)) {
		error = PTR_ERR(rdma->client_pd);
		goto err_client_pd;
	}
	rdma->cq = ib_alloc_cq(dev, NULL, BATCH + 2, 0, IB_POLL_SOFTIRQ);
	if (IS_ERR(rdma->cq)) {
		error = PTR_ERR(rdma->cq);
		goto err_cq;
	}
	rdma->zero_dma = ib_dma_map_page(dev, ZERO_PAGE(0), 0, PAGE_SIZE, DMA_TO_DEVICE);
	if (ib_dma_mapping_error(dev, rdma->zero_dma)) {
		error = -EIO;
		goto err_zero;
	}
	ib_set_client_data(dev, &rdma_client, rdma);
	spin_lock(&devices_lock);
	list_add_tail(&rdma->node, &devices);
	spin_unlock(&devices_lock);
	return 0;

err_zero:
	ib_free_cq(rdma->cq);
err_cq:
	ib_dealloc_pd(rdma->client_pd);
err_client_pd:
	ib_dealloc_pd(rdma->pd);
err_pd:
	kfree(rdma);
	return error;
}

static void rdma_remove(struct ib_device *dev, void *data)
{
	struct mitosis_rdma *rdma = data;

	spin_lock(&devices_lock);
	list_del(&rdma->node);
	spin_unlock(&devices_lock);
	spin_lock(&rdma->pool_lock);
	WRITE_ONCE(rdma->lost, true);
	spin_unlock(&rdma->pool_lock);

	mitosis_snapshots_lost(rdma);
	mitosis_connections_lost(rdma);
	mutex_lock(&rdma->lock);
	self_close(rdma);
	mutex_unlock(&rdma->lock);
	mitosis_server_lost(rdma);
	mitosis_rdma_put(rdma);
	wait_for_completion(&rdma->idle);

	cancel_work_sync(&rdma->refill);
	pool_empty(rdma);
	ib_dma_unmap_page(dev, rdma->zero_dma, PAGE_SIZE, DMA_TO_DEVICE);
	ib_free_cq(rdma->cq);
	ib_dealloc_pd(rdma->client_pd);
	ib_dealloc_pd(rdma->pd);
	kfree(rdma);
}

static struct ib_client rdma_client = {
	.name = "mitosis",
	.add = rdma_add,
	.remove = rdma_remove,
};

int mitosis_rdma_init(void)
{
	int error;

	/* Of our own: the name of the system's unbound one changes with the kernel. */
	refill_work = alloc_workqueue("mitosis_refill", WQ_UNBOUND, 0);
	if (!refill_work)
		return -ENOMEM;
	error = ib_register_client(&rdma_client);
	if (error)
		destroy_workqueue(refill_work);
	return error;
}

void mitosis_rdma_exit(void)
{
	ib_unregister_client(&rdma_client);
	destroy_workqueue(refill_work);
	WARN_ON(!list_empty(&devices));
}
