// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* Linux 6.5 */
#include <linux/mm.h>
long probe(struct page **pages);
long probe(struct page **pages) { return get_user_pages(0, 1, 0, pages); }
#include <linux/module.h>
MODULE_LICENSE("GPL");
