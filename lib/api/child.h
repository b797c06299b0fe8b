/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* child.h - what this process is to its supervisor, if it is a child: see child.c. */
#ifndef MITOSIS_CHILD_H
#define MITOSIS_CHILD_H

#include <stdint.h>

#include "format/control.h"
#include "format/entry.h"

extern struct child_state child_state;
extern struct child_entry mitosis_child_entry;	/* at-resume.c */

/* The first thing in a child: nothing of the restorer is needed any more. */
void child_settle(void);
/* Then: which one it is, and what mitosis_at_resume() was told, in that order. */
void child_begin(void);
/* What mitosis_at_prepare() was told: which of them ran, and what they are to be followed by. */
uint64_t parent_before(void);
void parent_after(uint64_t ran);
/* Before a copy of this process is made: nothing may be missing in it. 0 or -errno. */
int child_make_whole(void);
/* The same, and for engine kernel too, whose children may be copied while pages are missing. */
int child_depend_on_nobody(void);

#endif
