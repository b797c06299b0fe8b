// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * serve.c - the shadow answers children: one epoll loop, one small fixed structure per peer.
 *
 * A peer sends frames of at most sizeof(struct wire_frame) + sizeof(struct wire_hello) bytes and
 * has one answer under way; what else it sent waits in its socket. Pages go out straight from the
 * snapshot, nothing is buffered here, so a slow peer costs nothing but its entry. Since a snapshot
 * never changes, they may be sent with MSG_ZEROCOPY without ever waiting for its completion; but
 * not to this host, where the kernel would pin the pages and then copy them all the same. A peer
 * that does not introduce itself in time, stalls an answer, or breaks the protocol is cut off.
 */
#include "shadow/find.h"
#include "shadow/place.h"
#include "shadow/snapshot.h"
#include "format/registry.h"
#include "format/wire.h"
#include "net/own-host.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define PEERS_MAX	900u			/* below the usual limit of 1024 descriptors */
#define STRANGERS_MAX	64u			/* peers that have not said HELLO yet */
#define HELLO_NS	(5ULL * 1000000000ULL)
#define BROKEN_NS	(60ULL * 1000000000ULL)
#define STALL_NS	(600ULL * 1000000000ULL)	/* a child may be stopped by its terminal */
#define NEVER		(~0ULL)
#define ZEROCOPY_BYTES	(16u << 10)		/* below this, copying is cheaper */

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

enum { SLOT_LISTEN = PEERS_MAX, SLOT_LOCAL, SLOT_PARENT };

enum peer_state { PEER_FREE, PEER_STRANGER, PEER_CHILD, PEER_LEAVING };

struct peer {
	int32_t fd;
	uint8_t state;			/* enum peer_state */
	uint8_t local;			/* over the unix socket, by a user who may */
	uint8_t release;		/* end the snapshot once the answer is out */
	uint8_t waiting;		/* for EPOLLOUT */
	uint8_t zerocopy;		/* the socket can, and it pays */
	uint32_t have;			/* bytes in input */
	uint32_t vma;			/* where the last READ was found */
	uint64_t deadline;
	/* The answer under way: an array of pieces, ... */
	const struct iovec *pieces;
	uint32_t piece, piece_count;
	uint64_t piece_done;
	/* ... or the rest of a READ. */
	uint64_t address, pages;
	struct iovec run[2];
	struct wire_frame frame;
	uint8_t input[sizeof(struct wire_frame) + sizeof(struct wire_hello)];
	union {
		struct wire_info info;
		char text[WIRE_ERROR_MAX];
	} reply;
};

struct server {
	struct snapshot *s;
	int epoll;
	int spare;			/* of no use but to be closed; -1: there is none */
	/* none at or above this was ever used: its memory is untouched */
	uint32_t peers_used;
	uint32_t strangers;
	uint64_t local_name;		/* wire_local_name(); 0: nobody can connect there */
	uint64_t life_ends;
	bool ending;
	struct peer peers[PEERS_MAX];
};

static void peer_close(struct server *v, struct peer *p, bool reset)
{
	struct linger hard = { .l_onoff = 1 };

	if (reset)
		sys(SYS_setsockopt, p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	sys(SYS_close, p->fd);
	if (p->state == PEER_STRANGER)
		v->strangers--;
	if (p->release)
		v->ending = true;
	p->state = PEER_FREE;
}

static void peer_wants(struct server *v, struct peer *p, bool output)
{
	struct epoll_event e = {
		.events = output ? EPOLLOUT : EPOLLIN,
		.data.u32 = (uint32_t)(p - v->peers),
	};

	if (p->waiting == output)
		return;
	p->waiting = output;
	sys(SYS_epoll_ctl, v->epoll, EPOLL_CTL_MOD, p->fd, &e);
}

static void answer(struct peer *p, const struct iovec *pieces, uint32_t count)
{
	p->pieces = pieces;
	p->piece_count = count;
	p->piece = 0;
	p->piece_done = 0;
}

static void answer_payload(struct peer *p, uint16_t type, void *payload, uint32_t length)
{
	p->frame = (struct wire_frame){ .type = type, .length = length };
	p->run[0] = (struct iovec){ &p->frame, sizeof(p->frame) };
	p->run[1] = (struct iovec){ payload, length };
	answer(p, p->run, length ? 2 : 1);
}

/* Tells the peer what is wrong; it is cut off once that is sent. */
static void refuse(struct server *v, struct peer *p, const char *why)
{
	char *end = text_append(p->reply.text, why);

	if (p->state == PEER_STRANGER)
		v->strangers--;
	p->state = PEER_LEAVING;
	p->pages = 0;
	answer_payload(p, WIRE_ERROR, p->reply.text, (uint32_t)(end - p->reply.text));
}

/* Begin the next DATA or ZERO frame of a READ. */
static const char *next_run(struct server *v, struct peer *p)
{
	struct snapshot *s = v->s;
	bool present;
	uint64_t n;
	const char *why = snapshot_run(s, &p->vma, p->address, p->pages, &n, &present);

	if (why)
		return why;
	if (present && n > WIRE_RUN_MAX)
		n = WIRE_RUN_MAX;
	p->frame = (struct wire_frame){
		.type = present ? WIRE_DATA : WIRE_ZERO,
		.address = p->address,
		.pages = (uint32_t)n,
		.length = present ? (uint32_t)(n * PAGE_BYTES) : 0,
	};
	p->run[0] = (struct iovec){ &p->frame, sizeof(p->frame) };
	p->run[1] = (struct iovec){ (void *)p->address, n * PAGE_BYTES };
	answer(p, p->run, present ? 2 : 1);
	p->address += n * PAGE_BYTES;
	p->pages -= n;
	snapshot_fetched(s, n);
	return NULL;
}

/*
 * Send some of the answer. The header of a run is in memory that is used again, so it is never sent
 * with MSG_ZEROCOPY; pages are, where it pays.
 */
static long send_some(struct peer *p)
{
	bool run = p->pieces == p->run && p->piece_count == 2 && p->frame.type == WIRE_DATA;
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	struct msghdr message = { 0 };
	struct iovec iov[16];
	uint32_t n = 0;
	long sent;

	for (uint32_t i = p->piece; i < p->piece_count && n < 16; i++)
		iov[n++] = p->pieces[i];
	/* What all children are told begins with a frame of each one's own. */
	if (!p->piece)
		iov[0].iov_base = &p->frame;
	iov[0].iov_base = (char *)iov[0].iov_base + p->piece_done;
	iov[0].iov_len -= p->piece_done;
	message.msg_iov = iov;
	message.msg_iovlen = n;
	if (p->zerocopy && run && p->run[1].iov_len >= ZEROCOPY_BYTES) {
		message.msg_iovlen = 1;
		flags |= p->piece ? MSG_ZEROCOPY : MSG_MORE;
	}
	sent = sys(SYS_sendmsg, p->fd, &message, flags);
	/* No memory to report completion with: these bytes are copied. */
	if (sent == -ENOBUFS && flags & MSG_ZEROCOPY)
		sent = sys(SYS_sendmsg, p->fd, &message, flags & ~MSG_ZEROCOPY);
	return sent;
}

/* Completions of MSG_ZEROCOPY are of no interest, but must be taken off the socket. */
static void drain_completions(struct peer *p)
{
	struct msghdr message = { 0 };

	while (p->zerocopy && sys(SYS_recvmsg, p->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		message = (struct msghdr){ 0 };
}

/* Send what can be sent. Returns false when the peer is gone. */
static bool peer_send(struct server *v, struct peer *p)
{
	for (;;) {
		while (p->piece < p->piece_count) {
			long sent = send_some(p);

			if (sent == -EAGAIN) {
				peer_wants(v, p, true);
				return true;
			}
			if (sent == -EINTR)
				continue;
			if (sent < 0) {
				/* Among others EFAULT: the file behind a mapping was truncated. */
				peer_close(v, p, true);
				return false;
			}
			p->deadline = now_ns() + STALL_NS;
			p->piece_done += (uint64_t)sent;
			while (p->piece < p->piece_count &&
			       p->piece_done >= p->pieces[p->piece].iov_len) {
				p->piece_done -= p->pieces[p->piece].iov_len;
				p->piece++;
			}
		}
		p->piece_count = 0;
		if (!p->pages)
			break;
		const char *why = next_run(v, p);

		if (why)
			refuse(v, p, why);
	}
	if (p->state == PEER_LEAVING) {
		peer_close(v, p, false);
		return false;
	}
	p->deadline = NEVER;
	peer_wants(v, p, false);
	return true;
}

static bool uuid_equal(const uint8_t *a, const uint8_t *b)
{
	volatile uint8_t difference = 0;

	for (int i = 0; i < 16; i++)
		difference |= a[i] ^ b[i];
	return !difference;
}

static void hello(struct server *v, struct peer *p, const struct wire_hello *h)
{
	struct snapshot *s = v->s;
	const char *why;

	if (h->magic != WIRE_MAGIC) {
		refuse(v, p, "not a mitosis client");
		return;
	}
	if (h->major != WIRE_MAJOR) {
		refuse(v, p, "protocol version not supported: this side speaks version 1");
		return;
	}
	if ((!p->local || h->purpose == WIRE_FOR_PLACE) && !uuid_equal(h->uuid, s->args.uuid)) {
		refuse(v, p, "no such snapshot here");
		return;
	}
	v->strangers--;
	switch (h->purpose) {
	case WIRE_FOR_CHILD:
		if (s->broken) {
			v->strangers++;
			refuse(v, p, s->broken);
			return;
		}
		p->state = PEER_CHILD;
		s->children++;
		snapshot_fetched(s, s->header.hot_pages);
		p->frame = s->reply_frame;
		p->frame.tag = s->children;
		p->frame.address = v->local_name;
		answer(p, s->reply, s->reply_count);
		return;
	case WIRE_FOR_INFO:
		p->state = PEER_LEAVING;
		p->reply.info = (struct wire_info){
			.parent_pid = (uint32_t)s->args.parent_pid,
			.shadow_pid = (uint32_t)sys(SYS_getpid),
			.flags = s->args.device_fd >= 0 ? WIRE_INFO_RDMA : 0,
			.children = s->children,
			.pages = s->header.pages,
			.fetched_pages = s->fetched_pages,
			.created_ns = s->args.created_ns,
			.ready_ns = s->ready_ns,
			.age_ns = now_ns() - s->args.created_ns,
			.lifetime_ns = s->args.lifetime_ns,
		};
		memcpy(p->reply.info.uuid, s->args.uuid, 16);
		memcpy(p->reply.info.label, s->args.label, sizeof(s->args.label));
		memcpy(p->reply.info.address, s->args.address, sizeof(s->args.address));
		answer_payload(p, WIRE_INFO, &p->reply.info, sizeof(p->reply.info));
		return;
	case WIRE_FOR_RELEASE:
		p->state = PEER_LEAVING;
		/* When the answer is out, the pages must be unreadable. */
		unserve_by_rdma(s);
		p->release = 1;
		answer_payload(p, WIRE_RELEASED, NULL, 0);
		p->frame.address = (uint64_t)sys(SYS_getpid);
		return;
	case WIRE_FOR_PLACE:
		why = p->local ? place_start(s, p->fd) : "this goes over the local socket";
		if (why) {
			v->strangers++;
			refuse(v, p, why);
			return;
		}
		/* The thread has it from now on. */
		sys(SYS_epoll_ctl, v->epoll, EPOLL_CTL_DEL, p->fd, NULL);
		p->state = PEER_FREE;
		return;
	default:
		v->strangers++;
		refuse(v, p, "unknown purpose");
	}
}

/* One whole frame is in p->input if there is one; returns its length, 0 for not yet. */
static uint32_t frame_ready(const struct peer *p, const char **why)
{
	const struct wire_frame *f = (const void *)p->input;

	if (p->have < sizeof(*f))
		return 0;
	if (f->reserved) {
		*why = "malformed frame";
		return 0;
	}
	if (p->state == PEER_STRANGER) {
		if (f->type != WIRE_HELLO || f->length != sizeof(struct wire_hello)) {
			*why = "not a mitosis client";
			return 0;
		}
	} else if (f->type != WIRE_READ || f->length) {
		*why = "unexpected frame";
		return 0;
	}
	return p->have >= sizeof(*f) + f->length ? (uint32_t)sizeof(*f) + f->length : 0;
}

static void peer_receive(struct server *v, struct peer *p)
{
	while (p->state == PEER_STRANGER || p->state == PEER_CHILD) {
		const char *why = NULL;
		uint32_t length = frame_ready(p, &why);

		if (why) {
			refuse(v, p, why);
		} else if (length) {
			const struct wire_frame *f = (const void *)p->input;

			if (p->state == PEER_STRANGER) {
				hello(v, p, (const void *)(f + 1));
			} else if (f->address % PAGE_BYTES || !f->pages ||
				   f->pages > WIRE_READ_MAX) {
				refuse(v, p, "malformed READ");
			} else {
				p->address = f->address;
				p->pages = f->pages;
			}
			p->have -= length;
			for (uint32_t i = 0; i < p->have; i++)
				p->input[i] = p->input[length + i];
		} else {
			/* Never past one frame: what follows waits in the socket. */
			uint32_t want = p->state == PEER_STRANGER ? sizeof(p->input)
								  : sizeof(struct wire_frame);
			long n = sys(SYS_recvfrom, p->fd, p->input + p->have, want - p->have,
				     MSG_DONTWAIT, 0, 0);

			if (n == -EAGAIN)
				return;
			if (n == -EINTR)
				continue;
			if (n <= 0) {
				peer_close(v, p, n < 0);
				return;
			}
			p->have += (uint32_t)n;
			continue;
		}
		if (!peer_send(v, p) || p->waiting)
			return;
	}
	if (p->state == PEER_LEAVING)
		peer_send(v, p);
}

static void peer_ready(struct server *v, struct peer *p, uint32_t events)
{
	if (events & EPOLLERR)
		drain_completions(p);
	if (p->waiting && (!peer_send(v, p) || p->waiting))
		return;
	peer_receive(v, p);
}

/* The stranger who has waited longest makes room. */
static bool drop_stranger(struct server *v)
{
	struct peer *oldest = NULL;

	for (uint32_t k = 0; k < v->peers_used; k++) {
		struct peer *p = &v->peers[k];

		if (p->state == PEER_STRANGER && (!oldest || p->deadline < oldest->deadline))
			oldest = p;
	}
	if (oldest)
		peer_close(v, oldest, true);
	return oldest;
}

static bool is_waited_at(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	const struct timespec at_once = { 0 };

	return sys(SYS_ppoll, &p, 1, &at_once, 0, 8) > 0;
}

/* With the descriptor that is kept for that: who waits hears at once that there is no room. */
static bool turn_away(struct server *v, int listener)
{
	long fd;

	if (v->spare < 0)
		return false;
	sys(SYS_close, v->spare);
	fd = sys(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC);
	if (fd >= 0)
		sys(SYS_close, fd);
	v->spare = (int)sys(SYS_fcntl, v->epoll, F_DUPFD_CLOEXEC, 0);
	return fd >= 0;
}

static void accept_peers(struct server *v, int listener, bool local)
{
	for (;;) {
		long fd = sys(SYS_accept4, listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct ucred who = { 0 };
		uint32_t length = sizeof(who), i;
		int one = 1, idle = 15;

		if (fd == -EINTR || fd == -ECONNABORTED)
			continue;
		/* Out of descriptors: a listener that stays readable would keep us spinning. */
		/* The kernel says so before it looks whether there is anybody. */
		if ((fd == -EMFILE || fd == -ENFILE) && is_waited_at(listener) &&
		    (drop_stranger(v) || turn_away(v, listener)))
			continue;
		if (fd < 0)
			return;
		for (i = 0; i < v->peers_used && v->peers[i].state != PEER_FREE; i++)
			;
		if ((v->strangers >= STRANGERS_MAX || i == PEERS_MAX) && !drop_stranger(v)) {
			sys(SYS_close, fd);
			continue;
		}
		for (i = 0; i < v->peers_used && v->peers[i].state != PEER_FREE; i++)
			;
		if (local) {
			sys(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &who, &length);
			if (who.uid && who.uid != (uint32_t)sys(SYS_geteuid)) {
				sys(SYS_close, fd);
				continue;
			}
		} else {
			sys(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			sys(SYS_setsockopt, fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
			sys(SYS_setsockopt, fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		}
		struct peer *p = &v->peers[i];
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		if (i >= v->peers_used)
			v->peers_used = i + 1;
		memset(p, 0, sizeof(*p));
		p->fd = (int32_t)fd;
		p->local = local;
		p->zerocopy = !local && !is_on_own_host((int)fd) &&
			      !sys(SYS_setsockopt, fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
		p->deadline = now_ns() + HELLO_NS;
		p->state = PEER_STRANGER;
		v->strangers++;
		if (sys(SYS_epoll_ctl, v->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
			peer_close(v, p, true);
			continue;
		}
		peer_receive(v, p);
	}
}

/* A table, and what fills it up to a multiple of 8 bytes; returns the number of the next piece. */
static uint32_t add_piece(struct snapshot *s, uint32_t n, const void *data, uint64_t bytes)
{
	static const uint64_t zeros;

	if (bytes)
		s->reply[n++] = (struct iovec){ (void *)data, bytes };
	if (bytes % 8)
		s->reply[n++] = (struct iovec){ (void *)&zeros, 8 - bytes % 8 };
	return n;
}

/* The frame, the header and the tables, then the hot pages: gathered once, sent to every child. */
static void build_reply(struct snapshot *s)
{
	struct descriptor *d = &s->header;
	struct wire_frame *f = &s->reply_frame;
	uint32_t n = 0;

	*f = (struct wire_frame){
		.type = WIRE_DESCRIPTOR,
		.length = (uint32_t)d->length,
		.pages = (uint32_t)d->hot_pages,
	};
	s->reply[n++] = (struct iovec){ f, sizeof(*f) };
	s->reply[n++] = (struct iovec){ d, sizeof(*d) };
#define TABLE(name, type, max) n = add_piece(s, n, s->name, s->n.name * sizeof(type));
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE
	for (uint32_t i = 0; i < s->n.hot; i++)
		s->reply[n++] = (struct iovec){ (void *)s->hot[i].start,
						s->hot[i].pages * PAGE_BYTES };
	s->reply_count = n;
}

static void watch(struct server *v, int fd, uint32_t slot)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = slot };

	if (sys(SYS_epoll_ctl, v->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		sys(SYS_exit_group, 1);
}

/* Listen where registry.h says; a descriptor or -errno. */
static long open_local(uint64_t *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *number = a.sun_path + 1, *end;
	long fd = sys(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = fd;

	number = text_append(number, REGISTRY_PREFIX);
	number = text_append_number(number, (uint64_t)sys(SYS_geteuid));
	*number++ = '/';
	number = text_append_number(number, (uint64_t)sys(SYS_getpid));
	end = number;
	*name = wire_local_name((uint32_t)sys(SYS_getpid), 0);
	/* Containers may share a network and not their process ids. */
	for (uint64_t other = 2; fd >= 0; other++) {
		err = sys(SYS_bind, fd, &a, end - (char *)&a);
		if (err != -EADDRINUSE || other == REGISTRY_SAME_MAX)
			break;
		end = number;
		*end++ = '/';
		end = text_append_number(end, other);
		*name = wire_local_name((uint32_t)sys(SYS_getpid), (uint32_t)other);
	}
	if (err >= 0)
		err = sys(SYS_listen, fd, 16);
	return err < 0 ? err : fd;
}

/* Milliseconds until the next deadline, -1 for none. */
static long next_timeout(struct server *v)
{
	uint64_t first = v->life_ends, now;

	for (uint32_t i = 0; i < v->peers_used; i++)
		if (v->peers[i].state != PEER_FREE && v->peers[i].deadline < first)
			first = v->peers[i].deadline;
	if (first == NEVER)
		return -1;
	now = now_ns();
	if (first <= now)
		return 0;
	first = (first - now + 999999) / 1000000;
	return first > 1000000 ? 1000000 : (long)first;
}

void serve(struct snapshot *s)
{
	struct server *v = (void *)s->server;
	struct descriptor_limit files;
	long local;

	_Static_assert(sizeof(*v) <= SERVER_ROOM, "it has room in the arena");
	v->s = s;
	v->epoll = (int)sys(SYS_epoll_create1, EPOLL_CLOEXEC);
	v->spare = (int)sys(SYS_fcntl, v->epoll, F_DUPFD_CLOEXEC, 0);
	v->life_ends = s->args.lifetime_ns ? s->args.created_ns + s->args.lifetime_ns : NEVER;
	if (!s->args.lifetime_ns) {
		long parent = s->args.parent_fd;

		if (parent < 0) {
			/*
			 * Open first, compare then: a pid that was reused meanwhile is not our
			 * parent.
			 */
			parent = sys(SYS_pidfd_open, s->args.parent_pid, 0);
			if (parent == -ESRCH || sys(SYS_getppid) != s->args.parent_pid)
				sys(SYS_exit_group, 0);
		}
		if (parent < 0) {
			/* Nobody would end it: long enough to say so to who asks for it. */
			s->broken =
				"it cannot watch the parent, whose end it should share (pidfd_open)";
			v->life_ends = now_ns() + BROKEN_NS;
		} else {
			watch(v, (int)parent, SLOT_PARENT);
		}
	}
	local = open_local(&v->local_name);
	if (local < 0)
		v->local_name = 0;
	if (local >= 0)
		watch(v, (int)local, SLOT_LOCAL);
	else if (!s->broken)
		s->broken = "it cannot listen for mitosis-ls (an abstract unix socket)";
	if (!s->broken)
		build_reply(s);
	sys(SYS_fcntl, s->args.listen_fd, F_SETFL, O_NONBLOCK);
	/*
	 * The parent's limit is in the descriptor; here it would only limit the number of children.
	 */
	sys(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &files);
	files.soft = files.hard;
	sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &files, 0);
	watch(v, s->args.listen_fd, SLOT_LISTEN);

	while (!v->ending) {
		struct epoll_event events[32];
		long n = sys(SYS_epoll_pwait, v->epoll, events, 32, next_timeout(v), 0, 8);
		uint64_t now;

		for (long i = 0; i < n; i++) {
			uint32_t slot = events[i].data.u32;

			if (slot == SLOT_PARENT)
				sys(SYS_exit_group, 0);
			if (slot == SLOT_LISTEN)
				accept_peers(v, s->args.listen_fd, false);
			else if (slot == SLOT_LOCAL)
				accept_peers(v, (int)local, true);
			else if (v->peers[slot].state == PEER_FREE)
				continue;
			else
				peer_ready(v, &v->peers[slot], events[i].events);
		}
		now = now_ns();
		if (now >= v->life_ends)
			break;
		for (uint32_t i = 0; i < v->peers_used; i++)
			if (v->peers[i].state != PEER_FREE && v->peers[i].deadline <= now)
				peer_close(v, &v->peers[i], true);
	}
	sys(SYS_exit_group, 0);
	__builtin_unreachable();
}
