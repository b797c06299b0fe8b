// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * zoo.c - the state "zoo": the other states side by side in one process, which has all of them at
 * once. What is here are those that leave room for others: they do not map over their memory, nor
 * share variables with them, nor send signals that end what they wait for.
 */
#include "state.h"

#include <unistd.h>

/* Those that a child has otherwise, or that it is told when a child looks at its own. */
static const char *const of_children[] = {
	"inotify", "connections", "memfd", "deleted",
};

static const char *const of_both[] = {
	/* the process and its threads */
	"tls", "identity", "fpu", "clock", "altstack",
	/* memory */
	"data", "malloc", "zeros", "stack", "protect", "files", "gone-file", "memfds", "sealed", "shared-memory",
	/* descriptors */
	"eventfds", "timerfds", "signalfd", "pipes", "socketpairs", "ptys",
	"listeners", "udp", "plain-sockets", "lone-addresses", "socket-options",
	/* what is done with memory afterwards */
	"dontneed",
};

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

/* The names of watched files are found by CAP_DAC_READ_SEARCH: without it they are not among these. */
static size_t first_of_children(void)
{
	return geteuid() ? 1 : 0;
}

static void build_zoo(void)
{
	/* These first: a process that one of them has made has all that is there by then. */
	for (size_t i = first_of_children(); i < LENGTH(of_children); i++)
		state_find(of_children[i])->build();
	for (size_t i = 0; i < LENGTH(of_both); i++)
		state_find(of_both[i])->build();
}

static void verify(const char *const list[], size_t length)
{
	for (size_t i = 0; i < length; i++) {
		state_doing = list[i];
		state_find(list[i])->verify();
	}
}

static void verify_zoo(void)
{
	if (!state_in_parent)
		verify(of_children + first_of_children(), LENGTH(of_children) - first_of_children());
	verify(of_both, LENGTH(of_both));
	state_doing = "zoo";
	printf("%zu states, %u checks\n", LENGTH(of_both) + (state_in_parent ? 0 : LENGTH(of_children)),
	       state_checks);
}

const struct state zoo_states[] = {
	{ "zoo", "most of the others, all at once", build_zoo, NULL, verify_zoo },
	{ 0 },
};
