// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * server.c - accepts connections on several threads, answers messages, takes what operations send.
 *
 * A connection's life (struct served):
 *
 *   CONNECT_REQUEST: hello checked, a slot taken, queue pair made, accepted
 *   ESTABLISHED, or the client's id vanished before: an event, or never any (half-open)
 *   DISCONNECTED: answered, destroyed
 *
 * Threads take events from one channel, one of them at a time waiting for the next, so that no
 * event wakes more than one. Events of the same connection may thus be handled by several threads
 * at once; therefore each is either a bit that is set, or the end of the connection, which the
 * first one that sets CLOSING brings about. An event is acknowledged after the last look at its
 * connection: the destruction of an id waits for that. Who accepts holds a reference, as the
 * connection may end before rdma_accept returns.
 *
 * The janitor, once each TICK_NS, ends what was accepted and not established in time, what belongs
 * to a run whose control connection is gone, and what does not answer. To find out about the latter
 * it posts an RDMA WRITE of no bytes, which the other host's device acknowledges by itself.
 *
 * Completions of all connections of a device go to one queue and one thread (service.c).
 *
 * Locks: server.lock guards the list of connections and the runs; a device's lock its slots.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failures.h"
#include "run.h"
#include "server.h"
#include "service.h"
#include "tool.h"

#define TICK_NS		500000000u
#define GRACE_NS	1000000000u	/* for the connections of a run that has ended */
#define PROBE_NS	5000000000u	/* a connection that is older is probed so often */
#define RUNS_MAX	1024u
#define BACKLOG		1024

enum { S_CLIENT, S_ENDED, S_RUN_NS, S_REQUESTS, S_ESTABLISHED, S_MESSAGES, S_DISCONNECTED,
       S_HALF_OPEN, S_LOST, S_REFUSED, S_BUSY, SERVER_COLUMNS };
const struct record_column server_columns[] = {
	[S_CLIENT] = { "client", RECORD_STRING, "address; -: what belonged to no run" },
	[S_ENDED] = { "ended", RECORD_STRING,
		      "done; vanished: without goodbye; stopped: the server was" },
	[S_RUN_NS] = { "run_ns", RECORD_NS, "from the first to the last of the run" },
	[S_REQUESTS] = { "requests_count", RECORD_UINT, "connections asked for" },
	[S_ESTABLISHED] = { "established_count", RECORD_UINT, "of these: established" },
	[S_MESSAGES] = { "messages_count", RECORD_UINT, "messages received" },
	[S_DISCONNECTED] = { "disconnected_count", RECORD_UINT, "ended by the client" },
	[S_HALF_OPEN] = { "half_open_count", RECORD_UINT,
		  "accepted, and the client went away before they were established" },
	[S_LOST] = { "lost_count", RECORD_UINT, "established, and the client gone without a word" },
	[S_REFUSED] = { "refused_count", RECORD_UINT,
			"rejected: private data of another program, version or run" },
	[S_BUSY] = { "busy_count", RECORD_UINT,
		     "rejected: --max-connections, or the device has no more to give" },
};
const size_t server_column_count = SERVER_COLUMNS;

enum tally { TALLY_REQUESTS, TALLY_ESTABLISHED, TALLY_MESSAGES, TALLY_DISCONNECTED,
	     TALLY_HALF_OPEN, TALLY_LOST, TALLY_REFUSED, TALLY_BUSY, TALLIES };

/* A client's run, from its control connection to its last connection. */
struct run {
	struct run *next;
	uint8_t id[16];
	char client[64];
	uint64_t begun_ns;
	struct served *control;		/* NULL: it has ended, and when */
	uint64_t ended_ns;
	_Atomic bool goodbye;
	unsigned int references;	/* connections, under server.lock */
	_Atomic uint64_t tally[TALLIES];
};

enum served_flag { SERVED_ESTABLISHED = 1, SERVED_CLOSING = 2, SERVED_LOST = 4 };

struct served {
	struct served *next, *previous;		/* under server.lock */
	struct rdma_cm_id *id;
	struct service *service;
	struct service_slot *slot;
	struct run *run;
	bool control;
	uint64_t begun_ns, probed_ns;
	/* References: of the one that accepts, and of its being alive. */
	_Atomic unsigned int flags, references;
};

static struct server {
	const struct server_options *options;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listener;
	pthread_mutex_t leader;		/* held by the thread that waits for the next event */
	pthread_mutex_t lock;
	struct served *list;
	struct run *runs, *nobody;		/* nobody: tally of what belongs to no run */
	unsigned int run_count, connections;
	bool once_done;
	_Atomic bool stop;
	_Atomic unsigned int running;		/* threads */
	sem_t poke;				/* of the janitor */
} server = { .leader = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER };

static void tally(struct run *run, enum tally what)
{
	atomic_fetch_add_explicit(&run->tally[what], 1, memory_order_relaxed);
}

/* ---- Runs ---- */

static void run_report(const struct run *run, const char *ended)
{
	struct record_stream *out = server.options->out;

	record_begin(out);
	record_string(out, S_CLIENT, run == server.nobody ? "-" : run->client);
	if (run != server.nobody) {
		record_string(out, S_ENDED, ended);
		record_uint(out, S_RUN_NS, clock_now_ns() - run->begun_ns);
	}
	for (unsigned int i = 0; i < TALLIES; i++)
		record_uint(out, S_REQUESTS + i, atomic_load(&run->tally[i]));
	record_end(out);
}

/* With server.lock. */
static struct run *run_find(const uint8_t id[16])
{
	struct run *run = server.runs;

	while (run && memcmp(run->id, id, sizeof(run->id)))
		run = run->next;
	return run;
}

/* With server.lock. */
static struct run *run_begin(const uint8_t id[16], struct rdma_cm_id *cm)
{
	struct run *run = server.run_count < RUNS_MAX ? calloc(1, sizeof(*run)) : NULL;
	struct sockaddr *peer = rdma_get_peer_addr(cm);

	if (!run)
		return NULL;
	memcpy(run->id, id, sizeof(run->id));
	run->begun_ns = clock_now_ns();
	if (getnameinfo(peer,
			peer->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						   : sizeof(struct sockaddr_in6),
			run->client, sizeof(run->client), NULL, 0, NI_NUMERICHOST))
		strcpy(run->client, "?");
	run->next = server.runs;
	server.runs = run;
	server.run_count++;
	return run;
}

/* With server.lock: the last connection has gone. */
static void run_put(struct run *run)
{
	struct run **at = &server.runs;

	if (--run->references || run == server.nobody)
		return;
	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	server.run_count--;
	run_report(run, atomic_load(&run->goodbye) ? "done" :
			atomic_load(&server.stop) ? "stopped" : "vanished");
	free(run);
	if (server.options->once && !server.runs) {
		server.once_done = true;
		sem_post(&server.poke);
	}
}

/* ---- The end of a connection ---- */

/* Nobody has it any more, and none of its events is held. */
static void served_free(struct served *s)
{
	struct rdma_cm_id *id = s->id;

	/* First the answer that the client waits for. */
	rdma_disconnect(id);
	if (s->slot)
		service_slot_put(s->service, s->slot);
	if (id->qp)
		rdma_destroy_qp(id);
	if (s->slot)
		service_slot_free(s->service, s->slot);
	rdma_destroy_id(id);
	pthread_mutex_lock(&server.lock);
	if (s->previous)
		s->previous->next = s->next;
	else
		server.list = s->next;
	if (s->next)
		s->next->previous = s->previous;
	server.connections--;
	if (s->run->control == s) {
		/* Its other connections end by themselves, or the janitor does it. */
		s->run->control = NULL;
		s->run->ended_ns = clock_now_ns();
	}
	run_put(s->run);
	pthread_mutex_unlock(&server.lock);
	free(s);
}

static void served_put(struct served *s)
{
	if (atomic_fetch_sub(&s->references, 1) == 1)
		served_free(s);
}

/* True for one caller only, who then calls served_put(). what: TALLIES for nothing. */
static bool served_close(struct served *s, enum tally what)
{
	if (atomic_fetch_or(&s->flags, SERVED_CLOSING) & SERVED_CLOSING)
		return false;
	if (what < TALLIES && !s->control)
		tally(s->run, what);
	return true;
}

/* ---- Requests ---- */

static void reject(struct rdma_cm_id *id, enum rcbench_refusal_reason reason)
{
	struct rcbench_refusal refusal = { htole32(RCBENCH_MAGIC), htole16(RCBENCH_VERSION),
					   htole16(reason) };

	rdma_reject(id, &refusal, sizeof(refusal));
	rdma_destroy_id(id);
}

static bool hello_read(const struct rdma_conn_param *param, struct rcbench_hello *hello)
{
	const uint8_t *bytes = param->private_data;

	if (!bytes || param->private_data_len < sizeof(*hello))
		return false;
	memcpy(hello, bytes, sizeof(*hello));
	for (size_t i = sizeof(*hello); i < param->private_data_len; i++) {
		if (bytes[i])
			return false;
	}
	return le32toh(hello->magic) == RCBENCH_MAGIC &&
	       le16toh(hello->version) == RCBENCH_VERSION &&
	       le16toh(hello->length) == sizeof(*hello) &&
	       le16toh(hello->kind) >= RCBENCH_CONTROL &&
	       le16toh(hello->kind) <= RCBENCH_OPERATIONS &&
	       !(le16toh(hello->flags) & ~RCBENCH_VERIFY) &&
	       le32toh(hello->size) <= RCBENCH_REGION / 2 &&
	       le32toh(hello->outstanding) <= RCBENCH_OUTSTANDING_MAX;
}

/* In the list and of a run, or 0 for why not. */
static enum rcbench_refusal_reason served_list(struct served *s, const struct rcbench_hello *hello)
{
	enum rcbench_refusal_reason reason = 0;
	struct run *run;

	pthread_mutex_lock(&server.lock);
	run = run_find(hello->run);
	s->control = le16toh(hello->kind) == RCBENCH_CONTROL;
	if (!s->control && (!run || !run->control))
		reason = RCBENCH_REFUSED_RUN;
	else if (server.connections >= server.options->max_connections)
		reason = RCBENCH_REFUSED_BUSY;
	else if (!run)
		run = run_begin(hello->run, s->id);
	if (!reason && !run)
		reason = RCBENCH_REFUSED_BUSY;
	if (reason) {
		tally(run ? run : server.nobody,
		      reason == RCBENCH_REFUSED_RUN ? TALLY_REFUSED : TALLY_BUSY);
		pthread_mutex_unlock(&server.lock);
		return reason;
	}
	/* A client has a control connection for each of its devices; the last one ends the run. */
	if (s->control)
		run->control = s;
	else
		tally(run, TALLY_REQUESTS);
	run->references++;
	s->run = run;
	s->next = server.list;
	if (s->next)
		s->next->previous = s;
	server.list = s;
	server.connections++;
	pthread_mutex_unlock(&server.lock);
	return 0;
}

/* A message came: of a control connection it is the goodbye. */
static void heard(void *owner)
{
	struct served *s = owner;

	if (s->control)
		atomic_store(&s->run->goodbye, true);
	else
		tally(s->run, TALLY_MESSAGES);
}

static void lost(void *owner)
{
	struct served *s = owner;

	atomic_fetch_or(&s->flags, SERVED_LOST);
	sem_post(&server.poke);
}

static int served_prepare(struct served *s, const struct rcbench_hello *hello,
			  struct rcbench_welcome *welcome)
{
	struct ibv_mr *region;

	*welcome = (struct rcbench_welcome){
		.magic = htole32(RCBENCH_MAGIC),
		.version = htole16(RCBENCH_VERSION),
		.length = htole16(sizeof(*welcome)),
	};
	if (service_queue_pair(s->service, s->slot, s->id, hello))
		return -1;
	if (le16toh(hello->kind) != RCBENCH_OPERATIONS)
		return 0;
	region = service_region(s->service);
	if (!region)
		return -1;
	welcome->address = htole64((uintptr_t)region->addr);
	welcome->rkey = htole32(region->rkey);
	welcome->bytes = htole32(RCBENCH_REGION);
	return 0;
}

/* From here on events may come, and end it. */
static int served_accept(struct served *s, const struct rcbench_welcome *welcome,
			 unsigned int depth)
{
	struct rdma_conn_param param = {
		.private_data = welcome,
		.private_data_len = sizeof(*welcome),
		.responder_resources = (uint8_t)depth,
		.initiator_depth = 1,
		.retry_count = 5,
		.rnr_retry_count = 6,
	};

	return rdma_accept(s->id, &param);
}

static void request(struct rdma_cm_id *id, const struct rdma_conn_param *param)
{
	struct rcbench_hello hello;
	struct rcbench_welcome welcome;
	enum rcbench_refusal_reason reason;
	struct served *s;

	if (!hello_read(param, &hello)) {
		tally(server.nobody, TALLY_REFUSED);
		reject(id, RCBENCH_REFUSED_PROTOCOL);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		tally(server.nobody, TALLY_BUSY);
		reject(id, RCBENCH_REFUSED_RESOURCES);
		return;
	}
	s->id = id;
	s->begun_ns = s->probed_ns = clock_now_ns();
	s->references = 2;
	reason = served_list(s, &hello);
	if (reason) {
		free(s);
		reject(id, reason);
		return;
	}
	id->context = s;
	s->service = service_get(id->verbs, server.options->max_connections);
	s->slot = s->service ? service_slot_take(s->service, s) : NULL;
	if (!s->slot || served_prepare(s, &hello, &welcome)) {
		struct rcbench_refusal refusal = { htole32(RCBENCH_MAGIC), htole16(RCBENCH_VERSION),
						   htole16(RCBENCH_REFUSED_RESOURCES) };

		rdma_reject(id, &refusal, sizeof(refusal));
		if (served_close(s, TALLY_BUSY))
			served_put(s);
	} else if (served_accept(s, &welcome, service_depth(s->service, param->initiator_depth))) {
		/* The client has withdrawn its request meanwhile. */
		if (served_close(s, TALLY_HALF_OPEN))
			served_put(s);
	}
	served_put(s);
}

/* ---- Events ---- */

static void handle(struct rdma_cm_event *event)
{
	struct served *s = event->id->context;
	struct rdma_conn_param param;
	uint8_t private[256];
	bool mine = false;

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		param = event->param.conn;
		if (param.private_data)
			memcpy(private, param.private_data, param.private_data_len);
		param.private_data = param.private_data ? private : NULL;
		{
			struct rdma_cm_id *id = event->id;

			rdma_ack_cm_event(event);
			request(id, &param);
		}
		return;
	case RDMA_CM_EVENT_ESTABLISHED:
		atomic_fetch_or(&s->flags, SERVED_ESTABLISHED);
		if (!s->control)
			tally(s->run, TALLY_ESTABLISHED);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		mine = served_close(s, TALLY_DISCONNECTED);
		break;
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
		mine = s && served_close(s, TALLY_HALF_OPEN);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		mine = s && served_close(s, TALLY_LOST);
		break;
	default:
		break;
	}
	rdma_ack_cm_event(event);
	if (mine)
		served_put(s);
}

static void *take_events(void *unused)
{
	struct rdma_cm_event *event;
	int err;

	while (!atomic_load(&server.stop)) {
		pthread_mutex_lock(&server.leader);
		err = atomic_load(&server.stop) || rdma_get_cm_event(server.channel, &event);
		pthread_mutex_unlock(&server.leader);
		if (!err)
			handle(event);
	}
	atomic_fetch_sub(&server.running, 1);
	return NULL;
}

/* ---- Janitor ---- */

/* The reason to end it, or TALLIES + 1: there is none. */
static unsigned int verdict(const struct served *s, uint64_t now)
{
	unsigned int flags = atomic_load(&s->flags);

	if (flags & SERVED_LOST)
		return TALLY_LOST;
	if (!(flags & SERVED_ESTABLISHED) && now - s->begun_ns > server.options->timeout_ns)
		return TALLY_HALF_OPEN;
	/* What the client has not ended itself when it left. */
	if (!s->control && !s->run->control && now - s->run->ended_ns > GRACE_NS)
		return flags & SERVED_ESTABLISHED ? TALLY_LOST : TALLY_HALF_OPEN;
	return TALLIES + 1;
}

static void look_after(bool all)
{
	uint64_t now = clock_now_ns();
	struct served *s, *next, *ended;

	do {
		ended = NULL;
		pthread_mutex_lock(&server.lock);
		for (s = server.list; s && !ended; s = next) {
			unsigned int why = all ? TALLIES : verdict(s, now);

			next = s->next;
			if (why <= TALLIES && served_close(s, why)) {
				ended = s;
			} else if (now - s->probed_ns > PROBE_NS &&
				   (atomic_load(&s->flags) & SERVED_ESTABLISHED)) {
				s->probed_ns = now;
				service_probe(s->service, s->slot);
			}
		}
		pthread_mutex_unlock(&server.lock);
		if (ended)
			served_put(ended);
	} while (ended);
}

/* ---- Begin and end ---- */

/* 0 or an errno. */
static int bind_to(struct sockaddr_storage *address)
{
	int both = 0;

	if (rdma_create_id(server.channel, &server.listener, NULL, RDMA_PS_TCP))
		return errno;
	/* All addresses are those of IPv4, too, whatever net.ipv6.bindv6only says. */
	if (address->ss_family == AF_INET6)
		rdma_set_option(server.listener, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &both,
				sizeof(both));
	return rdma_bind_addr(server.listener, (struct sockaddr *)address) ||
	       rdma_listen(server.listener, BACKLOG) ? errno : 0;
}

static bool is_any(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* All addresses of a host that has IPv4 only. */
static bool without_ipv6(struct sockaddr_storage *address, int err)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	struct sockaddr_in four = { .sin_family = AF_INET };

	if (address->ss_family != AF_INET6 || !is_any(address) ||
	    (err != EAFNOSUPPORT && err != EADDRNOTAVAIL && err != EINVAL))
		return false;
	four.sin_port = six->sin6_port;
	memcpy(address, &four, sizeof(four));
	return true;
}

static int listen_at(const struct sockaddr_storage *where)
{
	struct sockaddr_storage address = *where;
	char host[64] = "", port[16] = "", name[96];
	int err;

	server.channel = rdma_create_event_channel();
	err = server.channel ? bind_to(&address) : errno;
	if (err && server.listener && without_ipv6(&address, err)) {
		rdma_destroy_id(server.listener);
		server.listener = NULL;
		err = bind_to(&address);
		if (err)
			address = *where;
	}
	/* What the kernel's connection manager says of a port that is taken. */
	if (err == EADDRNOTAVAIL && is_any(&address))
		err = EADDRINUSE;
	getnameinfo((const struct sockaddr *)&address,
		    address.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						 : sizeof(struct sockaddr_in6),
		    host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	if (err) {
		snprintf(name, sizeof(name), "%s port %s", host, port);
		tool_error(name, "cannot listen: %s%s", strerror(err),
			   err == EADDRINUSE ? ": by another server? (--port takes another one)"
					     : "");
		return -1;
	}
	fprintf(stderr, "%s: listening at %s port %s\n", tool_name, host, port);
	return 0;
}

static void wait_for_end(void)
{
	struct timespec until;
	uint64_t ns;

	while (!run_signal && !server.once_done && !record_error(server.options->out)) {
		ns = clock_now_ns() + TICK_NS;
		until = (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
		sem_clockwait(&server.poke, CLOCK_MONOTONIC, &until);
		look_after(false);
	}
}

/* Each may be about to sleep, or sleep already. */
static void end_threads(pthread_t *threads, unsigned int n)
{
	atomic_store(&server.stop, true);
	while (atomic_load(&server.running)) {
		struct timespec pause = { .tv_nsec = 1000000 };

		for (unsigned int i = 0; i < n; i++)
			run_wake(threads[i]);
		nanosleep(&pause, NULL);
	}
	for (unsigned int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

int serve(const struct server_options *options)
{
	static const struct service_owner owner = { heard, lost };
	pthread_t *threads = calloc(options->threads, sizeof(*threads));
	struct run nobody = { .references = 1 };
	sigset_t set, old;
	unsigned int n = 0;
	int err = -1;

	server.options = options;
	server.nobody = &nobody;
	sem_init(&server.poke, 0, 0);
	run_catch_signals();
	service_init(&owner);
	if (!threads || listen_at(&options->listen))
		goto out;
	record_header(options->out);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	err = 0;
	while (n < options->threads && !err) {
		atomic_fetch_add(&server.running, 1);
		err = pthread_create(&threads[n], NULL, take_events, NULL);
		if (err) {
			atomic_fetch_sub(&server.running, 1);
			tool_error("thread", "%s", strerror(err));
			break;
		}
		n++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		wait_for_end();
	end_threads(threads, n);
	look_after(true);
	for (unsigned int i = 0; i < TALLIES; i++) {
		if (atomic_load(&nobody.tally[i])) {
			run_report(&nobody, NULL);
			break;
		}
	}
	err = err ? -1 : 0;
out:
	service_exit();
	if (server.listener)
		rdma_destroy_id(server.listener);
	if (server.channel)
		rdma_destroy_event_channel(server.channel);
	sem_destroy(&server.poke);
	free(threads);
	return err;
}
