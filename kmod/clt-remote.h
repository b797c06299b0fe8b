/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * clt-remote.h - a snapshot of another host. clt-read.h says how its pages are read.
 *
 * One struct mitosis_remote per (endpoint, UUID) on this host, shared by all who open it. It is
 * told of its loss exactly once (.error), and then every read of it fails at once.
 */
#ifndef MITOSIS_CLT_REMOTE_H
#define MITOSIS_CLT_REMOTE_H

#include <linux/mm_types.h>
#include <linux/socket.h>

struct mitosis_remote;

/*
 * Find or make. Connects and reads the table: sleeps, killable, at most timeout_ms (0: the module
 * parameter). ERR_PTR as documented at MITOSIS_IOC_OPEN.
 */
struct mitosis_remote *mitosis_remote_open(const struct sockaddr_storage *endpoint,
					   const u8 uuid[16], unsigned int timeout_ms);
void mitosis_remote_get(struct mitosis_remote *remote);
void mitosis_remote_put(struct mitosis_remote *remote);		/* may sleep */

/* 0, or why it is lost for good. */
int mitosis_remote_error(const struct mitosis_remote *remote);
/* 16 bytes. */
const u8 *mitosis_remote_uuid(const struct mitosis_remote *remote);
u64 mitosis_remote_pages(const struct mitosis_remote *remote);
/* Is the page part of the snapshot? Any context. */
bool mitosis_remote_has(const struct mitosis_remote *remote, pgoff_t page);
/*
 * The first run of pages at or behind *page: its start in *page, its length returned, most if it is
 * longer; 0: none. What it costs grows with most.
 */
unsigned long mitosis_remote_next(const struct mitosis_remote *remote, pgoff_t *page,
				  unsigned long most);
/* Most pages of one read: the device's scatter list bounds it. */
unsigned int mitosis_remote_read_max(const struct mitosis_remote *remote);

/* Woken at loss, for poll(2). */
struct wait_queue_head *mitosis_remote_wait(struct mitosis_remote *remote);
/* Kept for the page cache's side: one pointer, set and read under its own lock. */
void **mitosis_remote_cookie(struct mitosis_remote *remote);

void mitosis_remote_exit(void);

#endif
