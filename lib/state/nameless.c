// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * nameless.c - files that no name leads to: of memfd_create(2), deleted ones, and those behind
 * shared anonymous memory and that of System V. Nobody can open them again, and what a fork does
 * not copy goes on changing with the parent.
 *
 * So the shadow copies them, each into a file of its own, before the parent goes on: the parent
 * waits for a byte (held_fd). A child gets one new file for each, open and mapped as often as it
 * was in the parent, which is filled before it runs. What another process has too is no child's:
 * who writes there writes to somebody.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "state/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The memory of System V has numbers of its own, on the same device as all other. */
bool nameless_is_sysv(const char *name)
{
	return text_begins(name, "/SYSV");
}

int nameless_find(const struct snapshot *s, uint64_t device, uint64_t inode, const char *name)
{
	for (uint32_t i = 0; i < s->n.nameless; i++) {
		const struct descriptor_nameless *n = &s->nameless[i];
		bool sysv = n->flags & NAMELESS_SYSV;

		/* Of some file systems maps and stat(2) say different devices. */
		if (n->inode == inode && sysv == nameless_is_sysv(name) &&
		    (s->copies[i].device == device || text_is(s->strings + n->name, name)))
			return (int)i;
	}
	return -1;
}

int nameless_add(struct snapshot *s, uint64_t device, uint64_t inode, const char *name)
{
	uint32_t at = s->n.nameless;

	if (at == NAMELESS_MAX)
		return -1;
	s->nameless[at] = (struct descriptor_nameless){
		.inode = inode, .name = add_string(s, name), .mode = 0600, .seals = F_SEAL_SEAL,
		.flags = nameless_is_sysv(name) ? NAMELESS_SYSV : 0,
	};
	if (!s->nameless[at].name)
		return -1;
	s->copies[at].device = device;
	s->copies[at].fd = s->copies[at].source = -1;
	s->copies[at].is_memory = s->copies[at].is_leased = false;
	s->n.nameless++;
	return (int)at;
}

static bool add_runs(struct snapshot *s, struct descriptor_nameless *n, int fd)
{
	for (uint64_t at = 0; at < n->size;) {
		long data = sys(SYS_lseek, fd, at, SEEK_DATA), end;

		if (data == -ENXIO)
			return true;
		end = data < 0 ? data : sys(SYS_lseek, fd, data, SEEK_HOLE);
		if (end < 0 || s->n.held == ARRAY_SIZE(s->held))
			return false;
		s->held[s->n.held++] = (struct descriptor_extent){
			n->address + (uint64_t)data,
			((uint64_t)(end - data) + PAGE_BYTES - 1) / PAGE_BYTES,
		};
		n->runs++;
		at = (uint64_t)end;
	}
	return true;
}

const char *nameless_serve(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n.nameless; i++) {
		struct descriptor_nameless *n = &s->nameless[i];
		int fd = s->copies[i].fd;
		long at = 0;

		n->first_run = s->n.held;
		/* Also where nobody has waited for the copy. */
		if (!(n->flags & NAMELESS_HELD)) {
			if (fd >= 0)
				sys(SYS_close, fd);
			continue;
		}
		if (n->size)
			at = sys(SYS_mmap, 0, n->size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd,
				 0);
		n->address = SYS_FAILED(at) ? 0 : (uint64_t)at;
		if (SYS_FAILED(at) || !add_runs(s, n, fd)) {
			n->flags &= ~(uint32_t)NAMELESS_HELD;
			s->n.held = n->first_run;
			n->runs = 0;
		}
		sys(SYS_close, fd);
	}
	if (s->n.nameless)
		nameless_find_elsewhere(s);
	return s->is_unowned ?
		"it has more private memory of a memfd than may be copied (--copy)" : NULL;
}

bool nameless_is_at(const struct snapshot *s, uint64_t address)
{
	for (uint32_t i = 0; i < s->n.nameless; i++)
		if (s->nameless[i].address &&
		    address - s->nameless[i].address < s->nameless[i].size)
			return true;
	return false;
}

#endif
#ifdef IN_LIBRARY

#include <fcntl.h>
#include <stdio.h>

#define PAGE_ALIGNED(x) (!((x) % PAGE_BYTES))

const char *nameless_well_formed(const struct descriptor *d)
{
	static const char malformed[] = "a file without a name is malformed";
	const struct descriptor_nameless *n = descriptor_at(d, d->nameless);
	const struct descriptor_extent *held = descriptor_at(d, d->held);
	uint32_t next = 0;

	for (uint32_t i = 0; i < d->nameless.count; i++, n++) {
		uint64_t at = n->address, end = at + n->size;

		if (n->size > INT64_MAX || !descriptor_has_string(d, n->name) ||
		    n->mode & ~07777U || n->flags & ~(uint32_t)NAMELESS_KNOWN_FLAGS ||
		    n->seals & ~0x3fU || n->reserved || n->first_run != next ||
		    n->runs > d->held.count - next || (n->runs && !(n->flags & NAMELESS_HELD)))
			return malformed;
		if (n->runs &&
		    (!PAGE_ALIGNED(at) || !descriptor_is_user(at) || n->size > USER_END - at))
			return malformed;
		for (uint32_t k = 0; k < n->runs; k++, next++) {
			if (!PAGE_ALIGNED(held[next].start) || held[next].start < at ||
			    held[next].start >= end || !held[next].pages ||
			    held[next].pages >
				    (end - held[next].start + PAGE_BYTES - 1) / PAGE_BYTES)
				return malformed;
			at = held[next].start + held[next].pages * PAGE_BYTES;
		}
	}
	return next == d->held.count ? NULL : malformed;
}

const char *nameless_why(const struct descriptor_nameless *n, char text[NAMELESS_WHY_MAX])
{
	if (n->flags & NAMELESS_ELSEWHERE && n->other)
		snprintf(text, NAMELESS_WHY_MAX, "process %u has it too", n->other);
	else if (n->flags & NAMELESS_ELSEWHERE)
		snprintf(text, NAMELESS_WHY_MAX, "another process has it too");
	else if (n->flags & NAMELESS_LARGE)
		snprintf(text, NAMELESS_WHY_MAX,
			 "it is too large to be copied while its parent stands still");
	else if (!(n->flags & NAMELESS_HELD))
		snprintf(text, NAMELESS_WHY_MAX, "it could not be copied on the parent's host");
	else
		return NULL;
	return text;
}

#endif
