/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * kind.h - the kinds of open files (DESCRIPTOR_FILE_KINDS in format/descriptor.h), a file each.
 *
 *   NAME_is	in the shadow: is it of this kind? The first that says yes has it.
 *   NAME_open	on the child's host: a descriptor for it; -ENOENT: it cannot be had here; another -errno ends
 *		the attempt. The caller keeps it open until the child has its own.
 */
#ifndef MITOSIS_KIND_H
#define MITOSIS_KIND_H

#include <stdbool.h>
#include <sys/stat.h>

#include "state/state.h"

#ifdef IN_SHADOW
#define KIND(number, name) bool name##_is(const struct descriptor_file *f, const char *path);
DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
#endif

#ifdef IN_LIBRARY
#define KIND(number, name) int name##_open(const struct descriptor *d, const struct descriptor_file *f, bool same_host);
DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND

/* Open its path as it was opened there, or -ENOENT; not what creates, truncates or claims. */
int file_reopen(const struct descriptor *d, const struct descriptor_file *f);
/* By device and inode on the parent's host; elsewhere these mean nothing. */
bool file_has_identity(const struct descriptor_file *f, const struct stat *st);
#endif

#endif
