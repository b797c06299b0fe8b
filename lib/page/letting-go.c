// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* letting-go.c - see letting-go.h. */
#include "page/letting-go.h"
#include "api/log.h"
#include "page/forkable.h"
#include "page/pager.h"
#include "page/registered.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * How often its areas are looked for while it runs: one that moves all the time may leave some
 * registered, whose missing pages are zeros as before.
 */
#define PASSES	16

struct letting_go {
	const struct pager *pager;
	int uffd;
	bool (*listen)(void *data);
	void *data;
};

static bool listen_to(void *data)
{
	struct letting_go *l = data;

	return l->listen(l->data);
}

static int list(void *data, struct area_list *areas)
{
	struct letting_go *l = data;

	return registered_list(areas, l->pager->child_pid, l->uffd, l->listen, l->data);
}

static void unregister(void *data, const struct area_list *areas)
{
	const struct letting_go *l = data;

	for (size_t i = 0; i < areas->count; i++) {
		const struct area *a = &areas->areas[i];
		struct uffdio_range r = { a->start, a->end - a->start };

		/* Fails where the child has unmapped meanwhile, which is as good. */
		ioctl(l->uffd, UFFDIO_UNREGISTER, &r);
	}
}

void let_go(const struct pager *g, int uffd, bool (*listen)(void *data), void *data)
{
	struct letting_go l = { .pager = g, .uffd = uffd, .listen = listen, .data = data };
	const struct forkable child = {
		.listen = listen_to, .list = list, .done = unregister, .data = &l
	};
	struct area_list left = { 0 };
	int err = 0;

	if (g->options.is_foreign)
		forkable_make(&child, g);
	for (int i = 0; !err && i < PASSES && listen(data); i++) {
		err = list(&l, &left);
		if (err || !left.count)
			break;
		unregister(&l, &left);
		area_list_free(&left);
	}
	area_list_free(&left);
	if (err && err != -ESRCH)
		log_debug("%s: areas cannot be looked for: %s", g->options.object, strerror(-err));
	/* Who waits at one of them goes on. */
	listen(data);
	log_debug("%s: all pages are here", g->options.object);
}
