/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* operate.h - a thread that reads, writes and sends over an established connection. */
#ifndef RCBENCH_OPERATE_H
#define RCBENCH_OPERATE_H

/* Its body; worker is a struct worker. Returns NULL. */
void *drive_operations(void *worker);

#endif
