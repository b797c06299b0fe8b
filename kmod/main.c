// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - loads and unloads the parts in order: what serves before what asks, the device last, so
 * that nobody asks before all are there; what only looks comes behind it.
 */
#include <linux/module.h>

#include "mem-child.h"
#include "debugfs.h"
#include "device.h"
#include "rdma-device.h"
#include "clt-remote.h"
#include "srv-connection.h"

static int __init mitosis_init(void)
{
	int error = mitosis_rdma_init();

	if (error)
		return error;
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
	mitosis_debugfs_init();
	return 0;

no_device:
	mitosis_child_exit();
no_child:
	mitosis_remote_exit();
no_remote:
	mitosis_server_exit();
no_server:
	mitosis_rdma_exit();
	return error;
}

static void __exit mitosis_exit(void)
{
	mitosis_debugfs_exit();
	mitosis_device_exit();
	mitosis_child_exit();
	mitosis_remote_exit();
	mitosis_server_exit();
	mitosis_rdma_exit();
}

module_init(mitosis_init);
module_exit(mitosis_exit);
MODULE_DESCRIPTION("remote fork: a process' memory on other machines, over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(MITOSIS_VERSION);
