// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* Linux 6.7 */
#include <linux/pagemap.h>
void probe(struct folio *folio);
void probe(struct folio *folio) { folio_end_read(folio, true); }
#include <linux/module.h>
MODULE_LICENSE("GPL");
