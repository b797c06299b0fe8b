// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rdma-device.c - the RDMA devices of this host: what the module keeps for each, and who is told
 * when one goes away.
 *
 * A device is known from ib_client.add to ib_client.remove. The latter tells whoever has registered
 * for it, and returns when the last reference is gone: who keeps one gives it back on being told.
 *
 * A key is good for the queue pairs of its protection domain. Those that children use to read from
 * other hosts have a domain of their own, without any region: the host at the other end could read
 * as well, and it is its answer that decides, whatever the request says.
 *
 * Lock: devices_lock (spinlock) is a leaf.
 */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "protocol.h"
#include "rdma-device.h"
#include "rdma-region.h"
#include "rdma-self.h"

struct mitosis_rdma {
	struct kref ref;
	struct list_head node;
	struct ib_device *device;
	struct ib_pd *pd, *client_pd;
	struct mitosis_self *self;
	struct mitosis_pool *pool;
	bool lost;
	struct completion idle;		/* no reference is left */
};

static LIST_HEAD(devices);
static DEFINE_SPINLOCK(devices_lock);
static BLOCKING_NOTIFIER_HEAD(lost_chain);

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

struct mitosis_rdma *mitosis_rdma_nth(unsigned int n)
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

struct mitosis_self *mitosis_rdma_self(const struct mitosis_rdma *rdma)
{
	return rdma->self;
}

struct mitosis_pool *mitosis_rdma_pool(const struct mitosis_rdma *rdma)
{
	return rdma->pool;
}

/* ---- Devices that come and go ---- */

void mitosis_rdma_register(struct notifier_block *notifier)
{
	/* Fails only for who is registered already. */
	WARN_ON(blocking_notifier_chain_register(&lost_chain, notifier));
}

void mitosis_rdma_unregister(struct notifier_block *notifier)
{
	WARN_ON(blocking_notifier_chain_unregister(&lost_chain, notifier));
}

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
	rdma->self = mitosis_self_make(dev, rdma->pd);
	if (IS_ERR(rdma->self)) {
		error = PTR_ERR(rdma->self);
		goto err_self;
	}
	rdma->pool = mitosis_pool_make(dev, rdma->pd, rdma->self);
	if (IS_ERR(rdma->pool)) {
		error = PTR_ERR(rdma->pool);
		goto err_pool;
	}
	ib_set_client_data(dev, &rdma_client, rdma);
	spin_lock(&devices_lock);
	list_add_tail(&rdma->node, &devices);
	spin_unlock(&devices_lock);
	return 0;

err_pool:
	mitosis_self_free(rdma->self);
err_self:
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
	WRITE_ONCE(rdma->lost, true);
	mitosis_self_retire(rdma->self);
	mitosis_pool_retire(rdma->pool);

	blocking_notifier_call_chain(&lost_chain, 0, rdma);
	mitosis_self_close(rdma->self);
	mitosis_rdma_put(rdma);
	wait_for_completion(&rdma->idle);

	mitosis_pool_free(rdma->pool);
	mitosis_self_free(rdma->self);
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
	return ib_register_client(&rdma_client);
}

void mitosis_rdma_exit(void)
{
	ib_unregister_client(&rdma_client);
	WARN_ON(!list_empty(&devices));
}
