/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * mitosis_ioctl.h - what user space may ask of /dev/mitosis, version 1.
 *
 * Two kinds of file descriptors:
 *
 *   /dev/mitosis            INFO, SNAPSHOT, RELEASE, OPEN, BENCH
 *   the result of OPEN      mmap(MAP_PRIVATE), pread, poll; STATE, PREFETCH, NEXT, RECORDED
 *
 * A process that issues SNAPSHOT makes a snapshot of its own memory, which lives as long as that
 * open file of /dev/mitosis. A file from OPEN is the memory of a snapshot of another host: the file
 * offset is the virtual address in the process that was prepared.
 *
 * Rules for all structures: .size is sizeof() of the caller's version and may grow; fields are
 * fixed-width, little-endian as the processor is; unknown flags and non-zero reserved fields give
 * EINVAL, as does a structure smaller than version 1's; one with unknown non-zero bytes, or larger
 * than a page, gives E2BIG, and an unknown command ENOTTY.
 */
#ifndef MITOSIS_IOCTL_H
#define MITOSIS_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MITOSIS_DEVICE_PATH	"/dev/mitosis"
#define MITOSIS_ABI_VERSION	1
#define MITOSIS_WINDOW_MAX 512 /* pages fetched at a fault; 0 and 1: that one alone */
#define MITOSIS_WINDOW_DEFAULT	0xffffffffU	/* the module parameter decides */
#define MITOSIS_TIMEOUT_MAX_MS	3600000U
#define MITOSIS_RANGES_MAX	(1U << 20)	/* in one call */

/* Pages of a snapshot: start in bytes, a multiple of the page size. */
struct mitosis_ioc_range {
	__u64 start;
	__u64 pages;
};

/* An IPv4 or IPv6 endpoint of the RDMA connection manager: struct sockaddr_in or sockaddr_in6. */
struct mitosis_ioc_endpoint {
	__u8 sockaddr[28];
	__u32 length;				/* bytes used; 0: none */
};

/* MITOSIS_IOC_INFO. ENODEV is reported in .error, so that INFO itself works without RDMA. */
struct mitosis_ioc_info {
	__u32 size;
	__u32 flags;				/* 0 */
	__u32 abi_version;			/* out: MITOSIS_ABI_VERSION */
	__u32 protocol_version;			/* out: spoken with other hosts */
	/* out: 0, or why no snapshot can be served: -ENODEV … */
	__s32 error;
	__u32 reserved;
	struct mitosis_ioc_endpoint endpoint;	/* out: where peers reach this host */
	char device[64];			/* out: RDMA device, NUL-terminated */
	char version[32];			/* out: of the module */
};

/* MITOSIS_IOC_SNAPSHOT: EEXIST if this file has one already, ENODEV without RDMA device. */
struct mitosis_ioc_snapshot {
	__u32 size;
	__u32 flags;				/* 0 */
	__u8 uuid[16];				/* name and capability */
	__u64 ranges; /* struct mitosis_ioc_range *, ascending, disjoint */
	__u32 range_count;
	__u32 reserved;
	__u64 pages;				/* out: pages held */
	__u64 table_bytes;			/* out: what a child's host reads to know them */
	struct mitosis_ioc_endpoint endpoint;	/* out */
};

/* MITOSIS_IOC_RELEASE takes no argument: when it returns, no peer can read the snapshot. */

#define MITOSIS_OPEN_PRIVATE	(1U << 0)	/* share no page with siblings on this host */
#define MITOSIS_OPEN_POLL	(1U << 1)	/* a faulting thread spins instead of sleeping */
#define MITOSIS_OPEN_RECORD (1U << 2) /* note the pages in the order of their first touch */

/*
 * MITOSIS_IOC_OPEN returns a new descriptor (close-on-exec). ENOENT no such snapshot there,
 * ECONNREFUSED nobody listens, EPROTO another protocol, ETIMEDOUT, ENODEV, EHOSTUNREACH,
 * ENETUNREACH.
 */
struct mitosis_ioc_open {
	__u32 size;
	__u32 flags;				/* MITOSIS_OPEN_* */
	__u8 uuid[16];
	struct mitosis_ioc_endpoint endpoint;
	/* 0..MITOSIS_WINDOW_MAX or MITOSIS_WINDOW_DEFAULT */
	__u32 window;
	__u32 timeout_ms; /* longest wait for a page, about: a second at least for one
						   that is under way; 0: the module parameter */
};

/* MITOSIS_IOC_STATE: counters of this file, and why its memory cannot be had any more. */
struct mitosis_ioc_state {
	__u32 size;
	__s32 error;				/* 0, or final: -ENOENT released, -ETIMEDOUT … */
	__u64 pages;				/* of the snapshot */
	/* that had to wait for the network or fill a page */
	__u64 faults;
	/* of these: pages the snapshot lacks or the child discarded */
	__u64 zero_faults;
	__u64 read_pages;			/* fetched on behalf of this file */
	__u64 read_requests;			/* RDMA READs for them */
	__u64 discarded_pages;
	/* of the snapshot on this host now, whoever fetched them */
	__u64 cached_pages;
	/* of the first page that could not be had; 0: none */
	__u64 lost_address;
};

/* MITOSIS_IOC_PREFETCH: fetch in the given order; returns when all is under way or interrupted. */
struct mitosis_ioc_prefetch {
	__u32 size;
	__u32 flags;				/* 0 */
	__u64 ranges;				/* struct mitosis_ioc_range * */
	__u32 range_count;
	__u32 reserved;
	/* out: pages that were not there and were asked for */
	__u64 pages;
};

/*
 * MITOSIS_IOC_NEXT: the first run of pages at or behind .start that the snapshot holds and the
 * calling process has not discarded; .pages 0 and .start 0: none.
 */
struct mitosis_ioc_next {
	__u32 size;
	__u32 flags;				/* 0 */
	__u64 start;
	__u64 pages;				/* out */
};

/* MITOSIS_IOC_RECORDED: addresses of the pages touched so far, in order (MITOSIS_OPEN_RECORD). */
struct mitosis_ioc_recorded {
	__u32 size;
	__u32 flags;				/* 0 */
	__u64 first;				/* skip so many */
	__u64 addresses;			/* __u64 * */
	__u64 count;				/* in: room, out: written */
	__u64 total;				/* out: recorded so far */
};

#define MITOSIS_BENCH_COUNT_MAX	(1U << 16)
#define MITOSIS_BENCH_DEPTH_MAX	1024U

#define MITOSIS_BENCH_VERIFY \
	(1U << 0) /* a message of 64 bytes, the answer to which is its complement */
#define MITOSIS_BENCH_REUSE (1U << 1) /* make depth connections and take one of them, count times */

/* Steps of a connection; what step n took is .ns[n] if bit n of .steps is set. */
enum mitosis_bench_step {
	MITOSIS_BENCH_CREATE_ID,
	MITOSIS_BENCH_RESOLVE_ADDR,
	MITOSIS_BENCH_RESOLVE_ROUTE,
	MITOSIS_BENCH_CREATE_QP,
	MITOSIS_BENCH_CONNECT,
	MITOSIS_BENCH_VERIFY_MESSAGE,
	MITOSIS_BENCH_DISCONNECT,
	MITOSIS_BENCH_DESTROY,
	MITOSIS_BENCH_STEPS
};

/* One connection that was made; or, with no bit in .steps, one that was taken from the pool. */
struct mitosis_ioc_bench_sample {
	__u64 ns[MITOSIS_BENCH_STEPS];
	__u64 total_ns;				/* from the intended start */
	__u64 late_ns;				/* part of it: before it began */
	__u32 steps;
	/* 0, or why it failed: -ECONNREFUSED, -EPROTO rejected, … */
	__s32 error;
};

/*
 * MITOSIS_IOC_BENCH: a kernel thread makes connections of the RDMA connection manager (port space
 * TCP, reliable connections) to a server and ends them again, to find out what that costs. Times
 * are of CLOCK_MONOTONIC. A signal ends it early and is no error: .done says what was measured.
 */
struct mitosis_ioc_bench {
	__u32 size;
	__u32 flags;				/* MITOSIS_BENCH_* */
	struct mitosis_ioc_endpoint to;
	/* length 0: as the route says; its port is ignored */
	struct mitosis_ioc_endpoint from;
	__u8 private_data[56];			/* of each request */
	__u32 private_data_length;
	/* under way at once, or in the pool; to MITOSIS_BENCH_DEPTH_MAX */
	__u32 depth;
	/* longest wait in a step; to MITOSIS_TIMEOUT_MAX_MS */
	__u32 timeout_ms;
	__u32 failures_max;			/* after more than these none is begun */
	__u64 count;				/* to MITOSIS_BENCH_COUNT_MAX */
	/* intended start of the first, where period_ns is not 0 */
	__u64 first_ns;
	/* from one intended start to the next; 0: as fast as they end */
	__u64 period_ns;
	__u64 until_ns;				/* none is begun later; 0: no such limit */
	__u64 samples; /* struct mitosis_ioc_bench_sample *, room for count, in a pool + depth */
	/* out: samples written, in the order of their end */
	__u64 done;
};

#define MITOSIS_IOC_INFO	_IOWR(0xB6, 0x01, struct mitosis_ioc_info)
#define MITOSIS_IOC_SNAPSHOT	_IOWR(0xB6, 0x02, struct mitosis_ioc_snapshot)
#define MITOSIS_IOC_RELEASE	_IO(0xB6, 0x03)
#define MITOSIS_IOC_OPEN	_IOW(0xB6, 0x04, struct mitosis_ioc_open)
#define MITOSIS_IOC_BENCH	_IOWR(0xB6, 0x05, struct mitosis_ioc_bench)
#define MITOSIS_IOC_STATE	_IOWR(0xB6, 0x10, struct mitosis_ioc_state)
#define MITOSIS_IOC_PREFETCH	_IOWR(0xB6, 0x11, struct mitosis_ioc_prefetch)
#define MITOSIS_IOC_NEXT	_IOWR(0xB6, 0x12, struct mitosis_ioc_next)
#define MITOSIS_IOC_RECORDED	_IOWR(0xB6, 0x13, struct mitosis_ioc_recorded)

#endif
