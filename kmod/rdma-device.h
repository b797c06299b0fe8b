/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * rdma-device.h - an RDMA device as the module uses it: protection domains, and what is kept for
 * it.
 */
#ifndef MITOSIS_RDMA_DEVICE_H
#define MITOSIS_RDMA_DEVICE_H

#include <linux/kref.h>
#include <linux/notifier.h>
#include <rdma/ib_verbs.h>

struct mitosis_pool;
struct mitosis_rdma;
struct mitosis_self;

/* The state of a device, referenced; ERR_PTR(-ENODEV) when it is unknown or going away. */
struct mitosis_rdma *mitosis_rdma_get(struct ib_device *dev);
/* The n-th, referenced, to go through all and sleep in between; NULL: there are not so many. */
struct mitosis_rdma *mitosis_rdma_nth(unsigned int n);
void mitosis_rdma_put(struct mitosis_rdma *rdma);

/*
 * It is going away: whoever keeps a reference in a list of his own looks here under that list's
 * lock before he adds to it, since those who are told pass through their lists only once.
 */
bool mitosis_rdma_is_lost(const struct mitosis_rdma *rdma);
/*
 * Who keeps references registers to be told: the function gets the struct mitosis_rdma as its data
 * when the device goes away, in the order of the priorities, and returns when its references are
 * given back or about to be. Not to be called by such a function. After the second none is called
 * any more.
 */
enum { MITOSIS_LOST_LAST, MITOSIS_LOST_NEXT, MITOSIS_LOST_FIRST };
void mitosis_rdma_register(struct notifier_block *notifier);
void mitosis_rdma_unregister(struct notifier_block *notifier);

struct ib_device *mitosis_rdma_device(const struct mitosis_rdma *rdma);
/* Where regions are, for connections of peers that have shown the UUID of a snapshot. */
struct ib_pd *mitosis_rdma_pd(const struct mitosis_rdma *rdma);
/* Where none is, for connections to hosts that have shown nothing. */
struct ib_pd *mitosis_rdma_client_pd(const struct mitosis_rdma *rdma);
struct mitosis_self *mitosis_rdma_self(const struct mitosis_rdma *rdma);
struct mitosis_pool *mitosis_rdma_pool(const struct mitosis_rdma *rdma);

int mitosis_rdma_init(void);
void mitosis_rdma_exit(void);

#endif
