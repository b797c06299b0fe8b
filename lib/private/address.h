/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * address.h - numeric addresses, and where to listen: as the library and the tools read and show
 * them.
 */
#ifndef MITOSIS_ADDRESS_H
#define MITOSIS_ADDRESS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * Both: 0 or -EINVAL. The second takes "ADDRESS", "ADDRESS:PORT", "[IPV6]", "[IPV6]:PORT" or
 * "IPV6".
 */
int address_numeric(const char *host, uint16_t port, struct sockaddr_storage *to,
		    socklen_t *length);
int address_listen(const char *where, struct sockaddr_storage *to, socklen_t *length);
socklen_t address_length(const struct sockaddr_storage *a);
/* Without its port and, if it is IPv6, without brackets; with "%SCOPE" where it has one. */
#define ADDRESS_TEXT_MAX	(INET6_ADDRSTRLEN + 16)
void address_text(const struct sockaddr_storage *a, char text[ADDRESS_TEXT_MAX]);

#endif
