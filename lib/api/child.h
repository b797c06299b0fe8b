/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* child.h - what this process is to its supervisor, if it is a child: see child.c. */
#ifndef MITOSIS_CHILD_H
#define MITOSIS_CHILD_H

#include "format/control.h"

extern struct child_state child_state;

/* The first thing in a child: nothing of the restorer is needed any more. */
void child_settle(void);
/* Before a copy of this process is made: nothing may be missing in it. 0 or -errno. */
int child_make_whole(void);
/* The same, and for engine kernel too, whose children may be copied while pages are missing. */
int child_depend_on_nobody(void);

#endif
