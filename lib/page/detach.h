/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* detach.h - a child of engine kernel that needs the parent's host no more: see detach.c. */
#ifndef MITOSIS_DETACH_H
#define MITOSIS_DETACH_H

/*
 * Fetch what this process still shows of the snapshot behind remote_fd, as pages of its own. 0 or
 * -errno, logged.
 */
int detach(int remote_fd);

#endif
