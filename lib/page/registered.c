// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* registered.c - see registered.h. */
#include "page/registered.h"
#include "page/areas.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "layout.h"

#define TRIES	1000		/* of a millisecond each, for an event to be readable */

int area_list_add(struct area_list *l, uint64_t start, uint64_t end)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct area *more = realloc(l->areas, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->areas = more;
		l->room = room;
	}
	l->areas[l->count++] = (struct area){ start, end };
	return 0;
}

void area_list_free(struct area_list *l)
{
	free(l->areas);
	*l = (struct area_list){ 0 };
}

static int add_line(const char *line, void *data)
{
	uint64_t start, end;

	return areas_range(line, &start, &end) ? area_list_add(data, start, end) : 0;
}

/*
 * Bytes that cannot be read are copied nowhere, but where nothing is registered that is said first.
 * 1 or 0, or -errno.
 */
static int ask(int uffd, const struct area *a, void *unreadable)
{
	struct uffdio_copy copy = { .dst = a->start, .src = (uint64_t)(uintptr_t)unreadable,
				    .len = PAGE_BYTES };
	/* With whom? Once more is no change; what is another's is busy. */
	struct uffdio_register r = { .range = { a->start, a->end - a->start },
				     .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (ioctl(uffd, UFFDIO_COPY, &copy)) {
		if (errno == ENOENT || errno == EINVAL)
			return 0;
		if (errno != EFAULT && errno != EEXIST)
			return -errno;
	}
	return !ioctl(uffd, UFFDIO_REGISTER, &r);
}

int registered_list(struct area_list *l, int child_pid, int uffd, bool (*listen)(void *data),
		    void *data)
{
	void *unreadable = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int tid = areas_thread(child_pid), err, tries = 0;
	struct area_list all = { 0 };
	char path[40];

	if (unreadable == MAP_FAILED)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/maps", tid);
	err = tid ? areas_lines(path, add_line, &all) : -ESRCH;
	for (size_t i = 0; i < all.count && !err;) {
		const struct area *a = &all.areas[i];
		struct pollfd p = { .fd = uffd, .events = POLLIN };
		int answer = ask(uffd, a, unreadable);

		if (answer == -EAGAIN && tries++ < TRIES) {
			if (!listen(data))
				err = -ESRCH;
			else
				poll(&p, 1, 1);
			continue;
		}
		if (answer < 0)
			err = answer;
		else if (answer)
			err = area_list_add(l, a->start, a->end);
		i++;
	}
	area_list_free(&all);
	munmap(unreadable, PAGE_BYTES);
	return err;
}

struct each {
	uint64_t start, end, from, to;
	int (*fn)(uint64_t start, uint64_t end, void *data);
	void *data;
};

/* "um" in the last line of an area: missing pages are a userfaultfd's. */
static int look_at(const char *line, void *data)
{
	struct each *e = data;
	uint64_t from, to;

	if (areas_range(line, &from, &to)) {
		e->from = from;
		e->to = to;
	} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " um") && e->from < e->end &&
		   e->to > e->start) {
		return e->fn(e->from, e->to, e->data);
	}
	return 0;
}

int registered_each(int child_pid, uint64_t start, uint64_t end,
		    int (*fn)(uint64_t start, uint64_t end, void *data), void *data)
{
	struct each e = { .start = start, .end = end, .fn = fn, .data = data };
	int tid = areas_thread(child_pid);
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/smaps", tid);
	return tid ? areas_lines(path, look_at, &e) : -ESRCH;
}
