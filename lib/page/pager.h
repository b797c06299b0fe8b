/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* pager.h - stands by a running child: its supervisor, and whoever brings its memory (source.h). */
#ifndef MITOSIS_PAGER_H
#define MITOSIS_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "format/control.h"
#include "format/workingset.h"
#include "page/source.h"

struct map_step;

struct pager_options {
	const char *object;		/* for messages */
	uint32_t window, push_percent, timeout_ms;
	bool push, drain_stdin;
	uint64_t hot_pages;
	const char *record_path;	/* NULL: nothing is recorded */
	struct workingset *record;	/* filled by the source, written when the child ends */
	const struct workingset *replay;	/* NULL, or what is fetched first, merged */
	int notify_fd;			/* told when the child runs; 0: nobody */
	bool is_foreign;		/* the child's program has no library of ours */
	/* areas that its parent did not let forks copy; ascending */
	const struct descriptor_extent *unforked;
	uint32_t unforked_count;

	const struct page_source *source;
	int socket_fd;			/* the connection to the shadow; -1: closed, all is here */
	int place_fd;			/* placer.h; -1: pages come over socket_fd */
	int uffd;			/* the child's; -1: none */
	int backing_fd;			/* the file behind the child's memory; -1: none */
	/* to be fetched over the connection; ascending */
	const struct descriptor_extent *missing;
	uint32_t missing_count;
	const struct map_step *steps;	/* where the areas are that it is missing in */
	uint32_t step_count;
	const struct descriptor_extent *backed;		/* what the file holds; ascending */
	uint32_t backed_count;
};

struct pager {
	struct pager_options options;
	struct control_message counters;
	int child_pid, control_fd, epoll, signal_fd;
	bool ready;			/* the child's memory is laid out, and it runs */
	bool draining;			/* it waits until nothing is missing */
	bool is_silent;			/* it has closed its end of control_fd */
	uint64_t core_withheld;		/* bits of its coredump_filter, until nothing is missing */
};

/* Serve a child's memory and supervise it; does not return. */
void pager_run(int child_pid, int control_fd, const struct pager_options *options)
	__attribute__((noreturn));

/* For sources. The child is killed, since it could go on with wrong bytes only; says why. */
void pager_give_up(struct pager *g, const char *why, uint64_t missing) __attribute__((noreturn));
/* Hear of input on fd; false: errno says why not. */
bool pager_watch(struct pager *g, int fd);
uint64_t pager_now_ns(void);

#endif
