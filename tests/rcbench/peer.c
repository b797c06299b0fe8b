// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * peer.c - a client of mitosis-rcbench --server that does not behave: "peer HOST PORT MODE [N]".
 *
 *	empty, garbage, version, length, tail, kind, flags, run	wrong private data: the reason of the rejection is printed
 *	half	N connections whose acceptance is never confirmed; "ready", then waits for a signal
 *	hold	N established ones, likewise
 *	leave	N established ones, then ends without a word, with status 0
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rdma/rdma_cma.h>

#include "protocol.h"

static struct rdma_event_channel *channel;
static struct addrinfo *server;
static struct rcbench_hello hello = {
	.magic = RCBENCH_MAGIC, .version = RCBENCH_VERSION, .length = sizeof(hello), .kind = RCBENCH_CONTROL,
	.run = "peer of a test",
};

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void await(enum rdma_cm_event_type wanted)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		die("event");
	if (event->event != wanted) {
		fprintf(stderr, "peer: %s instead of %s\n", rdma_event_str(event->event), rdma_event_str(wanted));
		exit(2);
	}
	rdma_ack_cm_event(event);
}

/* Up to the request; the caller sees what comes of it. */
static void request(const void *data, size_t length)
{
	struct ibv_qp_init_attr attr = { .cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
					 .qp_type = IBV_QPT_RC };
	struct rdma_conn_param param = { .private_data = data, .private_data_len = (uint8_t)length, .retry_count = 5 };
	struct rdma_cm_id *id;

	/* Its own channel: an event that is not taken is that of this connection. */
	channel = rdma_create_event_channel();
	if (!channel)
		die("event channel");
	if (rdma_create_id(channel, &id, NULL, RDMA_PS_TCP) || rdma_resolve_addr(id, NULL, server->ai_addr, 5000))
		die("address");
	await(RDMA_CM_EVENT_ADDR_RESOLVED);
	if (rdma_resolve_route(id, 5000))
		die("route");
	await(RDMA_CM_EVENT_ROUTE_RESOLVED);
	if (rdma_create_qp(id, NULL, &attr) || rdma_connect(id, &param))
		die("connect");
}

static void refused(const void *data, size_t length)
{
	const struct rcbench_refusal *refusal;
	struct rdma_cm_event *event;

	request(data, length);
	if (rdma_get_cm_event(channel, &event))
		die("event");
	refusal = event->param.conn.private_data;
	if (event->event != RDMA_CM_EVENT_REJECTED || event->param.conn.private_data_len < sizeof(*refusal) ||
	    refusal->magic != RCBENCH_MAGIC || refusal->version != RCBENCH_VERSION) {
		printf("%s\n", rdma_event_str(event->event));
		exit(1);
	}
	printf("rejected %u\n", refusal->reason);
	exit(0);
}

static void established(enum rcbench_kind kind)
{
	hello.kind = (uint16_t)kind;
	request(&hello, sizeof(hello));
	await(RDMA_CM_EVENT_ESTABLISHED);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[3] : "";
	int n = argc > 4 ? atoi(argv[4]) : 1;
	uint8_t padded[56] = { 0 };

	if (argc < 4 || getaddrinfo(argv[1], argv[2], NULL, &server))
		return 2;
	if (!strcmp(mode, "empty"))
		refused(NULL, 0);
	if (!strcmp(mode, "garbage"))
		refused("this is another program's private data, not ours", 49);
	if (!strcmp(mode, "version"))
		hello.version = RCBENCH_VERSION + 1;
	else if (!strcmp(mode, "length"))
		hello.length++;
	else if (!strcmp(mode, "kind"))
		hello.kind = RCBENCH_OPERATIONS + 1;
	else if (!strcmp(mode, "flags"))
		hello.flags = 0x8000;
	else if (!strcmp(mode, "run"))
		hello.kind = RCBENCH_CONNECTION;
	else if (!strcmp(mode, "tail"))
		padded[sizeof(padded) - 1] = 1;
	else if (!strcmp(mode, "half") || !strcmp(mode, "hold") || !strcmp(mode, "leave")) {
		established(RCBENCH_CONTROL);
		for (int i = 0; i < n; i++) {
			if (!strcmp(mode, "half")) {
				hello.kind = RCBENCH_CONNECTION;
				request(&hello, sizeof(hello));
			} else {
				established(RCBENCH_CONNECTION);
			}
		}
		printf("ready\n");
		fflush(stdout);
		if (!strcmp(mode, "leave"))
			_exit(0);
		for (;;)
			pause();
	} else {
		return 2;
	}
	memcpy(padded, &hello, sizeof(hello));
	refused(padded, sizeof(padded));
}
