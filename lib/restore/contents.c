// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * contents.c - what the parent's files without a name held (state/nameless.c) is fetched before the
 * child begins: a descriptor of such a file reads zeros where nothing is, and nobody is asked
 * before.
 */
#include "api/log.h"
#include "net/net.h"
#include "restore/resume.h"
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *from, uint64_t bytes, uint64_t at)
{
	while (bytes) {
		ssize_t n = pwrite(fd, from, bytes, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		from += n;
		at += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* One run of pages. */
static int fetch_run(struct resume *r, const struct descriptor_nameless *n,
		     const struct descriptor_extent *run, int fd)
{
	static char data[WIRE_RUN_MAX * PAGE_BYTES];
	uint64_t at = run->start, asked = at, end = at + run->pages * PAGE_BYTES;

	while (at < end) {
		struct wire_frame f;
		uint64_t bytes, left;
		int err;

		while (wire_ask(&f, &asked, at, end, PAGE_BYTES))
			if (send(r->socket_fd, &f, sizeof(f), MSG_NOSIGNAL) != (ssize_t)sizeof(f))
				return -EPIPE;
		err = session_read(r->socket_fd, &f, sizeof(f));
		if (err)
			return err;
		bytes = f.pages * PAGE_BYTES;
		if (!wire_fits(&f, at, end, PAGE_BYTES) || f.type != WIRE_DATA ||
		    bytes > sizeof(data))
			return -EPROTO;
		err = session_read(r->socket_fd, data, bytes);
		if (err)
			return err;
		/* The last page may reach beyond the end. */
		left = n->size - (at - n->address);
		err = write_all(fd, data, bytes < left ? bytes : left, at - n->address);
		if (err)
			return err;
		at += bytes;
	}
	return 0;
}

/* Permissions and seals last: they might forbid what had to be done before. */
static int finish(const struct resume *r, const struct descriptor_nameless *n, uint32_t index)
{
	int fd = r->plan.nameless[index];

	if (fchmod(fd, n->mode))
		return -errno;
	if (!r->plan.sealed_late[index] && fcntl(fd, F_ADD_SEALS, n->seals))
		return -errno;
	return 0;
}

int contents_fetch(struct resume *r)
{
	const struct descriptor_nameless *n = descriptor_at(r->d, r->d->nameless);
	const struct descriptor_extent *held = descriptor_at(r->d, r->d->held);

	for (uint32_t i = 0; i < r->d->nameless.count; i++, n++) {
		int err = 0;

		if (r->plan.nameless[i] < 0)
			continue;
		for (uint32_t k = 0; k < n->runs && !err; k++)
			err = fetch_run(r, n, &held[n->first_run + k], r->plan.nameless[i]);
		if (!err)
			err = finish(r, n, i);
		if (err) {
			log_error("%s: %s: %s", r->ref->address, descriptor_string(r->d, n->name),
				  strerror(-err));
			return err;
		}
	}
	return 0;
}
