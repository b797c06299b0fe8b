/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* pool.h - a thread that takes connections from a pool instead of making them. */
#ifndef RCBENCH_POOL_H
#define RCBENCH_POOL_H

/* Its body; worker is a struct worker. Returns NULL. */
void *drive_pool(void *worker);

#endif
