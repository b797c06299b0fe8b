// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* Linux 7.2, or somewhat before */
#include <linux/folio_batch.h>
void probe(struct folio_batch *batch);
void probe(struct folio_batch *batch) { folio_batch_init(batch); }
#include <linux/module.h>
MODULE_LICENSE("GPL");
