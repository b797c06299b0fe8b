// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* Linux 6.12 */
#include <linux/pagemap.h>
void probe(struct address_space *mapping);
void probe(struct address_space *mapping) { mapping_set_folio_order_range(mapping, 0, 4); }
#include <linux/module.h>
MODULE_LICENSE("GPL");
