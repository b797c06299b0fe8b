// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-rcbench - measures what an RDMA connection costs: its latency step by step, how many can be
 * made per second, and what operations over one cost. One side is the server, the other measures.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid.h>

#include "library.h"
#include "mitosis_ioctl.h"
#include "rcbench/kernel.h"
#include "rcbench/report.h"
#include "rcbench/run.h"
#include "rcbench/server.h"
#include "rcbench/target.h"
#include "tool.h"

#define THREADS_MAX	1024u
#define DEPTH_MAX	65536u
#define COMBINED_MAX	16u		/* servers, and devices, used at once */

/* Servers or devices: each element is used by itself, of "A+B" both at once. */
struct names {
	char *text;
	char **list;
	size_t n;
};

struct plan {
	struct names servers, devices;
	uint64_t *threads, *depths, *rates, *sizes, *outstandings;
	size_t thread_count, depth_count, rate_count, size_count, outstanding_count;
	bool user, kernel, serial, pipelined, operations[OPERATIONS];
	bool reuse, verify;
	uint64_t count, duration_ns, interval_ns, timeout_ns, wait_ns, max_failures, port;
	uint8_t run[16];
	struct record_stream *out;

	struct target **targets;	/* that were opened; they stay until the end */
	size_t target_count;
};

static int names_split(struct names *to, const char *text)
{
	char *save = NULL;
	size_t most = 1;

	for (const char *p = text; *p; p++)
		most += *p == ',';
	to->text = strdup(text);
	to->list = calloc(most, sizeof(*to->list));
	if (!to->text || !to->list)
		return -1;
	for (char *word = strtok_r(to->text, ",", &save); word; word = strtok_r(NULL, ",", &save))
		to->list[to->n++] = word;
	return to->n ? 0 : -1;
}

/* The arguments as they are: each is a server, or several joined by a plus sign. */
static int names_arguments(struct names *to, const char **arguments)
{
	while (arguments && arguments[to->n])
		to->n++;
	to->list = calloc(to->n + 1, sizeof(*to->list));
	if (!to->list)
		return -1;
	for (size_t i = 0; i < to->n; i++)
		to->list[i] = (char *)arguments[i];
	return 0;
}

/* ---- Targets ---- */

static struct target *target_get(struct plan *plan, const char *server, const char *device)
{
	const struct approach how = { plan->run, (uint16_t)plan->port, plan->timeout_ns, plan->wait_ns };
	struct target **grown, *t;

	for (size_t i = 0; i < plan->target_count; i++) {
		t = plan->targets[i];
		if (!strcmp(t->server, server) && (!device || (t->wanted && !strcmp(t->wanted, device))))
			return t;
	}
	grown = realloc(plan->targets, (plan->target_count + 1) * sizeof(*grown));
	if (!grown) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		return NULL;
	}
	plan->targets = grown;
	/* Names outlive it. */
	t = calloc(1, sizeof(*t));
	server = strdup(server);
	device = device ? strdup(device) : NULL;
	if (!t || !server || target_open(t, server, device, &how)) {
		free((char *)server);
		free((char *)device);
		free(t);
		return NULL;
	}
	grown[plan->target_count++] = t;
	return t;
}

static void targets_close(struct plan *plan, bool goodbye)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		char *server = (char *)plan->targets[i]->server, *wanted = (char *)plan->targets[i]->wanted;

		target_close(plan->targets[i], goodbye);
		free(server);
		free(wanted);
		free(plan->targets[i]);
	}
	free(plan->targets);
}

/* "A+B" as its parts; returns how many. */
static unsigned int parts_of(char *text, char *parts[COMBINED_MAX])
{
	char *save = NULL;
	unsigned int n = 0;

	for (char *part = strtok_r(text, "+", &save); part && n < COMBINED_MAX; part = strtok_r(NULL, "+", &save))
		parts[n++] = part;
	return n;
}

/* Thread i gets device i modulo their number, and server likewise. */
static int choose_targets(struct plan *plan, const char *servers, const char *devices, struct target *chosen[],
			  struct point *p)
{
	char server_text[256], device_text[256], *server[COMBINED_MAX], *device[COMBINED_MAX];
	unsigned int ns, nd, n;

	snprintf(server_text, sizeof(server_text), "%s", servers);
	snprintf(device_text, sizeof(device_text), "%s", devices ? devices : "");
	ns = parts_of(server_text, server);
	nd = parts_of(device_text, device);
	for (n = 0; n < COMBINED_MAX * COMBINED_MAX; n++) {
		/* The pattern repeats at the least common multiple. */
		if (n && n % ns == 0 && (!nd || n % nd == 0))
			break;
		chosen[n] = target_get(plan, server[n % ns], nd ? device[n % nd] : NULL);
		if (!chosen[n])
			return -1;
	}
	p->targets = chosen;
	p->target_count = n;
	snprintf(p->servers, sizeof(p->servers), "%s", servers);
	snprintf(p->devices, sizeof(p->devices), "%s", devices ? devices : chosen[0]->device);
	return 0;
}

/* ---- The sweep ---- */

/* One combination: the parts that its caller has chosen are in p. */
static int run_point(struct plan *plan, struct point *p, uint64_t threads, uint64_t rate)
{
	p->threads = (unsigned int)threads;
	p->rate = rate;
	p->reuse = plan->reuse && p->operation == OPERATION_CONNECT;
	p->verify = plan->verify;
	p->count = plan->count;
	p->duration_ns = plan->duration_ns;
	p->interval_ns = plan->interval_ns;
	p->timeout_ns = plan->timeout_ns;
	p->max_failures = plan->max_failures;
	p->run = plan->run;
	p->tickets = 0;
	p->failures = 0;
	p->stop = false;
	p->set_up = 0;
	return point_run(p, plan->out) || run_signal ? -1 : 0;
}

static int run_rates(struct plan *plan, struct point *p)
{
	int err = 0;

	for (size_t t = 0; t < plan->thread_count && !err; t++) {
		for (size_t r = 0; r < plan->rate_count && !err; r++)
			err = run_point(plan, p, plan->threads[t], plan->rates[r]);
	}
	return err;
}

static int run_connections(struct plan *plan, struct point *p)
{
	int err = 0;

	p->operation = OPERATION_CONNECT;
	if (plan->serial && !plan->reuse) {
		p->pipelined = false;
		p->depth = 1;
		err = run_rates(plan, p);
	}
	for (size_t i = 0; i < plan->depth_count && !err && (plan->pipelined || plan->reuse); i++) {
		p->pipelined = !plan->reuse;
		p->depth = (unsigned int)plan->depths[i];
		err = run_rates(plan, p);
	}
	return err;
}

static int run_operations(struct plan *plan, struct point *p, enum operation operation)
{
	int err = 0;

	p->operation = operation;
	p->depth = 1;
	for (size_t s = 0; s < plan->size_count && !err; s++) {
		for (size_t o = 0; o < plan->outstanding_count && !err; o++) {
			p->size = (uint32_t)plan->sizes[s];
			p->outstanding = (uint32_t)plan->outstandings[o];
			err = run_rates(plan, p);
		}
	}
	return err;
}

static int run_space(struct plan *plan, struct point *p, bool kernel)
{
	int err = 0;

	p->kernel = kernel;
	for (enum operation op = OPERATION_CONNECT; op < OPERATIONS && !err; op++) {
		if (plan->operations[op])
			err = op == OPERATION_CONNECT ? run_connections(plan, p) : run_operations(plan, p, op);
	}
	return err;
}

static int run_sweep(struct plan *plan)
{
	struct target *chosen[COMBINED_MAX * COMBINED_MAX];
	struct point p = { 0 };
	int err = 0;

	for (size_t s = 0; s < plan->servers.n && !err; s++) {
		for (size_t d = 0; d < (plan->devices.n ? plan->devices.n : 1) && !err; d++) {
			err = choose_targets(plan, plan->servers.list[s], plan->devices.n ? plan->devices.list[d] : NULL,
					     chosen, &p);
			if (!err && plan->user)
				err = run_space(plan, &p, false);
			if (!err && plan->kernel)
				err = run_space(plan, &p, true);
		}
	}
	return err;
}

/* ---- Options ---- */

struct options {
	int server, once, reuse, verify, json;
	char *listen, *port, *threads, *depth, *mode, *space, *device, *count, *duration, *rate, *interval;
	char *op, *size, *outstanding, *timeout, *wait, *max_failures, *max_connections;
};

static int run_server(const struct options *o, int argc, char **argv)
{
	struct server_options s = { .timeout_ns = 10000000000u, .once = o->once };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t port = RCBENCH_PORT, threads = processors > 0 ? (uint64_t)processors : 1, most = 4096;
	int status;

	if ((o->port && tool_arg_uint("--port", o->port, 1, 65535, &port)) ||
	    (o->threads && tool_arg_uint("--threads", o->threads, 1, THREADS_MAX, &threads)) ||
	    (o->max_connections && tool_arg_uint("--max-connections", o->max_connections, 1, DEPTH_MAX, &most)) ||
	    (o->timeout && tool_arg_duration("--timeout", o->timeout, &s.timeout_ns)))
		return STATUS_USAGE;
	if (s.timeout_ns < 10000000)
		return tool_usage_error("--timeout", "%s: must be at least 10ms", o->timeout);
	s.threads = (unsigned int)threads;
	s.max_connections = (unsigned int)most;
	status = devices_open();
	if (status)
		return status;
	if (address_to_listen(o->listen ? o->listen : "", (uint16_t)port, &s.listen))
		return STATUS_FAILED;
	if (record_open(&s.out, stdout, o->json ? RECORD_JSON : RECORD_AUTO, server_columns, server_column_count, NULL,
			argc, argv))
		return STATUS_FAILED;
	status = serve(&s) ? STATUS_FAILED : STATUS_OK;
	if (record_close(s.out))
		status = STATUS_FAILED;
	return status;
}

static const char *const mode_names[] = { "serial", "pipelined", NULL }, *const space_names[] = { "user", "kernel", NULL },
	*const op_names[] = { "connect", "read", "write", "send", NULL };

static int parse_lists(struct plan *plan, const struct options *o)
{
	bool *const mode_flags[] = { &plan->serial, &plan->pipelined }, *const space_flags[] = { &plan->user, &plan->kernel };
	bool *const op_flags[] = { &plan->operations[0], &plan->operations[1], &plan->operations[2], &plan->operations[3] };
	/* A depth makes sense for the one that has one. */
	const char *mode = o->mode ? o->mode : o->depth ? "pipelined" : "serial";

	if (tool_arg_uints("--threads", o->threads ? o->threads : "1", 1, THREADS_MAX, &plan->threads, &plan->thread_count) ||
	    tool_arg_uints("--depth", o->depth ? o->depth : o->reuse ? "4" : "32", 1, DEPTH_MAX, &plan->depths,
			   &plan->depth_count) ||
	    tool_arg_uints("--rate", o->rate ? o->rate : "0", o->rate ? 1 : 0, 1000000000, &plan->rates, &plan->rate_count) ||
	    tool_arg_sizes("--size", o->size ? o->size : "64", &plan->sizes, &plan->size_count) ||
	    tool_arg_uints("--outstanding", o->outstanding ? o->outstanding : "1", 1, RCBENCH_OUTSTANDING_MAX,
			   &plan->outstandings, &plan->outstanding_count) ||
	    tool_arg_words("--mode", mode, mode_names, mode_flags) ||
	    tool_arg_words("--space", o->space ? o->space : "user", space_names, space_flags) ||
	    tool_arg_words("--op", o->op ? o->op : "connect", op_names, op_flags))
		return STATUS_USAGE;
	for (size_t i = 0; i < plan->size_count; i++) {
		if (!plan->sizes[i] || plan->sizes[i] > RCBENCH_REGION / 2)
			return tool_usage_error("--size", "%llu: must be from 1 to %u", (unsigned long long)plan->sizes[i],
						RCBENCH_REGION / 2);
	}
	return 0;
}

static int parse_limits(struct plan *plan, const struct options *o)
{
	if ((o->count && tool_arg_uint("--count", o->count, 1, UINT64_MAX, &plan->count)) ||
	    (o->duration && tool_arg_duration("--duration", o->duration, &plan->duration_ns)) ||
	    (o->interval && tool_arg_duration("--interval", o->interval, &plan->interval_ns)) ||
	    (o->timeout && tool_arg_duration("--timeout", o->timeout, &plan->timeout_ns)) ||
	    (o->wait && tool_arg_duration("--wait", o->wait, &plan->wait_ns)) ||
	    (o->max_failures && tool_arg_uint("--max-failures", o->max_failures, 0, UINT64_MAX, &plan->max_failures)) ||
	    (o->port && tool_arg_uint("--port", o->port, 1, 65535, &plan->port)))
		return STATUS_USAGE;
	if (o->duration && !plan->duration_ns)
		return tool_usage_error("--duration", "%s: nothing could be measured", o->duration);
	if (o->interval && plan->interval_ns < 1000000)
		return tool_usage_error("--interval", "%s: must be at least 1ms", o->interval);
	if (plan->timeout_ns < 10000000 || plan->timeout_ns > 3600000000000u)
		return tool_usage_error("--timeout", "%s: must be from 10ms to 1h", o->timeout);
	if (!o->count && !o->duration)
		plan->count = 1000;
	return 0;
}

static int check_client(const struct options *o, const struct plan *plan)
{
	if (o->once || o->listen || o->max_connections)
		return tool_usage_error(o->once ? "--once" : o->listen ? "--listen" : "--max-connections",
					"goes with --server only");
	for (enum operation op = OPERATION_READ; op < OPERATIONS; op++) {
		if (plan->kernel && plan->operations[op])
			return tool_usage_error("--space", "kernel goes with --op connect only");
	}
	for (size_t i = 0; i < plan->depth_count; i++) {
		if (plan->kernel && plan->depths[i] > MITOSIS_BENCH_DEPTH_MAX)
			return tool_usage_error("--depth", "%llu: at most %u with --space kernel",
						(unsigned long long)plan->depths[i], MITOSIS_BENCH_DEPTH_MAX);
	}
	if (o->reuse && o->mode)
		return tool_usage_error("--reuse", "contradicts --mode: what is in a pool is not made while it is measured");
	if (o->reuse && !plan->operations[OPERATION_CONNECT])
		return tool_usage_error("--reuse", "goes with --op connect: other operations use one connection anyway");
	return 0;
}

static int run_client(const struct options *o, const char **servers, int argc, char **argv)
{
	struct plan plan = { .timeout_ns = 10000000000u, .port = RCBENCH_PORT, .reuse = o->reuse, .verify = o->verify };
	int status = parse_lists(&plan, o);

	if (!status)
		status = parse_limits(&plan, o);
	if (!status)
		status = check_client(o, &plan);
	if (!status && (names_arguments(&plan.servers, servers) || (o->device && names_split(&plan.devices, o->device))))
		status = tool_usage_error("--device", "an empty list");
	if (!status)
		status = devices_open();
	if (!status && plan.kernel && kernel_check(plan.user)) {
		plan.kernel = false;
		if (!plan.user)
			status = STATUS_SKIP;
	}
	if (!status) {
		status = STATUS_FAILED;
		uuid_generate_random(plan.run);
		run_catch_signals();
		if (!record_open(&plan.out, stdout, o->json ? RECORD_JSON : RECORD_AUTO, report_columns,
				 report_column_count, NULL, argc, argv)) {
			int err = run_sweep(&plan);

			status = run_signal ? 128 + run_signal : err ? STATUS_FAILED : STATUS_OK;
			targets_close(&plan, true);
		}
		if (record_close(plan.out))
			status = STATUS_FAILED;
	}
	free(plan.servers.list);
	free(plan.devices.list);
	free(plan.devices.text);
	free(plan.threads);
	free(plan.depths);
	free(plan.rates);
	free(plan.sizes);
	free(plan.outstandings);
	return status;
}

int main(int argc, char **argv)
{
	static struct tool_info info = {
		.synopsis = "[OPTION...] SERVER[+SERVER...]...\n       mitosis-rcbench --server [OPTION...]",
		.summary = "Measure what an RDMA connection costs: one record per connection, with the time of each step.\n"
			   "Lists are swept, one after the other; what is joined by + is used at once.",
		.examples = "  node1$ mitosis-rcbench --server\n"
			    "  node2$ mitosis-rcbench node1 | mitosis-stats\n"
			    "  node2$ mitosis-rcbench node1 --threads 1,2,4,8 --duration 10s --interval 1s\n"
			    "  node2$ mitosis-rcbench node1 --mode serial,pipelined --device rxe0,rxe0+rxe1\n"
			    "  node2$ mitosis-rcbench node1 --op read,write,send --size 64,4K --outstanding 1,16\n",
		.exit_status = "  0; 1 failed, or more failures than --max-failures; 2 wrong usage; 77 there is no RDMA device,\n"
			       "  or no kernel module for --space kernel; 128 plus the number of a signal that ended it\n",
	};
	struct options o = { 0 };
	struct poptOption options[] = {
		{ "server", 's', POPT_ARG_NONE, &o.server, 0, "be the server, until a signal", NULL },
		{ "once", '\0', POPT_ARG_NONE, &o.once, 0, "server: end with a client's run, if no other is under way", NULL },
		{ "listen", 'l', POPT_ARG_STRING, &o.listen, 0, "server: address (default: all)", "ADDRESS" },
		{ "max-connections", '\0', POPT_ARG_STRING, &o.max_connections, 0, "server: at once; more are rejected (default 4096)", "N" },
		{ "port", 'p', POPT_ARG_STRING, &o.port, 0, "port of the connection manager (default 7472)", "PORT" },
		{ "threads", 't', POPT_ARG_STRING, &o.threads, 0, "threads (default 1; server: one per processor)", "N[,N...]" },
		{ "mode", 'm', POPT_ARG_STRING, &o.mode, 0, "serial, pipelined (default serial; pipelined with --depth)", "MODE[,MODE]" },
		{ "depth", 'd', POPT_ARG_STRING, &o.depth, 0, "pipelined: connections under way per thread (default 32); --reuse: in its pool (4)", "N[,N...]" },
		{ "reuse", 'r', POPT_ARG_NONE, &o.reuse, 0, "take connections from a pool instead of making them", NULL },
		{ "verify", 'v', POPT_ARG_NONE, &o.verify, 0, "a message there and back over each; of operations, compare the bytes", NULL },
		{ "op", 'o', POPT_ARG_STRING, &o.op, 0, "connect, read, write, send (default connect)", "OP[,OP...]" },
		{ "size", '\0', POPT_ARG_STRING, &o.size, 0, "of an operation (default 64)", "SIZE[,SIZE...]" },
		{ "outstanding", '\0', POPT_ARG_STRING, &o.outstanding, 0, "operations under way per thread (default 1)", "N[,N...]" },
		{ "space", '\0', POPT_ARG_STRING, &o.space, 0, "user, kernel: who makes the connections (default user)", "SPACE[,SPACE]" },
		{ "device", '\0', POPT_ARG_STRING, &o.device, 0, "RDMA devices (default: as the route says)", "DEV[+DEV...][,DEV...]" },
		{ "count", 'n', POPT_ARG_STRING, &o.count, 0, "so many, of all threads (default 1000)", "N" },
		{ "duration", '\0', POPT_ARG_STRING, &o.duration, 0, "so long", "TIME" },
		{ "rate", '\0', POPT_ARG_STRING, &o.rate, 0, "begin so many per second, and measure from that time", "N[,N...]" },
		{ "interval", 'i', POPT_ARG_STRING, &o.interval, 0, "throughput each so often, instead of each connection", "TIME" },
		{ "timeout", '\0', POPT_ARG_STRING, &o.timeout, 0, "longest wait in a step (default 10s)", "TIME" },
		{ "wait", 'w', POPT_ARG_STRING, &o.wait, 0, "try so long until the server listens (default: once)", "TIME" },
		{ "max-failures", '\0', POPT_ARG_STRING, &o.max_failures, 0, "end with status 1 after more than these (default 0)", "N" },
		{ "json", 'j', POPT_ARG_NONE, &o.json, 0, "write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	poptContext con;
	int status = STATUS_USAGE;
	const char **servers;

	tool_init("mitosis-rcbench");
	mitosis_set_logger(library_log, NULL);
	info.columns = report_columns;
	info.ncolumns = report_column_count;
	con = tool_context(argc, argv, options, 0, &info);
	if (tool_next(con) != TOOL_END)
		goto out;
	servers = poptGetArgs(con);
	if (o.server && servers) {
		tool_usage_error(servers[0], "a server has no server");
		goto out;
	}
	if (!o.server && !servers) {
		tool_usage_error(NULL, "which server? (Start it with --server on another host.)");
		goto out;
	}
	signal(SIGPIPE, SIG_IGN);
	status = o.server ? run_server(&o, argc, argv) : run_client(&o, servers, argc, argv);
out:
	for (const struct poptOption *option = options; option->longName; option++) {
		if (option->argInfo == POPT_ARG_STRING)
			free(*(char **)option->arg);
	}
	poptFreeContext(con);
	return status;
}
