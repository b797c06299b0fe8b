/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* run.h - programs that mitosis-check asks. */
#ifndef CHECK_RUN_H
#define CHECK_RUN_H

#include <stdbool.h>

/*
 * What a program prints, in English; argv[0] is its path. To be freed; NULL: it did not end in
 * time, or could not be started. Its exit status, or -1. With errors, what it says on standard
 * error, too.
 */
char *run_program(char *const argv[], bool errors, int *status);

#endif
