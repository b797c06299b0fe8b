// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* target.c - devices, addresses, and the control connection to a server. */
#include "target.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failures.h"
#include "resolve.h"
#include "tool.h"

/* ---- What fails ---- */

/*
 * A server's name may stand for several addresses, and each is tried. If all fail one reason is
 * told, the one that says most; of two that say as much, the later.
 */
static int failed(struct target *t, enum telling telling, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int failed(struct target *t, enum telling telling, const char *format, ...)
{
	va_list ap;

	if (telling < t->telling)
		return -1;
	t->telling = telling;
	address_text(&t->to, t->failed_at);
	va_start(ap, format);
	vsnprintf(t->why, sizeof(t->why), format, ap);
	va_end(ap);
	return -1;
}

static void tell_failure(const struct target *t, int tried)
{
	if (tried > 1)
		tool_error(t->server, "%s: %s (%d addresses tried)", t->failed_at, t->why, tried);
	else
		tool_error(t->server, "%s", t->why);
}

/* ---- Devices ---- */

static struct ibv_context **devices;	/* opened by librdmacm, which keeps them */

int devices_open(void)
{
	int n = 0;

	devices = rdma_get_devices(&n);
	if (devices && n)
		return 0;
	tool_error("RDMA", "this host has no RDMA device; "
		   "'rdma link add rxe0 type rxe netdev eth0' makes one of a network interface, "
		   "'mitosis-lab run -n 2' starts virtual machines that have one");
	return STATUS_SKIP;
}

struct ibv_context *device_find(const char *name)
{
	for (int i = 0; devices[i]; i++) {
		if (!strcmp(ibv_get_device_name(devices[i]->device), name))
			return devices[i];
	}
	tool_error(name, "there is no such RDMA device (see ibv_devices)");
	return NULL;
}


/* An address of the network interface of this index. */
static bool address_of_interface(unsigned int index, int family, struct sockaddr_storage *to)
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
		    if_nametoindex(i->ifa_name) != index)
			continue;
		memset(to, 0, sizeof(*to));
		memcpy(to, i->ifa_addr,
		       family == AF_INET ? sizeof(struct sockaddr_in)
					 : sizeof(struct sockaddr_in6));
		found = family == AF_INET ||
			!IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)to)->sin6_addr);
	}
	freeifaddrs(list);
	return found;
}

/* The GID table says which network interfaces carry a device. */
static int address_of_device(struct target *t, struct ibv_context *verbs, int family,
			     struct sockaddr_storage *to)
{
	struct ibv_gid_entry *entries = calloc(256, sizeof(*entries));
	ssize_t n = entries ? ibv_query_gid_table(verbs, entries, 256, 0) : -ENOMEM;
	int err = -1;

	for (ssize_t i = 0; i < n && err; i++) {
		if (entries[i].ndev_ifindex &&
		    address_of_interface(entries[i].ndev_ifindex, family, to))
			err = 0;
	}
	free(entries);
	if (err)
		failed(t, NO_WAY, "the network interface of %s has no %s address",
		       ibv_get_device_name(verbs->device), family == AF_INET ? "IPv4" : "IPv6");
	return err;
}

/* ---- Addresses ---- */

/* "host", "host:port", "[address]:port": the host alone, and a port if there is one. */
static int split(const char *text, char host[256], uint16_t *port)
{
	const char *end = NULL;

	if (strlen(text) >= 256) {
		tool_error(text, "too long for the name of a host");
		return -1;
	}
	strcpy(host, text);
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':')) {
			tool_error(text, "not of the form [ADDRESS]:PORT");
			return -1;
		}
		snprintf(host, 256, "%.*s", (int)(end - text - 1), text + 1);
		end = end[1] ? end + 2 : NULL;
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		end = strchr(text, ':') + 1;
		host[end - text - 1] = '\0';
	}
	if (end) {
		unsigned long number = strtoul(end, NULL, 10);

		if (!*end || end[strspn(end, "0123456789")] || number == 0 || number > 65535) {
			tool_error(text, "'%s' is not a port", end);
			return -1;
		}
		*port = (uint16_t)number;
	}
	return 0;
}

static int addresses_of(const char *server, uint16_t port,
			struct sockaddr_storage list[RESOLVE_MAX])
{
	char host[256];

	return split(server, host, &port) ? -1
					  : resolve_host(*host ? host : "localhost", port, list);
}

int address_to_listen(const char *text, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_storage list[RESOLVE_MAX];
	char host[256];

	if (split(text, host, &port))
		return -1;
	if (!*host) {
		*to = (struct sockaddr_storage){ 0 };
		*(struct sockaddr_in6 *)to = (struct sockaddr_in6){
			.sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(port),
		};
		return 0;
	}
	if (resolve_host(host, port, list) < 0)
		return -1;
	*to = list[0];
	return 0;
}

/* ---- Control connection ---- */

void hello_make(struct rcbench_hello *hello, enum rcbench_kind kind, const uint8_t run[16])
{
	*hello = (struct rcbench_hello){
		.magic = htole32(RCBENCH_MAGIC), .version = htole16(RCBENCH_VERSION),
		.length = htole16(sizeof(*hello)), .kind = htole16(kind),
	};
	memcpy(hello->run, run, sizeof(hello->run));
}

void hello_param(const struct target *t, const struct rcbench_hello *hello,
		 struct rdma_conn_param *param)
{
	*param = (struct rdma_conn_param){
		.private_data = hello, .private_data_len = sizeof(*hello),
		.initiator_depth = (uint8_t)t->depth, .responder_resources = 1,
		/* 7 means for ever on some devices. */
		.retry_count = 5, .rnr_retry_count = 6,
	};
}

/* The next event within the time, or -1 with errno. */
static int event_within(struct rdma_event_channel *channel, uint64_t limit_ns,
			struct cm_event *event)
{
	struct pollfd fd = { .fd = channel->fd, .events = POLLIN };
	uint64_t end = clock_now_ns() + limit_ns, now;
	int n;

	do {
		now = clock_now_ns();
		n = poll(&fd, 1, now < end ? (int)((end - now) / 1000000 + 1) : 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		errno = n ? errno : ETIMEDOUT;
		return -1;
	}
	return cm_event_next(channel, event);
}

static int await_event(struct target *t, enum rdma_cm_event_type wanted, uint64_t limit_ns)
{
	struct cm_event event;

	if (event_within(t->channel, limit_ns, &event))
		return failed(t, FAILED, "%s", errno == ETIMEDOUT ? "no answer" : strerror(errno));
	if (event.type == wanted)
		return 0;
	if (outcome_of_event(&event) == OUTCOME_REFUSED)
		return failed(t, REFUSED, "%s", cm_event_text(&event));
	return failed(t, wanted == RDMA_CM_EVENT_ADDR_RESOLVED ? NO_WAY : FAILED, "%s",
		      cm_event_text(&event));
}

static int take_device(struct target *t)
{
	struct ibv_device_attr attr;

	t->verbs = t->control->verbs;
	t->device = ibv_get_device_name(t->verbs->device);
	if (t->wanted && strcmp(t->wanted, t->device))
		return failed(t, FAILED, "is reached by %s and not by %s", t->device, t->wanted);
	if (ibv_query_device(t->verbs, &attr))
		return failed(t, FAILED, "%s: %s", t->device, strerror(errno));
	t->depth = attr.max_qp_init_rd_atom < 16 ? (unsigned int)attr.max_qp_init_rd_atom : 16;
	t->pd = ibv_alloc_pd(t->verbs);
	if (t->pd)
		t->cq = ibv_create_cq(t->verbs, 4, NULL, NULL, 0);
	if (t->cq)
		t->mr = ibv_reg_mr(t->pd, t->message, sizeof(t->message), IBV_ACCESS_LOCAL_WRITE);
	if (t->mr)
		return 0;
	return failed(t, FAILED, "%s: %s", t->device, strerror(errno));
}

static int control_connect(struct target *t, const uint8_t run[16], uint64_t timeout_ns)
{
	int limit_ms = (int)(timeout_ns / 1000000 + 1);
	struct ibv_qp_init_attr attr = {
		.cap = { .max_send_wr = 2, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};
	struct rdma_conn_param param;
	struct rcbench_hello hello;

	if (rdma_create_id(t->channel, &t->control, t, RDMA_PS_TCP) ||
	    rdma_resolve_addr(t->control, t->has_from ? (struct sockaddr *)&t->from : NULL,
			      (struct sockaddr *)&t->to, limit_ms))
		return failed(t, NO_WAY, "%s", strerror(errno));
	if (await_event(t, RDMA_CM_EVENT_ADDR_RESOLVED, 2 * timeout_ns) || take_device(t))
		return -1;
	attr.send_cq = attr.recv_cq = t->cq;
	if (rdma_resolve_route(t->control, limit_ms))
		return failed(t, FAILED, "%s", strerror(errno));
	if (await_event(t, RDMA_CM_EVENT_ROUTE_RESOLVED, 2 * timeout_ns))
		return -1;
	hello_make(&hello, RCBENCH_CONTROL, run);
	hello_param(t, &hello, &param);
	if (rdma_create_qp(t->control, t->pd, &attr) || rdma_connect(t->control, &param))
		return failed(t, FAILED, "%s", strerror(errno));
	return await_event(t, RDMA_CM_EVENT_ESTABLISHED, timeout_ns);
}

static void target_release(struct target *t)
{
	if (t->control && t->control->qp)
		rdma_destroy_qp(t->control);
	if (t->control)
		rdma_destroy_id(t->control);
	if (t->mr)
		ibv_dereg_mr(t->mr);
	if (t->cq)
		ibv_destroy_cq(t->cq);
	if (t->pd)
		ibv_dealloc_pd(t->pd);
	if (t->channel)
		rdma_destroy_event_channel(t->channel);
	t->control = NULL;
	t->mr = NULL;
	t->cq = NULL;
	t->pd = NULL;
	t->channel = NULL;
}

static int target_try(struct target *t, struct ibv_context *from, const struct approach *how)
{
	t->has_from = from != NULL;
	if (from && address_of_device(t, from, t->to.ss_family, &t->from))
		return -1;
	t->channel = rdma_create_event_channel();
	if (!t->channel)
		return failed(t, FAILED, "event channel: %s", strerror(errno));
	if (!control_connect(t, how->run, how->timeout_ns))
		return 0;
	target_release(t);
	return -1;
}

int target_open(struct target *t, const char *server, const char *device,
		const struct approach *how)
{
	uint64_t until = clock_now_ns() + how->wait_ns;
	struct sockaddr_storage list[RESOLVE_MAX];
	struct ibv_context *from = NULL;
	int n;

	*t = (struct target){ .server = server, .wanted = device };
	n = addresses_of(server, how->port, list);
	if (n < 0)
		return -1;
	if (device) {
		from = device_find(device);
		if (!from)
			return -1;
	}
	for (;;) {
		t->telling = 0;
		for (int i = 0; i < n; i++) {
			t->to = list[i];
			if (!target_try(t, from, how))
				return 0;
		}
		/* That nobody listens is no error yet. */
		if (t->telling != REFUSED || clock_now_ns() >= until)
			break;
		poll(NULL, 0, 100);
	}
	tell_failure(t, n);
	return -1;
}

/* The server knows what it got only when this was acknowledged. */
static void say_goodbye(struct target *t)
{
	struct ibv_sge sge = { .addr = (uintptr_t)t->message,
			       .length = sizeof(t->message),
			       .lkey = t->mr->lkey };
	struct ibv_send_wr wr = { .sg_list = &sge,
				  .num_sge = 1,
				  .opcode = IBV_WR_SEND,
				  .send_flags = IBV_SEND_SIGNALED },
			   *bad;
	uint64_t end = clock_now_ns() + 5000000000u;
	struct ibv_wc wc;

	if (ibv_post_send(t->control->qp, &wr, &bad))
		return;
	while (!ibv_poll_cq(t->cq, 1, &wc) && clock_now_ns() < end)
		poll(NULL, 0, 1);
}

void target_close(struct target *t, bool goodbye)
{
	struct cm_event event;

	if (goodbye && t->control && t->control->qp) {
		say_goodbye(t);
		if (!rdma_disconnect(t->control))
			event_within(t->channel, 5000000000u, &event);
	}
	target_release(t);
}
