/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* params.h - module parameters; those with mode 0644 take effect on what begins after a change. */
#ifndef MITOSIS_PARAMS_H
#define MITOSIS_PARAMS_H

#include <linux/types.h>

extern char *mitosis_param_device; /* RDMA device that serves snapshots; NULL: the first active */
extern char *mitosis_param_address;		/* its address; NULL: the first of its GID table */
extern ushort mitosis_param_port;		/* of the RDMA connection manager, port space TCP */
extern uint mitosis_param_window;		/* pages fetched ahead of a fault, 0..512 */
extern bool mitosis_param_poll;			/* faulting threads spin */
extern uint mitosis_param_timeout_ms;		/* longest wait for a page */
extern uint mitosis_param_retry_count;		/* 0..6: 7 means for ever on some devices */
extern uint mitosis_param_ack_timeout;		/* 4.096 us << n, 0: the device's default */
extern uint mitosis_param_connections;		/* to each host */
extern uint mitosis_param_idle_ms;		/* an unused connection is kept so long */
extern uint mitosis_param_served_max;		/* connections served at once */
extern uint mitosis_param_regions;		/* memory regions kept for reuse */

#endif
