/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listen.h - the value of --listen, checked before anything is measured or prepared. */
#ifndef LISTEN_H
#define LISTEN_H

/* 0, or STATUS_USAGE after a message. NULL: the option was not given. */
int listen_check(const char *where);

#endif
