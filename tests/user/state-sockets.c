// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * state-sockets.c - sockets that listen, have a name, or are connected. The parent closes its own
 * as soon as there is a snapshot: a child on its host could not have the same names otherwise.
 */
#include "state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Beyond all that this program opens by itself. */
static int own_fds[64], own_count;

static int own(int fd)
{
	CHECK(fd >= 0 && own_count < 64);
	own_fds[own_count++] = fd;
	return fd;
}

static void close_own(void)
{
	for (int i = 0; i < own_count; i++)
		CHECK(!close(own_fds[i]));
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		FAIL("option %d of level %d: %s", option, level, strerror(errno));
}

static int get(int fd, int level, int option)
{
	socklen_t length = sizeof(int);
	int value = -1;

	if (getsockopt(fd, level, option, &value, &length))
		FAIL("option %d of level %d: %s", option, level, strerror(errno));
	return value;
}

static struct sockaddr_storage name_of(int fd, socklen_t *length)
{
	struct sockaddr_storage a = { 0 };

	*length = sizeof(a);
	CHECK(!getsockname(fd, (void *)&a, length));
	return a;
}

static int port_of(int fd)
{
	socklen_t length;
	struct sockaddr_storage a = name_of(fd, &length);

	return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port :
					      ((struct sockaddr_in6 *)&a)->sin6_port);
}

static void bind_4(int fd, uint32_t address, int port)
{
	const struct sockaddr_in a = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(address) };

	if (bind(fd, (const void *)&a, sizeof(a)))
		FAIL("bind: %s", strerror(errno));
}

/* False: there is no IPv6 here. */
static bool bind_6(int fd, int port)
{
	const struct sockaddr_in6 a = { .sin6_family = AF_INET6,
					.sin6_port = htons(port),
					.sin6_addr = in6addr_loopback };

	return !bind(fd, (const void *)&a, sizeof(a));
}

static void connect_4(int fd, int port)
{
	const struct sockaddr_in a = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (connect(fd, (const void *)&a, sizeof(a)))
		FAIL("connect: %s", strerror(errno));
}

static int queue_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	CHECK(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
	return (int)info.tcpi_sacked;
}

/* ---- TCP that listens ---- */

static int listener, listener_6, shared_listeners[2], listen_port, port_6, shared_port, epoll_fd;

static void build_listeners(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 0xfedcba9876543210ULL };

	listener = own(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
	set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(listener, SOL_SOCKET, SO_RCVBUF, 30000);
	set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
	set(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set(listener, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	CHECK(!setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	bind_4(listener, INADDR_LOOPBACK, 0);
	CHECK(!listen(listener, 17));
	listen_port = port_of(listener);
	listener_6 = own(socket(AF_INET6, SOCK_STREAM, 0));
	set(listener_6, SOL_SOCKET, SO_REUSEADDR, 1);
	set(listener_6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	set(listener_6, IPPROTO_TCP, TCP_DEFER_ACCEPT, 7);
	if (bind_6(listener_6, 0)) {
		CHECK(!listen(listener_6, 5));
		port_6 = port_of(listener_6);
	}
	/* Two of one port, as each worker has its own. */
	for (int i = 0; i < 2; i++) {
		shared_listeners[i] = own(socket(AF_INET, SOCK_STREAM, 0));
		set(shared_listeners[i], SOL_SOCKET, SO_REUSEADDR, 1);
		set(shared_listeners[i], SOL_SOCKET, SO_REUSEPORT, 1);
		bind_4(shared_listeners[i], INADDR_ANY, shared_port);
		CHECK(!listen(shared_listeners[i], 100 + i));
		shared_port = port_of(shared_listeners[i]);
	}
	epoll_fd = epoll_create1(0);
	CHECK(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e));
}

static void verify_listeners(void)
{
	int client = socket(AF_INET, SOCK_STREAM, 0), server;
	char congestion[16] = "";
	socklen_t length = sizeof(congestion);
	struct epoll_event e;

	CHECK_EQUAL(port_of(listener), listen_port);
	CHECK_EQUAL(get(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
	CHECK_EQUAL(get(listener, SOL_SOCKET, SO_REUSEADDR), 1);
	CHECK_EQUAL(get(listener, SOL_SOCKET, SO_REUSEPORT), 0);
	CHECK_EQUAL(get(listener, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQUAL(get(listener, SOL_SOCKET, SO_RCVBUF), 60000);
	CHECK_EQUAL(get(listener, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQUAL(get(listener, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	CHECK_EQUAL(get(listener, SOL_SOCKET, SO_TIMESTAMPING), SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	CHECK(!getsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, congestion, &length) && !strcmp(congestion, "reno"));
	CHECK_EQUAL(queue_of(listener), 17);
	CHECK(fcntl(listener, F_GETFL) & O_NONBLOCK && fcntl(listener, F_GETFD) & FD_CLOEXEC);
	CHECK(!(fcntl(shared_listeners[0], F_GETFL) & O_NONBLOCK) &&
	      !(fcntl(shared_listeners[0], F_GETFD) & FD_CLOEXEC));
	/* Nobody of the parent's waits at it. */
	CHECK(accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
	CHECK(epoll_wait(epoll_fd, &e, 1, 0) == 0);
	connect_4(client, listen_port);
	CHECK(epoll_wait(epoll_fd, &e, 1, 5000) == 1 && e.data.u64 == 0xfedcba9876543210ULL);
	server = accept(listener, NULL, NULL);
	CHECK(server >= 0 && write(client, "x", 1) == 1 && !close(client) && !close(server));
	if (port_6) {
		CHECK_EQUAL(port_of(listener_6), port_6);
		CHECK_EQUAL(get(listener_6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		CHECK_EQUAL(get(listener_6, IPPROTO_TCP, TCP_DEFER_ACCEPT), 7);
		CHECK_EQUAL(queue_of(listener_6), 5);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_EQUAL(port_of(shared_listeners[i]), shared_port);
		CHECK_EQUAL(get(shared_listeners[i], SOL_SOCKET, SO_REUSEPORT), 1);
		CHECK_EQUAL(queue_of(shared_listeners[i]), 100 + i);
	}
}

/* ---- UDP ---- */

static int loopback;
static int receiver, sender, receiver_6, receive_port, receive_port_6;

static void build_udp(void)
{
	receiver = own(socket(AF_INET, SOCK_DGRAM, 0));
	set(receiver, SOL_SOCKET, SO_REUSEADDR, 1);
	set(receiver, SOL_SOCKET, SO_BROADCAST, 1);
	set(receiver, IPPROTO_IP, IP_PKTINFO, 1);
	set(receiver, IPPROTO_IP, IP_MULTICAST_IF, (int)htonl(INADDR_LOOPBACK));
	bind_4(receiver, INADDR_LOOPBACK, 0);
	receive_port = port_of(receiver);
	sender = own(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	connect_4(sender, receive_port);
	receiver_6 = own(socket(AF_INET6, SOCK_DGRAM, 0));
	if (bind_6(receiver_6, 0))
		receive_port_6 = port_of(receiver_6);
	loopback = (int)if_nametoindex("lo");
	set(receiver_6, IPPROTO_IPV6, IPV6_MULTICAST_IF, loopback);
}

static void verify_udp(void)
{
	char text[16];

	CHECK_EQUAL(port_of(receiver), receive_port);
	CHECK_EQUAL(get(receiver, SOL_SOCKET, SO_REUSEADDR), 1);
	CHECK_EQUAL(get(receiver, SOL_SOCKET, SO_BROADCAST), 1);
	CHECK_EQUAL(get(receiver, IPPROTO_IP, IP_PKTINFO), 1);
	CHECK_EQUAL(get(receiver, IPPROTO_IP, IP_MULTICAST_IF), htonl(INADDR_LOOPBACK));
	CHECK_EQUAL(get(receiver_6, IPPROTO_IPV6, IPV6_MULTICAST_IF), loopback);
	CHECK(send(sender, "hello", 5, 0) == 5 && recv(receiver, text, 16, 0) == 5 &&
	      !memcmp(text, "hello", 5));
	CHECK(recv(sender, text, 16, 0) == -1 && errno == EAGAIN);
	if (receive_port_6)
		CHECK_EQUAL(port_of(receiver_6), receive_port_6);
}

/* ---- unix sockets with names ---- */

static int path_listener, abstract_listener, datagrams, datagram_sender;
static struct sockaddr_un path_name = { AF_UNIX, "listener.socket" },
			  abstract_name = { AF_UNIX, "" },
			  datagram_name = { AF_UNIX, "datagrams.socket" };

static socklen_t length_of(const struct sockaddr_un *a)
{
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			   (a->sun_path[0] ? strlen(a->sun_path) + 1 :
					     strlen(a->sun_path + 1) + 1));
}

/* Names begin at the root. */
static void complete(struct sockaddr_un *a)
{
	char here[60], path[200];

	CHECK(getcwd(here, sizeof(here)));
	snprintf(path, sizeof(path), "%s/%.30s", here, a->sun_path);
	snprintf(a->sun_path, sizeof(a->sun_path), "%.100s", path);
}

static int bound_to(int type, const struct sockaddr_un *a)
{
	int fd = own(socket(AF_UNIX, type, 0));

	if (bind(fd, (const void *)a, length_of(a)))
		FAIL("bind: %s", strerror(errno));
	return fd;
}

static void build_unix_sockets(void)
{
	complete(&path_name);
	complete(&datagram_name);
	path_listener = bound_to(SOCK_STREAM, &path_name);
	CHECK(!chmod(path_name.sun_path, 0640) && !listen(path_listener, 9));
	snprintf(abstract_name.sun_path + 1, 60, "mitosis-test-%d", getpid());
	abstract_listener = bound_to(SOCK_SEQPACKET, &abstract_name);
	CHECK(!listen(abstract_listener, 3));
	datagrams = bound_to(SOCK_DGRAM, &datagram_name);
	set(datagrams, SOL_SOCKET, SO_PASSCRED, 1);
	datagram_sender = own(socket(AF_UNIX, SOCK_DGRAM, 0));
	CHECK(!connect(datagram_sender, (const void *)&datagram_name, length_of(&datagram_name)));
}

static void check_answers(int fd, int type, const struct sockaddr_un *a)
{
	int client = socket(AF_UNIX, type, 0), server;
	char text[16];

	if (connect(client, (const void *)a, length_of(a)))
		FAIL("connect: %s", strerror(errno));
	server = accept(fd, NULL, NULL);
	CHECK(server >= 0 && write(client, "hello", 5) == 5 && read(server, text, 16) == 5);
	CHECK(!close(client) && !close(server));
}

static void verify_unix_sockets(void)
{
	socklen_t length;
	struct sockaddr_storage a = name_of(path_listener, &length);
	struct stat st;
	char text[16];

	CHECK_EQUAL(length, length_of(&path_name));
	CHECK(!memcmp(&a, &path_name, length));
	CHECK(!stat(path_name.sun_path, &st) && S_ISSOCK(st.st_mode));
	CHECK_EQUAL(st.st_mode & 07777, 0640);
	check_answers(path_listener, SOCK_STREAM, &path_name);
	check_answers(abstract_listener, SOCK_SEQPACKET, &abstract_name);
	CHECK_EQUAL(get(datagrams, SOL_SOCKET, SO_PASSCRED), 1);
	CHECK(write(datagram_sender, "hello", 5) == 5 && read(datagrams, text, 16) == 5 &&
	      !memcmp(text, "hello", 5));
	/* For the next child. */
	CHECK(!unlink(path_name.sun_path) && !unlink(datagram_name.sun_path));
}

/* ---- sockets as new ---- */

static int plain[5];

static void build_plain_sockets(void)
{
	plain[0] = own(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	set(plain[0], IPPROTO_TCP, TCP_NODELAY, 1);
	set(plain[0], SOL_SOCKET, SO_REUSEADDR, 1);
	plain[1] = own(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	set(plain[1], SOL_SOCKET, SO_REUSEPORT, 1);
	plain[2] = own(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	plain[3] = own(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	/* It comes to have a name and a peer after the instant. */
	plain[4] = own(socket(AF_INET, SOCK_DGRAM, 0));
}

static void after_plain_sockets(void)
{
	connect_4(plain[4], 9);
	close_own();
}

static void verify_plain_sockets(void)
{
	const int domains[] = { AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_INET };
	const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW, SOCK_DGRAM };
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} request = {
		.h = { .nlmsg_len = sizeof(request),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	char answer[8192];

	for (int i = 0; i < 5; i++) {
		CHECK_EQUAL(get(plain[i], SOL_SOCKET, SO_DOMAIN), domains[i]);
		CHECK_EQUAL(get(plain[i], SOL_SOCKET, SO_TYPE), types[i]);
	}
	CHECK(fcntl(plain[0], F_GETFL) & O_NONBLOCK && fcntl(plain[1], F_GETFD) & FD_CLOEXEC);
	CHECK_EQUAL(get(plain[0], IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQUAL(get(plain[0], SOL_SOCKET, SO_REUSEADDR), 1);
	CHECK_EQUAL(get(plain[1], SOL_SOCKET, SO_REUSEPORT), 1);
	CHECK_EQUAL(port_of(plain[4]), 0);
	CHECK(send(plain[3], &request, sizeof(request), 0) == sizeof(request) &&
	      recv(plain[3], answer, sizeof(answer), 0) > 0);
}

/* ---- addresses without a port ---- */

static int lone[6];
static const uint32_t lone_address = INADDR_LOOPBACK + 1;

static void build_lone_addresses(void)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	for (int i = 0; i < 5; i++)
		lone[i] = own(socket(AF_INET, i & 1 ? SOCK_DGRAM : SOCK_STREAM, 0));
	lone[5] = own(socket(AF_INET6, SOCK_STREAM, 0));
	/* The port comes with the first use; whether that was asked for can be taken back. */
	for (int i = 0; i < 3; i++) {
		set(lone[i], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		bind_4(lone[i], lone_address, 0);
	}
	set(lone[2], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0);
	/* One that the kernel gave goes with the connection. */
	bind_4(lone[3], lone_address, 0);
	connect_4(lone[3], 9);
	CHECK(!connect(lone[3], &nowhere, sizeof(nowhere)));
	/* One that is nowhere. */
	bind_4(lone[4], INADDR_ANY, 0);
	set(lone[5], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (!bind_6(lone[5], 0))
		lone[5] = -1;
	for (int i = 0; i < 4; i++)
		CHECK_EQUAL(port_of(lone[i]), 0);
}

static uint32_t address_of(int fd)
{
	socklen_t length;
	struct sockaddr_storage a = name_of(fd, &length);

	return ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr);
}

static void verify_lone_addresses(void)
{
	struct sockaddr_storage a;
	socklen_t length;

	for (int i = 0; i < 4; i++) {
		CHECK_EQUAL(address_of(lone[i]), lone_address);
		CHECK_EQUAL(port_of(lone[i]), 0);
		CHECK_EQUAL(get(lone[i], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), i < 2);
	}
	CHECK_EQUAL(address_of(lone[4]), INADDR_ANY);
	if (lone[5] >= 0) {
		a = name_of(lone[5], &length);
		CHECK(IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr));
		CHECK_EQUAL(port_of(lone[5]), 0);
	}
	/* They are of use. */
	connect_4(lone[1], 9);
	CHECK_EQUAL(address_of(lone[1]), lone_address);
	CHECK(port_of(lone[1]) && !listen(lone[0], 1) && port_of(lone[0]));
	CHECK_EQUAL(address_of(lone[0]), lone_address);
}

/* ---- all options that there are ---- */

#define OPTIONS_MAX 110
static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, SOL_NETLINK };
#define LEVELS (sizeof(levels) / sizeof(levels[0]))

static struct optioned {
	int fd, domain, type;
	struct { int bytes; char value[16]; } is[LEVELS][OPTIONS_MAX];
} optioned[9];
static int optioned_count, options_changed;

static bool option_is_one_of(const int list[][2], int level, int option)
{
	for (int i = 0; list[i][0] >= 0; i++)
		if (list[i][0] == level && list[i][1] == option)
			return true;
	return false;
}

/* What belongs to a socket or its peer, or counts. */
static bool is_own_option(int level, int option)
{
	static const int own_options[][2] = {
		{ SOL_SOCKET, SO_ERROR }, { SOL_SOCKET, SO_PEERCRED }, { SOL_SOCKET, SO_PEERNAME },
		{ SOL_SOCKET, SO_PEERSEC }, { SOL_SOCKET, SO_MEMINFO }, { SOL_SOCKET, SO_INCOMING_NAPI_ID },
		{ SOL_SOCKET, SO_COOKIE }, { SOL_SOCKET, SO_PEERGROUPS }, { SOL_SOCKET, 77 /* SO_PEERPIDFD */ },
		{ SOL_SOCKET, 71 /* SO_NETNS_COOKIE */ }, { IPPROTO_TCP, TCP_INFO }, { IPPROTO_TCP, TCP_CC_INFO },
		{ IPPROTO_TCP, TCP_TIMESTAMP }, { IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE }, { -1, -1 },
	};

	return option_is_one_of(own_options, level, option);
}

/* What would make another socket of it, or is carried over in another form; a processor that it was last seen on. */
static bool may_change(int level, int option)
{
	static const int not_these[][2] = {
		{ SOL_SOCKET, SO_ATTACH_FILTER }, { SOL_SOCKET, SO_DETACH_FILTER }, { SOL_SOCKET, SO_INCOMING_CPU },
		{ SOL_SOCKET, 72 /* SO_BUF_LOCK */ }, { SOL_SOCKET, SO_TXTIME }, { IPPROTO_IP, IP_OPTIONS },
		{ IPPROTO_IP, IP_ADD_MEMBERSHIP }, { IPPROTO_IP, IP_DROP_MEMBERSHIP },
		{ IPPROTO_TCP, TCP_REPAIR }, { IPPROTO_TCP, TCP_ULP }, { IPPROTO_IPV6, IPV6_ADDRFORM },
		{ -1, -1 },
	};

	return !is_own_option(level, option) && !option_is_one_of(not_these, level, option);
}

static bool level_applies(const struct optioned *o, int level)
{
	switch (level) {
	case IPPROTO_TCP:	return o->type == SOCK_STREAM && o->domain != AF_UNIX;
	case IPPROTO_UDP:	return o->type == SOCK_DGRAM && o->domain != AF_UNIX;
	case IPPROTO_IP:	return o->domain == AF_INET || o->domain == AF_INET6;
	case IPPROTO_IPV6:	return o->domain == AF_INET6;
	case SOL_NETLINK:	return o->domain == AF_NETLINK;
	}
	return true;
}

static void change_option(int fd, int level, int option)
{
	int is = 0, now;
	socklen_t length = sizeof(is);

	if (getsockopt(fd, level, option, &is, &length))
		return;
	for (int i = 0; i < 2; i++) {
		int value = i ? 1 - is : is + 1;

		length = sizeof(now);
		if (!setsockopt(fd, level, option, &value, sizeof(value)) &&
		    !getsockopt(fd, level, option, &now, &length) && now != is) {
			options_changed++;
			return;
		}
	}
}

static void note_options(struct optioned *o)
{
	for (size_t l = 0; l < LEVELS; l++)
		for (int i = 1; i < OPTIONS_MAX; i++) {
			socklen_t length = sizeof(o->is[l][i].value);

			o->is[l][i].bytes = -1;
			if (level_applies(o, levels[l]) && !is_own_option(levels[l], i) &&
			    !getsockopt(o->fd, levels[l], i, o->is[l][i].value, &length))
				o->is[l][i].bytes = (int)length;
		}
}

static void add_optioned(int fd, int domain, int type)
{
	struct optioned *o = &optioned[optioned_count++];

	*o = (struct optioned){ .fd = own(fd), .domain = domain, .type = type };
	for (size_t l = 0; l < LEVELS; l++)
		for (int i = 1; i < OPTIONS_MAX; i++)
			if (level_applies(o, levels[l]) && may_change(levels[l], i))
				change_option(fd, levels[l], i);
	note_options(o);
}

static void build_socket_options(void)
{
	static const int domains[] = { AF_INET, AF_INET6, AF_UNIX };
	int pair[2];

	for (int i = 0; i < 6; i++) {
		int type = i & 1 ? SOCK_DGRAM : SOCK_STREAM;

		add_optioned(socket(domains[i / 2], type, 0), domains[i / 2], type);
	}
	add_optioned(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), AF_NETLINK, SOCK_RAW);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	add_optioned(pair[0], AF_UNIX, SOCK_STREAM);
	add_optioned(pair[1], AF_UNIX, SOCK_STREAM);
	/* Of hundreds that there are. */
	CHECK(options_changed > 100);
}

static void verify_socket_options(void)
{
	static struct optioned now;

	for (int k = 0; k < optioned_count; k++) {
		const struct optioned *o = &optioned[k];

		now = (struct optioned){ .fd = o->fd, .domain = o->domain, .type = o->type };
		note_options(&now);
		for (size_t l = 0; l < LEVELS; l++)
			for (int i = 1; i < OPTIONS_MAX; i++)
				if (o->is[l][i].bytes != now.is[l][i].bytes ||
				    memcmp(o->is[l][i].value, now.is[l][i].value, 16))
					FAIL("socket of family %d, type %d: option %d of level %d: %x, not %x",
					     o->domain, o->type, i, levels[l], *(int *)now.is[l][i].value,
					     *(int *)o->is[l][i].value);
	}
}

/* ---- what a child has otherwise ---- */

static int member, member_6, listening_netlink, sender_alone, unread;

static void build_odd_sockets(void)
{
	struct sockaddr_storage a;
	socklen_t length;
	const struct ip_mreqn group = { .imr_multiaddr.s_addr = htonl(0xe0010101),
					.imr_ifindex = 1 };
	const struct ipv6_mreq group_6 = { .ipv6mr_multiaddr.s6_addr = { 0xff, 0x15, [15] = 0x77 },
					   .ipv6mr_interface = 1 };
	const struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

	member = own(socket(AF_INET, SOCK_DGRAM, 0));
	CHECK(!setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
	/* Another one is in no group. */
	own(socket(AF_INET, SOCK_DGRAM, 0));
	member_6 = own(socket(AF_INET6, SOCK_DGRAM, 0));
	/* If there is IPv6 here. */
	setsockopt(member_6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group_6, sizeof(group_6));
	listening_netlink = own(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	CHECK(!bind(listening_netlink, (const void *)&groups, sizeof(groups)));
	/* Its port is in use for as long as the parent has it. */
	sender_alone = socket(AF_INET, SOCK_DGRAM, 0);
	connect_4(sender_alone, 9);
	/* Nobody has read this. */
	unread = own(socket(AF_INET, SOCK_DGRAM, 0));
	bind_4(unread, INADDR_LOOPBACK, 0);
	a = name_of(unread, &length);
	CHECK(sendto(unread, "x", 1, 0, (void *)&a, length) == 1);
}

static void verify_odd_sockets(void)
{
	socklen_t length;
	struct sockaddr_storage a = name_of(listening_netlink, &length);

	CHECK_EQUAL(((struct sockaddr_nl *)&a)->nl_groups, RTMGRP_LINK);
	CHECK_EQUAL(get(member_6, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	CHECK(send(sender_alone, "x", 1, 0) == 1);
	CHECK_EQUAL(recv(unread, &a, 1, MSG_DONTWAIT), -1);
}

/* ---- connections ---- */

#define CONNECTIONS 40
static int ends[CONNECTIONS][2], outside_pair[2], many_epoll, ended[2];

/* Both ends are here: it makes no difference. */
static void build_connections(void)
{
	const struct linger at_once = { 1, 0 };
	struct sockaddr_storage a;
	socklen_t length;
	int l = socket(AF_INET, SOCK_STREAM, 0), helper;

	bind_4(l, INADDR_LOOPBACK, 0);
	CHECK(!listen(l, CONNECTIONS));
	a = name_of(l, &length);
	many_epoll = epoll_create1(0);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.u32 = (uint32_t)i };

		ends[i][0] = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(!connect(ends[i][0], (void *)&a, length) &&
		      !fcntl(ends[i][0], F_SETFL, i & 1 ? O_NONBLOCK : 0));
		ends[i][1] = accept(l, NULL, NULL);
		CHECK(ends[i][1] >= 0 && !epoll_ctl(many_epoll, EPOLL_CTL_ADD, ends[i][0], &e));
	}
	/* Two that have ended in the parent, too: its ports are nobody's. */
	ended[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!connect(ended[0], (void *)&a, length) && (helper = accept(l, NULL, NULL)) >= 0);
	CHECK(!setsockopt(helper, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	CHECK(!close(helper) && read(ended[0], &helper, 1) == -1 && errno == ECONNRESET);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, outside_pair) && !close(outside_pair[1]));
	ended[1] = outside_pair[0];
	/* And one that has left something to be read. */
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, outside_pair) && write(outside_pair[1], "x", 1) == 1);
	CHECK(!close(outside_pair[1]));
	CHECK(!close(l));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, outside_pair));
	fork_keeping(outside_pair[1]);
	CHECK(!close(outside_pair[1]));
}

/* The parent's go on. */
static void after_connections(void)
{
	char c;

	CHECK(write(ends[0][1], "x", 1) == 1 && read(ends[0][0], &c, 1) == 1 && c == 'x');
	CHECK(send(outside_pair[0], "x", 1, MSG_NOSIGNAL) == 1);
}

static void verify_connections(void)
{
	struct pollfd hung_up = { .fd = ended[0], .events = POLLRDHUP };
	struct epoll_event events[CONNECTIONS + 1];
	char c;

	CHECK_EQUAL(epoll_wait(many_epoll, events, CONNECTIONS + 1, 0), CONNECTIONS);
	for (int i = 0; i < CONNECTIONS; i++) {
		CHECK(events[i].events & EPOLLRDHUP && events[i].events & EPOLLIN);
		for (int j = 0; j < 2; j++) {
			CHECK(read(ends[i][j], &c, 1) == -1 && errno == ECONNRESET);
			CHECK(send(ends[i][j], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
		}
		CHECK_EQUAL(!!(fcntl(ends[i][0], F_GETFL) & O_NONBLOCK), i & 1);
	}
	CHECK(read(outside_pair[0], &c, 1) == 0 && read(ended[1], &c, 1) == 0);
	CHECK(poll(&hung_up, 1, 0) == 1 && hung_up.revents & POLLRDHUP);
	CHECK(read(ended[0], &c, 1) <= 0);
	CHECK(send(ended[0], "x", 1, MSG_NOSIGNAL) == -1);
	CHECK(send(outside_pair[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
}

const struct state socket_states[] = {
	{ "listeners", "TCP sockets that listen, with their options, and who waits for them",
	  build_listeners, close_own, verify_listeners },
	{ "udp", "UDP sockets, bound and connected",
	  build_udp, close_own, verify_udp },
	{ "unix-sockets", "unix sockets with paths and other names",
	  build_unix_sockets, close_own, verify_unix_sockets },
	{ "plain-sockets", "sockets as new",
	  build_plain_sockets, after_plain_sockets, verify_plain_sockets },
	{ "lone-addresses", "sockets that are bound to an address and no port",
	  build_lone_addresses, close_own, verify_lone_addresses },
	{ "socket-options", "sockets of all kinds with every option that can be set and read",
	  build_socket_options, close_own, verify_socket_options },
	{ "odd-sockets", "sockets that a child has with a difference",
	  build_odd_sockets, close_own, verify_odd_sockets },
	{ "connections", "connections to others, which stay the parent's",
	  build_connections, after_connections, verify_connections },
	{ 0 },
};
