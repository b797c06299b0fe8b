/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* kernel.h - --space kernel: a thread whose connections are made by the kernel module. */
#ifndef RCBENCH_KERNEL_H
#define RCBENCH_KERNEL_H

#include <stdbool.h>

/* Can the module do that? 0, or -1 after a message; only a warning if others are measured. */
int kernel_check(bool others);
/* The thread's body; worker is a struct worker. Returns NULL. */
void *drive_kernel(void *worker);

#endif
