// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * client.c - ask snapshots about themselves, by reference or all that this host serves, and release
 * them.
 */
#include "api/log.h"
#include "api/shadows.h"
#include "format/descriptor.h"
#include "format/registry.h"
#include "net/net.h"
#include "private/snapshots.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int read_info(int fd, const char *object, struct mitosis_info *info)
{
	uint32_t size = info->size;
	struct mitosis_info all = { .size = size };
	struct wire_frame frame;
	struct wire_info w;
	int err = session_expect(fd, object, WIRE_INFO, &frame);

	if (err)
		return err;
	if (frame.length != sizeof(w))
		return -EPROTO;
	err = session_read(fd, &w, sizeof(w));
	if (err)
		return err;
	w.label[sizeof(w.label) - 1] = '\0';
	w.address[sizeof(w.address) - 1] = '\0';
	all.parent_pid = w.parent_pid;
	all.shadow_pid = w.shadow_pid;
	all.children = w.children;
	all.pages = w.pages;
	all.bytes = w.pages * PAGE_BYTES;
	all.created_ns = w.created_ns;
	all.ready_ns = w.ready_ns;
	all.age_ns = w.age_ns;
	all.lifetime_ns = w.lifetime_ns;
	all.fetched_pages = w.fetched_pages;
	memcpy(all.label, w.label, sizeof(all.label));
	err = reference_format(all.reference, w.address, w.uuid,
			       w.flags & WIRE_INFO_RDMA ? REFERENCE_RDMA : REFERENCE_PLAIN);
	if (err)
		return err;
	memcpy(info, &all, size);
	return 0;
}

static bool size_is_valid(const struct mitosis_info *info)
{
	return info->size >= 8 && info->size <= sizeof(*info);
}

EXPORT int mitosis_query(const char *text, struct mitosis_info *info)
{
	struct reference ref;
	int fd, err;

	if (!size_is_valid(info))
		return -EINVAL;
	err = reference_parse(&ref, text);
	if (err) {
		log_error("not a reference: expected mitosis://HOST:PORT/UUID");
		return err;
	}
	fd = session_open(&ref, WIRE_FOR_INFO, SESSION_TIMEOUT_MS);
	if (fd < 0)
		return fd;
	err = read_info(fd, ref.address, info);
	close(fd);
	return err;
}

static int await_answer(int fd)
{
	char c;
	ssize_t n;

	do {
		n = recv(fd, &c, 1, MSG_PEEK);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return n ? 0 : -ECONNRESET;
}

int registry_ask(const char *name, struct ucred *who, struct mitosis_info *info)
{
	static const uint8_t none[16];
	int fd = local_connect(name, SESSION_TIMEOUT_MS, who), err;

	if (fd < 0)
		return fd;
	if (!info) {
		close(fd);
		return 0;
	}
	*info = (struct mitosis_info){ .size = sizeof(*info) };
	err = session_hello(fd, WIRE_FOR_INFO, none);
	/*
	 * read_info() logs whatever is wrong with an answer. That there is none, as from a snapshot
	 * that is just ending, is left to the caller, who may ask again.
	 */
	if (!err)
		err = await_answer(fd);
	if (!err)
		err = read_info(fd, name, info);
	close(fd);
	return err;
}

int registry_each(int (*fn)(const char *name, void *data), void *data)
{
	static const char prefix[] = "@" REGISTRY_PREFIX;
	FILE *f = fopen("/proc/net/unix", "re");
	char *line = NULL;
	size_t capacity = 0;
	int ret = 0;

	if (!f) {
		ret = -errno;
		log_error("/proc/net/unix: %s (is /proc mounted?)", strerror(-ret));
		return ret;
	}
	while (!ret && getline(&line, &capacity, f) > 0) {
		char *name = strstr(line, prefix);
		unsigned long flags, uid;

		/*
		 * Num RefCount Protocol Flags ...: __SO_ACCEPTCON marks the listener, not its
		 * peers.
		 */
		if (!name || sscanf(line, "%*s %*s %*s %lx", &flags) != 1 || !(flags & 0x10000))
			continue;
		line[strcspn(line, "\n")] = '\0';
		uid = strtoul(name + sizeof(prefix) - 1, NULL, 10);
		if (geteuid() && uid != geteuid())
			continue;
		ret = fn(name + 1, data);
	}
	free(line);
	fclose(f);
	return ret;
}

struct list_call {
	int (*fn)(const struct mitosis_info *info, void *data);
	void *data;
	int err;		/* of the first that did not answer */
};

static int list_one(const char *name, void *data)
{
	/* or NULL: anybody can have such a name */
	const char *pid = strchr(name + strlen(REGISTRY_PREFIX), '/');
	struct list_call *call = data;
	struct mitosis_info info;
	struct ucred who = { 0 };
	int err, tries = 3;

	/*
	 * A snapshot that is ending closes the connections that it has, and with its name those
	 * made meanwhile.
	 */
	do {
		err = registry_ask(name, &who, &info);
	} while ((err == -ECONNRESET || err == -EPIPE) && --tries);
	if (!err)
		return call->fn(&info, call->data);
	/* One that ended since is no error, nor is another user's that goes by our name. */
	if (err == -ECONNREFUSED || (who.pid && geteuid() && who.uid != geteuid()))
		return 0;
	/* The others have been logged, with what was wrong in the answer. */
	if (err != -EPROTO && err != -EACCES)
		log_error("snapshot served by process %.*s: cannot be asked: %s",
			  pid ? (int)strcspn(pid + 1, "/") : 1, pid ? pid + 1 : "?",
			  strerror(-err));
	if (!call->err)
		call->err = err;
	return 0;
}

EXPORT int mitosis_list(int (*fn)(const struct mitosis_info *info, void *data), void *data)
{
	struct list_call call = { fn, data, 0 };
	int ret = registry_each(list_one, &call);

	return ret ? ret : call.err;
}

EXPORT int mitosis_release(const char *text)
{
	struct reference ref;
	struct wire_frame frame;
	int fd, err = reference_parse(&ref, text);

	if (err) {
		log_error("not a reference: expected mitosis://HOST:PORT/UUID");
		return err;
	}
	fd = session_open(&ref, WIRE_FOR_RELEASE, SESSION_TIMEOUT_MS);
	if (fd < 0)
		return fd;
	err = session_expect(fd, ref.address, WIRE_RELEASED, &frame);
	if (!err) {
		char end;

		/* It closes as the last thing before it ends. */
		session_read(fd, &end, 1);
		shadow_reap((int)frame.address);
	}
	close(fd);
	return err;
}
