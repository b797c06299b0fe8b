/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress.h - one progress bar on stderr.
 *
 * Only where stderr is a terminal; otherwise every call does nothing. There is one bar per process.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

/* total 0: not known, only the count is shown. label must live until progress_finish(). */
void progress_start(const char *label, uint64_t total);
void progress_update(uint64_t done);	/* cheap: redraws at most ten times a second */
void progress_finish(void);		/* removes the bar */

/* Wipes the bar off the line so that a message can be printed; the next update draws it again. */
void progress_clear(void);

#endif
