// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * place.c - fills the memory of a child on this host: from page to page, without a socket between.
 *
 * Each such child has a thread here, because a copy into its memory may have to wait for it, as
 * long as the child changes its address space, say: nobody else waits with it. A thread has a small
 * stack in the arena, shares everything with the server, and ends with its connection; all signals
 * are blocked in it, as in the server.
 */
#include "shadow/place.h"
#include "context.h"
#include "format/wire.h"
#include "shadow/find.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct message {
	struct wire_frame frame;
	struct wire_place runs[WIRE_PLACE_RUNS];
};

static bool reply(const struct placer *p, uint64_t pages, long error)
{
	struct wire_frame f = {
		.type = WIRE_PLACED,
		.pages = (uint32_t)pages,
		.tag = (uint32_t)error,
	};

	return sys(SYS_sendto, p->fd, &f, sizeof(f), MSG_NOSIGNAL, 0, 0) == sizeof(f);
}

/* The userfaultfd comes with the first one. */
static bool receive_frame(struct placer *p, struct wire_frame *f)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { f, sizeof(*f) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	long n;

	if (p->uffd < 0) {
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
	}
	n = sys(SYS_recvmsg, p->fd, &h, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	if (p->uffd < 0 && n > 0 && h.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.header.cmsg_level == SOL_SOCKET && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&p->uffd, CMSG_DATA(&control.header), sizeof(int));
	/* There was no room for it: the child takes another way. */
	if (n == sizeof(*f) && p->uffd < 0 && h.msg_flags & MSG_CTRUNC)
		reply(p, 0, EMFILE);
	return n == sizeof(*f) && p->uffd >= 0 && f->type == WIRE_PLACE;
}

static bool receive(struct placer *p, struct message *m)
{
	uint64_t pages = 0;

	if (!receive_frame(p, &m->frame) || !m->frame.length ||
	    m->frame.length % sizeof(m->runs[0]) || m->frame.length > sizeof(m->runs) ||
	    sys(SYS_recvfrom, p->fd, m->runs, m->frame.length, MSG_WAITALL, 0, 0) !=
		    m->frame.length)
		return false;
	for (uint32_t i = 0; i < m->frame.length / sizeof(m->runs[0]); i++) {
		if (m->runs[i].source % PAGE_BYTES)
			return false;
		pages += m->runs[i].pages;
	}
	return pages && pages == m->frame.pages && pages <= WIRE_READ_MAX;
}

/* Bytes that are in the child's memory now, or -errno. */
static int64_t copy(int uffd, uint64_t to, uint64_t from, uint64_t bytes, bool present)
{
	struct uffdio_copy copy = { .dst = to, .src = from, .len = bytes };
	struct uffdio_zeropage zero = { .range = { to, bytes } };
	struct uffdio_range first = { to, PAGE_BYTES };
	long ret = present ? sys(SYS_ioctl, uffd, UFFDIO_COPY, &copy)
			   : sys(SYS_ioctl, uffd, UFFDIO_ZEROPAGE, &zero);
	int64_t done = present ? copy.copy : zero.zeropage;

	if (!ret)
		return (int64_t)bytes;
	if (done > 0)
		return done;
	/* It is there already; who waits for it has to be woken all the same. */
	if (ret == -EEXIST) {
		sys(SYS_ioctl, uffd, UFFDIO_WAKE, &first);
		return PAGE_BYTES;
	}
	return ret;
}

/* Pages of a run that are there now; *error is 0, or what is in the way of the next one. */
static uint64_t place_run(struct placer *p, const struct wire_place *r, long *error)
{
	uint64_t done = 0, run;
	bool present;

	*error = 0;
	while (done < r->pages) {
		const uint64_t from = r->source + done * PAGE_BYTES;
		int64_t bytes;

		if (snapshot_run(p->snapshot, &p->last, from, r->pages - done, &run, &present)) {
			*error = EFAULT;
			break;
		}
		bytes = copy(p->uffd, r->destination + done * PAGE_BYTES, from, run * PAGE_BYTES,
			     present);
		if (bytes < 0) {
			*error = -bytes;
			break;
		}
		done += (uint64_t)bytes / PAGE_BYTES;
	}
	return done;
}

static uint64_t place(struct placer *p, const struct message *m, long *error)
{
	uint64_t done = 0;

	*error = 0;
	for (uint32_t i = 0; i < m->frame.length / sizeof(m->runs[0]) && !*error; i++)
		done += place_run(p, &m->runs[i], error);
	snapshot_fetched(p->snapshot, done);
	return done;
}

static void run(void *arg)
{
	struct placer *p = arg;
	struct message m;
	bool connected;

	/* The kernel clears it when this stack is not used any more. */
	sys(SYS_set_tid_address, &p->tid);
	connected = reply(p, 0, 0);
	while (connected && receive(p, &m)) {
		long error;
		uint64_t pages = place(p, &m, &error);

		connected = reply(p, pages, error);
	}
	if (p->uffd >= 0)
		sys(SYS_close, p->uffd);
	sys(SYS_close, p->fd);
	sys(SYS_exit, 0);
}

const char *place_start(struct snapshot *s, int fd)
{
	struct placer *p = s->placers;
	long ret;

	/* It might end the shadow. */
	if (sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0))
		return "the parent's system calls are filtered";
	while (p < s->placers + PLACERS_MAX && __atomic_load_n(&p->tid, __ATOMIC_ACQUIRE))
		p++;
	if (p == s->placers + PLACERS_MAX)
		return "too many children are filled at once";
	/* Its receive waits. */
	if (sys(SYS_fcntl, fd, F_SETFL, 0) < 0)
		return "fcntl";
	p->snapshot = s;
	p->fd = fd;
	p->uffd = -1;
	p->last = 0;
	p->tid = 1;
	ret = arch_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM, p->stack + sizeof(p->stack), run, p);
	if (ret >= 0)
		return NULL;
	p->tid = 0;
	sys(SYS_fcntl, fd, F_SETFL, O_NONBLOCK);
	return "it can have no more threads";
}
