/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* debugfs.h - /sys/kernel/debug/mitosis. */
#ifndef MITOSIS_DEBUGFS_H
#define MITOSIS_DEBUGFS_H

void mitosis_debugfs_init(void);
void mitosis_debugfs_exit(void);

#endif
