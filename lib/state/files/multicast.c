// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * multicast.c - is a socket a member of a multicast group? Of which ones nobody lists; but the
 * kernel lists those of all sockets, and says of each whether this one is in it, by telling its
 * filter.
 */
#include "state/files/sockets.h"

#ifdef IN_SHADOW

#include "pie/freestanding.h"
#include "shadow/read.h"

#include <fcntl.h>

static bool is_in(uint32_t fd, int level, struct group_filter *f)
{
	uint32_t length = sizeof(*f);

	f->gf_numsrc = 0;
	return !sys(SYS_getsockopt, fd, level, MCAST_MSFILTER, f, &length);
}

/* Behind a line of a device, which begins with its number: "\t\t\t\t010000E0     1 0:00000000". */
static bool in_group_4(uint32_t fd, const char *line, struct group_filter *f)
{
	struct sockaddr_in *group = (void *)&f->gf_group;

	if (*line >= '0' && *line <= '9')
		f->gf_interface = (uint32_t)text_number(&line, 10);
	if (*line != '\t' || !f->gf_interface)
		return false;
	while (*line == '\t')
		line++;
	/* As the number lies in memory. */
	for (const char *p = line; *p && *p != ' '; p++)
		if (!((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'F')))
			return false;
	group->sin_family = AF_INET;
	group->sin_addr.s_addr = 0;
	for (; *line && *line != ' '; line++)
		group->sin_addr.s_addr = group->sin_addr.s_addr << 4 |
					 (uint32_t)(*line - (*line < 'A' ? '0' : 'A' - 10));
	return is_in(fd, IPPROTO_IP, f);
}

/* "1    lo              ff020000000000000000000000000001     1 0000000C 0" */
static bool in_group_6(uint32_t fd, const char *line, struct group_filter *f)
{
	struct sockaddr_in6 *group = (void *)&f->gf_group;
	int words = 0;

	f->gf_interface = (uint32_t)text_number(&line, 10);
	while (*line && words < 2) {
		words += line[0] == ' ' && line[1] != ' ';
		line++;
	}
	group->sin6_family = AF_INET6;
	for (int i = 0; i < 32; i++, line++) {
		uint8_t *byte = &group->sin6_addr.s6_addr[i / 2];
		int digit = *line >= '0' && *line <= '9' ? *line - '0' :
			    *line >= 'a' && *line <= 'f' ? *line - 'a' + 10 : -1;

		if (digit < 0)
			return false;
		*byte = (uint8_t)(*byte << 4 | digit);
	}
	return is_in(fd, IPPROTO_IPV6, f);
}

static bool look_through(struct snapshot *s, uint32_t fd, const char *list,
			 bool (*in_group)(uint32_t fd, const char *line, struct group_filter *f))
{
	struct line_reader r = { .buffer = s->scratch2, .capacity = SCRATCH_BYTES };
	struct group_filter f;
	const char *line;
	bool found = false;

	memset(&f, 0, sizeof(f));
	r.fd = (int)sys(SYS_openat, AT_FDCWD, list, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return false;
	while (!found && (line = next_line(&r)))
		found = in_group(fd, line, &f);
	sys(SYS_close, r.fd);
	return found;
}

bool socket_is_member(struct snapshot *s, uint32_t fd, uint32_t domain)
{
	return look_through(s, fd, "/proc/self/net/igmp", in_group_4) ||
	       (domain == AF_INET6 && look_through(s, fd, "/proc/self/net/igmp6", in_group_6));
}

#endif
