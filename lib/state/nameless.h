/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * nameless.h - what the shadow does with files that no name leads to (nameless.c): which there are
 * (nameless-find.c), their copies (nameless-copy.c), who else has them (nameless-elsewhere.c).
 */
#ifndef MITOSIS_NAMELESS_H
#define MITOSIS_NAMELESS_H

#include "shadow/read.h"
#include "state/state.h"

struct nameless_line {			/* of maps */
	uint64_t start, end, offset, device, inode;
	uint32_t prot;
	bool is_shared;
	const char *name;
};

void nameless_parse(const char *line, struct nameless_line *l);
/* The device of a file as maps tells of it. */
uint64_t nameless_device(const struct stat *st);
/* Is it called like one? */
bool nameless_is_candidate(const char *name);
bool nameless_is_sysv(const char *name);
/* Its index; -1: there is no room. */
int nameless_add(struct snapshot *s, uint64_t device, uint64_t inode, const char *name);

/*
 * Those that are open, and those that are mapped: these areas are for a while in the table of
 * areas. memory: the device of what has no file system.
 */
void nameless_list_open(struct snapshot *s);
void nameless_list_mapped(struct snapshot *s, uint64_t memory);
/* Mark those that another process has. */
void nameless_find_elsewhere(struct snapshot *s);

#endif
