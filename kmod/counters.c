// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* counters.c - shows in /sys/kernel/debug/mitosis what the module did and what it holds. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "child.h"
#include "counters.h"
#include "remote.h"
#include "snapshot.h"

atomic64_t mitosis_counters[MITOSIS_COUNTER_MAX];
static struct dentry *mitosis_debugfs;		/* or an error pointer */

static const char *const names[] = {
#define X(name) #name,
	MITOSIS_COUNTERS(X)
#undef X
};

static int counters_show(struct seq_file *file, void *unused)
{
	for (int i = 0; i < MITOSIS_COUNTER_MAX; i++)
		seq_printf(file, "%s %lld\n", names[i], (long long)atomic64_read(&mitosis_counters[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int snapshots_show(struct seq_file *file, void *unused)
{
	mitosis_snapshots_show(file);
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

int mitosis_counters_init(void)
{
	/* Debugging aids: their absence is no error, as debugfs itself sees it. */
	mitosis_debugfs = debugfs_create_dir("mitosis", NULL);
	debugfs_create_file("counters", 0400, mitosis_debugfs, NULL, &counters_fops);
	debugfs_create_file("snapshots", 0400, mitosis_debugfs, NULL, &snapshots_fops);
	debugfs_create_file("children", 0400, mitosis_debugfs, NULL, &children_fops);
	debugfs_create_file_unsafe("fail_connections", 0200, mitosis_debugfs, NULL, &fail_connections_fops);
	return 0;
}

void mitosis_counters_exit(void)
{
	debugfs_remove_recursive(mitosis_debugfs);
}
