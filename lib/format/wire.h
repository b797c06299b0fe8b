/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * wire.h - the protocol between a child's host and a shadow, version 1.
 *
 * A stream of frames, little-endian: a header of 24 bytes, then .length bytes of payload.
 *
 *   client                        shadow
 *   HELLO {magic, version, uuid,  checks it, and answers by purpose:
 *          purpose}               CHILD    -> DESCRIPTOR: the descriptor, then its hot pages
 *                                 PLACE    -> PLACED of no pages
 *                                 INFO     -> INFO
 *                                 RELEASE  -> RELEASED, and the shadow ends
 *   READ {address, pages, tag}    DATA or ZERO frames that together cover the range, in order
 *                                 ERROR {text} at any point where a frame may begin; then it closes
 *
 *   PLACE {pages, runs of them}   PLACED {how many of them are there now, and what ended it}
 *
 * Only a CHILD may READ. Several READs may be under way; they are answered in order, so a reply
 * needs no more than its address. On the local socket (abstract unix, see registry.h) the peer's
 * user id stands for the UUID.
 *
 * A child on the shadow's own host need not be sent its pages: over a connection of its own, to the
 * local socket and with the UUID, its pager hands the child's userfaultfd over with the first PLACE
 * (SCM_RIGHTS), and the shadow copies from its own memory to the child's. One PLACE at a time.
 */
#ifndef MITOSIS_WIRE_H
#define MITOSIS_WIRE_H

#include <stdint.h>

#define WIRE_MAGIC		0x314f4854494d4d4dULL	/* "MMMITHO1" */
#define WIRE_MAJOR		1
#define WIRE_MINOR		0
#define WIRE_READ_MAX		4096u			/* pages in one READ */
#define WIRE_RUN_MAX		256u			/* pages in one DATA frame, at most */
#define WIRE_ERROR_MAX		256u			/* bytes of text */

enum wire_type {
	WIRE_HELLO = 1, WIRE_DESCRIPTOR, WIRE_INFO, WIRE_RELEASED, WIRE_READ, WIRE_DATA, WIRE_ZERO,
	WIRE_ERROR, WIRE_PLACE, WIRE_PLACED,
};

enum wire_purpose { WIRE_FOR_CHILD = 1, WIRE_FOR_INFO, WIRE_FOR_RELEASE, WIRE_FOR_PLACE };

struct wire_frame {
	uint16_t type;			/* enum wire_type */
	uint16_t reserved;
	uint32_t length;		/* payload bytes that follow */
	/*
	 * READ, DATA, ZERO; RELEASED: the shadow's process id; DESCRIPTOR: the shadow's local
	 * socket (wire_local_name()), 0: it has none
	 */
	uint64_t address;
	uint32_t pages;			/* READ to PLACED; DESCRIPTOR: hot pages behind it */
	/*
	 * DESCRIPTOR: which child of the snapshot it is, from 1; PLACED: 0, or the errno that the
	 * userfaultfd has for the next page, EFAULT: the snapshot has no such page, EMFILE: the
	 * shadow has no room for the userfaultfd, and closes
	 */
	uint32_t tag;
};

#define WIRE_PLACE_RUNS		64u

/* PLACE payload: an array of these, in the order in which they are put in place. */
struct wire_place {
	uint64_t source;
	uint64_t destination;		/* in the child */
	uint32_t pages;
	uint32_t reserved;
};

/* "mitosis-exp/UID/PID" and, from 2 on, "/N" in a number. */
static inline uint64_t wire_local_name(uint32_t pid, uint32_t n)
{
	return (uint64_t)n << 32 | pid;
}

/*
 * The next request for pages of [.., end), of which those up to at have come and those up to *asked
 * are asked for: 1, and *asked moves on; 0: enough is under way. Two keep a connection busy.
 */
static inline int wire_ask(struct wire_frame *f, uint64_t *asked, uint64_t at, uint64_t end,
			   uint64_t page_bytes)
{
	uint64_t pages = (end - *asked) / page_bytes;

	if (*asked >= end || *asked - at >= 2ULL * WIRE_READ_MAX * page_bytes)
		return 0;
	if (pages > WIRE_READ_MAX)
		pages = WIRE_READ_MAX;
	*f = (struct wire_frame){ .type = WIRE_READ, .address = *asked, .pages = (uint32_t)pages };
	*asked += pages * page_bytes;
	return 1;
}

/* Does what comes belong at this place, and not beyond end? Of zeros there are no bytes. */
static inline int wire_fits(const struct wire_frame *f, uint64_t at, uint64_t end,
			    uint64_t page_bytes)
{
	uint64_t bytes = f->pages * page_bytes;

	return f->address == at && bytes && bytes <= end - at &&
	       (f->type == WIRE_DATA ? f->length == bytes : f->type == WIRE_ZERO && !f->length);
}

struct wire_hello {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t purpose;		/* enum wire_purpose */
	uint8_t uuid[16];
};

#define WIRE_INFO_RDMA		(1u << 0)	/* the kernel module serves the pages */

/* INFO payload. Addresses and labels end in NUL. */
struct wire_info {
	uint32_t parent_pid, shadow_pid;
	uint32_t children;
	uint32_t flags;			/* WIRE_INFO_* */
	uint64_t pages, fetched_pages;
	uint64_t created_ns, ready_ns, age_ns, lifetime_ns;
	uint8_t uuid[16];
	char label[64];
	char address[256];		/* HOST:PORT as in the reference */
};

#endif
