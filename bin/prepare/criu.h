/* SPDX-License-Identifier: GPL-2.0-or-later */
/* criu.h - the baseline "criu": dump a process with CRIU and leave it running. */
#ifndef PREPARE_CRIU_H
#define PREPARE_CRIU_H

#include <stdbool.h>
#include <stdint.h>

/* NULL if CRIU works on this host, else one line why not (static storage). */
const char *criu_unusable(void);

struct criu_subject;

/* A process of its own with this working set, as CRIU wants it: no terminal, no pipes. */
struct criu_subject *criu_subject_start(uint64_t wss, bool huge);
void criu_subject_end(struct criu_subject *s);

/*
 * Dump it once. frozen_ns is the longest time that the process saw no clock tick of its own, dump_ns
 * the run time of criu; bytes the size of the images. 0, or -1 after a message.
 */
int criu_dump(struct criu_subject *s, uint64_t *frozen_ns, uint64_t *dump_ns, uint64_t *bytes);

#endif
