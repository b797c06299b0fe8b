/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * snapshots.h - the snapshots of this host by the names of their sockets (format/registry.h), for
 * who must also deal with one that does not answer.
 */
#ifndef MITOSIS_SNAPSHOTS_H
#define MITOSIS_SNAPSHOTS_H

#include "mitosis.h"

struct ucred;

/*
 * Calls fn for each that may be asked, until it returns not 0, which is then returned; or -errno.
 */
int registry_each(int (*fn)(const char *name, void *data), void *data);
/*
 * Fills in who listens there as soon as a connection is made, whether or not it answers; info NULL:
 * that is all. 0 or -errno.
 */
int registry_ask(const char *name, struct ucred *who, struct mitosis_info *info);

#endif
