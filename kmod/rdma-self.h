/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * rdma-self.h - a device's connection of this host to itself, for work requests that need a queue
 * pair which is ready to send.
 */
#ifndef MITOSIS_RDMA_SELF_H
#define MITOSIS_RDMA_SELF_H

#include <linux/socket.h>
#include <rdma/ib_verbs.h>

struct mitosis_self;

#define MITOSIS_SELF_BATCH	64U		/* work requests at once */

/* Not connected yet. ERR_PTR: -ENOMEM and what the device says. */
struct mitosis_self *mitosis_self_make(struct ib_device *dev, struct ib_pd *pd);
/*
 * The device is going away: from now on a connection that is there may be used, but none is made.
 */
void mitosis_self_retire(struct mitosis_self *self);
void mitosis_self_close(struct mitosis_self *self);
void mitosis_self_free(struct mitosis_self *self);	/* closed */

/* Peers reach the device at this endpoint: connect to it, unless that has been done. */
int mitosis_self_connect(struct mitosis_self *self, const struct sockaddr_storage *endpoint);
/* The endpoint, or -EADDRNOTAVAIL: none was given yet. */
int mitosis_self_endpoint(const struct mitosis_self *self, struct sockaddr_storage *to);
/* Does a request to connect come from here? For who listens; constant time in the secret. */
bool mitosis_self_is_secret(const u8 secret[16]);

/* To have the connection for oneself, made anew if it has died. -EINTR, -ENODEV ... */
int mitosis_self_acquire(struct mitosis_self *self);
/* The same, not to be interrupted, if the connection is there; it is not made. */
bool mitosis_self_acquire_if_up(struct mitosis_self *self);
void mitosis_self_release(struct mitosis_self *self);
/*
 * Acquired: post the chain and wait for its end. After an error none of it is confirmed, and
 * nothing of it is outstanding.
 */
int mitosis_self_run(struct mitosis_self *self, struct ib_send_wr *first);

void mitosis_self_init(void);
void mitosis_self_exit(void);

#endif
