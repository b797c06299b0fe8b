/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.h - is this host, and are its files, what the parent's were? */
#ifndef MITOSIS_HOST_H
#define MITOSIS_HOST_H

#include <stdbool.h>

#include "format/descriptor.h"

/* Can this snapshot run here? 0, or -ENOTSUP with the exact reason logged. */
int host_check(const struct descriptor *d, const char *object);
bool file_is_same(const struct descriptor_file *file, int fd);

#endif
