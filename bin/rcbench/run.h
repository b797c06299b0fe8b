/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* run.h - one point of a sweep: its threads from start to end, and their records. */
#ifndef RCBENCH_RUN_H
#define RCBENCH_RUN_H

#include <signal.h>

#include "point.h"
#include "record.h"

/* SIGINT, SIGTERM, SIGHUP: the number of the signal that asked to end, or 0. */
extern volatile sig_atomic_t run_signal;
void run_catch_signals(void);
/* Wake a thread that sleeps in a system call; it may have to be done again. */
void run_wake(pthread_t thread);

/* 0, or -1 after a message: too many failures, or a thread could not work. */
int point_run(struct point *p, struct record_stream *out);

#endif
