/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel.h - is the kernel module there that makes the connections of --space kernel? */
#ifndef RCBENCH_KERNEL_H
#define RCBENCH_KERNEL_H

#include <stdbool.h>

/* 0, or -1 after a message; only a warning if others are measured. */
int kernel_check(bool others);

#endif
