/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* drive.h - a thread that makes connections. */
#ifndef RCBENCH_DRIVE_H
#define RCBENCH_DRIVE_H

/* Its body; worker is a struct worker. Returns NULL. */
void *drive_connections(void *worker);

#endif
