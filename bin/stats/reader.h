/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* reader.h - record streams into the store: TSV or JSON Lines, told apart by their first byte. */
#ifndef STATS_READER_H
#define STATS_READER_H

#include <stdint.h>

#include "roles.h"
#include "store.h"

/*
 * Reads one stream ("-": standard input) into one side of the store. 0, or -1 after a message.
 * done_bytes: how much earlier files came to, for the progress bar.
 */
int reader_read(const char *path, int side, struct selection *sel, struct store *st,
		uint64_t *done_bytes);

#endif
