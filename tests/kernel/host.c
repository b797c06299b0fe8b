// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * host.c - a host that claims to have a snapshot, as the module's client meets it, and who opens it.
 *
 *   host serve PORT UUID MODE [RKEY PAGE]...	answers each OPEN of that snapshot; prints what the client did
 *   host open UUID ADDRESS PORT MS		opens it by /dev/mitosis and reads its page; prints the outcome
 *
 * The snapshot has one page, number 256, of bytes 0xa5. MODE says what is wrong with the answer: see modes[];
 * "good" is right. "reach" first tries to READ and WRITE memory of the client through its own connection,
 * with each RKEY at each PAGE and with keys that it guesses, then is good.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <rdma/rdma_cma.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mitosis_ioctl.h"
#define __le16 uint16_t
#define __le32 uint32_t
#define __le64 uint64_t
#define __packed __attribute__((packed))
#include "protocol.h"

#define PAGE	4096U
#define NUMBER	256U		/* of the page */
#define GUESSES	8U

static const char *const modes[] = {
	"good", "reach", "pieces", "chunks", "length", "wrap", "tail", "unaligned", "far", "descending", "empty",
	"reserved", "pages", "reason", "refusal", "type", "version", "short", "long", "key", "page-key",
};

static struct memory {
	uint8_t page[PAGE], taken[PAGE];	/* aligned */
	struct mitosis_message in[8], out[2];
	struct mitosis_chunk chunks[2];
} *memory;
static struct ibv_mr *table_mr, *page_mr, *messages_mr;
static const char *mode;
static uint8_t uuid[16];
static uint32_t keys[512];
static uint64_t pages[512];
static unsigned int key_count, tried;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "host: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static void parse_uuid(const char *text, uint8_t to[16])
{
	errno = EINVAL;
	for (unsigned int i = 0; i < 16; i++)
		check(sscanf(text + 2 * i, "%2hhx", &to[i]) == 1, text);
}

/* ---- The answer ---- */

static void make_table(void)
{
	struct mitosis_chunk *c = memory->chunks;

	memset(c, 0, sizeof(memory->chunks));
	c[0].present[NUMBER / 64] = htole64(1ULL << NUMBER % 64);
	c[0].rkey = htole32(is("page-key") ? page_mr->rkey ^ 0xff00 : page_mr->rkey);
	if (is("unaligned"))
		c[0].first_page = htole64(1);
	if (is("far"))
		c[0].first_page = htole64(1ULL << 63);
	if (is("reserved"))
		c[0].reserved = htole32(1);
	if (is("empty"))
		c[0].present[NUMBER / 64] = 0;
	if (is("descending")) {
		c[1] = c[0];
		c[0].first_page = htole64(MITOSIS_CHUNK_PAGES);
	}
}

static struct mitosis_message make_answer(void)
{
	struct mitosis_message m = {
		.magic = htole32(MITOSIS_PROTOCOL_MAGIC), .version = htole16(MITOSIS_PROTOCOL_VERSION),
		.type = htole16(MITOSIS_MESSAGE_OPENED),
	};
	uint32_t count = is("descending") ? 2 : 1;

	memcpy(m.uuid, uuid, 16);
	m.piece_count = htole16(1);
	m.chunk_count = htole32(count);
	m.pages = htole64(is("pages") ? 2 : count);
	m.pieces[0].address = htole64((uintptr_t)memory->chunks);
	m.pieces[0].length = htole32(count * (uint32_t)sizeof(struct mitosis_chunk));
	m.pieces[0].rkey = htole32(is("key") ? table_mr->rkey ^ 0xff00 : table_mr->rkey);
	if (is("pieces"))
		m.piece_count = htole16(MITOSIS_PIECES_MAX + 1);
	if (is("chunks")) {
		m.chunk_count = htole32(UINT32_MAX);
		m.pages = htole64(UINT32_MAX);
	}
	if (is("length"))
		m.pieces[0].length = htole32(1U << 30);
	if (is("wrap"))
		m.pieces[0].address = htole64(UINT64_MAX);
	if (is("tail"))
		m.pieces[1].rkey = htole32(1);
	if (is("reason") || is("refusal"))
		m.reason = htole16(is("reason") ? 99 : MITOSIS_REASON_BUSY);
	if (is("type"))
		m.type = htole16(77);
	if (is("version"))
		m.version = htole16(MITOSIS_PROTOCOL_VERSION + 1);
	return m;
}

/* ---- Connections, one at a time ---- */

static void receive(struct rdma_cm_id *id, unsigned int n)
{
	struct ibv_sge sge = { (uintptr_t)&memory->in[n], sizeof(memory->in[n]), messages_mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = 100 + n, .sg_list = &sge, .num_sge = 1 }, *bad;

	check(!ibv_post_recv(id->qp, &wr, &bad), "ibv_post_recv");
}

static void post(struct rdma_cm_id *id, enum ibv_wr_opcode opcode, void *at, uint32_t length, uint64_t remote,
		 uint32_t rkey)
{
	struct ibv_sge sge = { (uintptr_t)at, length, messages_mr->lkey };
	struct ibv_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = opcode, .send_flags = IBV_SEND_SIGNALED,
				  .wr.rdma = { remote, rkey } }, *bad;

	check(!ibv_post_send(id->qp, &wr, &bad), "ibv_post_send");
}

/* The next key and address to try; false: all were. */
static bool next_target(uint64_t *address, uint32_t *rkey, enum ibv_wr_opcode *opcode)
{
	unsigned int n = tried / 2;

	*opcode = tried % 2 ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ;
	if (n < key_count) {
		*rkey = keys[n];
		*address = pages[n] * PAGE;
	} else if (n < key_count + GUESSES) {
		/* Devices number their regions: these are the first ones, with the first tags. */
		*rkey = (n - key_count) / 2 << 8 | (n - key_count) % 2;
		*address = 0;
	} else {
		return false;
	}
	tried++;
	return true;
}

/* An attempt ends the connection, and the client comes again. True: it was made. */
static bool reach(struct rdma_cm_id *id)
{
	enum ibv_wr_opcode opcode;
	uint64_t address;
	uint32_t rkey;

	if (!is("reach") || !next_target(&address, &rkey, &opcode))
		return false;
	memset(memory->taken, 0x11, PAGE);
	post(id, opcode, memory->taken, PAGE, address, rkey);
	return true;
}

static void reached(const struct ibv_wc *wc)
{
	printf("reach %u: %s\n", tried, ibv_wc_status_str(wc->status));
	if (wc->status == IBV_WC_SUCCESS)
		printf("REACHED rkey %u\n", keys[(tried - 1) / 2 % 512]);
}

static void answer(struct rdma_cm_id *id)
{
	uint32_t length = sizeof(struct mitosis_message);

	make_table();
	memory->out[0] = make_answer();
	if (is("short"))
		length -= 8;
	if (is("long"))
		length += 8;
	post(id, IBV_WR_SEND, &memory->out[0], length, 0, 0);
}

static void serve_connection(struct rdma_cm_id *id, struct rdma_event_channel *channel)
{
	struct mitosis_hello hello = { htole32(MITOSIS_PROTOCOL_MAGIC), htole16(MITOSIS_PROTOCOL_VERSION),
				       htole16(MITOSIS_HELLO_PEER), {} };
	struct rdma_conn_param param = { .private_data = &hello, .private_data_len = sizeof(hello),
					 .responder_resources = 16, .initiator_depth = 16, .rnr_retry_count = 6 };
	struct ibv_cq *cq = ibv_create_cq(id->verbs, 64, NULL, NULL, 0);
	struct ibv_qp_init_attr attr = {
		.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1,
		.cap = { .max_send_wr = 16, .max_recv_wr = 16, .max_send_sge = 1, .max_recv_sge = 1 },
	};
	bool over = false, trying = false;
	struct rdma_cm_event *event;
	struct ibv_wc wc;

	check(cq && !rdma_create_qp(id, page_mr->pd, &attr), "rdma_create_qp");
	for (unsigned int i = 0; i < 8; i++)
		receive(id, i);
	check(!rdma_accept(id, &param), "rdma_accept");
	while (!over) {
		while (ibv_poll_cq(cq, 1, &wc) > 0) {
			struct mitosis_message *m = &memory->in[(wc.wr_id - 100) % 8];

			if (trying && wc.wr_id < 100) {
				reached(&wc);
				trying = false;
			} else if (!trying && !wc.status && wc.wr_id >= 100 && le16toh(m->type) == MITOSIS_MESSAGE_OPEN) {
				trying = reach(id);
				if (!trying)
					answer(id);
			}
			fflush(stdout);
		}
		while (!over && !rdma_get_cm_event(channel, &event)) {
			over = event->event == RDMA_CM_EVENT_DISCONNECTED && event->id == id;
			/* The client's next one is to wait: it asks again. */
			if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
				rdma_reject(event->id, NULL, 0);
				rdma_destroy_id(event->id);
			}
			check(!rdma_ack_cm_event(event), "rdma_ack_cm_event");
		}
		usleep(1000);
	}
	rdma_disconnect(id);
	/* The end of the connection may overtake what became of an attempt, or hide it: then it is made again. */
	for (unsigned int ms = 0; trying && ms < 10000; ms++) {
		while (trying && ibv_poll_cq(cq, 1, &wc) > 0) {
			if (wc.wr_id >= 100)
				continue;
			if (wc.status == IBV_WC_WR_FLUSH_ERR)
				tried--;
			else
				reached(&wc);
			trying = false;
		}
		usleep(1000);
	}
	errno = ETIMEDOUT;
	check(!trying, "an attempt");
	fflush(stdout);
	rdma_destroy_qp(id);
	check(!ibv_destroy_cq(cq), "ibv_destroy_cq");
}

static void register_memory(struct ibv_context *verbs)
{
	struct ibv_pd *pd = ibv_alloc_pd(verbs);

	check(pd != NULL, "ibv_alloc_pd");
	messages_mr = ibv_reg_mr(pd, memory, sizeof(*memory), IBV_ACCESS_LOCAL_WRITE);
	table_mr = ibv_reg_mr(pd, memory->chunks, sizeof(memory->chunks), IBV_ACCESS_REMOTE_READ);
	/* Pages are addressed by their numbers. */
	page_mr = ibv_reg_mr_iova(pd, memory->page, PAGE, NUMBER * (uint64_t)PAGE, IBV_ACCESS_REMOTE_READ);
	check(messages_mr && table_mr && page_mr, "ibv_reg_mr");
}

__attribute__((noreturn)) static void serve(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct rdma_event_channel *channel = rdma_create_event_channel();
	struct rdma_cm_event *event;
	struct rdma_cm_id *listener, *id;

	check(channel && !rdma_create_id(channel, &listener, NULL, RDMA_PS_TCP) &&
	      !rdma_bind_addr(listener, (struct sockaddr *)&at) && !rdma_listen(listener, 16), "rdma_listen");
	memory = aligned_alloc(PAGE, (sizeof(*memory) + PAGE - 1) & ~(size_t)(PAGE - 1));
	check(memory != NULL, "memory");
	memset(memory->page, 0xa5, PAGE);
	fcntl(channel->fd, F_SETFL, O_NONBLOCK);
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		if (rdma_get_cm_event(channel, &event)) {
			usleep(1000);
			continue;
		}
		id = event->event == RDMA_CM_EVENT_CONNECT_REQUEST ? event->id : NULL;
		check(!rdma_ack_cm_event(event), "rdma_ack_cm_event");
		if (!id)
			continue;
		if (!page_mr)
			register_memory(id->verbs);
		serve_connection(id, channel);
		check(!rdma_destroy_id(id), "rdma_destroy_id");
	}
}

/* ---- Who opens it ---- */

static sigjmp_buf bus_error;

static void on_bus_error(int signo)
{
	siglongjmp(bus_error, signo);
}

static int open_it(const char *address, const char *port, unsigned int timeout_ms)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct mitosis_ioc_open io = { .size = sizeof(io), .endpoint.length = sizeof(to), .window = 1,
				      .timeout_ms = timeout_ms };
	int device = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC), fd;
	struct mitosis_ioc_state state = { .size = sizeof(state) };
	const volatile uint8_t *p;

	check(device >= 0, MITOSIS_DEVICE_PATH);
	errno = EINVAL;
	check(inet_pton(AF_INET, address, &to.sin_addr) == 1, address);
	memcpy(io.endpoint.sockaddr, &to, sizeof(to));
	memcpy(io.uuid, uuid, 16);
	fd = ioctl(device, MITOSIS_IOC_OPEN, &io);
	if (fd < 0) {
		printf("refused: %s\n", strerrorname_np(errno));
		return 0;
	}
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, NUMBER * (off_t)PAGE);
	check(p != MAP_FAILED, "mmap");
	/* Not MADV_POPULATE_READ, which before Linux 6.9 repeats a read that fails for ever. */
	signal(SIGBUS, on_bus_error);
	if (sigsetjmp(bus_error, 1)) {
		check(!ioctl(fd, MITOSIS_IOC_STATE, &state), "MITOSIS_IOC_STATE");
		printf("lost at %#llx, error %d\n", (unsigned long long)state.lost_address, state.error);
		return 0;
	}
	for (unsigned int i = 0; i < PAGE; i++) {
		if (p[i] != 0xa5) {
			printf("WRONG byte %u: %u\n", i, p[i]);
			return 1;
		}
	}
	printf("read\n");
	return 0;
}

int main(int argc, char **argv)
{
	bool known = false;

	if (argc == 6 && !strcmp(argv[1], "open")) {
		parse_uuid(argv[2], uuid);
		return open_it(argv[3], argv[4], (unsigned int)atoi(argv[5]));
	}
	mode = argc >= 5 ? argv[4] : "";
	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		known |= is(modes[i]);
	if (!known || strcmp(argv[1], "serve") || argc % 2 == 0) {
		fprintf(stderr, "usage: host serve PORT UUID MODE [RKEY PAGE]... | host open UUID ADDRESS PORT MS\n");
		return 2;
	}
	parse_uuid(argv[3], uuid);
	for (int i = 5; i + 1 < argc && key_count < 512; i += 2, key_count++) {
		keys[key_count] = (uint32_t)strtoul(argv[i], NULL, 0);
		pages[key_count] = strtoull(argv[i + 1], NULL, 0);
	}
	serve(argv[2]);
}
