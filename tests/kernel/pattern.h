/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* pattern.h - what snapshot.c writes and peer.c expects: pages that know their address. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096UL

static inline uint64_t pattern_word(uint64_t address)
{
	return address * 0x9e3779b97f4a7c15ULL ^ 0x6d69746f73697321ULL;
}

static inline void pattern_fill(void *page, uint64_t address)
{
	uint64_t *word = page;
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		word[i] = pattern_word(address + i * sizeof(*word));
}

static inline int pattern_matches(const void *page, uint64_t address)
{
	const uint64_t *word = page;
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*word); i++) {
		if (word[i] != pattern_word(address + i * sizeof(*word)))
			return 0;
	}
	return 1;
}

/* 32 hexadecimal digits. */
static inline int uuid_parse(const char *text, uint8_t uuid[16])
{
	unsigned int i, byte;

	if (strlen(text) != 32)
		return -1;
	for (i = 0; i < 16; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -1;
		uuid[i] = byte;
	}
	return 0;
}

#endif
