// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * network.c - a network of a child's own (--net new), in which every port is free that its parent
 * was bound to.
 *
 * The supervisor stays where it is: its connection to the parent's host leads through there, and so
 * does what starts it. But the child's sockets are made before there is a child, while an error can
 * still be told, and a socket belongs to the network of who has called socket(2), whoever binds it
 * then. So a helper makes the namespace, within one of users where it has to be, and sockets in it
 * on demand; the namespaces are kept open for the child, whose own helper enters them
 * (enclosure.c).
 */
#include "restore/network.h"

#include "api/log.h"
#include "private/namespaces.h"
#include "restore/enclosure.h"
#include "state/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
	int32_t domain, type, protocol;
	int32_t pair;			/* of two that are connected to each other */
};

/* With it come the descriptors, if it is not an error: the namespaces at first, then sockets. */
struct answer {
	int32_t error;			/* 0 or -errno */
	int32_t count;
	char kinds[8];			/* the namespace that was refused; "": not one */
	char what[32];			/* then */
};

union rights {
	char bytes[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

/* ---- the helper ---- */

static bool say(int to, struct answer *a, const int fds[2])
{
	struct iovec iov = { a, sizeof(*a) };
	union rights control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (a->count) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE((size_t)a->count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)a->count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)a->count * sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*a);
}

static __attribute__((noreturn)) void refuse(int to, const char *kinds, const char *what, int err)
{
	struct answer a = { .error = -err };

	strcpy(a.kinds, kinds);
	strcpy(a.what, what);
	say(to, &a, NULL);
	_exit(125);
}

/* A new network's loopback device is down. */
static int start_loopback(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	/* A kernel without IPv4 has another family for it. */
	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static void make(int to)
{
	const unsigned int uid = geteuid(), gid = getegid();
	struct answer a = { 0 };
	int fds[2], err;

	if (!enclosure_is_allowed()) {
		if (unshare(CLONE_NEWUSER))
			refuse(to, "user", "", errno);
		err = enclosure_map_user(uid, gid);
		if (err)
			refuse(to, "", "a user namespace", -err);
		a.count++;
	}
	if (unshare(CLONE_NEWNET))
		refuse(to, "net", "", errno);
	err = start_loopback();
	if (err)
		refuse(to, "", "its loopback device", -err);
	fds[0] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fds[1] = a.count ? open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC) : -1;
	if (fds[0] < 0 || (a.count && fds[1] < 0))
		refuse(to, "", "/proc/self/ns", errno);
	a.count++;
	if (!say(to, &a, fds))
		_exit(125);
	close(fds[0]);
	close(fds[1]);
}

static __attribute__((noreturn)) void serve(int to)
{
	struct request r;

	make(to);
	while (recv(to, &r, sizeof(r), 0) == (ssize_t)sizeof(r)) {
		struct answer a = { .count = r.pair ? 2 : 1 };
		int fds[2] = { -1, -1 };

		if (r.pair && socketpair(r.domain, r.type, r.protocol, fds))
			a.error = -errno;
		else if (!r.pair)
			fds[0] = socket(r.domain, r.type, r.protocol);
		if (!r.pair && fds[0] < 0)
			a.error = -errno;
		if (a.error)
			a.count = 0;
		if (!say(to, &a, fds))
			break;
		for (int i = 0; i < a.count; i++)
			close(fds[i]);
	}
	_exit(0);
}

/* ---- the supervisor ---- */

/* 0, or -errno; -ECHILD: the helper has ended. How many descriptors have come says a->count. */
static int hear(const struct network *n, struct answer *a, int fds[2])
{
	struct iovec iov = { a, sizeof(*a) };
	union rights control;
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t got;

	do {
		got = recvmsg(n->helper_fd, &m, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(*a))
		return -ECHILD;
	if (a->error)
		return a->error;
	c = CMSG_FIRSTHDR(&m);
	/* Those that there was no room for are not here: RLIMIT_NOFILE. */
	if (!c || m.msg_flags & MSG_CTRUNC ||
	    c->cmsg_len != CMSG_LEN((size_t)a->count * sizeof(int)))
		return -EMFILE;
	memcpy(fds, CMSG_DATA(c), (size_t)a->count * sizeof(int));
	return 0;
}

static int ask(const struct network *n, const struct request *r, int fds[2])
{
	struct answer a;
	int err;

	if (send(n->helper_fd, r, sizeof(*r), MSG_NOSIGNAL) != (ssize_t)sizeof(*r))
		err = -ECHILD;
	else
		err = hear(n, &a, fds);
	if (err)
		errno = -err;
	return err ? -1 : 0;
}

int network_socket(const struct network *n, int domain, int type, int protocol)
{
	const struct request r = { domain, type, protocol, 0 };
	int fds[2];

	if (!n)
		return socket(domain, type, protocol);
	return ask(n, &r, fds) ? -1 : fds[0];
}

int network_pair(const struct network *n, int type, int ends[2])
{
	const struct request r = { AF_UNIX, type, 0, 1 };

	return n ? ask(n, &r, ends) : socketpair(AF_UNIX, type, 0, ends);
}

void network_leave(struct network *n)
{
	if (!n->helper)
		return;
	close(n->helper_fd);
	while (waitpid(n->helper, NULL, 0) < 0 && errno == EINTR)
		;
	n->helper = 0;
}

static int explain(const char *object, const struct answer *a, int err)
{
	char problem[200];

	if (err == -ECHILD)
		snprintf(problem, sizeof(problem), "the process that makes it was killed");
	else if (err == a->error && *a->kinds)
		namespaces_problem(a->kinds, -err, problem, sizeof(problem), NULL);
	else
		snprintf(problem, sizeof(problem), "%s%s%s", a->what, *a->what ? ": " : "",
			 strerror(-err));
	log_error("%s: it cannot have a network of its own (--net new): %s", object, problem);
	return err;
}

/* Where nothing of the child's own goes. */
static int keep(int fd, int *fd_next, int *kept)
{
	*kept = file_move_up(fd, *fd_next);
	close(fd);
	if (*kept < 0)
		return *kept;
	*fd_next = *kept + 1;
	return 0;
}

int network_open(struct network *n, const char *object, int *fd_next)
{
	struct answer a = { 0 };
	int pair[2], fds[2], err;

	*n = (struct network){ .net = -1, .user = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return explain(object, &a, -errno);
	n->helper = fork();
	if (!n->helper) {
		close(pair[0]);
		/* If it was too late for that, then what is said finds nobody. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(pair[1]);
	}
	close(pair[1]);
	n->helper_fd = pair[0];
	if (n->helper < 0) {
		err = -errno;
		n->helper = 0;
		close(pair[0]);
		return explain(object, &a, err);
	}
	err = hear(n, &a, fds);
	if (err) {
		network_leave(n);
		return explain(object, &a, err);
	}
	err = keep(fds[0], fd_next, &n->net);
	if (a.count > 1 && !err)
		err = keep(fds[1], fd_next, &n->user);
	if (err)
		network_leave(n);
	return err ? explain(object, &a, err) : 0;
}

/* ---- the child, or who makes it ---- */

int network_enter(const struct network *n)
{
	if ((n->user >= 0 && setns(n->user, CLONE_NEWUSER)) || setns(n->net, CLONE_NEWNET))
		return -errno;
	return 0;
}
