/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * mitosis.h - remote fork: prepare a process here, resume children of it anywhere.
 *
 * A process calls mitosis_prepare() and gets a reference back, in a millisecond or so. Whoever
 * holds the reference may become a child of that snapshot with mitosis_resume(), on this machine
 * or on another one, as often as wanted: the child returns from mitosis_prepare() a second time,
 * with the value 1, and fetches its memory as it touches it.
 *
 * Functions that can fail return 0 (or a count) or a negative errno value. The library does not
 * print; it hands text to the logger set with mitosis_set_logger().
 */
#ifndef MITOSIS_H
#define MITOSIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Size of a buffer for any reference: "mitosis://HOST:PORT/UUID" and the closing NUL. */
#define MITOSIS_REF_MAX 320
/* Size of a label and its closing NUL. */
#define MITOSIS_LABEL_MAX 64

/*
 * Argument structures carry their own size, so that they can grow: use the initializers, set the
 * members that matter, leave the rest. A null pointer means the defaults.
 */
struct mitosis_prepare_args {
	uint32_t size;
	uint32_t flags;			/* must be 0 */
	const char *engine;		/* "user", "kernel"; NULL: "kernel" where it can serve, else "user" */
	const char *listen;		/* "ADDRESS", "ADDRESS:PORT" or "[IPV6]:PORT"; NULL: loopback */
	const char *label;		/* shown by mitosis-ls; at most MITOSIS_LABEL_MAX - 1 bytes */
	uint64_t lifetime_s;		/* 0: as long as this process lives; else seconds from now */
};
/* Each member, in order: neither C++ nor a compiler that warns of missing ones takes less. */
#define MITOSIS_PREPARE_ARGS_INIT { sizeof(struct mitosis_prepare_args), 0, NULL, NULL, NULL, 0 }

enum mitosis_mode {
	MITOSIS_MODE_AUTO = 0,		/* demand where the host allows it, else eager (logged) */
	MITOSIS_MODE_DEMAND,		/* a page travels when it is touched */
	MITOSIS_MODE_EAGER,		/* all pages travel before the child runs */
};

#define MITOSIS_RESUME_STRICT	(1u << 0)	/* refuse rather than drop a descriptor */
#define MITOSIS_RESUME_NO_PUSH	(1u << 1)	/* fetch on faults only, nothing in the background */
#define MITOSIS_RESUME_PRIVATE	(1u << 3)	/* engine kernel: share no page with siblings here */
#define MITOSIS_RESUME_POLL	(1u << 4)	/* engine kernel: a faulting thread spins */
#define MITOSIS_RESUME_DISCARD_STDIN (1u << 2)	/* child reads /dev/null; the supervisor drains fd 0 */

struct mitosis_resume_args {
	uint32_t size;
	uint32_t flags;			/* MITOSIS_RESUME_* */
	const char *engine;		/* NULL: what the reference asks for */
	enum mitosis_mode mode;
	uint32_t window;		/* pages fetched per fault, 1..1024; 0: default (32) */
	uint32_t push_percent;		/* share of the pages that the background may bring; 0: 100 */
	uint32_t timeout_ms;		/* longest silence of the parent's host; 0: default (5000) */
	uint32_t reserved;		/* must be 0 */
	/* Working sets: at most one of the two. Both need memory that arrives on demand. */
	const char *record;		/* file for the pages that the child fetches, in order of touch;
					   window is 1 then and nothing is pushed */
	const char *replay;		/* file whose pages are fetched first, in its order */
	/*
	 * Descriptor that gets 8 bytes once the child runs: CLOCK_MONOTONIC in ns, in this host's byte
	 * order. It is closed then, and never the child's. 0: none.
	 */
	uint32_t notify_fd;
	uint32_t reserved2;		/* must be 0 */
	/*
	 * "ADDRESS[,ADDRESS...]", numeric, at most 32: where the reference's host is, tried in this order. NULL:
	 * those that its name stands for.
	 */
	const char *addresses;
};
#define MITOSIS_RESUME_ARGS_INIT { sizeof(struct mitosis_resume_args), 0, NULL, MITOSIS_MODE_AUTO, 0, 0, 0, 0, \
	NULL, NULL, 0, 0, NULL }

/* What a snapshot says of itself. */
struct mitosis_info {
	uint32_t size;
	uint32_t parent_pid;
	uint32_t shadow_pid;
	uint32_t children;		/* descriptors handed out so far */
	uint64_t pages;			/* present in the snapshot */
	uint64_t bytes;			/* the same in bytes */
	uint64_t created_ns;		/* CLOCK_MONOTONIC of that host when prepare was entered */
	uint64_t ready_ns;		/* CLOCK_MONOTONIC of that host when it could serve */
	uint64_t age_ns;
	uint64_t lifetime_ns;		/* 0: bound to the parent */
	uint64_t fetched_pages;		/* sent to children so far, hot pages included */
	char label[MITOSIS_LABEL_MAX];
	char reference[MITOSIS_REF_MAX];
};

/* How a resumed child's memory arrived so far; all zero in a process that is not a child. */
struct mitosis_child_stats {
	uint32_t size;
	uint32_t reserved;
	uint64_t faults;		/* missing-page faults that the pager served */
	uint64_t zero_faults;		/* of these: pages that the parent never had */
	uint64_t fetched_pages;		/* fetched from the snapshot, for whatever reason */
	uint64_t pushed_pages;		/* of these: by the background push */
	uint64_t hot_pages;		/* that came with the descriptor */
	uint64_t missing_pages;		/* still at the parent's host */
	uint64_t page_size;
};

/*
 * Take a snapshot of the calling process, which must have one thread. Returns 0 in the parent with
 * ref filled in, 1 in every resumed child (ref then holds what it held in the parent at the call,
 * or the reference), or a negative errno: -EBUSY more than one thread, -EINVAL arguments,
 * -ENOTSUP unknown engine, -EADDRINUSE and other errors of the listening socket, -ENOMEM or
 * -EAGAIN when the copy cannot be made, or 1024 snapshots of the process are there. Async-signal-safe after a first mitosis_init().
 */
int mitosis_prepare(const struct mitosis_prepare_args *args, char ref[MITOSIS_REF_MAX]);

/* Can this host take snapshots with that engine? 0, or a negative errno whose reason was logged. */
int mitosis_engine_check(const char *engine);

/* Do what allocates memory now, so that mitosis_prepare() may be called from a signal handler. */
int mitosis_init(void);

/*
 * Become a child of a snapshot. On success it does not return: the calling process turns into the
 * supervisor of the child, forwards signals to it and ends as the child ended. Returns a negative
 * errno if the child never came to run; the logger has been told the exact reason.
 */
int mitosis_resume(const char *ref, const struct mitosis_resume_args *args);

/* End a snapshot. Children that still miss pages end with an error. */
int mitosis_release(const char *ref);

/* Ask a snapshot about itself; info->size must be set. */
int mitosis_query(const char *ref, struct mitosis_info *info);

/*
 * Call fn for every snapshot served on this host by the caller's user (root: by any user), until
 * fn returns non-zero, which is then returned.
 */
int mitosis_list(int (*fn)(const struct mitosis_info *info, void *data), void *data);

/* In a resumed child: fetch all that is missing, then depend on nobody. No-op elsewhere. */
int mitosis_drain(void);

/* In a resumed child: how its memory arrived; stats->size must be set. */
int mitosis_stats(struct mitosis_child_stats *stats);

enum mitosis_log_level { MITOSIS_LOG_ERROR = 0, MITOSIS_LOG_WARNING, MITOSIS_LOG_INFO, MITOSIS_LOG_DEBUG };

/* Text for people; NULL switches it off (the default, unless MITOSIS_DEBUG is in the environment). */
void mitosis_set_logger(void (*fn)(enum mitosis_log_level level, const char *text, void *data), void *data);

/* "0.1.0" */
const char *mitosis_version(void);

#ifdef __cplusplus
}
#endif
#endif
