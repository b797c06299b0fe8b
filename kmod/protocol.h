/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * protocol.h - what two modules say to each other, version 1.
 *
 * A host that wants pages (the client) connects by the RDMA connection manager (port space TCP,
 * reliable connection) to the host that has snapshots (the server). One connection serves all
 * children of all snapshots between the two hosts. The private data of the request names a snapshot
 * that the server has: who knows none gets no connection. Then
 *
 *   client                          server
 *   OPEN {uuid}                     OPENED {uuid, status, where its table is}
 *   RDMA READ of the table, then of pages
 *   CLOSE {uuid}                    (no answer) the client has no child of it any more
 *                                   RELEASED {uuid}: it is gone, reads of it fail from now on
 *
 * Messages are SENDs of one struct mitosis_message each way; an unknown, short or long message ends
 * the connection. All numbers are little-endian. A page of the snapshot is read from remote address
 * page number << 12 with the rkey of its chunk; a READ stays within one chunk.
 *
 * The table is an array of struct mitosis_chunk in ascending order, only of chunks that hold a
 * page. It lies in one or more pieces, each a memory region of its own, to be read one behind the
 * other.
 */
#ifndef MITOSIS_PROTOCOL_H
#define MITOSIS_PROTOCOL_H

#include <linux/types.h>

#define MITOSIS_PROTOCOL_MAGIC		0x4f54494d	/* "MITO" */
#define MITOSIS_PROTOCOL_VERSION	1

#define MITOSIS_CHUNK_SHIFT	9			/* 512 pages: 2 MiB */
#define MITOSIS_CHUNK_PAGES	(1U << MITOSIS_CHUNK_SHIFT)

enum mitosis_reason {
	MITOSIS_REASON_NONE = 0,
	MITOSIS_REASON_PROTOCOL,	/* magic, version or length */
	MITOSIS_REASON_NO_SNAPSHOT,
	MITOSIS_REASON_BUSY,		/* too many connections */
	MITOSIS_REASON_DEVICE,		/* the snapshot is served by another RDMA device */
	MITOSIS_REASON_RESOURCES,
};

/* Private data of request and reply: 24 bytes (56 are the most for a request). */
struct mitosis_hello {
	__le32 magic;
	__le16 version;
	__le16 kind;			/* enum mitosis_hello_kind */
	__u8 uuid[16];			/* request: a snapshot, or the secret of SELF; reply: 0 */
} __packed;

enum mitosis_hello_kind {
	MITOSIS_HELLO_PEER = 1,
	MITOSIS_HELLO_SELF,		/* a host's connection to itself, for registering memory */
};

/* Private data of a rejection. */
struct mitosis_reject {
	__le32 magic;
	__le16 version;
	__le16 reason;			/* enum mitosis_reason */
} __packed;

enum mitosis_message_type {
	MITOSIS_MESSAGE_OPEN = 1,
	MITOSIS_MESSAGE_OPENED,
	MITOSIS_MESSAGE_CLOSE,
	MITOSIS_MESSAGE_RELEASED,
};

#define MITOSIS_PIECE_CHUNKS	26214U		/* chunks in a whole piece: 512 pages of table */
#define MITOSIS_PIECES_MAX	8U

struct mitosis_piece {
	__le64 address;
	__le32 length;			/* bytes */
	__le32 rkey;
} __packed;

struct mitosis_message {
	__le32 magic;
	__le16 version;
	__le16 type;			/* enum mitosis_message_type */
	__u8 uuid[16];
	/* OPENED only, else 0 */
	__le16 reason;			/* enum mitosis_reason; NONE: the rest is valid */
	__le16 piece_count;
	__le32 chunk_count;
	__le64 pages;			/* in the snapshot */
	struct mitosis_piece pieces[MITOSIS_PIECES_MAX];
} __packed;

/* 16 bytes and the bitmap: bit n of present is page first_page + n. */
struct mitosis_chunk {
	__le64 first_page;		/* a multiple of MITOSIS_CHUNK_PAGES */
	__le32 rkey;
	__le32 reserved;
	__le64 present[MITOSIS_CHUNK_PAGES / 64];
} __packed;

#endif
