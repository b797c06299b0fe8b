/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * letting-go.h - all pages of a child are there: its areas become ordinary memory again, whole,
 * also where the child has moved them or made them grow.
 *
 * One whose program has no library of ours is made ready to fork, too (forkable.h), for which it
 * stands still, and nothing can be missed. Another one runs, and its areas are looked for until
 * there are none.
 */
#ifndef MITOSIS_LETTING_GO_H
#define MITOSIS_LETTING_GO_H

#include <stdbool.h>

struct pager;

/*
 * listen() reads what the userfaultfd has to say, and answers; false: the child has no use for
 * pages any more, and the userfaultfd may be closed. Threads of the child wait until it is heard.
 */
void let_go(const struct pager *g, int uffd, bool (*listen)(void *data), void *data);

#endif
