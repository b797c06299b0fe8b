/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* srv-registry.h - the snapshots that this host serves, to be found by their UUID. */
#ifndef MITOSIS_SRV_REGISTRY_H
#define MITOSIS_SRV_REGISTRY_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/types.h>
#include "protocol.h"

struct mitosis_rdma;
struct seq_file;

/* What the registry knows of a snapshot, which it is part of. */
struct mitosis_entry {
	/* of the snapshot: its owner's, and while its device is being lost */
	struct kref ref;
	u8 uuid[16];
	pid_t owner;
	const struct mitosis_rdma *rdma;

	/* The registry's. */
	struct list_head node;
	bool ready;			/* to be found */
	struct mitosis_message opened;	/* what a peer is told that opens it */
};

void mitosis_entry_init(struct mitosis_entry *entry, const u8 uuid[16]);
/* From here on nobody else can have the UUID: 0 or -EEXIST. Not to be found yet. */
int mitosis_registry_reserve(struct mitosis_entry *entry);
/*
 * From here on it is found, and described by the part of opened that follows the UUID. -ENODEV: its
 * device is being taken away.
 */
int mitosis_registry_publish(struct mitosis_entry *entry, const struct mitosis_message *opened);
/* Nobody new finds it. True if it was to be found before. */
bool mitosis_registry_remove(struct mitosis_entry *entry);
/* One that is served by that device, with a reference more, or NULL. */
struct mitosis_entry *mitosis_registry_get(const struct mitosis_rdma *rdma);

/* For who serves. Constant time in the UUID. */
bool mitosis_registry_has(const u8 uuid[16]);
struct ib_device;
/* Fill in an OPENED message (reason and the rest) for a peer that came through dev. */
void mitosis_registry_describe(const u8 uuid[16], const struct ib_device *dev,
			       struct mitosis_message *m);

/* For people: a line for each. */
void mitosis_registry_show(struct seq_file *file);

#endif
