// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* source-none.c - all memory was fetched before the child ran: nothing is left to bring. */
#include "format/control.h"
#include "page/pager.h"

static int start(struct pager *g)
{
	return 0;
}

static void event(struct pager *g, int fd)
{
}

static void nothing(struct pager *g)
{
}

static int patience(const struct pager *g)
{
	return -1;
}

static uint64_t missing(const struct pager *g)
{
	return 0;
}

static void stats(struct pager *g, struct control_message *m)
{
	m->missing_pages = 0;
}

const struct page_source source_none = {
	.name = "none",
	.start = start,
	.event = event,
	.push = nothing,
	.patience = patience,
	.missing = missing,
	.stats = stats,
	.end = nothing,
};
