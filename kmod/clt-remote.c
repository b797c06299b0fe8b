// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-remote.c - a snapshot of another host, as those see it that have opened it.
 *
 *   new --keeper: OPEN, OPENED, table read and checked--> known --> lost
 *    |                                                      |
 *    +---- refused, or its openers gave up: lost            +-- put: CLOSE, freed
 *
 * Who opens a snapshot that is being opened waits for the same answer. A lost one is not found any
 * more, so that the next open asks the host again, while those who have it keep its error.
 *
 * Locks: remotes_lock (mutex) guards the list, and in it clt-peer.c's. It is held while a remote's
 * last reference goes and CLOSE is posted, hence before OPEN for the same UUID.
 */
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "clt-peer.h"
#include "clt-remote.h"
#include "clt-table.h"
#include "compat/compat.h"
#include "counters.h"
#include "mitosis_ioctl.h"
#include "params.h"

static LIST_HEAD(remotes);
static DEFINE_MUTEX(remotes_lock);

/* ---- Opening and closing ---- */

static struct mitosis_remote *remote_find(const struct sockaddr_storage *endpoint,
					  const u8 uuid[16])
{
	struct mitosis_remote *remote;

	list_for_each_entry(remote, &remotes, node) {
		if (!memcmp(remote->uuid, uuid, sizeof(remote->uuid)) &&
		    mitosis_peer_is_at(remote->peer, endpoint) && !mitosis_remote_error(remote) &&
		    refcount_inc_not_zero(&remote->references))
			return remote;
	}
	return NULL;
}

static struct mitosis_remote *remote_new(const struct sockaddr_storage *endpoint,
					 const u8 uuid[16], unsigned long timeout)
{
	struct mitosis_remote *remote = kzalloc(sizeof(*remote), GFP_KERNEL);

	if (!remote)
		return NULL;
	refcount_set(&remote->references, 1);
	memcpy(remote->uuid, uuid, sizeof(remote->uuid));
	init_waitqueue_head(&remote->wait);
	INIT_LIST_HEAD(&remote->parked);
	remote->timeout = timeout;
	if (!mitosis_peer_attach(endpoint, remote)) {
		kfree(remote);
		return NULL;
	}
	list_add(&remote->node, &remotes);
	mitosis_count(remotes_made);
	return remote;
}

static int endpoint_check(const struct sockaddr_storage *endpoint)
{
	return endpoint->ss_family == AF_INET || endpoint->ss_family == AF_INET6 ? 0
										 : -EAFNOSUPPORT;
}

static int remote_wait(struct mitosis_remote *remote, unsigned long timeout)
{
	long left = wait_event_killable_timeout(remote->wait, mitosis_peer_settled(remote),
						timeout);

	if (left < 0)
		return -EINTR;
	return left ? mitosis_remote_error(remote) : mitosis_peer_loss_reason(remote->peer);
}

struct mitosis_remote *mitosis_remote_open(const struct sockaddr_storage *endpoint,
					   const u8 uuid[16], unsigned int timeout_ms)
{
	unsigned int ms = timeout_ms ? : READ_ONCE(mitosis_param_timeout_ms);
	unsigned long timeout = msecs_to_jiffies(clamp(ms, 1U, MITOSIS_TIMEOUT_MAX_MS));
	struct mitosis_remote *remote;
	int error = endpoint_check(endpoint);

	if (error)
		return ERR_PTR(error);
	mutex_lock(&remotes_lock);
	remote = remote_find(endpoint, uuid);
	if (remote)
		mitosis_peer_allow(remote, timeout);
	else
		remote = remote_new(endpoint, uuid, timeout);
	mutex_unlock(&remotes_lock);
	if (!remote)
		return ERR_PTR(-ENOMEM);
	error = remote_wait(remote, timeout);
	if (!error)
		return remote;
	mitosis_remote_put(remote);
	return ERR_PTR(error);
}

void mitosis_remote_get(struct mitosis_remote *remote)
{
	refcount_inc(&remote->references);
}

void mitosis_remote_put(struct mitosis_remote *remote)
{
	if (!refcount_dec_and_mutex_lock(&remote->references, &remotes_lock))
		return;
	list_del(&remote->node);
	mitosis_peer_detach(remote);
	mutex_unlock(&remotes_lock);
	mitosis_table_free(remote->table);
	kfree(remote);
	mitosis_count(remotes_freed);
}

/* ---- What it has ---- */

int mitosis_remote_error(const struct mitosis_remote *remote)
{
	return READ_ONCE(remote->error);
}

const u8 *mitosis_remote_uuid(const struct mitosis_remote *remote)
{
	return remote->uuid;
}

u64 mitosis_remote_pages(const struct mitosis_remote *remote)
{
	return mitosis_table_pages(remote->table);
}

unsigned int mitosis_remote_read_max(const struct mitosis_remote *remote)
{
	return remote->read_max;
}

struct wait_queue_head *mitosis_remote_wait(struct mitosis_remote *remote)
{
	return &remote->wait;
}

void **mitosis_remote_cookie(struct mitosis_remote *remote)
{
	return &remote->cookie;
}

bool mitosis_remote_has(const struct mitosis_remote *remote, pgoff_t page)
{
	return mitosis_table_has(remote->table, page);
}

unsigned long mitosis_remote_next(const struct mitosis_remote *remote, pgoff_t *page,
				  unsigned long most)
{
	return mitosis_table_next(remote->table, page, most);
}

void mitosis_remote_exit(void)
{
	WARN_ON(!list_empty(&remotes));
}
