/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * freezer.h - a process whose control group is frozen (cgroups(7)) can be traced, and stopped, but
 * makes no call until somebody thaws the group.
 */
#ifndef MITOSIS_FREEZER_H
#define MITOSIS_FREEZER_H

#include <stdbool.h>

#include "capture/workspace.h"

/*
 * As far as the files of control groups are to be seen here; the group's directory goes to where.
 */
bool freezer_holds(int pid, struct workspace *memory, char *where, size_t room);

#endif
