/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * wss.h - a working set whose every byte is known.
 *
 * Word i of page p holds a value computed from p, i and a seed, so a page that is wrong, zero,
 * stale or at the wrong place is noticed.
 */
#ifndef WSS_H
#define WSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WSS_HUGE_PAGE (2UL << 20)

struct wss {
	uint64_t *base;
	uint64_t bytes, pages;
	uint64_t huge_bytes;	/* of these in transparent huge pages, if they were asked for */
	uint64_t seed;
};

/*
 * Maps and fills it; huge asks for transparent huge pages, which a host need not give: see
 * huge_bytes. 0, or -1 with errno.
 */
int wss_make(struct wss *w, uint64_t bytes, bool huge);
void wss_free(struct wss *w);
/* Fill one page for a seed. */
void wss_fill_page(struct wss *w, uint64_t page, uint64_t seed);
/* The first wrong word of a page, or NULL. */
const void *wss_check_page(const struct wss *w, uint64_t page);
/* The same for page number n modulo the size: a cheap spot check. */
const void *wss_check(const struct wss *w, uint64_t n);

/*
 * Number i of a pseudo-random permutation of [0, n): without a table, which would itself be memory
 * to fetch.
 */
uint64_t wss_permute(uint64_t i, uint64_t n);

#endif
