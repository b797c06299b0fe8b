/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* samefile.h - is a local file the one that the parent had mapped? See samefile.c for the rule. */
#ifndef MITOSIS_SAMEFILE_H
#define MITOSIS_SAMEFILE_H

#include <stdbool.h>

#include "format/descriptor.h"

bool file_is_same(const struct descriptor_mapped *file, int fd, bool same_host);

#endif
