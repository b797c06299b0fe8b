// SPDX-License-Identifier: GPL-2.0-only
/* counters.c - shows what the module did in /sys/kernel/debug/mitosis/counters. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "counters.h"

atomic64_t mitosis_counters[MITOSIS_COUNTER_MAX];
struct dentry *mitosis_debugfs;

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

int mitosis_counters_init(void)
{
	/* Debugging aids: their absence is no error, as debugfs itself sees it. */
	mitosis_debugfs = debugfs_create_dir("mitosis", NULL);
	debugfs_create_file("counters", 0400, mitosis_debugfs, NULL, &counters_fops);
	return 0;
}

void mitosis_counters_exit(void)
{
	debugfs_remove_recursive(mitosis_debugfs);
}
