// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* compiles everywhere: if not, the set-up is broken */
#include <linux/module.h>
MODULE_LICENSE("GPL");
