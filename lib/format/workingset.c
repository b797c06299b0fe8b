// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* workingset.c - lists of touched pages, and their files: see workingset.h. */
#include "api/log.h"
#include "format/workingset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH	256u		/* pages whose order of touch may be given up for larger transfers */

static uint64_t mix(uint64_t hash, const void *data, uint64_t bytes)
{
	const uint8_t *byte = data;

	for (uint64_t i = 0; i < bytes; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash;
}

uint64_t workingset_program(const struct descriptor *d)
{
	const struct descriptor_mapped *f = descriptor_at(d, d->mapped);
	const char *exe = descriptor_string(d, d->exe);
	uint64_t hash = mix(0xcbf29ce484222325ULL, exe, strlen(exe));

	for (uint32_t i = 0; i < d->mapped.count; i++) {
		if (strcmp(descriptor_string(d, f[i].path), exe))
			continue;
		hash = mix(hash, &f[i].size, sizeof(f[i].size));
		if (f[i].build_id_length)
			return mix(hash, f[i].build_id, f[i].build_id_length);
		return mix(hash, &f[i].mtime_ns, sizeof(f[i].mtime_ns));
	}
	return hash;
}

uint64_t workingset_layout(const struct descriptor *d)
{
	const uint64_t anchors[] = {
		d->mm.start_code, d->mm.start_brk, d->mm.start_stack, d->vdso_start, d->child_state,
	};

	return mix(0xcbf29ce484222325ULL, anchors, sizeof(anchors));
}

int workingset_add(struct workingset *w, uint64_t address)
{
	struct descriptor_extent *last = w->count ? &w->extents[w->count - 1] : NULL;

	w->pages++;
	if (last && last->start + last->pages * PAGE_BYTES == address) {
		last->pages++;
		return 0;
	}
	if (w->count == w->room) {
		uint32_t room = w->room ? 2 * w->room : 256;
		struct descriptor_extent *more = realloc(w->extents, room * sizeof(*more));

		if (!more) {
			w->pages--;
			return -ENOMEM;
		}
		w->extents = more;
		w->room = room;
	}
	w->extents[w->count++] = (struct descriptor_extent){ address, 1 };
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct descriptor_extent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void workingset_merge(struct workingset *w)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->count;) {
		uint64_t pages = w->extents[i].pages;
		uint32_t n = 1, first = kept;

		while (i + n < w->count && pages + w->extents[i + n].pages <= BATCH)
			pages += w->extents[i + n++].pages;
		qsort(&w->extents[i], n, sizeof(*w->extents), by_address);
		for (uint32_t k = 0; k < n; k++) {
			struct descriptor_extent e = w->extents[i + k];

			if (kept > first &&
			    w->extents[kept - 1].start + w->extents[kept - 1].pages * PAGE_BYTES == e.start)
				w->extents[kept - 1].pages += e.pages;
			else
				w->extents[kept++] = e;
		}
		i += n;
	}
	w->count = kept;
}

void workingset_free(struct workingset *w)
{
	free(w->extents);
	*w = (struct workingset){ 0 };
}

int workingset_check(const void *data, uint64_t length, const char **why)
{
	const struct workingset_header *h = data;
	const struct descriptor_extent *e = (const void *)(h + 1);
	uint64_t pages = 0;

	*why = "not a working set";
	if (length < sizeof(*h) || h->magic != WORKINGSET_MAGIC)
		return -EPROTO;
	*why = "a working set of another version";
	if (h->major != WORKINGSET_MAJOR)
		return -EPROTO;
	*why = "a working set with another page size";
	if (h->page_size != PAGE_BYTES)
		return -EPROTO;
	*why = "truncated, or longer than it says";
	if (h->length != length || length > WORKINGSET_MAX || h->reserved ||
	    length - sizeof(*h) != h->extents * (uint64_t)sizeof(*e))
		return -EPROTO;
	*why = "damaged";
	if (descriptor_hash(e, h->extents * (uint64_t)sizeof(*e)) != h->hash)
		return -EPROTO;
	*why = "impossible page addresses";
	for (uint32_t i = 0; i < h->extents; i++) {
		if (e[i].start % PAGE_BYTES || e[i].start >= USER_END || !e[i].pages ||
		    e[i].pages > (USER_END - e[i].start) / PAGE_BYTES)
			return -EPROTO;
		pages += e[i].pages;
	}
	if (pages != h->pages)
		return -EPROTO;
	return 0;
}

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
		log_error("%s: the working set of another run, whose memory lies at other addresses", path);
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
