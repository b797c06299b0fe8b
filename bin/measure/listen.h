/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* listen.h - the value of --listen, checked before anything is measured or prepared. */
#ifndef LISTEN_H
#define LISTEN_H

/*
 * 0, or after a message STATUS_USAGE for what is no address, STATUS_FAILED for one where nobody can
 * listen: not this host's, or its port is taken. NULL: the option was not given.
 */
int listen_check(const char *where);

#endif
