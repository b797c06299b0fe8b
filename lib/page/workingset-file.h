/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* workingset-file.h - working sets as files. */
#ifndef MITOSIS_WORKINGSET_FILE_H
#define MITOSIS_WORKINGSET_FILE_H

#include "format/workingset.h"

/* 0 or -errno, logged. The result belongs to the caller. */
int workingset_read(struct workingset *w, const char *path);
/* Read, and see that it belongs to this snapshot: -ESTALE if not, logged. */
int workingset_read_for(struct workingset *w, const char *path, const struct descriptor *d);
/* Can a file be written there? Asked before anything starts. 0 or -errno, logged. */
int workingset_can_write(const char *path);
/* Whole or not at all: a file that is there already is replaced. 0 or -errno, logged. */
int workingset_write(const struct workingset *w, const char *path);

#endif
