/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* subject.h - a process for the baseline "criu" that notices for how long it stood still. */
#ifndef PREPARE_SUBJECT_H
#define PREPARE_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct subject;

/*
 * A process of its own with this working set; its images go to a directory `in`, see
 * criu_place_make().
 */
struct subject *subject_start(uint64_t wss, bool huge, const char *in);
void subject_end(struct subject *s);

/*
 * Dump it once, and let it go on. frozen_ns is the longest time that it saw no clock tick, dump_ns
 * the run time of criu; bytes the size of the images. 0, or -1 after a message.
 */
int subject_dump(struct subject *s, uint64_t *frozen_ns, uint64_t *dump_ns, uint64_t *bytes);

#endif
