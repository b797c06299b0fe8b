/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* rdma-endpoint.h - the device that serves snapshots, and where peers reach it. */
#ifndef MITOSIS_RDMA_ENDPOINT_H
#define MITOSIS_RDMA_ENDPOINT_H

#include <linux/socket.h>

struct mitosis_rdma;

/* Referenced; connected to itself, if need be now. ERR_PTR(-ENODEV), -EADDRNOTAVAIL ... */
struct mitosis_rdma *mitosis_rdma_server(void);
/* Where peers reach it. */
int mitosis_rdma_endpoint(const struct mitosis_rdma *rdma, struct sockaddr_storage *to);

#endif
