/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* root.h - names of the parent's files mean what they meant in the parent's root directory. */
#ifndef MITOSIS_ROOT_H
#define MITOSIS_ROOT_H

#include <stdbool.h>

/* The directory where names begin from now on, which stays the caller's; -1: our own root. */
void root_set(int fd);
bool root_is_other(void);
/* open(2), without O_CREAT. */
int root_open(const char *path, int flags);

#endif
