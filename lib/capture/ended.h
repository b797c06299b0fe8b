/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * ended.h - copies of a process that have ended.
 *
 * Other processes' copies are orphans, and whoever adopts those waits for them. A process that
 * adopts orphans itself has its copies for children: they have no exit signal, so that no wait(2)
 * of its own and no SIGCHLD tells of them (but with __WALL), and none but itself can wait for them.
 * So it does when it makes calls for a tracer the next time.
 */
#ifndef MITOSIS_ENDED_H
#define MITOSIS_ENDED_H

#include "capture/freeze.h"

/* While it runs: there may be none, which costs little. */
void ended_find(struct frozen *f);
/* A thread of it is borrowed. 0 or -errno. */
int ended_reap(struct frozen *f);

#endif
