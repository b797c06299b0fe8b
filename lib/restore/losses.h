/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* losses.h - what a child will have otherwise than its parent: gathered, and told once. */
#ifndef MITOSIS_LOSSES_H
#define MITOSIS_LOSSES_H

#include <stdbool.h>
#include <stddef.h>

struct losses {
	char *text;			/* "this; that" */
	size_t length, room;
	bool no_memory;
};

/* A clause about the child: "descriptor 5 is closed (socket:[4711])". */
void losses_add(struct losses *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * One warning with all of them, about object; or if the caller wants no child that differs an
 * error, and -ENOTSUP. 0 where there are none.
 */
int losses_tell(const struct losses *l, const char *object, bool strict);
void losses_free(struct losses *l);

#endif
