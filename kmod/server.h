/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* server.h - connections that peers made to this host. */
#ifndef MITOSIS_SERVER_H
#define MITOSIS_SERVER_H

#include <linux/types.h>

struct mitosis_rdma;

int mitosis_server_init(void);			/* listens */
void mitosis_server_exit(void);			/* stops, and closes all */
/* Send RELEASED to every peer that opened it; does not wait for them. */
void mitosis_server_announce_release(const u8 uuid[16]);
/* The device is going away: close its connections and wait until they are. */
void mitosis_server_lost(struct mitosis_rdma *rdma);
/* The secret that a SELF request carries. */
extern u8 mitosis_server_secret[16];

#endif
