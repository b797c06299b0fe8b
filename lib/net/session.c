// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* session.c - a client's conversation with a shadow, up to the point where a pager takes over. */
#include "api/log.h"
#include "net/net.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

int session_hello(int fd, enum wire_purpose purpose, const uint8_t uuid[16])
{
	struct {
		struct wire_frame frame;
		struct wire_hello hello;
	} m = {
		.frame = { .type = WIRE_HELLO, .length = sizeof(m.hello) },
		.hello = { .magic = WIRE_MAGIC,
			   .major = WIRE_MAJOR,
			   .minor = WIRE_MINOR,
			   .purpose = purpose },
	};

	memcpy(m.hello.uuid, uuid, sizeof(m.hello.uuid));
	return send(fd, &m, sizeof(m), MSG_NOSIGNAL) == (ssize_t)sizeof(m) ? 0 : -EPIPE;
}

int session_open(const struct reference *ref, enum wire_purpose purpose, unsigned int timeout_ms)
{
	struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	int fd = tcp_connect(ref, timeout_ms), err;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	err = session_hello(fd, purpose, ref->uuid);
	if (err) {
		log_error("%s: connection lost", ref->address);
		close(fd);
		return err;
	}
	return fd;
}

int session_read(int fd, void *to, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = recv(fd, to, bytes, MSG_WAITALL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			return -ECONNRESET;
		to = (char *)to + n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

int session_expect(int fd, const char *object, enum wire_type type, struct wire_frame *frame)
{
	char text[WIRE_ERROR_MAX + 1];
	int err = session_read(fd, frame, sizeof(*frame));

	if (err == -ETIMEDOUT) {
		log_error("%s: no answer in time", object);
		return err;
	}
	if (err) {
		log_error("%s: connection lost: %s", object, strerror(-err));
		return err;
	}
	if (frame->type == type)
		return 0;
	if (frame->type != WIRE_ERROR || frame->length > WIRE_ERROR_MAX) {
		log_error("%s: not a mitosis snapshot, or another protocol", object);
		return -EPROTO;
	}
	err = session_read(fd, text, frame->length);
	if (err)
		return err;
	text[frame->length] = '\0';
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	log_error("%s: refused: %s", object, text);
	return -EACCES;
}
