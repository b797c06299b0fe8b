/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* supervise.h - the supervisor stands where the program would stand: signals, job control, exit. */
#ifndef MITOSIS_SUPERVISE_H
#define MITOSIS_SUPERVISE_H

#include <stdbool.h>

/* Blocks all signals and returns a signalfd for them, or -errno. */
int supervise_begin(void);
/* Call this once the child has ended, before this process does; not when it was killed by us. */
void supervise_at_end(void (*fn)(void *data), void *data);
/*
 * A terminal is the child's meanwhile: it is given back when the child has ended or while it is
 * stopped (true: a process group of the child's had it), and taken again when it goes on (false: it
 * is somebody else's, or the child has it already).
 */
void supervise_terminal(bool (*give_back)(void), bool (*take_again)(void));
/* Process 1 of the child's own namespace: it ends when the child has ended, or was killed by us. */
void supervise_init(int pid);
/* A signal that is not passed on when a process sends it: see below. */
void supervise_take(int signo);
/*
 * Handle what the signalfd has; ends this process as the child ended, once it did. True: the signal
 * that was taken has come.
 */
bool supervise_signals(int signal_fd, int child_pid);
/* The same for how the child is, when a SIGCHLD may have gone elsewhere. */
void supervise_look(int child_pid);
/* Kill the child and end with status 125: the reason has been logged. */
void supervise_kill(int child_pid) __attribute__((noreturn));

#endif
