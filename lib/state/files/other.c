// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * other.c - what has no kind of its own: sockets, pipes, terminals and so on cannot be had in a
 * child.
 */
#include "state/files/kind.h"

FILE_KIND_WITHOUT_PAYLOAD(other)

#ifdef IN_SHADOW

bool other_is(const struct descriptor_file *f, const char *path)
{
	return true;
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>

int other_open(struct opening *o, uint32_t file)
{
	return -ENOENT;
}

#endif
