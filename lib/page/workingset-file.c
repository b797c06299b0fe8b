// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * workingset-file.c - working sets as files: read whole and checked, written whole or not at all.
 */
#include "api/log.h"
#include "page/workingset-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int workingset_read(struct workingset *w, const char *path)
{
	struct workingset_header *h = NULL;
	uint64_t have = 0;
	const char *why;
	struct stat st;
	int fd, err = 0;

	*w = (struct workingset){ 0 };
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)WORKINGSET_MAX) {
		log_error("%s: not a working set", path);
		close(fd);
		return -EPROTO;
	}
	h = calloc(1, (size_t)st.st_size + sizeof(*h));
	if (!h) {
		err = -ENOMEM;
		goto out;
	}
	while (have < (uint64_t)st.st_size) {
		ssize_t n = read(fd, (char *)h + have, (size_t)st.st_size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		have += (uint64_t)n;
	}
	if (err)
		goto out;
	err = workingset_check(h, have, &why);
	if (err) {
		log_error("%s: %s", path, why);
		free(h);
		close(fd);
		return err;
	}
	*w = (struct workingset){
		.program = h->program, .layout = h->layout, .count = h->extents, .room = h->extents,
		.pages = h->pages, .extents = calloc(h->extents + 1UL, sizeof(*w->extents)),
	};
	if (w->extents)
		memcpy(w->extents, h + 1, h->extents * sizeof(*w->extents));
	else
		err = -ENOMEM;
out:
	if (err)
		log_error("%s: %s", path, strerror(-err));
	if (fd >= 0)
		close(fd);
	free(h);
	return err;
}

int workingset_read_for(struct workingset *w, const char *path, const struct descriptor *d)
{
	int err = workingset_read(w, path);

	if (err)
		return err;
	if (w->program != workingset_program(d)) {
		log_error("%s: the working set of another program", path);
		err = -ESTALE;
	} else if (w->layout != workingset_layout(d)) {
		log_error("%s: the working set of another run, whose memory lies at other addresses",
			  path);
		err = -ESTALE;
	}
	if (err)
		workingset_free(w);
	return err;
}

/* A new file beside path, which it shall replace; or an error, whose reason is logged. */
static int open_beside(const char *path, char **name)
{
	struct stat st;
	int fd;

	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		log_error("%s: not a regular file", path);
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	}
	if (asprintf(name, "%s.XXXXXX", path) < 0) {
		log_error("%s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	fd = mkostemp(*name, O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	log_error("%s: %s", path, strerror(-fd));
	free(*name);
	return fd;
}

int workingset_can_write(const char *path)
{
	char *name;
	int fd = open_beside(path, &name);

	if (fd < 0)
		return fd;
	unlink(name);
	close(fd);
	free(name);
	return 0;
}

static int write_all(int fd, const void *data, uint64_t bytes)
{
	const char *at = data;

	while (bytes) {
		ssize_t n = write(fd, at, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

int workingset_write(const struct workingset *w, const char *path)
{
	uint64_t bytes = w->count * (uint64_t)sizeof(*w->extents);
	struct workingset_header h = {
		.magic = WORKINGSET_MAGIC, .major = WORKINGSET_MAJOR, .minor = WORKINGSET_MINOR,
		.page_size = PAGE_BYTES, .length = sizeof(h) + bytes, .program = w->program,
		.layout = w->layout, .pages = w->pages, .extents = w->count,
		.hash = descriptor_hash(w->extents, bytes),
	};
	char *name;
	int fd, err;

	if (h.length > WORKINGSET_MAX) {
		log_error("%s: %s", path, strerror(EFBIG));
		return -EFBIG;
	}
	fd = open_beside(path, &name);
	if (fd < 0)
		return fd;
	err = write_all(fd, &h, sizeof(h));
	if (!err)
		err = write_all(fd, w->extents, bytes);
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(name, path))
		err = -errno;
	if (err) {
		unlink(name);
		log_error("%s: %s", path, strerror(-err));
	}
	free(name);
	return err;
}
