// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* unix-diag.c - what only NETLINK_SOCK_DIAG tells of a unix socket: its peer, queue and file. */
#include "state/files/sockets.h"

#ifdef IN_SHADOW

#include "pie/freestanding.h"
#include "shadow/read.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

static bool parse_answer(const char *data, long bytes, uint64_t inode, struct unix_facts *facts)
{
	const struct nlmsghdr *h = (const void *)data;
	const struct unix_diag_msg *m = (const void *)(h + 1);

	if (bytes < (long)(sizeof(*h) + sizeof(*m)) || h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    m->udiag_ino != inode)
		return false;
	for (long at = sizeof(*h) + sizeof(*m); at + (long)sizeof(struct nlattr) <= bytes;) {
		const struct nlattr *a = (const void *)(data + at);
		const uint8_t *value = (const void *)(a + 1);
		const uint32_t *word = (const void *)value;

		if (a->nla_len < sizeof(*a) || at + a->nla_len > bytes)
			return false;
		if (a->nla_type == UNIX_DIAG_PEER && a->nla_len >= sizeof(*a) + 4)
			facts->peer = word[0];
		if (a->nla_type == UNIX_DIAG_SHUTDOWN && a->nla_len > sizeof(*a))
			facts->shut = *value & 3;
		if (a->nla_type == UNIX_DIAG_RQLEN && a->nla_len >= sizeof(*a) + 8)
			facts->backlog = word[1];
		if (a->nla_type == UNIX_DIAG_VFS && a->nla_len >= sizeof(*a) + 8) {
			facts->file_inode = word[0];
			facts->file_device = word[1];
		}
		at += (a->nla_len + 3) & ~3;
	}
	return true;
}

bool unix_facts_of(uint64_t inode, struct unix_facts *facts)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} request = {
		.h = {
			.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.r = {
			.sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_ino = (uint32_t)inode,
			.udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_VFS,
			.udiag_cookie = { ~0U, ~0U },
		},
	};
	char answer[512] __attribute__((aligned(8)));
	long fd, n = -1;

	*facts = (struct unix_facts){ 0 };
	if (inode > UINT32_MAX)
		return false;
	fd = sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return false;
	/* The kernel answers within the call. */
	if (sys(SYS_sendto, fd, &request, sizeof(request), 0, 0, 0) == (long)sizeof(request))
		n = sys(SYS_recvfrom, fd, answer, sizeof(answer), MSG_DONTWAIT, 0, 0);
	sys(SYS_close, fd);
	return parse_answer(answer, n, inode, facts);
}

bool socket_get(uint32_t fd, int level, int option, void *value, uint32_t bytes)
{
	uint32_t length = bytes;

	return !sys(SYS_getsockopt, fd, level, option, value, &length) && length == bytes;
}

#endif
