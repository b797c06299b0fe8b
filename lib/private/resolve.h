/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* resolve.h - every address of a host, in the order in which they are tried. */
#ifndef MITOSIS_RESOLVE_H
#define MITOSIS_RESOLVE_H

#include "address.h"

#define RESOLVE_MAX	32

/* Of a name or a numeric address: how many, or -errno after a message to the library's logger. */
int resolve_host(const char *host, uint16_t port, struct sockaddr_storage to[RESOLVE_MAX]);
/* Of "ADDRESS[,ADDRESS...]", all numeric: how many, or -EINVAL without a message. */
int resolve_list(const char *list, uint16_t port, struct sockaddr_storage to[RESOLVE_MAX]);

#endif
