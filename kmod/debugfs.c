// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * debugfs.c - shows in /sys/kernel/debug/mitosis what the module did and what it holds.
 *
 * "counters" has one "name value" per line. "snapshots" and "children" have a line for each that is
 * there now; their first line names the columns. The roof: it reads from all parts, and none knows
 * it.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "clt-peer.h"
#include "counters.h"
#include "debugfs.h"
#include "mem-child.h"
#include "srv-registry.h"

static struct dentry *root;		/* or an error pointer */

static const char *const names[] = {
#define X(name) #name,
	MITOSIS_COUNTERS(X)
#undef X
};

static int counters_show(struct seq_file *file, void *unused)
{
	for (int i = 0; i < MITOSIS_COUNTER_MAX; i++)
		seq_printf(file, "%s %lld\n", names[i],
			   (long long)atomic64_read(&mitosis_counters[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int snapshots_show(struct seq_file *file, void *unused)
{
	mitosis_registry_show(file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(snapshots);

static int children_show(struct seq_file *file, void *unused)
{
	mitosis_children_show(file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(children);

/* The value does not matter. */
static int fail_connections_set(void *unused, u64 value)
{
	mitosis_peers_fail();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(fail_connections_fops, NULL, fail_connections_set, "%llu\n");

void mitosis_debugfs_init(void)
{
	/* Debugging aids: their absence is no error, as debugfs itself sees it. */
	root = debugfs_create_dir("mitosis", NULL);
	debugfs_create_file("counters", 0400, root, NULL, &counters_fops);
	debugfs_create_file("snapshots", 0400, root, NULL, &snapshots_fops);
	debugfs_create_file("children", 0400, root, NULL, &children_fops);
	debugfs_create_file_unsafe("fail_connections", 0200, root, NULL, &fail_connections_fops);
}

void mitosis_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
