// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * main.c - loads and unloads the parts in order: what serves before what asks, the device last, so
 * that nobody asks before all are there; what only looks comes behind it.
 */
#include <linux/module.h>

#include "clt-keeper.h"
#include "debugfs.h"
#include "device.h"
#include "mem-file.h"
#include "rdma-device.h"
#include "rdma-region.h"
#include "rdma-self.h"
#include "srv-connection.h"
#include "srv-snapshot.h"

static int __init mitosis_init(void)
{
	int error;

	mitosis_self_init();
	error = mitosis_region_init();
	if (error)
		goto no_region;
	error = mitosis_rdma_init();
	if (error)
		goto no_rdma;
	error = mitosis_served_init();
	if (error)
		goto no_served;
	mitosis_snapshot_init();
	error = mitosis_keeper_init();
	if (error)
		goto no_keeper;
	error = mitosis_device_init();
	if (error)
		goto no_device;
	mitosis_debugfs_init();
	return 0;

no_device:
	mitosis_file_exit();
	mitosis_keeper_exit();
no_keeper:
	mitosis_snapshot_exit();
	mitosis_served_exit();
no_served:
	mitosis_rdma_exit();
no_rdma:
	mitosis_region_exit();
no_region:
	mitosis_self_exit();
	return error;
}

static void __exit mitosis_exit(void)
{
	mitosis_debugfs_exit();
	mitosis_device_exit();
	mitosis_file_exit();
	mitosis_keeper_exit();
	mitosis_snapshot_exit();
	mitosis_served_exit();
	mitosis_rdma_exit();
	mitosis_region_exit();
	mitosis_self_exit();
}

module_init(mitosis_init);
module_exit(mitosis_exit);
MODULE_DESCRIPTION("remote fork: a process' memory on other machines, over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(MITOSIS_VERSION);
