// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * srv-registry.c - which snapshots this host serves: found by UUID, and described to peers.
 *
 * An entry is reserved, so that its UUID is taken, published when the last of its regions is
 * readable, and removed before the first of them is not any more.
 *
 * Lock: registry_lock (spinlock, bottom halves off) guards the list and, in the entries, .ready and
 * .opened; taken in softirq by who serves. A leaf.
 */
#include <crypto/algapi.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "rdma-device.h"
#include "srv-registry.h"

static LIST_HEAD(registry);
static DEFINE_SPINLOCK(registry_lock);

/*
 * With registry_lock. A UUID is a secret that a peer may try to guess. So all entries are compared,
 * each in constant time: how long it takes tells neither how much of a guess is right nor whose
 * UUID it is like.
 */
static struct mitosis_entry *entry_find(const u8 uuid[16], bool reserved_too)
{
	struct mitosis_entry *entry, *found = NULL;

	list_for_each_entry(entry, &registry, node) {
		if (!crypto_memneq(entry->uuid, uuid, sizeof(entry->uuid)) &&
		    (entry->ready || reserved_too))
			found = entry;
	}
	return found;
}

void mitosis_entry_init(struct mitosis_entry *entry, const u8 uuid[16])
{
	kref_init(&entry->ref);
	INIT_LIST_HEAD(&entry->node);
	memcpy(entry->uuid, uuid, sizeof(entry->uuid));
}

int mitosis_registry_reserve(struct mitosis_entry *entry)
{
	int error = 0;

	spin_lock_bh(&registry_lock);
	if (entry_find(entry->uuid, true))
		error = -EEXIST;
	else
		list_add_tail(&entry->node, &registry);
	spin_unlock_bh(&registry_lock);
	return error;
}

int mitosis_registry_publish(struct mitosis_entry *entry, const struct mitosis_message *opened)
{
	int error = 0;

	spin_lock_bh(&registry_lock);
	if (mitosis_rdma_is_lost(entry->rdma)) {
		error = -ENODEV;
	} else {
		entry->opened = *opened;
		entry->ready = true;
	}
	spin_unlock_bh(&registry_lock);
	return error;
}

bool mitosis_registry_remove(struct mitosis_entry *entry)
{
	bool was_ready;

	spin_lock_bh(&registry_lock);
	list_del_init(&entry->node);
	was_ready = entry->ready;
	entry->ready = false;
	spin_unlock_bh(&registry_lock);
	return was_ready;
}

struct mitosis_entry *mitosis_registry_get(const struct mitosis_rdma *rdma)
{
	struct mitosis_entry *entry, *found = NULL;

	spin_lock_bh(&registry_lock);
	list_for_each_entry(entry, &registry, node) {
		if (entry->rdma != rdma || !entry->ready)
			continue;
		kref_get(&entry->ref);
		found = entry;
		break;
	}
	spin_unlock_bh(&registry_lock);
	return found;
}

bool mitosis_registry_has(const u8 uuid[16])
{
	bool there;

	spin_lock_bh(&registry_lock);
	there = entry_find(uuid, false);
	spin_unlock_bh(&registry_lock);
	return there;
}

void mitosis_registry_describe(const u8 uuid[16], const struct ib_device *dev,
			       struct mitosis_message *m)
{
	const size_t head = offsetof(struct mitosis_message, reason);
	const struct mitosis_entry *entry;

	spin_lock_bh(&registry_lock);
	entry = entry_find(uuid, false);
	if (!entry)
		m->reason = cpu_to_le16(MITOSIS_REASON_NO_SNAPSHOT);
	else if (mitosis_rdma_device(entry->rdma) != dev)
		m->reason = cpu_to_le16(MITOSIS_REASON_DEVICE);
	else
		memcpy((u8 *)m + head, (const u8 *)&entry->opened + head, sizeof(*m) - head);
	spin_unlock_bh(&registry_lock);
}

/*
 * The first quarter of a UUID tells two snapshots apart; who has all of it may read the snapshot.
 */
void mitosis_registry_show(struct seq_file *file)
{
	const struct mitosis_entry *entry;

	seq_puts(file, "snapshot owner pages chunks\n");
	spin_lock_bh(&registry_lock);
	list_for_each_entry(entry, &registry, node) {
		if (entry->ready)
			seq_printf(file, "%4phN %d %llu %u\n", entry->uuid, entry->owner,
				   le64_to_cpu(entry->opened.pages),
				   le32_to_cpu(entry->opened.chunk_count));
	}
	spin_unlock_bh(&registry_lock);
}
