// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * main.c - loads and unloads the parts in order: what serves before what asks, the device last, so
 * that nobody asks before all are there.
 */
#include <linux/module.h>

#include "child.h"
#include "counters.h"
#include "device.h"
#include "rdma.h"
#include "remote.h"
#include "server.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int __init mitosis_init(void)
{
	int error = mitosis_counters_init();

	if (error)
		return error;
	error = mitosis_rdma_init();
	if (error)
		goto no_rdma;
	error = mitosis_server_init();
	if (error)
		goto no_server;
	error = mitosis_remote_init();
	if (error)
		goto no_remote;
	error = mitosis_child_init();
	if (error)
		goto no_child;
	error = mitosis_device_init();
	if (error)
		goto no_device;
	return 0;

no_device:
	mitosis_child_exit();
no_child:
	mitosis_remote_exit();
no_remote:
	mitosis_server_exit();
no_server:
	mitosis_rdma_exit();
no_rdma:
	mitosis_counters_exit();
	return error;
}

static void __exit mitosis_exit(void)
{
	mitosis_device_exit();
	mitosis_child_exit();
	mitosis_remote_exit();
	mitosis_server_exit();
	mitosis_rdma_exit();
	mitosis_counters_exit();
}

module_init(mitosis_init);
module_exit(mitosis_exit);
MODULE_DESCRIPTION("remote fork: a process' memory on other machines, over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(MITOSIS_VERSION);
