/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* trace.h - tracepoints, seen in /sys/kernel/tracing/events/mitosis and by perf(1). */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mitosis

#if !defined(MITOSIS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MITOSIS_TRACE_H

#include <linux/inet.h>
#include <linux/socket.h>
#include <linux/tracepoint.h>
#include <linux/uuid.h>

TRACE_EVENT(mitosis_fault,
	TP_PROTO(pid_t pid, unsigned long address, unsigned long page, unsigned int kind),
	TP_ARGS(pid, address, page, kind),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(unsigned long, address)
		__field(unsigned long, page)
		__field(unsigned int, kind)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->address = address;
		__entry->page = page;
		__entry->kind = kind;
	),
	TP_printk("pid=%d address=%#lx page=%#lx %s",
		  __entry->pid, __entry->address, __entry->page,
		  __print_symbolic(__entry->kind,
				   { 0, "remote" }, { 1, "absent" }, { 2, "discarded" }))
);

TRACE_EVENT(mitosis_read,
	TP_PROTO(unsigned long page, unsigned int count, unsigned int tries),
	TP_ARGS(page, count, tries),
	TP_STRUCT__entry(
		__field(unsigned long, page)
		__field(unsigned int, count)
		__field(unsigned int, tries)
	),
	TP_fast_assign(
		__entry->page = page;
		__entry->count = count;
		__entry->tries = tries;
	),
	TP_printk("page=%#lx count=%u tries=%u", __entry->page, __entry->count, __entry->tries)
);

TRACE_EVENT(mitosis_complete,
	TP_PROTO(unsigned long page, unsigned int count, int error, u64 ns),
	TP_ARGS(page, count, error, ns),
	TP_STRUCT__entry(
		__field(unsigned long, page)
		__field(unsigned int, count)
		__field(int, error)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->page = page;
		__entry->count = count;
		__entry->error = error;
		__entry->ns = ns;
	),
	TP_printk("page=%#lx count=%u error=%d ns=%llu",
		  __entry->page, __entry->count, __entry->error, __entry->ns)
);

TRACE_EVENT(mitosis_discard,
	TP_PROTO(pid_t pid, unsigned long page, unsigned long count),
	TP_ARGS(pid, page, count),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(unsigned long, page)
		__field(unsigned long, count)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->page = page;
		__entry->count = count;
	),
	TP_printk("pid=%d page=%#lx count=%lu", __entry->pid, __entry->page, __entry->count)
);

TRACE_EVENT(mitosis_connect,
	TP_PROTO(const struct sockaddr *endpoint, int error),
	TP_ARGS(endpoint, error),
	TP_STRUCT__entry(
		__array(u8, endpoint, 28)
		__field(int, error)
	),
	TP_fast_assign(
		memcpy(__entry->endpoint, endpoint, 28);
		__entry->error = error;
	),
	TP_printk("endpoint=%pISpc error=%d", __entry->endpoint, __entry->error)
);

/* The UUID is a capability: its first bytes tell snapshots apart without giving it away. */
TRACE_EVENT(mitosis_release,
	TP_PROTO(const u8 *uuid, u64 pages),
	TP_ARGS(uuid, pages),
	TP_STRUCT__entry(
		__array(u8, uuid, 4)
		__field(u64, pages)
	),
	TP_fast_assign(
		memcpy(__entry->uuid, uuid, 4);
		__entry->pages = pages;
	),
	TP_printk("uuid=%*phN… pages=%llu", 4, __entry->uuid, __entry->pages)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
