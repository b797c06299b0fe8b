/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* timers.h - what /proc/PID/timers says of the timers of timer_create(2). */
#ifndef MITOSIS_CAPTURE_TIMERS_H
#define MITOSIS_CAPTURE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

#include "format/descriptor.h"

#define TIMERS_TEXT_MAX	(64u << 10)

/*
 * Fill in the list, ascending by id, from all of that text: what a timer still has to run is not in
 * it, and .thread is the number of a thread as the text has it. False: there are more, or the text
 * is not understood. Async-signal-safe.
 */
bool timers_parse(const char *text, struct descriptor_posix_timer *list, uint32_t room,
		  uint32_t *count);
/* Can a child have this one? */
bool timer_is_plain(const struct descriptor_posix_timer *t);

#endif
