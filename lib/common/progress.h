/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * progress.h - one progress bar on stderr.
 *
 * Only where stderr is a terminal; otherwise every call does nothing. There is one bar per process,
 * and processes that it forks since then respect it. Messages (tool.h) and records (record.h) take
 * the bar away before they are written.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

/*
 * total is of what done counts: measured iterations, without those that only warm up. 0: not known,
 * only the count is shown. label must live until progress_finish().
 */
void progress_start(const char *label, uint64_t total);
void progress_update(
	uint64_t done); /* cheap: a bar that is there changes ten times a second at most */
void progress_finish(void);		/* removes the bar */

/*
 * Wipes the bar off the line so that something else can be written there; the next update draws it
 * again. Who writes to the terminal while other threads may update holds stderr's lock
 * (flockfile()) from before the call until after the write.
 */
void progress_clear(void);

#endif
