// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-rcbench - measures what an RDMA connection costs: its latency step by step, how many can
 * be made per second, and what operations over one cost. One side is the server, the other
 * measures.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid.h>

#include "library.h"
#include "mitosis_ioctl.h"
#include "options.h"
#include "rcbench/kernel.h"
#include "rcbench/report.h"
#include "rcbench/run.h"
#include "rcbench/server.h"
#include "rcbench/sweep.h"
#include "rcbench/target.h"

#define THREADS_MAX	1024u
#define DEPTH_MAX	65536u

/* ---- options ---- */

enum {
	SERVER	= 1 << 0,
	REUSE	= 1 << 1,
	CONNECT	= 1 << 2,
};
static const char *const circumstances[] = {
	"--server", "--reuse: what is in a pool is not made while it is measured", "--op connect",
};

static struct {
	int server, once, reuse, verify, json;
	char *listen, *port, *threads, *depth, *mode, *space, *device, *count, *duration, *rate;
	char *interval, *op, *size, *outstanding, *timeout, *wait, *max_failures, *max_connections;
} o;

static const struct tool_option options[] = {
	{ { "server", 's', POPT_ARG_NONE, &o.server, 0,
	    "be the server, until a signal", NULL },
	  .with = 0 },
	{ { "once", '\0', POPT_ARG_NONE, &o.once, 0,
	    "server: end with a client's run, if no other is under way", NULL },
	  .with = SERVER },
	{ { "listen", 'l', POPT_ARG_STRING, &o.listen, 0,
	    "server: address (default: all)", "ADDRESS" },
	  .with = SERVER },
	{ { "max-connections", '\0', POPT_ARG_STRING, &o.max_connections, 0,
	    "server: at once; more are rejected (default 4096)", "N" },
	  .with = SERVER },
	{ { "port", 'p', POPT_ARG_STRING, &o.port, 0,
	    "port of the connection manager (default 7472)", "PORT" },
	  .with = 0 },
	{ { "threads", 't', POPT_ARG_STRING, &o.threads, 0,
	    "threads (default 1; server: one per processor)", "N[,N...]" },
	  .with = 0 },
	{ { "mode", 'm', POPT_ARG_STRING, &o.mode, 0,
	    "serial, pipelined (default serial; pipelined with --depth)", "MODE[,MODE]" },
	  .without = SERVER | REUSE },
	{ { "depth", 'd', POPT_ARG_STRING, &o.depth, 0,
	    "pipelined: connections under way per thread (default 32); --reuse: in its pool (4)",
	    "N[,N...]" },
	  .without = SERVER },
	{ { "reuse", 'r', POPT_ARG_NONE, &o.reuse, 0,
	    "take connections from a pool instead of making them", NULL },
	  .with = CONNECT, .without = SERVER },
	{ { "verify", 'v', POPT_ARG_NONE, &o.verify, 0,
	    "a message there and back over each; of operations, compare the bytes", NULL },
	  .without = SERVER },
	{ { "op", 'o', POPT_ARG_STRING, &o.op, 0,
	    "connect, read, write, send (default connect)", "OP[,OP...]" },
	  .without = SERVER },
	{ { "size", '\0', POPT_ARG_STRING, &o.size, 0,
	    "of an operation (default 64)", "SIZE[,SIZE...]" },
	  .without = SERVER },
	{ { "outstanding", '\0', POPT_ARG_STRING, &o.outstanding, 0,
	    "operations under way per thread (default 1)", "N[,N...]" },
	  .without = SERVER },
	{ { "space", '\0', POPT_ARG_STRING, &o.space, 0,
	    "user, kernel: who makes the connections (default user)", "SPACE[,SPACE]" },
	  .without = SERVER },
	{ { "device", '\0', POPT_ARG_STRING, &o.device, 0,
	    "RDMA devices (default: as the route says)", "DEV[+DEV...][,DEV...]" },
	  .without = SERVER },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "so many, of all threads (default 1000)", "N" },
	  .without = SERVER },
	{ { "duration", '\0', POPT_ARG_STRING, &o.duration, 0,
	    "so long", "TIME" },
	  .without = SERVER },
	{ { "rate", '\0', POPT_ARG_STRING, &o.rate, 0,
	    "begin so many per second, and measure from that time", "N[,N...]" },
	  .without = SERVER },
	{ { "interval", 'i', POPT_ARG_STRING, &o.interval, 0,
	    "throughput each so often, instead of each connection", "TIME" },
	  .without = SERVER },
	{ { "timeout", '\0', POPT_ARG_STRING, &o.timeout, 0,
	    "longest wait in a step (default 10s)", "TIME" },
	  .with = 0 },
	{ { "wait", 'w', POPT_ARG_STRING, &o.wait, 0,
	    "try so long until the server listens (default: once)", "TIME" },
	  .without = SERVER },
	{ { "max-failures", '\0', POPT_ARG_STRING, &o.max_failures, 0,
	    "end with status 1 after more than these (default 0)", "N" },
	  .without = SERVER },
	{ { "json", 'j', POPT_ARG_NONE, &o.json, 0,
	    "write JSON Lines", NULL },
	  .with = 0 },
	{ TOOL_HEADER_OPTION, .with = 0 },
	TOOL_OPTIONS_END
};

/* ---- the server ---- */

static int run_server(int argc, char **argv)
{
	struct server_options s = { .timeout_ns = 10000000000u, .once = o.once };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t threads = processors > 0 ? (uint64_t)processors : 1, most = 4096;
	uint64_t port = RCBENCH_PORT;
	int status = tool_options_check(options, circumstances, SERVER);

	if (status)
		return status;
	if ((o.port && tool_arg_uint("--port", o.port, 1, 65535, &port)) ||
	    (o.threads && tool_arg_uint("--threads", o.threads, 1, THREADS_MAX, &threads)) ||
	    (o.max_connections && tool_arg_uint("--max-connections", o.max_connections,
						1, DEPTH_MAX, &most)) ||
	    (o.timeout && tool_arg_duration("--timeout", o.timeout, &s.timeout_ns)))
		return STATUS_USAGE;
	if (s.timeout_ns < 10000000)
		return tool_usage_error("--timeout", "%s: must be at least 10ms", o.timeout);
	s.threads = (unsigned int)threads;
	s.max_connections = (unsigned int)most;
	status = devices_open();
	if (status)
		return status;
	if (address_to_listen(o.listen ? o.listen : "", (uint16_t)port, &s.listen))
		return STATUS_FAILED;
	if (record_open(&s.out, stdout, o.json ? RECORD_JSON : RECORD_AUTO, server_columns,
			server_column_count, NULL, argc, argv))
		return STATUS_FAILED;
	status = serve(&s) ? STATUS_FAILED : STATUS_OK;
	if (record_close(s.out))
		status = STATUS_FAILED;
	return status;
}

/* ---- the client ---- */

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

static int parse_lists(struct plan *plan)
{
	static const char *const mode_names[] = { "serial", "pipelined", NULL };
	static const char *const space_names[] = { "user", "kernel", NULL };
	static const char *const op_names[] = { "connect", "read", "write", "send", NULL };
	bool *const mode_flags[] = { &plan->serial, &plan->pipelined };
	bool *const space_flags[] = { &plan->user, &plan->kernel };
	bool *const op_flags[] = {
		&plan->operations[0], &plan->operations[1], &plan->operations[2],
		&plan->operations[3],
	};
	/* A depth makes sense for the one that has one. */
	const char *mode = o.mode ? o.mode : o.depth ? "pipelined" : "serial";

	if (tool_arg_uints("--threads", o.threads ? o.threads : "1", 1, THREADS_MAX,
			   &plan->threads, &plan->thread_count) ||
	    tool_arg_uints("--depth", o.depth ? o.depth : o.reuse ? "4" : "32", 1, DEPTH_MAX,
			   &plan->depths, &plan->depth_count) ||
	    tool_arg_uints("--rate", o.rate ? o.rate : "0", o.rate ? 1 : 0, 1000000000,
			   &plan->rates, &plan->rate_count) ||
	    tool_arg_sizes("--size", o.size ? o.size : "64", &plan->sizes, &plan->size_count) ||
	    tool_arg_uints("--outstanding", o.outstanding ? o.outstanding : "1",
			   1, RCBENCH_OUTSTANDING_MAX,
			   &plan->outstandings, &plan->outstanding_count) ||
	    tool_arg_words("--mode", mode, mode_names, mode_flags) ||
	    tool_arg_words("--space", o.space ? o.space : "user", space_names, space_flags) ||
	    tool_arg_words("--op", o.op ? o.op : "connect", op_names, op_flags))
		return STATUS_USAGE;
	for (size_t i = 0; i < plan->size_count; i++) {
		if (!plan->sizes[i] || plan->sizes[i] > RCBENCH_REGION / 2)
			return tool_usage_error("--size", "%llu: must be from 1 to %u",
						(unsigned long long)plan->sizes[i],
						RCBENCH_REGION / 2);
	}
	return 0;
}

static int parse_limits(struct plan *plan)
{
	if ((o.count && tool_arg_uint("--count", o.count, 1, UINT64_MAX, &plan->count)) ||
	    (o.duration && tool_arg_duration("--duration", o.duration, &plan->duration_ns)) ||
	    (o.interval && tool_arg_duration("--interval", o.interval, &plan->interval_ns)) ||
	    (o.timeout && tool_arg_duration("--timeout", o.timeout, &plan->timeout_ns)) ||
	    (o.wait && tool_arg_duration("--wait", o.wait, &plan->wait_ns)) ||
	    (o.max_failures && tool_arg_uint("--max-failures", o.max_failures,
					     0, UINT64_MAX, &plan->max_failures)) ||
	    (o.port && tool_arg_uint("--port", o.port, 1, 65535, &plan->port)))
		return STATUS_USAGE;
	if (o.duration && !plan->duration_ns)
		return tool_usage_error("--duration", "%s: nothing could be measured", o.duration);
	if (o.interval && plan->interval_ns < 1000000)
		return tool_usage_error("--interval", "%s: must be at least 1ms", o.interval);
	if (plan->timeout_ns < 10000000 || plan->timeout_ns > 3600000000000u)
		return tool_usage_error("--timeout", "%s: must be from 10ms to 1h", o.timeout);
	if (!o.count && !o.duration)
		plan->count = 1000;
	return 0;
}

/* Does what was asked for go together? */
static int check_client(const struct plan *plan)
{
	unsigned int in_force = 0;
	int status;

	in_force |= o.reuse ? REUSE : 0;
	in_force |= plan->operations[OPERATION_CONNECT] ? CONNECT : 0;
	status = tool_options_check(options, circumstances, in_force);
	if (status)
		return status;
	for (enum operation op = OPERATION_READ; op < OPERATIONS; op++) {
		if (plan->kernel && plan->operations[op])
			return tool_usage_error("--space", "kernel goes with --op connect only");
	}
	for (size_t i = 0; i < plan->depth_count; i++) {
		if (plan->kernel && plan->depths[i] > MITOSIS_BENCH_DEPTH_MAX)
			return tool_usage_error("--depth", "%llu: at most %u with --space kernel",
						(unsigned long long)plan->depths[i],
						MITOSIS_BENCH_DEPTH_MAX);
	}
	return 0;
}

static int parse_client(struct plan *plan, const char **servers)
{
	int status = parse_lists(plan);

	if (!status)
		status = parse_limits(plan);
	if (!status)
		status = check_client(plan);
	if (status)
		return status;
	if (names_arguments(&plan->servers, servers)) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		return STATUS_FAILED;
	}
	if (o.device && names_split(&plan->devices, o.device))
		return tool_usage_error("--device", "an empty list");
	return 0;
}

static int measure(struct plan *plan, int argc, char **argv)
{
	int status = devices_open(), err;

	if (status)
		return status;
	if (plan->kernel && kernel_check(plan->user)) {
		plan->kernel = false;
		if (!plan->user)
			return STATUS_SKIP;
	}
	status = STATUS_FAILED;
	uuid_generate_random(plan->run);
	run_catch_signals();
	if (!record_open(&plan->out, stdout, o.json ? RECORD_JSON : RECORD_AUTO, report_columns,
			 report_column_count, NULL, argc, argv)) {
		err = sweep_run(plan);
		status = run_signal ? 128 + run_signal : err ? STATUS_FAILED : STATUS_OK;
		sweep_close(plan);
	}
	return record_close(plan->out) ? STATUS_FAILED : status;
}

static int run_client(const char **servers, int argc, char **argv)
{
	struct plan plan = {
		.timeout_ns = 10000000000u, .port = RCBENCH_PORT,
		.reuse = o.reuse, .verify = o.verify,
	};
	int status = parse_client(&plan, servers);

	if (!status)
		status = measure(&plan, argc, argv);
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

static int run(const char **servers, int argc, char **argv)
{
	if (o.server && servers)
		return tool_usage_error(servers[0], "a server has no server");
	if (!o.server && !servers)
		return tool_usage_error(NULL, "which server? "
					"(Start it with --server on another host.)");
	signal(SIGPIPE, SIG_IGN);
	return o.server ? run_server(argc, argv) : run_client(servers, argc, argv);
}

int main(int argc, char **argv)
{
	static struct tool_info info = {
		.synopsis = "[OPTION...] SERVER[+SERVER...]...\n"
			    "       mitosis-rcbench --server [OPTION...]",
		.columns = report_columns,
		.summary = "Measure what an RDMA connection costs: one record per connection, "
			   "with the time of each step.\n"
			   "Lists are swept, one after the other; what is joined by + is used at "
			   "once.",
		.examples = "  node1$ mitosis-rcbench --server\n"
			    "  node2$ mitosis-rcbench node1 | mitosis-stats\n"
			    "  node2$ mitosis-rcbench node1 --threads 1,2,4,8 --duration 10s "
			    "--interval 1s\n"
			    "  node2$ mitosis-rcbench node1 --mode serial,pipelined --device "
			    "rxe0,rxe0+rxe1\n"
			    "  node2$ mitosis-rcbench node1 --op read,write,send --size 64,4K "
			    "--outstanding 1,16\n",
		.exit_status = "  0; 1 failed, or more failures than --max-failures; "
			       "2 wrong usage; 77 there is no RDMA device,\n"
			       "  or no kernel module for --space kernel; 128 plus the number of a "
			       "signal that ended it\n",
	};
	int status = STATUS_USAGE;
	poptContext con;

	tool_init("mitosis-rcbench");
	mitosis_set_logger(library_log, NULL);
	info.ncolumns = report_column_count;
	con = tool_options_context(argc, argv, options, 0, &info);
	if (tool_next(con) == TOOL_END)
		status = run(poptGetArgs(con), argc, argv);
	poptFreeContext(con);
	return status;
}
