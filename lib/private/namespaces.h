/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* namespaces.h - why a namespace cannot be made, and the setting that says so. */
#ifndef MITOSIS_NAMESPACES_H
#define MITOSIS_NAMESPACES_H

#include <stddef.h>

/*
 * What the kernel answered with errno err when one of these kinds was asked for ("user", or several
 * as in "pid mnt"), as a sentence that names the setting. Returns to. If knob is not NULL, it
 * becomes the setting that would help, as sysctl(8) takes it, or "".
 */
const char *namespaces_problem(const char *kinds, int err, char *to, size_t room,
			       const char **knob);

#endif
