/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * reference.h - mitosis://HOST:PORT/UUID, or mitosis+rdma:// where the kernel module serves the
 * pages.
 */
#ifndef MITOSIS_REFERENCE_H
#define MITOSIS_REFERENCE_H

#include <stdint.h>

#include "mitosis.h"

enum reference_scheme {
	REFERENCE_PLAIN,		/* mitosis:// */
	REFERENCE_RDMA,			/* mitosis+rdma:// */
};

struct reference {
	enum reference_scheme scheme;
	char host[256];			/* without the brackets of IPv6 */
	uint16_t port;
	uint8_t uuid[16];
	char address[272];		/* HOST:PORT: safe to show, the UUID is not */
	/* those of HOST where the caller knows them (resolve_list()); else NULL */
	const char *addresses;
};

/* 0 or -EINVAL. */
int reference_parse(struct reference *ref, const char *text);
/* Async-signal-safe. 0 or -ENAMETOOLONG. */
int reference_format(char text[MITOSIS_REF_MAX], const char *address, const uint8_t uuid[16],
		     enum reference_scheme scheme);

#endif
