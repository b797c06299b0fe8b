/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * hold.h - a process stands still until its shadow has copied what both share (state/nameless.c):
 * it waits at one end of a pipe, whose other end the shadow writes to, or loses when it ends.
 */
#ifndef MITOSIS_HOLD_H
#define MITOSIS_HOLD_H

#include <stdbool.h>
#include <stdint.h>

/* 0 or -errno; both are -1 then. Async-signal-safe, as is the other. */
int hold_open(int32_t ends[2]);
/*
 * Once the shadow has the end that is written to. begun: there is one. Not for ever, but for some
 * time that goes by what it may have to copy: what it copies later than that would not be of the
 * instant, and it finds out.
 */
void hold_await(int32_t ends[2], bool begun, uint64_t copy_bytes);

#endif
