/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* registered.h - which areas of a child are registered with a userfaultfd. */
#ifndef MITOSIS_REGISTERED_H
#define MITOSIS_REGISTERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct area_list {
	struct area {
		uint64_t start, end;
	} *areas;
	size_t count, room;
};

/* 0 or -ENOMEM */
int area_list_add(struct area_list *l, uint64_t start, uint64_t end);
/* Empty again, for another use too. */
void area_list_free(struct area_list *l);

/*
 * Add those of the child with this userfaultfd, by asking it of each area. While an event of the
 * child is announced it does not answer: listen() is called, which reads it, and returns false once
 * the child has no use for pages any more. 0 or -errno; -ESRCH: then, or it has ended.
 */
int registered_list(struct area_list *l, int child_pid, int uffd, bool (*listen)(void *data),
		    void *data);
/*
 * Call fn for each in [start, end), whoever has registered it, as smaps tells: at any time, but the
 * kernel looks at all pages for that. What fn returns if it is not 0, or -errno.
 */
int registered_each(int child_pid, uint64_t start, uint64_t end,
		    int (*fn)(uint64_t start, uint64_t end, void *data), void *data);

#endif
