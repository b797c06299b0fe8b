// SPDX-License-Identifier: GPL-2.0-or-later
/* target.c - devices, addresses, and the control connection to a server. */
#include "target.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failures.h"
#include "tool.h"

/* ---- Devices ---- */

static struct ibv_context **devices;	/* opened by librdmacm, which keeps them */

int devices_open(void)
{
	int n = 0;

	devices = rdma_get_devices(&n);
	if (devices && n)
		return 0;
	tool_error("RDMA", "this host has no RDMA device; 'rdma link add rxe0 type rxe netdev eth0' makes one of a "
		   "network interface, 'mitosis-lab run -n 2' starts virtual machines that have one");
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
		if (!i->ifa_addr || i->ifa_addr->sa_family != family || if_nametoindex(i->ifa_name) != index)
			continue;
		memset(to, 0, sizeof(*to));
		memcpy(to, i->ifa_addr, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		found = family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)to)->sin6_addr);
	}
	freeifaddrs(list);
	return found;
}

/* The GID table says which network interfaces carry a device. */
static int address_of_device(struct ibv_context *verbs, int family, struct sockaddr_storage *to)
{
	struct ibv_gid_entry *entries = calloc(256, sizeof(*entries));
	ssize_t n = entries ? ibv_query_gid_table(verbs, entries, 256, 0) : -ENOMEM;
	int err = -1;

	for (ssize_t i = 0; i < n && err; i++) {
		if (entries[i].ndev_ifindex && address_of_interface(entries[i].ndev_ifindex, family, to))
			err = 0;
	}
	free(entries);
	if (err)
		tool_error(ibv_get_device_name(verbs->device), "its network interface has no %s address",
			   family == AF_INET ? "IPv4" : "IPv6");
	return err;
}

/* ---- Addresses ---- */

int address_resolve(const char *text, uint16_t port, bool passive, struct sockaddr_storage *to)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0 }, *list;
	char host[256], service[8];
	const char *end = NULL;
	int err;

	snprintf(service, sizeof(service), "%u", port);
	if (strlen(text) >= sizeof(host)) {
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
		snprintf(host, sizeof(host), "%.*s", (int)(end - text - 1), text + 1);
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
		snprintf(service, sizeof(service), "%lu", number);
	}
	err = getaddrinfo(*host ? host : NULL, service, &hints, &list);
	if (err) {
		tool_error(text, "%s", gai_strerror(err));
		return -1;
	}
	memset(to, 0, sizeof(*to));
	memcpy(to, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
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

void hello_param(const struct target *t, const struct rcbench_hello *hello, struct rdma_conn_param *param)
{
	*param = (struct rdma_conn_param){
		.private_data = hello, .private_data_len = sizeof(*hello),
		.initiator_depth = (uint8_t)t->depth, .responder_resources = 1,
		/* 7 means for ever on some devices. */
		.retry_count = 5, .rnr_retry_count = 6,
	};
}

/* The next event within the time, or -1 with errno. */
static int event_within(struct rdma_event_channel *channel, uint64_t limit_ns, struct cm_event *event)
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

	if (event_within(t->channel, limit_ns, &event)) {
		tool_error(t->server, "%s", errno == ETIMEDOUT ? "no answer" : strerror(errno));
		return -1;
	}
	if (event.type == wanted)
		return 0;
	t->refused = outcome_of_event(&event) == OUTCOME_REFUSED && clock_now_ns() < t->patience_ns;
	if (!t->refused)
		tool_error(t->server, "%s", cm_event_text(&event));
	return -1;
}

static int take_device(struct target *t)
{
	struct ibv_device_attr attr;

	t->verbs = t->control->verbs;
	t->device = ibv_get_device_name(t->verbs->device);
	if (t->wanted && strcmp(t->wanted, t->device)) {
		tool_error(t->server, "is reached by %s and not by %s", t->device, t->wanted);
		return -1;
	}
	if (ibv_query_device(t->verbs, &attr)) {
		tool_error(t->device, "%s", strerror(errno));
		return -1;
	}
	t->depth = attr.max_qp_init_rd_atom < 16 ? (unsigned int)attr.max_qp_init_rd_atom : 16;
	t->pd = ibv_alloc_pd(t->verbs);
	if (t->pd)
		t->cq = ibv_create_cq(t->verbs, 4, NULL, NULL, 0);
	if (t->cq)
		t->mr = ibv_reg_mr(t->pd, t->message, sizeof(t->message), IBV_ACCESS_LOCAL_WRITE);
	if (t->mr)
		return 0;
	tool_error(t->device, "%s", strerror(errno));
	return -1;
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
			      (struct sockaddr *)&t->to, limit_ms)) {
		tool_error(t->server, "%s", strerror(errno));
		return -1;
	}
	if (await_event(t, RDMA_CM_EVENT_ADDR_RESOLVED, 2 * timeout_ns) || take_device(t))
		return -1;
	attr.send_cq = attr.recv_cq = t->cq;
	if (rdma_resolve_route(t->control, limit_ms)) {
		tool_error(t->server, "%s", strerror(errno));
		return -1;
	}
	if (await_event(t, RDMA_CM_EVENT_ROUTE_RESOLVED, 2 * timeout_ns))
		return -1;
	hello_make(&hello, RCBENCH_CONTROL, run);
	hello_param(t, &hello, &param);
	if (rdma_create_qp(t->control, t->pd, &attr) || rdma_connect(t->control, &param)) {
		tool_error(t->server, "%s", strerror(errno));
		return -1;
	}
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

static int target_try(struct target *t, const struct approach *how)
{
	t->refused = false;
	t->channel = rdma_create_event_channel();
	if (!t->channel) {
		tool_error("event channel", "%s", strerror(errno));
		return -1;
	}
	if (!control_connect(t, how->run, how->timeout_ns))
		return 0;
	target_release(t);
	return -1;
}

int target_open(struct target *t, const char *server, const char *device, const struct approach *how)
{
	struct ibv_context *verbs;

	*t = (struct target){ .server = server, .wanted = device,
			      .patience_ns = how->wait_ns ? clock_now_ns() + how->wait_ns : 0 };
	if (address_resolve(server, how->port, false, &t->to))
		return -1;
	if (device) {
		verbs = device_find(device);
		if (!verbs || address_of_device(verbs, t->to.ss_family, &t->from))
			return -1;
		t->has_from = true;
	}
	while (target_try(t, how)) {
		if (!t->refused)
			return -1;
		poll(NULL, 0, 100);
	}
	return 0;
}

/* The server knows what it got only when this was acknowledged. */
static void say_goodbye(struct target *t)
{
	struct ibv_sge sge = { .addr = (uintptr_t)t->message, .length = sizeof(t->message), .lkey = t->mr->lkey };
	struct ibv_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND, .send_flags = IBV_SEND_SIGNALED },
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
