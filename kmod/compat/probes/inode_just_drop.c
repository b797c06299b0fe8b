// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* Linux 6.18 */
#include <linux/fs.h>
int probe(struct inode *inode);
int probe(struct inode *inode) { return inode_just_drop(inode); }
#include <linux/module.h>
MODULE_LICENSE("GPL");
