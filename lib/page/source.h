/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * source.h - where the pages come from that a running child is missing.
 *
 *   source-socket.c   over the connection to the shadow, into the child by userfaultfd
 *   source-module.c   by the kernel module, which is the file behind the child's memory
 *   source-none.c     nothing is missing: all was fetched before the child ran
 *
 * The pager's loop (pager.c) calls them, and knows nothing else of them. An engine says which one
 * its children have (engine/engine.h). One child, one source: their state is in static memory.
 */
#ifndef MITOSIS_SOURCE_H
#define MITOSIS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

struct control_message;
struct pager;

struct page_source {
	const char *name;
	/* Begin to watch. 0 or -errno. */
	int (*start)(struct pager *g);
	/* Something came on fd, which the pager watches for this source. */
	void (*event)(struct pager *g, int fd);
	/* After each round of events: answer faults, and fetch what nobody has asked for yet. */
	void (*push)(struct pager *g);
	/* How long push() can wait for an event, in milliseconds; -1: until there is one. */
	int (*patience)(const struct pager *g);
	/* Pages that the child would have to wait for. */
	uint64_t (*missing)(const struct pager *g);
	/* Has the child become another program? NULL: does not matter. */
	bool (*has_left)(const struct pager *g);
	/* Fill in what only the source counts. */
	void (*stats)(struct pager *g, struct control_message *m);
	/* The child has ended: say what it died for the want of, write what it touched. */
	void (*end)(struct pager *g);
};

extern const struct page_source source_socket, source_module, source_none;

#endif
