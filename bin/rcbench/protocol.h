/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * protocol.h - what client and server of mitosis-rcbench say to each other, version 1.
 *
 * All goes through the RDMA connection manager (port space TCP, reliable connections). A client run
 * begins with one CONTROL connection; the run lasts as long as that. Its request names the run by a
 * random id, which the private data of each further connection repeats. The server rejects whoever
 * names no run that is under way, with the reason.
 *
 *   client                                  server
 *   request: hello {CONTROL, run}           accepts: the run has begun
 *   request: hello {CONNECTION, run}        accepts: a connection that is measured
 *     message (if VERIFY), any number         the message with each bit inverted
 *   request: hello {OPERATIONS, run, ...}   accepts: welcome, with the region for READ and WRITE
 *     READ, WRITE, SEND                       takes what is sent
 *   disconnect of CONTROL, after the goodbye message
 *
 * All numbers are little-endian. Private data that is longer than the structure must be zero there:
 * some fabrics pad it.
 */
#ifndef RCBENCH_PROTOCOL_H
#define RCBENCH_PROTOCOL_H

#include <endian.h>
#include <stdint.h>

#define RCBENCH_MAGIC		0x4e424352u	/* "RCBN" */
#define RCBENCH_VERSION		1
#define RCBENCH_PORT		7472
#define RCBENCH_REGION		(4u << 20)	/* bytes of the server that READ and WRITE use */
#define RCBENCH_OUTSTANDING_MAX	1024u
#define RCBENCH_MESSAGE		64u		/* bytes of a message on a measured connection */

enum rcbench_kind {
	RCBENCH_CONTROL = 1,
	RCBENCH_CONNECTION,
	RCBENCH_OPERATIONS,
};

#define RCBENCH_VERIFY		1u		/* messages will come */

/* Private data of a request: 36 bytes (56 are the most). */
struct rcbench_hello {
	uint32_t magic;
	uint16_t version;
	uint16_t length;			/* of this structure */
	uint16_t kind;				/* enum rcbench_kind */
	uint16_t flags;
	uint32_t size;				/* OPERATIONS: largest SEND */
	uint32_t outstanding;			/* OPERATIONS: SENDs under way at once */
	uint8_t run[16];
};

/* Private data of the acceptance. */
struct rcbench_welcome {
	uint32_t magic;
	uint16_t version;
	uint16_t length;
	uint64_t address;			/* OPERATIONS: of the region, else 0 */
	uint32_t rkey;
	uint32_t bytes;
};

enum rcbench_refusal_reason {
	RCBENCH_REFUSED_PROTOCOL = 1,		/* magic, version, length or kind */
	RCBENCH_REFUSED_RUN,			/* no such run is under way */
	RCBENCH_REFUSED_BUSY,			/* --max-connections */
	RCBENCH_REFUSED_RESOURCES,		/* the server's device has no more to give */
};

/* Private data of a rejection. */
struct rcbench_refusal {
	uint32_t magic;
	uint16_t version;
	uint16_t reason;			/* enum rcbench_refusal_reason */
};

/* Byte n of the region, and of what is sent, is this of n: a READ can be compared. */
static inline uint8_t rcbench_pattern(uint32_t n)
{
	return (uint8_t)((n * 2654435761u) >> 24);
}

#endif
