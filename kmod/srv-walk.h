/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* srv-walk.h - the pages that the calling process has. */
#ifndef MITOSIS_SRV_WALK_H
#define MITOSIS_SRV_WALK_H

struct page;

/*
 * Referenced pages of current->mm, NULL where there is none; count of them or -errno: -EINTR a
 * fatal signal, -EFAULT a swapped page cannot be read, -EOPNOTSUPP memory that cannot be lent,
 * -EOVERFLOW a page is held by a billion others already.
 */
long mitosis_walk(unsigned long start, unsigned long end, struct page **pages);
/* A cheap look ahead: no page lies between start and what is returned, at most end. */
unsigned long mitosis_walk_skip(unsigned long start, unsigned long end);

#endif
