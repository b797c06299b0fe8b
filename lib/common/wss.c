// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* wss.c - a working set whose every byte is known: see wss.h. */
#include "wss.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#define PAGE 4096u
#define WORDS (PAGE / sizeof(uint64_t))
#define HUGE_PAGE WSS_HUGE_PAGE

/* Multiplication by an odd constant is a bijection: no two words of a working set are equal. */
static uint64_t first_word(uint64_t page, uint64_t seed)
{
	return (page * WORDS + 1) * 0x9e3779b97f4a7c15ULL ^ seed;
}

void wss_fill_page(struct wss *w, uint64_t page, uint64_t seed)
{
	uint64_t *word = w->base + page * WORDS, value = first_word(page, seed);

	for (unsigned int i = 0; i < WORDS; i++)
		word[i] = value + i;
}

const void *wss_check_page(const struct wss *w, uint64_t page)
{
	const uint64_t *word = w->base + page * WORDS;
	uint64_t value = first_word(page, w->seed), wrong = 0;

	/* No branch inside, so that the compiler can use vectors. */
	for (unsigned int i = 0; i < WORDS; i++)
		wrong |= word[i] ^ (value + i);
	if (!wrong)
		return NULL;
	for (unsigned int i = 0; i < WORDS; i++)
		if (word[i] != value + i)
			return &word[i];
	return word;
}

const void *wss_check(const struct wss *w, uint64_t n)
{
	return w->pages ? wss_check_page(w, n % w->pages) : NULL;
}

/*
 * What of it the kernel has put in huge pages: madvise(2) only says that it may. 0, or -1 with
 * errno.
 */
static int count_huge(struct wss *w)
{
	uint64_t from = (uint64_t)(uintptr_t)w->base, to = from + w->bytes, start, end, kib;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false;
	char line[256];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = start < to && end > from;
		else if (inside && sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1)
			w->huge_bytes += kib * 1024;
	}
	fclose(f);
	return 0;
}

int wss_make(struct wss *w, uint64_t bytes, bool huge)
{
	uint64_t length = (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1), slack = huge ? HUGE_PAGE : 0;
	uint64_t at, start;
	void *got;

	if (!length || length < bytes) {
		errno = EINVAL;
		return -1;
	}
	got = mmap(NULL, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	if (got == MAP_FAILED)
		return -1;
	at = (uint64_t)(uintptr_t)got;
	start = huge ? (at + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1) : at;
	if (start > at)
		munmap(got, start - at);
	if (at + slack > start)
		munmap((void *)(uintptr_t)(start + length), at + slack - start);
	*w = (struct wss){ .base = (void *)(uintptr_t)start,
			   .bytes = length,
			   .pages = length / PAGE,
			   .seed = 42 };
	madvise(w->base, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (uint64_t p = 0; p < w->pages; p++)
		wss_fill_page(w, p, w->seed);
	if (huge && count_huge(w)) {
		int err = errno;

		wss_free(w);
		errno = err;
		return -1;
	}
	return 0;
}

void wss_free(struct wss *w)
{
	if (w->base)
		munmap(w->base, w->bytes);
	*w = (struct wss){ 0 };
}

/* A four-round Feistel network on the next even power of two, walked until it falls inside. */
uint64_t wss_permute(uint64_t i, uint64_t n)
{
	unsigned int half = 1;

	while (1ULL << 2 * half < n)
		half++;
	do {
		uint64_t mask = (1ULL << half) - 1, left = i >> half, right = i & mask;

		for (uint64_t round = 1; round <= 4; round++) {
			uint64_t mixed = (right + round) * 0x9e3779b97f4a7c15ULL;
			uint64_t next = left ^ (mixed >> (64 - half));

			left = right;
			right = next & mask;
		}
		i = left << half | right;
	} while (i >= n);
	return i;
}
