// SPDX-License-Identifier: GPL-2.0-only
/* compiles everywhere: if not, the set-up is broken */
#include <linux/module.h>
MODULE_LICENSE("GPL");
