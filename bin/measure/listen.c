// SPDX-License-Identifier: GPL-2.0-or-later
/* listen.c - the value of --listen: see listen.h. */
#include "listen.h"

#include "address.h"
#include "tool.h"

int listen_check(const char *where)
{
	struct sockaddr_storage a;
	socklen_t length;

	if (!where || !address_listen(where, &a, &length))
		return 0;
	return tool_usage_error("--listen", "%s: expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT, and no name", where);
}
