// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * socket-options.c - what was asked for a socket by setsockopt(2). Numbers are read at whatever
 * level the kernel has them for this kind of socket, and set where a new one has another; a few
 * have a form of their own.
 */
#include "state/files/sockets.h"

#include <linux/netlink.h>
#include <linux/sockios.h>
#include <linux/udp.h>
#include <netinet/tcp.h>

#ifndef SO_BUF_LOCK		/* Linux 5.14 */
#define SO_BUF_LOCK		72
#endif
#define LOCKED_SEND		1
#define LOCKED_RECEIVE		2

#ifndef IPV6_FLOWINFO		/* <linux/in6.h>, which is no friend of <netinet/in.h> */
#define IPV6_FLOWINFO		11
#define IPV6_FLOWINFO_SEND	33
#endif
/* Newer than the oldest headers that this is built with. */
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL	69	/* Linux 5.11 */
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET	70	/* Linux 5.11 */
#endif
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM		73	/* Linux 5.16 */
#endif
#ifndef SO_TXREHASH
#define SO_TXREHASH		74	/* Linux 5.18 */
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK		75	/* Linux 6.0 */
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE	51	/* Linux 6.3 */
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD		76	/* Linux 6.5 */
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY		82	/* Linux 6.14 */
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS		44	/* Linux 6.15 */
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US		45	/* Linux 6.15 */
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US	46	/* Linux 6.15 */
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS		83	/* Linux 6.16 */
#endif
#ifndef SO_INQ
#define SO_INQ		84	/* Linux 6.18 */
#endif

/* The position of each is part of the format: only ever append. */
static const struct {
	int level, option;
} numbers[] = {
	{ SOL_SOCKET, SO_KEEPALIVE },
	{ SOL_SOCKET, SO_BROADCAST },
	{ SOL_SOCKET, SO_OOBINLINE },
	{ SOL_SOCKET, SO_DONTROUTE },
	{ SOL_SOCKET, SO_PRIORITY },
	{ SOL_SOCKET, SO_RCVLOWAT },
	{ SOL_SOCKET, SO_PASSCRED },
	{ SOL_SOCKET, SO_PASSSEC },
	{ SOL_SOCKET, SO_TIMESTAMP },
	{ SOL_SOCKET, SO_TIMESTAMPNS },
	{ SOL_SOCKET, SO_MARK },
	{ SOL_SOCKET, SO_RXQ_OVFL },
	{ SOL_SOCKET, SO_NO_CHECK },
	{ SOL_SOCKET, SO_BUSY_POLL },
	{ SOL_SOCKET, SO_ZEROCOPY },
	{ IPPROTO_TCP, TCP_NODELAY },
	{ IPPROTO_TCP, TCP_CORK },
	{ IPPROTO_TCP, TCP_MAXSEG },
	{ IPPROTO_TCP, TCP_KEEPIDLE },
	{ IPPROTO_TCP, TCP_KEEPINTVL },
	{ IPPROTO_TCP, TCP_KEEPCNT },
	{ IPPROTO_TCP, TCP_SYNCNT },
	{ IPPROTO_TCP, TCP_LINGER2 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ IPPROTO_TCP, TCP_FASTOPEN },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT },
	{ IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_TTL },
	{ IPPROTO_IP, IP_PKTINFO },
	{ IPPROTO_IP, IP_RECVTTL },
	{ IPPROTO_IP, IP_RECVTOS },
	{ IPPROTO_IP, IP_RECVERR },
	{ IPPROTO_IP, IP_MTU_DISCOVER },
	{ IPPROTO_IP, IP_FREEBIND },
	{ IPPROTO_IP, IP_TRANSPARENT },
	{ IPPROTO_IP, IP_MULTICAST_TTL },
	{ IPPROTO_IP, IP_MULTICAST_LOOP },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_RECVERR },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO },
	{ IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_UDP, UDP_CORK },
	{ IPPROTO_UDP, UDP_SEGMENT },
	{ IPPROTO_UDP, UDP_GRO },
	{ SOL_SOCKET, SO_TIMESTAMPING },
	/* An address: what was chosen by its number is not told. */
	{ IPPROTO_IP, IP_MULTICAST_IF },
	{ IPPROTO_IPV6, IPV6_MULTICAST_IF },
	{ SOL_SOCKET, SO_DEBUG },
	{ SOL_SOCKET, SO_WIFI_STATUS },
	{ SOL_SOCKET, SO_PEEK_OFF },
	{ SOL_SOCKET, SO_NOFCS },
	{ SOL_SOCKET, SO_LOCK_FILTER },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL },
	{ SOL_SOCKET, SO_BUSY_POLL_BUDGET },
	{ SOL_SOCKET, SO_RESERVE_MEM },
	{ SOL_SOCKET, SO_TXREHASH },
	{ SOL_SOCKET, SO_RCVMARK },
	{ SOL_SOCKET, SO_PASSPIDFD },
	{ SOL_SOCKET, SO_RCVPRIORITY },
	{ SOL_SOCKET, SO_PASSRIGHTS },
	{ SOL_SOCKET, SO_INQ },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ IPPROTO_TCP, TCP_QUICKACK },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS },
	{ IPPROTO_TCP, TCP_SAVE_SYN },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT },
	{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE },
	{ IPPROTO_TCP, TCP_INQ },
	{ IPPROTO_TCP, TCP_TX_DELAY },
	{ IPPROTO_TCP, TCP_RTO_MAX_MS },
	{ IPPROTO_TCP, TCP_RTO_MIN_US },
	{ IPPROTO_TCP, TCP_DELACK_MAX_US },
	{ IPPROTO_IP, IP_RECVOPTS },
	{ IPPROTO_IP, IP_RETOPTS },
	{ IPPROTO_IP, IP_PASSSEC },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR },
	{ IPPROTO_IP, IP_MINTTL },
	{ IPPROTO_IP, IP_CHECKSUM },
	{ IPPROTO_IP, IP_RECVFRAGSIZE },
	{ IPPROTO_IP, IP_RECVERR_RFC4884 },
	{ IPPROTO_IP, IP_MULTICAST_ALL },
	{ IPPROTO_IP, IP_UNICAST_IF },
	{ IPPROTO_IP, IP_LOCAL_PORT_RANGE },
	{ IPPROTO_UDP, UDP_ENCAP },
	{ IPPROTO_UDP, UDP_NO_CHECK6_TX },
	{ IPPROTO_UDP, UDP_NO_CHECK6_RX },
	{ IPPROTO_IPV6, IPV6_2292PKTINFO },
	{ IPPROTO_IPV6, IPV6_2292HOPOPTS },
	{ IPPROTO_IPV6, IPV6_2292DSTOPTS },
	{ IPPROTO_IPV6, IPV6_2292RTHDR },
	{ IPPROTO_IPV6, IPV6_2292HOPLIMIT },
	{ IPPROTO_IPV6, IPV6_FLOWINFO },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER },
	{ IPPROTO_IPV6, IPV6_MULTICAST_ALL },
	{ IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE },
	{ IPPROTO_IPV6, IPV6_RECVERR_RFC4884 },
	{ IPPROTO_IPV6, IPV6_FLOWINFO_SEND },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
	{ IPPROTO_IPV6, IPV6_RECVHOPOPTS },
	{ IPPROTO_IPV6, IPV6_RECVRTHDR },
	{ IPPROTO_IPV6, IPV6_RECVDSTOPTS },
	{ IPPROTO_IPV6, IPV6_RECVPATHMTU },
	{ IPPROTO_IPV6, IPV6_DONTFRAG },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES },
	{ IPPROTO_IPV6, IPV6_MINHOPCOUNT },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF },
	{ IPPROTO_IPV6, IPV6_RECVFRAGSIZE },
	{ SOL_NETLINK, NETLINK_PKTINFO },
	{ SOL_NETLINK, NETLINK_BROADCAST_ERROR },
	{ SOL_NETLINK, NETLINK_NO_ENOBUFS },
	{ SOL_NETLINK, NETLINK_LISTEN_ALL_NSID },
	{ SOL_NETLINK, NETLINK_CAP_ACK },
	{ SOL_NETLINK, NETLINK_EXT_ACK },
	{ SOL_NETLINK, NETLINK_GET_STRICT_CHK },
};

#define NUMBERS	(sizeof(numbers) / sizeof(numbers[0]))
_Static_assert(NUMBERS <= SOCKET_OPTIONS_MAX, "there is room for them");

static bool applies_tcp(const struct socket_state *state)
{
	return (state->domain == AF_INET || state->domain == AF_INET6) &&
	       state->type == SOCK_STREAM;
}

/* Some levels have numbers of other protocols under the same name. */
static bool applies(const struct socket_state *state, unsigned int i)
{
	bool internet = state->domain == AF_INET || state->domain == AF_INET6;

	switch (numbers[i].level) {
	case SOL_SOCKET:	return true;
	case IPPROTO_TCP:	return applies_tcp(state);
	case IPPROTO_UDP:	return internet && state->type == SOCK_DGRAM;
	case IPPROTO_IPV6:	return state->domain == AF_INET6;
	case SOL_NETLINK:	return state->domain == AF_NETLINK;
	}
	return internet;
}

#ifdef IN_SHADOW

#include "pie/freestanding.h"
#include "shadow/read.h"

#include <errno.h>

static bool is_filtered(uint32_t fd)
{
	uint32_t length = 0;
	long n = sys(SYS_getsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, 0, &length);

	/* One of eBPF is not shown. */
	return n == -EACCES || (n >= 0 && length);
}

/* Options of other forms, which a child's socket is without. */
static bool has_more(uint32_t fd, const struct socket_state *state)
{
	static const struct { int level, option; } all[] = {
		{ IPPROTO_IP, IP_OPTIONS },
		{ IPPROTO_IPV6, IPV6_HOPOPTS }, { IPPROTO_IPV6, IPV6_RTHDRDSTOPTS },
		{ IPPROTO_IPV6, IPV6_RTHDR }, { IPPROTO_IPV6, IPV6_DSTOPTS },
		{ IPPROTO_TCP, TCP_ULP },
	};
	struct { int32_t clock; uint32_t flags; } times = { 0 };
	char form[256];

	for (uint32_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint32_t length = sizeof(form);

		if ((all[i].level != IPPROTO_TCP || applies_tcp(state)) &&
		    (all[i].level != IPPROTO_IPV6 || state->domain == AF_INET6) &&
		    (state->domain == AF_INET || state->domain == AF_INET6) &&
		    !sys(SYS_getsockopt, fd, all[i].level, all[i].option, form, &length) && length)
			return true;
	}
	return socket_get(fd, SOL_SOCKET, SO_TXTIME, &times, sizeof(times)) &&
	       (times.clock || times.flags);
}

/* Its name is gone with the interface that it is bound to. */
static bool read_device(uint32_t fd, struct socket_state *state)
{
	uint32_t length = sizeof(state->device), number = 0;

	if (sys(SYS_getsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, state->device, &length) < 0)
		state->device[0] = '\0';
	state->device[sizeof(state->device) - 1] = '\0';
	return state->device[0] || !socket_get(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &number, 4) ||
	       !number;
}

bool socket_options_read(uint32_t fd, struct socket_state *state)
{
	uint32_t reuse, share = 0, locked = 0, length = sizeof(state->congestion);
	struct timeval send, receive;
	struct linger linger;

	if (!socket_get(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ||
	    !socket_get(fd, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send)) ||
	    !socket_get(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive)) ||
	    !socket_get(fd, SOL_SOCKET, SO_SNDBUF, &state->send_bytes, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_RCVBUF, &state->receive_bytes, 4))
		return false;
	socket_get(fd, SOL_SOCKET, SO_REUSEPORT, &share, 4);
	socket_get(fd, SOL_SOCKET, SO_BUF_LOCK, &locked, 4);
	state->flags |= (reuse ? SOCKET_REUSES_ADDRESS : 0) | (share ? SOCKET_SHARES_PORT : 0) |
			(linger.l_onoff ? SOCKET_LINGERS : 0) |
			(is_filtered(fd) ? SOCKET_FILTERED : 0) |
			(locked & LOCKED_SEND ? SOCKET_SEND_BYTES : 0) |
			(locked & LOCKED_RECEIVE ? SOCKET_RECEIVE_BYTES : 0);
	state->linger_s = (uint32_t)linger.l_linger;
	state->send_s = send.tv_sec;
	state->send_us = send.tv_usec;
	state->receive_s = receive.tv_sec;
	state->receive_us = receive.tv_usec;
	for (uint32_t i = 0; i < NUMBERS; i++)
		if (applies(state, i) &&
		    socket_get(fd, numbers[i].level, numbers[i].option, &state->options[i], 4))
			state->given[i / 64] |= 1ULL << i % 64;
	if (!read_device(fd, state) || has_more(fd, state))
		state->flags |= SOCKET_MORE_OPTIONS;
	state->pacing = ~0ULL;
	socket_get(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &state->pacing, sizeof(state->pacing));
	if (!applies_tcp(state) ||
	    sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_CONGESTION, state->congestion, &length) < 0)
		state->congestion[0] = '\0';
	state->congestion[sizeof(state->congestion) - 1] = '\0';
	return true;
}

#endif
#ifdef IN_LIBRARY

#include <string.h>

bool socket_options_check(const struct socket_state *state)
{
	for (uint32_t i = NUMBERS; i < SOCKET_OPTIONS_MAX; i++)
		if (state->given[i / 64] >> i % 64 & 1)
			return false;
	return !state->device[sizeof(state->device) - 1] &&
	       !state->congestion[sizeof(state->congestion) - 1] &&
	       state->send_bytes <= INT32_MAX && state->receive_bytes <= INT32_MAX;
}

bool socket_set_bytes(int fd, int option, uint32_t bytes)
{
	int half = (int)(bytes / 2);
	uint32_t is;
	socklen_t length = sizeof(is);

	if (!getsockopt(fd, SOL_SOCKET, option, &is, &length) && is == bytes)
		return true;
	return !setsockopt(fd, SOL_SOCKET, option, &half, sizeof(half)) &&
	       !getsockopt(fd, SOL_SOCKET, option, &is, &length) && is == bytes;
}

static bool set_number(int fd, unsigned int i, int value)
{
	int is = 0;
	socklen_t length = sizeof(is);

	if (!getsockopt(fd, numbers[i].level, numbers[i].option, &is, &length) && is == value)
		return true;
	return !setsockopt(fd, numbers[i].level, numbers[i].option, &value, sizeof(value));
}

#define LOOPBACK	1		/* its number in every network */

/* The number of an interface, which may be another's elsewhere. */
static bool is_interface(unsigned int i, int value)
{
	if (numbers[i].level == IPPROTO_IP && numbers[i].option == IP_UNICAST_IF)
		return value && ntohl((uint32_t)value) != LOOPBACK;
	return numbers[i].level == IPPROTO_IPV6 && value && value != LOOPBACK &&
	       (numbers[i].option == IPV6_MULTICAST_IF || numbers[i].option == IPV6_UNICAST_IF);
}

/* Whose numbers interfaces have is a namespace's affair. */
bool socket_has_same_interfaces(const struct opening *o)
{
	struct stat st;

	return o->same_host && !o->network && !stat("/proc/self/ns/net", &st) &&
	       st.st_ino == o->d->namespaces[NAMESPACE_net];
}

static bool set_congestion(int fd, const char *name)
{
	char is[16] = "";
	socklen_t length = sizeof(is) - 1;

	if (!getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, is, &length) && !strcmp(is, name))
		return true;
	return !setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

void socket_options_set(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	const struct timeval send = { state->send_s, state->send_us },
			     receive = { state->receive_s, state->receive_us };
	const struct linger linger = { 1, (int)state->linger_s };
	bool all = !(state->flags & SOCKET_MORE_OPTIONS);

	for (unsigned int i = 0; i < NUMBERS; i++)
		if (state->given[i / 64] >> i % 64 & 1 && applies(state, i))
			all &= is_interface(i, state->options[i]) &&
					       !socket_has_same_interfaces(o)
				       ? false
				       : set_number(fd, i, state->options[i]);
	all &= state->pacing == ~0ULL || !setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE,
						     &state->pacing, sizeof(state->pacing));
	all &= !*state->congestion || set_congestion(fd, state->congestion);
	all &= !(state->flags & SOCKET_LINGERS) ||
	       !setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	all &= !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send)) &&
	       !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive));
	all &= !*state->device || !setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, state->device,
					      (socklen_t)strlen(state->device) + 1);
	if (!all)
		opening_lost(o, file, "has not all options");
	if ((state->flags & SOCKET_SEND_BYTES &&
	     !socket_set_bytes(fd, SO_SNDBUF, state->send_bytes)) ||
	    (state->flags & SOCKET_RECEIVE_BYTES &&
	     !socket_set_bytes(fd, SO_RCVBUF, state->receive_bytes)))
		opening_lost(o, file, "has buffers of another size (net.core.wmem_max, rmem_max)");
	if (state->flags & SOCKET_FILTERED)
		opening_lost(o, file, "has no filter (SO_ATTACH_FILTER)");
}

#endif
