// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * socket-bind.c - the names of a child's sockets. The parent may be on the same host and goes on
 * serving: a port or path that is in use is never shared with whoever uses it, though both may have
 * asked for that by SO_REUSEPORT (or SO_REUSEADDR with UDP), since half of the parent's clients
 * would come to the child. So the first socket of a name is bound without; that others of the
 * child's may have it, too, is allowed when it is bound.
 */
#include "state/files/sockets.h"

#ifdef IN_LIBRARY

#include "private/address.h"
#include "restore/publish.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_internet(const struct socket_state *state)
{
	return state->domain == AF_INET || state->domain == AF_INET6;
}

static bool set(int fd, int option, bool on)
{
	int value = on;

	return !setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

/* Has another of the child's this name already? */
static bool is_own(const struct opening *o, uint32_t file, const struct socket_state *state)
{
	for (uint32_t i = 0; i < file; i++) {
		const struct descriptor_file *f = opening_file(o, i);
		const struct socket_state *other;

		if (f->kind != FILE_SOCKET || o->opened[i] < 0 || o->opened[i] == o->tombstone)
			continue;
		other = file_payload(o->d, f, sizeof(*other));
		if (other->domain == state->domain && other->type == state->type &&
		    other->name_bytes == state->name_bytes &&
		    !memcmp(other->name, state->name, state->name_bytes))
			return true;
	}
	return false;
}

/* ---- TCP and UDP ---- */

static int refuse_port(struct opening *o, uint32_t file, const struct socket_state *state,
		       const struct sockaddr_storage *a, int err)
{
	const char *protocol = state->type == SOCK_STREAM ? "TCP" : "UDP";
	const char *here = o->network ? "the child's network" : "this host";
	unsigned int port = publish_port(a), old = publish_port((const void *)state->name);
	char text[ADDRESS_TEXT_MAX];

	address_text(a, text);
	if (err == EADDRINUSE)
		return opening_refuse(o, file, err, "%s port %u of %s is in use on %s; "
				      "--publish %u=PORT gives the child another",
				      protocol, port, text, here, old);
	if (err == EADDRNOTAVAIL)
		return opening_refuse(o, file, err, "%s is no address of %s, "
				      "and %s port %u was bound to it; "
				      "--publish %u=ADDRESS:%u gives the child another",
				      text, here, protocol, port, old, port);
	if (err == ENODEV)
		return opening_refuse(o, file, err, "there is no interface %s here, "
				      "and %s port %u was bound to its address %s; "
				      "--publish %u=ADDRESS:%u gives the child another",
				      state->device, protocol, port, text, old, port);
	if (err == EACCES)
		return opening_refuse(o, file, err, "%s port %u of %s is not this user's to bind "
				      "(net.ipv4.ip_unprivileged_port_start); "
				      "--publish %u=PORT gives the child another",
				      protocol, port, text, old);
	return opening_refuse(o, file, err, "%s port %u of %s cannot be bound: %s", protocol, port,
			      text, strerror(err));
}

/* An interface has another number on each host; the kernel tells of which one an address is. */
bool socket_find_scope(const struct opening *o, const struct socket_state *state,
		       struct sockaddr_storage *a, int fd)
{
	struct sockaddr_in6 *in6 = (void *)a;
	struct ifreq r = { 0 };

	if (a->ss_family != AF_INET6 || !in6->sin6_scope_id || socket_has_same_interfaces(o))
		return true;
	memcpy(r.ifr_name, state->device, sizeof(r.ifr_name));
	in6->sin6_scope_id = *state->device && !ioctl(fd, SIOCGIFINDEX, &r) ?
				     (uint32_t)r.ifr_ifindex : 0;
	return in6->sin6_scope_id;
}

/* What is only where it sends from, it may have as it comes. */
static int bind_sender(struct opening *o, uint32_t file, int fd, const struct sockaddr_storage *a,
		       socklen_t length)
{
	if (bind(fd, (const void *)a, length))
		opening_lost(o, file, "sends from another address or port");
	return 0;
}

/* The address of every socket that has none. */
static bool is_any(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* An address alone: its port comes when it connects or sends, or was given back. */
static int bind_address(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	const int one = 1;
	int as_it_is = 0;
	socklen_t length = sizeof(as_it_is);
	struct sockaddr_storage a = { 0 };

	memcpy(&a, state->name, state->name_bytes);
	if (is_any(&a))
		return 0;
	if (!socket_find_scope(o, state, &a, fd) ||
	    getsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &as_it_is, &length) ||
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)))
		opening_lost(o, file, "sends from another address or port");
	else
		bind_sender(o, file, fd, &a, address_length(&a));
	return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &as_it_is, sizeof(as_it_is)) ?
		       -ENOENT : 0;
}

static int bind_port(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	bool stream = state->type == SOCK_STREAM, own = is_own(o, file, state);
	/* With it a port of TCP that was listened at is told from one that is. */
	bool early = own || (stream && state->flags & SOCKET_LISTENS);
	struct sockaddr_storage a = { 0 };
	bool renamed, found;

	memcpy(&a, state->name, state->name_bytes);
	renamed = publish_translate(o->publish, &a);
	found = socket_find_scope(o, state, &a, fd);
	if (early && !set(fd, SO_REUSEADDR, state->flags & SOCKET_REUSES_ADDRESS))
		return -ENOENT;
	if (own && !set(fd, SO_REUSEPORT, state->flags & SOCKET_SHARES_PORT))
		return -ENOENT;
	if (state->peer_bytes && !renamed)
		bind_sender(o, file, fd, &a, address_length(&a));
	else if (!found)
		return refuse_port(o, file, state, &a, ENODEV);
	else if (bind(fd, (void *)&a, address_length(&a)))
		return refuse_port(o, file, state, &a, errno);
	return 0;
}

/* ---- unix ---- */

/* A name that the kernel chose: five digits. */
static bool is_automatic(const struct sockaddr_un *a, uint32_t bytes)
{
	if (a->sun_path[0] || bytes != offsetof(struct sockaddr_un, sun_path) + 6)
		return false;
	for (int i = 1; i < 6; i++)
		if (!strchr("0123456789abcdef", a->sun_path[i]))
			return false;
	return true;
}

/* Somebody would notice if we tried to connect. */
static bool is_bound_here(const char *name)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[256];
	bool found = !f;

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *path = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		found = path && !strcmp(path, name);
	}
	if (f)
		fclose(f);
	return found;
}

static int refuse_path(struct opening *o, uint32_t file, const struct sockaddr_un *a,
		       socklen_t length)
{
	char sign = a->sun_path[0] ? '\0' : '@', name[sizeof(*a) + 2];
	size_t bytes = length - offsetof(struct sockaddr_un, sun_path) - (sign != '\0');

	memcpy(name, a->sun_path + (sign != '\0'), bytes);
	name[bytes] = '\0';
	if (sign || is_bound_here(name))
		return opening_refuse(o, file, EADDRINUSE,
				      "the socket %.1s%s is in use on this host; --publish OLD=NEW "
				      "with two such names gives the child another", &sign, name);
	return opening_refuse(o, file, EADDRINUSE,
			      "the file %s is in the way, to which no socket is bound by that name "
			      "here: remove it if nobody listens, or --publish OLD=NEW "
			      "with two such names gives the child another", name);
}

static int bind_file(struct opening *o, uint32_t file, const struct socket_state *state, int fd,
		     const struct sockaddr_un *a, socklen_t length)
{
	/* Who might use the file is not known of one that was gone: then nobody else. */
	mode_t old = umask(state->flags & SOCKET_HAS_FILE ? ~state->mode & 0777 : 0177);
	int err = bind(fd, (const void *)a, length) ? errno : 0;
	char path[sizeof(state->name) + 1];
	struct stat st;

	umask(old);
	if (err == EADDRINUSE)
		return refuse_path(o, file, a, length);
	if (err)
		return -ENOENT;
	memcpy(path, a->sun_path, length - offsetof(struct sockaddr_un, sun_path));
	path[length - offsetof(struct sockaddr_un, sun_path)] = '\0';
	publish_bound(path);
	if (!(state->flags & SOCKET_HAS_FILE))
		opening_lost(o, file, "has a file for its user alone");
	if (state->flags & SOCKET_HAS_FILE && !lstat(path, &st) &&
	    (st.st_uid != state->uid || st.st_gid != state->gid) &&
	    lchown(path, state->uid, state->gid))
		opening_lost(o, file, "has a file of another user or group");
	return 0;
}

static int bind_unix(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	struct { struct sockaddr_un a; char end; } name = { 0 };
	socklen_t length = state->name_bytes;

	memcpy(&name, state->name, state->name_bytes);
	publish_translate_path(o->publish, &name.a, &length);
	if (name.a.sun_path[0] && (name.a.sun_path[0] != '/' || o->other_root))
		return -ENOENT;
	if (name.a.sun_path[0])
		return bind_file(o, file, state, fd, &name.a, length);
	if (!bind(fd, (const void *)&name.a, length))
		return 0;
	if (errno != EADDRINUSE)
		return -ENOENT;
	if (!is_automatic(&name.a, length))
		return refuse_path(o, file, &name.a, length);
	if (bind(fd, (const void *)&name.a, sizeof(name.a.sun_family)))
		return -ENOENT;
	opening_lost(o, file, "has another name");
	return 0;
}

void socket_try_publish(const struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct socket_state *state = file_payload(o->d, f, sizeof(*state));
	struct sockaddr_storage a = { 0 };
	socklen_t length = state->name_bytes;

	memcpy(&a, state->name, state->name_bytes);
	if (is_internet(state) && length && publish_port(&a))
		publish_translate(o->publish, &a);
	else if (state->domain == AF_UNIX && length)
		publish_translate_path(o->publish, (void *)&a, &length);
}

/* ---- netlink ---- */

static int bind_netlink(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	struct sockaddr_nl name;

	memcpy(&name, state->name, sizeof(name));
	if (!name.nl_pid && !name.nl_groups)
		return 0;
	if (name.nl_groups)
		opening_lost(o, file, "hears only what its groups are told from now on");
	if (!bind(fd, (void *)&name, sizeof(name)))
		return 0;
	name.nl_pid = 0;
	if (bind(fd, (void *)&name, sizeof(name)))
		return -ENOENT;
	opening_lost(o, file, "has another address");
	return 0;
}

void socket_may_share(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	if (!set(fd, SO_REUSEADDR, state->flags & SOCKET_REUSES_ADDRESS) ||
	    (state->flags & SOCKET_SHARES_PORT && !set(fd, SO_REUSEPORT, true)))
		opening_lost(o, file, "has not all options");
}

int socket_bind(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	if (is_internet(state)) {
		const struct sockaddr_storage *a = (const void *)state->name;

		return publish_port(a) ? bind_port(o, file, state, fd) :
					 bind_address(o, file, state, fd);
	}
	if (state->domain == AF_UNIX)
		return bind_unix(o, file, state, fd);
	return bind_netlink(o, file, state, fd);
}

#endif
