/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* draws.h - does a parent hold a library whose random numbers its children would have in common? */
#ifndef MITOSIS_DRAWS_H
#define MITOSIS_DRAWS_H

#include "format/descriptor.h"
#include "restore/losses.h"

/* Of children that have their parent's process number. */
void draws_lose(const struct descriptor *d, struct losses *losses);

#endif
