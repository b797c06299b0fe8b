/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* place.h - children on the shadow's own host get their pages straight from its memory. */
#ifndef MITOSIS_SHADOW_PLACE_H
#define MITOSIS_SHADOW_PLACE_H

#include "shadow/snapshot.h"

/*
 * Serve PLACE (format/wire.h) on a connection, in a thread of its own, which closes it at the end.
 * NULL, or why not; then the connection stays the caller's.
 */
const char *place_start(struct snapshot *s, int fd);

#endif
