// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * peer.c - another host as the module's server meets it: one that behaves, and ones that do not.
 *
 *   peer ADDRESS PORT UUID TEST
 *
 * Each TEST makes connections of its own by librdmacm, without the module, and says "ok" or what was
 * not as it must be. "read" reads all pages and compares them with what snapshot.c wrote; "released"
 * stops before its last read and waits for a line on standard input. "keys" prints keys and pages of the
 * snapshot.
 */
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define __le16 uint16_t
#define __le32 uint32_t
#define __le64 uint64_t
#define __u8 uint8_t
#define __packed __attribute__((packed))
#include "protocol.h"
#include "pattern.h"

#define WAIT_MS 20000
#define READ_MAX (1U << 17)

static const char *host, *service;
static uint8_t uuid[16];
static const char *doing = "";

struct peer {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	struct {
		struct mitosis_message in[32], out[32];
		uint8_t long_message[4096];
		uint8_t data[READ_MAX];
	} *memory;
	unsigned int received;		/* messages taken from in[] */
	int reason;			/* of a rejection, -1: none was told */
};

struct table {
	struct mitosis_chunk *chunks;
	uint32_t count;
	uint64_t pages;
};

__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "peer: %s: ", doing);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* The next event, or -1 after the time. */
static int next_event(struct peer *p, int wait_ms)
{
	struct pollfd fd = { .fd = p->channel->fd, .events = POLLIN };
	struct rdma_cm_event *event;
	int type;

	if (poll(&fd, 1, wait_ms) <= 0)
		return -1;
	if (rdma_get_cm_event(p->channel, &event))
		fail("rdma_get_cm_event: %s", strerror(errno));
	type = event->event;
	p->reason = -1;
	if (type == RDMA_CM_EVENT_REJECTED &&
	    event->param.conn.private_data_len >= sizeof(struct mitosis_reject)) {
		struct mitosis_reject reject;

		memcpy(&reject, event->param.conn.private_data, sizeof(reject));
		if (le32toh(reject.magic) == MITOSIS_PROTOCOL_MAGIC)
			p->reason = le16toh(reject.reason);
	}
	rdma_ack_cm_event(event);
	return type;
}

static void want_event(struct peer *p, int wanted)
{
	int type = next_event(p, WAIT_MS);

	if (type != wanted)
		fail("%s instead of %s", type < 0 ? "silence" : rdma_event_str(type),
		     rdma_event_str(wanted));
}

static void post_receive(struct peer *p, unsigned int n)
{
	struct ibv_sge sge = { (uintptr_t)&p->memory->in[n % 32], sizeof(p->memory->in[0]), p->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = 1000 + n, .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(p->id->qp, &wr, &bad))
		fail("ibv_post_recv");
}

/* Up to the request; the answer is the caller's. */
static struct peer *peer_request(const void *data, size_t length)
{
	struct rdma_conn_param param = {
		.private_data = data, .private_data_len = length, .responder_resources = 1,
		.initiator_depth = 16, .retry_count = 6, .rnr_retry_count = 6,
	};
	struct ibv_qp_init_attr attr = {
		.cap = { .max_send_wr = 64, .max_recv_wr = 32, .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC, .sq_sig_all = 1,
	};
	struct peer *p = calloc(1, sizeof(*p));
	struct addrinfo *address;
	unsigned int i;

	if (!p || getaddrinfo(host, service, NULL, &address))
		fail("getaddrinfo");
	p->channel = rdma_create_event_channel();
	if (!p->channel || rdma_create_id(p->channel, &p->id, NULL, RDMA_PS_TCP))
		fail("rdma_create_id: %s", strerror(errno));
	if (rdma_resolve_addr(p->id, NULL, address->ai_addr, 5000))
		fail("rdma_resolve_addr: %s", strerror(errno));
	want_event(p, RDMA_CM_EVENT_ADDR_RESOLVED);
	if (rdma_resolve_route(p->id, 5000))
		fail("rdma_resolve_route: %s", strerror(errno));
	want_event(p, RDMA_CM_EVENT_ROUTE_RESOLVED);
	freeaddrinfo(address);
	p->pd = ibv_alloc_pd(p->id->verbs);
	p->cq = ibv_create_cq(p->id->verbs, 128, NULL, NULL, 0);
	p->memory = aligned_alloc(4096, (sizeof(*p->memory) + 4095) & ~4095UL);
	if (!p->pd || !p->cq || !p->memory)
		fail("no memory");
	memset(p->memory, 0, sizeof(*p->memory));
	p->mr = ibv_reg_mr(p->pd, p->memory, sizeof(*p->memory), IBV_ACCESS_LOCAL_WRITE);
	attr.send_cq = p->cq;
	attr.recv_cq = p->cq;
	if (!p->mr || rdma_create_qp(p->id, p->pd, &attr))
		fail("rdma_create_qp: %s", strerror(errno));
	for (i = 0; i < 16; i++)
		post_receive(p, i);
	if (rdma_connect(p->id, &param))
		fail("rdma_connect: %s", strerror(errno));
	return p;
}

static void peer_free(struct peer *p)
{
	rdma_disconnect(p->id);
	rdma_destroy_qp(p->id);
	ibv_dereg_mr(p->mr);
	ibv_destroy_cq(p->cq);
	ibv_dealloc_pd(p->pd);
	rdma_destroy_id(p->id);
	rdma_destroy_event_channel(p->channel);
	free(p->memory);
	free(p);
}

static struct mitosis_hello hello_good(void)
{
	struct mitosis_hello hello = {
		htole32(MITOSIS_PROTOCOL_MAGIC), htole16(MITOSIS_PROTOCOL_VERSION),
		htole16(MITOSIS_HELLO_PEER), {},
	};

	memcpy(hello.uuid, uuid, 16);
	return hello;
}

static struct peer *peer_connect(void)
{
	struct mitosis_hello hello = hello_good();
	struct peer *p = peer_request(&hello, sizeof(hello));

	want_event(p, RDMA_CM_EVENT_ESTABLISHED);
	return p;
}

static void want_rejected(const void *data, size_t length, int reason)
{
	struct peer *p = peer_request(data, length);

	want_event(p, RDMA_CM_EVENT_REJECTED);
	if (p->reason != reason)
		fail("reason %d, not %d", p->reason, reason);
	peer_free(p);
}

/* A completion of either queue, or -1. */
static int next_completion(struct peer *p, struct ibv_wc *wc, int wait_ms)
{
	int i, n;

	for (i = 0; i < wait_ms * 10; i++) {
		n = ibv_poll_cq(p->cq, 1, wc);
		if (n)
			return n;
		usleep(100);
	}
	return -1;
}

static void post(struct peer *p, enum ibv_wr_opcode opcode, void *at, uint32_t length, uint64_t remote,
		 uint32_t rkey)
{
	struct ibv_sge sge = { (uintptr_t)at, length, p->mr->lkey };
	struct ibv_send_wr wr = {
		.wr_id = 1, .sg_list = &sge, .num_sge = 1, .opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED, .wr.rdma = { remote, rkey },
	}, *bad;

	if (ibv_post_send(p->id->qp, &wr, &bad))
		fail("ibv_post_send");
}

/* The status of the send queue's next completion; messages that come meanwhile stay in memory. */
static enum ibv_wc_status status_of(struct peer *p)
{
	struct ibv_wc wc;

	do {
		if (next_completion(p, &wc, WAIT_MS) < 0)
			fail("no completion");
	} while (wc.wr_id >= 1000);
	return wc.status;
}

static enum ibv_wc_status try_read(struct peer *p, uint64_t remote, uint32_t length, uint32_t rkey)
{
	post(p, IBV_WR_RDMA_READ, p->memory->data, length, remote, rkey);
	return status_of(p);
}

static struct mitosis_message message(uint16_t type, const uint8_t of[16])
{
	struct mitosis_message m = {
		.magic = htole32(MITOSIS_PROTOCOL_MAGIC),
		.version = htole16(MITOSIS_PROTOCOL_VERSION), .type = htole16(type),
	};

	memcpy(m.uuid, of, 16);
	return m;
}

static void send_message(struct peer *p, const struct mitosis_message *m)
{
	p->memory->out[0] = *m;
	post(p, IBV_WR_SEND, &p->memory->out[0], sizeof(*m), 0, 0);
}

/* The next message; the send's own completion is passed over. */
static const struct mitosis_message *receive(struct peer *p, uint16_t type)
{
	const struct mitosis_message *m;
	struct ibv_wc wc;

	do {
		if (next_completion(p, &wc, WAIT_MS) < 0)
			fail("no message");
		if (wc.status)
			fail("%s", ibv_wc_status_str(wc.status));
	} while (wc.wr_id < 1000);
	m = &p->memory->in[(wc.wr_id - 1000) % 32];
	if (wc.byte_len != sizeof(*m) || le32toh(m->magic) != MITOSIS_PROTOCOL_MAGIC ||
	    le16toh(m->version) != MITOSIS_PROTOCOL_VERSION || le16toh(m->type) != type)
		fail("message of type %u, length %u", le16toh(m->type), wc.byte_len);
	post_receive(p, ++p->received + 15);
	return m;
}

static struct mitosis_message open_snapshot(struct peer *p, const uint8_t of[16])
{
	struct mitosis_message m = message(MITOSIS_MESSAGE_OPEN, of);

	send_message(p, &m);
	m = *receive(p, MITOSIS_MESSAGE_OPENED);
	if (memcmp(m.uuid, of, 16))
		fail("OPENED of another snapshot");
	return m;
}

static struct table read_table(struct peer *p)
{
	struct mitosis_message m = open_snapshot(p, uuid);
	struct table t = { .count = le32toh(m.chunk_count), .pages = le64toh(m.pages) };
	uint32_t i, at, length, n, done = 0;

	if (le16toh(m.reason))
		fail("OPENED: reason %u", le16toh(m.reason));
	t.chunks = calloc(t.count + 1, sizeof(*t.chunks));
	for (i = 0; i < le16toh(m.piece_count); i++) {
		length = le32toh(m.pieces[i].length);
		if (done + length > t.count * sizeof(*t.chunks))
			fail("the pieces are longer than the table");
		for (at = 0; at < length; at += n, done += n) {
			n = length - at < READ_MAX ? length - at : READ_MAX;
			if (try_read(p, le64toh(m.pieces[i].address) + at, n, le32toh(m.pieces[i].rkey)))
				fail("the table cannot be read");
			memcpy((char *)t.chunks + done, p->memory->data, n);
		}
	}
	if (done != t.count * sizeof(*t.chunks))
		fail("the pieces are shorter than the table");
	return t;
}

static int chunk_has(const struct mitosis_chunk *c, unsigned int n)
{
	return n < MITOSIS_CHUNK_PAGES && le64toh(c->present[n / 64]) >> n % 64 & 1;
}

static unsigned int chunk_first(const struct mitosis_chunk *c)
{
	unsigned int n = 0;

	while (!chunk_has(c, n))
		if (n++ == MITOSIS_CHUNK_PAGES)
			fail("a chunk without a page");
	return n;
}

static uint64_t chunk_address(const struct mitosis_chunk *c, unsigned int n)
{
	return (le64toh(c->first_page) + n) * PAGE;
}

/* ---- The tests ---- */

static void test_read(void)
{
	struct peer *p = peer_connect();
	struct table t = read_table(p);
	uint64_t pages = 0, last = 0;
	unsigned int n, run, k;
	uint32_t i;

	for (i = 0; i < t.count; i++) {
		struct mitosis_chunk *c = &t.chunks[i];

		if (le64toh(c->first_page) % MITOSIS_CHUNK_PAGES || c->reserved ||
		    (i && le64toh(c->first_page) <= last))
			fail("chunk %u is out of order", i);
		last = le64toh(c->first_page);
		for (n = 0; n < MITOSIS_CHUNK_PAGES; n += run) {
			for (run = 0; chunk_has(c, n + run) && run < READ_MAX / PAGE; run++)
				;
			if (!run) {
				run = 1;
				continue;
			}
			if (try_read(p, chunk_address(c, n), run * PAGE, le32toh(c->rkey)))
				fail("page %llx cannot be read", (long long)chunk_address(c, n));
			for (k = 0; k < run; k++) {
				if (!pattern_matches(p->memory->data + k * PAGE, chunk_address(c, n + k)))
					fail("page %llx is wrong", (long long)chunk_address(c, n + k));
			}
			pages += run;
		}
	}
	if (pages != t.pages)
		fail("%llu pages, not %llu", (long long)pages, (long long)t.pages);
	printf("%llu pages in %u chunks\n", (long long)pages, t.count);
	free(t.chunks);
	peer_free(p);
}

static void test_hello(void)
{
	struct mitosis_hello hello = hello_good();
	uint8_t data[56] = {};

	doing = "hello: wrong UUID";
	hello.uuid[15] ^= 1;
	want_rejected(&hello, sizeof(hello), MITOSIS_REASON_NO_SNAPSHOT);
	doing = "hello: magic";
	hello = hello_good();
	hello.magic ^= htole32(0x100);
	want_rejected(&hello, sizeof(hello), MITOSIS_REASON_PROTOCOL);
	doing = "hello: version";
	hello = hello_good();
	hello.version = htole16(MITOSIS_PROTOCOL_VERSION + 1);
	want_rejected(&hello, sizeof(hello), MITOSIS_REASON_PROTOCOL);
	doing = "hello: kind";
	hello = hello_good();
	hello.kind = htole16(3);
	want_rejected(&hello, sizeof(hello), MITOSIS_REASON_PROTOCOL);
	doing = "hello: posing as the host itself";
	hello.kind = htole16(MITOSIS_HELLO_SELF);
	want_rejected(&hello, sizeof(hello), MITOSIS_REASON_PROTOCOL);
	/* The fabric pads it with zeros: what is missing of the UUID is wrong. */
	doing = "hello: truncated";
	hello = hello_good();
	want_rejected(&hello, sizeof(hello) - 8, MITOSIS_REASON_NO_SNAPSHOT);
	want_rejected(&hello, 6, MITOSIS_REASON_PROTOCOL);
	want_rejected(NULL, 0, MITOSIS_REASON_PROTOCOL);
	doing = "hello: oversized";
	memcpy(data, &hello, sizeof(hello));
	data[55] = 1;
	want_rejected(data, sizeof(data), MITOSIS_REASON_PROTOCOL);
}

/* The server ends the connection of who sends this. */
static void want_cut_off(const void *data, uint32_t length)
{
	struct peer *p = peer_connect();
	int type;

	memcpy(p->memory->long_message, data, length < 4096 ? length : 4096);
	post(p, IBV_WR_SEND, p->memory->long_message, length, 0, 0);
	/* A rejection, if the message overtook our last word of the connection's making. */
	type = next_event(p, WAIT_MS);
	if (type != RDMA_CM_EVENT_DISCONNECTED && type != RDMA_CM_EVENT_REJECTED)
		fail("%s", type < 0 ? "not cut off" : rdma_event_str(type));
	peer_free(p);
}

static void test_messages(void)
{
	struct mitosis_message m = message(MITOSIS_MESSAGE_OPEN, uuid);
	uint8_t big[4096] = {};

	doing = "messages: short";
	want_cut_off(&m, sizeof(m) - 1);
	want_cut_off(&m, 0);
	doing = "messages: long";
	memcpy(big, &m, sizeof(m));
	want_cut_off(big, sizeof(m) + 1);
	want_cut_off(big, sizeof(big));
	doing = "messages: magic";
	m.magic = 0;
	want_cut_off(&m, sizeof(m));
	doing = "messages: version";
	m = message(MITOSIS_MESSAGE_OPEN, uuid);
	m.version = htole16(7);
	want_cut_off(&m, sizeof(m));
	doing = "messages: type";
	m = message(99, uuid);
	want_cut_off(&m, sizeof(m));
	m = message(MITOSIS_MESSAGE_OPENED, uuid);
	want_cut_off(&m, sizeof(m));
	m = message(MITOSIS_MESSAGE_RELEASED, uuid);
	want_cut_off(&m, sizeof(m));
	doing = "messages: fields that must be zero";
	m = message(MITOSIS_MESSAGE_OPEN, uuid);
	m.pieces[7].rkey = htole32(1);
	want_cut_off(&m, sizeof(m));
}

static void test_open(void)
{
	struct peer *p = peer_connect();
	struct mitosis_message m;
	uint8_t other[16];
	int i;

	memcpy(other, uuid, 16);
	for (i = 0; i < 100; i++) {
		other[0] = uuid[0] ^ (i + 1);
		m = open_snapshot(p, other);
		if (le16toh(m.reason) != MITOSIS_REASON_NO_SNAPSHOT || m.piece_count || m.pages ||
		    m.pieces[0].rkey)
			fail("reason %u for a snapshot that is not there", le16toh(m.reason));
		m = open_snapshot(p, uuid);
		if (m.reason)
			fail("reason %u", le16toh(m.reason));
	}
	m = message(MITOSIS_MESSAGE_CLOSE, uuid);
	send_message(p, &m);
	m = message(MITOSIS_MESSAGE_CLOSE, other);
	send_message(p, &m);
	m = open_snapshot(p, uuid);
	if (m.reason)
		fail("reason %u after CLOSE", le16toh(m.reason));
	peer_free(p);
}

/* One access, which must be refused, on a connection of its own: it does not survive that. */
static void want_denied(enum ibv_wr_opcode opcode, uint64_t remote, uint32_t length, uint32_t rkey)
{
	struct peer *p = peer_connect();
	enum ibv_wc_status status;

	post(p, opcode, p->memory->data, length, remote, rkey);
	status = status_of(p);
	if (status != IBV_WC_REM_ACCESS_ERR && status != IBV_WC_REM_INV_REQ_ERR &&
	    status != IBV_WC_REM_OP_ERR)
		fail("access to %llx with key %x: %s", (long long)remote, rkey, ibv_wc_status_str(status));
	peer_free(p);
}

static void test_access(void)
{
	struct peer *p = peer_connect();
	struct table t = read_table(p);
	struct mitosis_chunk *c = &t.chunks[0];
	uint32_t key = le32toh(c->rkey), i;
	unsigned int first = chunk_first(c), end = MITOSIS_CHUNK_PAGES;

	while (!chunk_has(c, end - 1))
		end--;
	doing = "access: it is readable at all";
	if (try_read(p, chunk_address(c, first), PAGE, key))
		fail("no");
	doing = "access: forged keys";
	for (i = 1; i < 256; i <<= 1)
		want_denied(IBV_WR_RDMA_READ, chunk_address(c, first), PAGE, key ^ i);
	want_denied(IBV_WR_RDMA_READ, chunk_address(c, first), PAGE, 0);
	want_denied(IBV_WR_RDMA_READ, chunk_address(c, first), PAGE, ~0U);
	doing = "access: beyond the chunk";
	want_denied(IBV_WR_RDMA_READ, chunk_address(c, end), PAGE, key);
	want_denied(IBV_WR_RDMA_READ, chunk_address(c, end) - PAGE, PAGE + 1, key);
	want_denied(IBV_WR_RDMA_READ, chunk_address(c, first) - 1, PAGE, key);
	want_denied(IBV_WR_RDMA_READ, 0, PAGE, key);
	want_denied(IBV_WR_RDMA_READ, ~0ULL - PAGE + 1, PAGE, key);
	doing = "access: writing";
	want_denied(IBV_WR_RDMA_WRITE, chunk_address(c, first), PAGE, key);
	doing = "access: the well-behaved go on";
	if (try_read(p, chunk_address(c, first), PAGE, key))
		fail("no");
	free(t.chunks);
	peer_free(p);
}

/* Told of the release; after it nothing can be read, and nobody can connect. */
static void test_released(void)
{
	struct peer *p = peer_connect(), *bystander = peer_connect();
	struct table t = read_table(p);
	struct mitosis_chunk *c = &t.chunks[0];
	struct mitosis_hello hello = hello_good();
	const struct mitosis_message *m;
	char line[16];

	puts("opened");
	m = receive(p, MITOSIS_MESSAGE_RELEASED);
	if (memcmp(m->uuid, uuid, 16))
		fail("RELEASED of another snapshot");
	puts("told");
	if (!fgets(line, sizeof(line), stdin))
		fail("no line");
	doing = "released: reading";
	if (!try_read(p, chunk_address(c, chunk_first(c)), PAGE, le32toh(c->rkey)))
		fail("a released page can be read");
	doing = "released: opening";
	if (le16toh(open_snapshot(bystander, uuid).reason) != MITOSIS_REASON_NO_SNAPSHOT)
		fail("a released snapshot can be opened");
	doing = "released: connecting";
	want_rejected(&hello, sizeof(hello), MITOSIS_REASON_NO_SNAPSHOT);
	free(t.chunks);
	peer_free(bystander);
	peer_free(p);
}

/* Stays connected and says nothing, until a line comes. */
static void test_idle(void)
{
	struct peer *p = peer_connect();
	char line[16];

	read_table(p);
	puts("opened");
	if (!fgets(line, sizeof(line), stdin))
		pause();
	if (next_event(p, 0) != -1)
		fail("cut off");
	peer_free(p);
}

/* As many at once as are let in: then BUSY. Prints how many. */
static void test_many(void)
{
	struct mitosis_hello hello = hello_good();
	struct peer *peers[64];
	int i, type = RDMA_CM_EVENT_ESTABLISHED, reason = 0;

	for (i = 0; i < 64 && type == RDMA_CM_EVENT_ESTABLISHED; i++) {
		peers[i] = peer_request(&hello, sizeof(hello));
		type = next_event(peers[i], WAIT_MS);
		reason = peers[i]->reason;
	}
	if (i == 64 || type != RDMA_CM_EVENT_REJECTED || reason != MITOSIS_REASON_BUSY)
		fail("%d connections, then reason %d", i, reason);
	printf("%d connections\n", i - 1);
	while (i)
		peer_free(peers[--i]);
}

/* For a host that tries them at a place where they must not do. */
static void test_keys(void)
{
	struct peer *p = peer_connect();
	struct table t = read_table(p);

	for (uint32_t i = 0; i < t.count && i < 4; i++)
		printf("key %u %llu\n", le32toh(t.chunks[i].rkey),
		       (unsigned long long)le64toh(t.chunks[i].first_page) + chunk_first(&t.chunks[i]));
	free(t.chunks);
	peer_free(p);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } tests[] = {
		{ "read", test_read }, { "hello", test_hello }, { "messages", test_messages },
		{ "open", test_open }, { "access", test_access }, { "released", test_released },
		{ "idle", test_idle }, { "many", test_many }, { "keys", test_keys },
	};
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 5 || uuid_parse(argv[3], uuid)) {
		fprintf(stderr, "usage: peer ADDRESS PORT UUID TEST\n");
		return 2;
	}
	host = argv[1];
	service = argv[2];
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (strcmp(tests[i].name, argv[4]))
			continue;
		doing = argv[4];
		tests[i].run();
		puts("ok");
		return 0;
	}
	fprintf(stderr, "peer: %s: no such test\n", argv[4]);
	return 2;
}
