/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* bench.h - measures what RDMA connections cost that a kernel thread makes. */
#ifndef MITOSIS_BENCH_H
#define MITOSIS_BENCH_H

#include <linux/socket.h>
#include "mitosis_ioctl.h"

/*
 * What io asks for, checked already; samples has room for io->count, with MITOSIS_BENCH_REUSE for
 * io->depth more. from: its family is AF_UNSPEC where the route decides. Sets io->done. Sleeps; a
 * signal ends it early, with what has been measured.
 */
int mitosis_bench(struct mitosis_ioc_bench *io, const struct sockaddr_storage *to,
		  const struct sockaddr_storage *from, struct mitosis_ioc_bench_sample *samples);

#endif
