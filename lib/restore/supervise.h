/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* supervise.h - the supervisor stands where the program would stand: signals, job control, exit. */
#ifndef MITOSIS_SUPERVISE_H
#define MITOSIS_SUPERVISE_H

/* Blocks all signals and returns a signalfd for them, or -errno. */
int supervise_begin(void);
/* Call this once the child has ended, before this process does; not when it was killed by us. */
void supervise_at_end(void (*fn)(void *data), void *data);
/* Handle what the signalfd has; ends this process as the child ended, once it did. */
void supervise_signals(int signal_fd, int child_pid);
/* Kill the child and end with status 125: the reason has been logged. */
void supervise_kill(int child_pid) __attribute__((noreturn));

#endif
