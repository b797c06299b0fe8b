/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * placer.h - on the shadow's own host its pages need not travel: the shadow puts them into the
 * child's memory when it is told where.
 */
#ifndef MITOSIS_PLACER_H
#define MITOSIS_PLACER_H

#include <stdint.h>

/*
 * name: wire_local_name(), as the shadow has said. A connection whose first answer is still to
 * come, or -errno: nobody of this name is to be had here, or it is another user's.
 */
int placer_connect(uint64_t name, const uint8_t uuid[16], unsigned int timeout_ms);
/* Is the shadow ready? 0, or -errno and *why. */
int placer_ready(int fd, const char **why);

struct wire_place;

/*
 * Have runs of the snapshot's pages put where they belong in the memory that the userfaultfd is of;
 * uffd -1: the same as before. At most WIRE_PLACE_RUNS of them. 0, or -errno: the connection is
 * lost.
 */
int placer_ask(int fd, int uffd, const struct wire_place *runs, uint32_t count, uint32_t pages);
/*
 * The answer, which must be there to be read: how many of the pages are in place, and what is in
 * the way of the next one, 0 or an errno of UFFDIO_COPY. 0, or -errno: the connection is lost, or
 * it is no answer.
 */
int placer_answer(int fd, uint32_t pages, uint32_t *placed, int *error);

#endif
