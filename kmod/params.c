// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* params.c - module parameters; `modinfo mitosis` shows them with their meaning. */
#include <linux/module.h>

#include "params.h"

typedef char *charp;

#define PARAM(type, name, value, mode, text) \
	type mitosis_param_##name = (value); \
	module_param_named(name, mitosis_param_##name, type, mode); \
	MODULE_PARM_DESC(name, text)

PARAM(charp, device, NULL, 0444,
      "RDMA device that serves snapshots (default: the first active one)");
PARAM(charp, address, NULL, 0444,
      "IP address at which peers reach it (default: the first in its GID table)");
PARAM(ushort, port, 7471, 0444, "port of the RDMA connection manager (default: 7471)");
PARAM(uint, window, 32, 0644,
      "pages fetched at a fault, up to 512; 0 and 1: that one alone (default: 32)");
PARAM(bool, poll, false, 0644, "faulting threads spin instead of sleeping (default: N)");
PARAM(uint, timeout_ms, 10000, 0644, "longest wait for a page in ms (default: 10000)");
PARAM(uint, retry_count, 5, 0644,
      "retransmissions of the device, 0 to 6; 7 is for ever on some (default: 5)");
PARAM(uint, ack_timeout, 14, 0644,
      "wait for an acknowledgment: 4.096 us << n; 0: the device's own (default: 14)");
PARAM(uint, connections, 1, 0644, "queue pairs to each host (default: 1)");
PARAM(uint, idle_ms, 10000, 0644, "ms that an unused connection is kept (default: 10000)");
PARAM(uint, served_max, 1024, 0644, "connections served at once (default: 1024)");
PARAM(uint, regions, 256, 0644,
      "memory regions of 2 MiB kept ready for the next snapshot (default: 256)");
