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
	/* "user", "kernel"; NULL: "kernel" where it can serve, else "user" */
	const char *engine;
	/* "ADDRESS", "ADDRESS:PORT" or "[IPV6]:PORT"; NULL: loopback */
	const char *listen;
	/* shown by mitosis-ls; at most MITOSIS_LABEL_MAX - 1 bytes */
	const char *label;
	/* 0: as long as this process lives; else seconds from now */
	uint64_t lifetime_s;
	/*
	 * Most of shared memory that is copied while it stands still, and of deleted files a 16th;
	 * 0: 256 MiB.
	 */
	uint64_t copy_bytes;
};
/* Each member, in order: neither C++ nor a compiler that warns of missing ones takes less. */
#define MITOSIS_PREPARE_ARGS_INIT { sizeof(struct mitosis_prepare_args), 0, NULL, NULL, NULL, 0, 0 }

enum mitosis_mode {
	MITOSIS_MODE_AUTO = 0,		/* demand where the host allows it, else eager (logged) */
	MITOSIS_MODE_DEMAND,		/* a page travels when it is touched */
	MITOSIS_MODE_EAGER,		/* all pages travel before the child runs */
};

/* Which numbers a child's process and threads have. */
enum mitosis_tids {
	/*
	 * same for a parent with several threads, or taken by its number, where the host allows it;
	 * else new, and a warning says why
	 */
	MITOSIS_TIDS_AUTO = 0,
	MITOSIS_TIDS_SAME,		/* its parent's, in a PID namespace of its own */
	MITOSIS_TIDS_NEW,		/* others, as with fork(2) */
};

/* How pages come on demand, with engine user. */
enum mitosis_how {
	MITOSIS_HOW_AUTO = 0,		/* place where that can be, else tcp */
	/*
	 * the parent's shadow, on this host and of the caller's user, puts them into the child
	 * itself; -ENOTSUP, -EACCES: it cannot
	 */
	MITOSIS_HOW_PLACE,
	MITOSIS_HOW_TCP,		/* over the connection, as from another host */
};

/* CLOCK_MONOTONIC and CLOCK_BOOTTIME of a child. */
enum mitosis_clock {
	/*
	 * same where they differ by more than a second and the host allows it; else host, and a
	 * warning says why
	 */
	MITOSIS_CLOCK_AUTO = 0,
	MITOSIS_CLOCK_SAME,		/* its parent's, in a time namespace of its own */
	MITOSIS_CLOCK_HOST,		/* this host's */
};

/* The network that a child's sockets are in, and it itself. */
enum mitosis_net {
	MITOSIS_NET_HOST = 0,		/* the caller's */
	/* a network namespace of its own, with nothing but loopback: every port is free */
	MITOSIS_NET_NEW,
};

/* Refuse rather than let a child be other than its parent. */
#define MITOSIS_RESUME_STRICT		(1u << 0)
/* Fetch on faults only, nothing in the background. */
#define MITOSIS_RESUME_NO_PUSH		(1u << 1)
/* The child reads /dev/null; the supervisor drains descriptor 0. */
#define MITOSIS_RESUME_DISCARD_STDIN	(1u << 2)
/* Engine kernel: share no page with siblings here. */
#define MITOSIS_RESUME_PRIVATE		(1u << 3)
/* Engine kernel: a thread that waits for a page spins. */
#define MITOSIS_RESUME_POLL		(1u << 4)

struct mitosis_resume_args {
	uint32_t size;
	uint32_t flags;			/* MITOSIS_RESUME_* */
	const char *engine;		/* NULL: what the reference asks for */
	enum mitosis_mode mode;
	uint32_t window;		/* pages fetched per fault, 1..1024; 0: default (32) */
	/* share of the pages that the background may bring; 0: 100 */
	uint32_t push_percent;
	/* longest silence of the parent's host; 0: default (5000) */
	uint32_t timeout_ms;
	uint32_t reserved;		/* must be 0 */
	/* Working sets: at most one of the two. Both need memory that arrives on demand. */
	/*
	 * file for the pages that the child fetches, in order of touch; window is 1 then and
	 * nothing is pushed
	 */
	const char *record;
	const char *replay;		/* file whose pages are fetched first, in its order */
	/*
	 * Descriptor that gets 8 bytes once the child runs: CLOCK_MONOTONIC in ns, in this host's
	 * byte order. It is closed then, and never the child's. 0: none.
	 */
	uint32_t notify_fd;
	uint32_t reserved2;		/* must be 0 */
	/*
	 * "ADDRESS[,ADDRESS...]", numeric, at most 32: where the reference's host is, tried in this
	 * order. NULL: those that its name stands for.
	 */
	const char *addresses;
	/*
	 * "OLD=NEW[,OLD=NEW...]": sockets that the parent had bound to a port, "[ADDRESS:]PORT", or
	 * to the path or "@NAME" of a unix socket, and where those of the child are bound instead.
	 * NULL: the same.
	 */
	const char *publish;
	/*
	 * "N=M[,N=M...]": the caller's descriptor M is the child's N, 3 or more, which the parent
	 * had open as well. M, if it is 3 or more, is closed once there is a child. NULL: none.
	 */
	const char *inherit_fds;
	enum mitosis_tids tids;
	enum mitosis_clock clock;
	/*
	 * Which child it is: see mitosis_child_number(). If it cannot be told, the call fails with
	 * ENOENT; a MITOSIS_CHILD without room for its digits is a loss. 0: as many as the
	 * snapshot has had.
	 */
	uint32_t number;
	enum mitosis_net net;
	enum mitosis_how how;
	uint32_t reserved3;		/* must be 0 */
};
#define MITOSIS_RESUME_ARGS_INIT \
	{ sizeof(struct mitosis_resume_args), 0, NULL, MITOSIS_MODE_AUTO, 0, 0, 0, 0, \
	  NULL, NULL, 0, 0, NULL, NULL, NULL, MITOSIS_TIDS_AUTO, MITOSIS_CLOCK_AUTO, 0, \
	  MITOSIS_NET_HOST, MITOSIS_HOW_AUTO, 0 }

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
 * Take a snapshot of the calling process, with all its threads. Returns 0 in the parent with ref
 * filled in, 1 in every resumed child (ref then holds what it held in the parent at the call, or
 * the reference), or a negative errno: -EBUSY a thread that cannot be stopped, -EINVAL arguments,
 * -ENOTSUP unknown engine, -EADDRINUSE and other errors of the listening socket, -ENOMEM or -EAGAIN
 * when the copy cannot be made, or 1024 snapshots of the process are there. Async-signal-safe after
 * a first mitosis_init().
 */
int mitosis_prepare(const struct mitosis_prepare_args *args, char ref[MITOSIS_REF_MAX]);

/*
 * Take a snapshot of another process, threads and all, which need not know of it: it stands still
 * for about a millisecond and goes on. Returns 0 with ref filled in, or a negative errno whose
 * reason was logged: -ESRCH no such process, -EPERM not the caller's to trace (see ptrace(2)),
 * -EBUSY traced by another, or a thread that cannot be stopped, -ENOTSUP a program of another kind;
 * else as mitosis_prepare(). Children do not return from a call: each thread goes on where it was.
 * The calling process must not wait for unknown children meanwhile.
 */
int mitosis_prepare_pid(int pid, const struct mitosis_prepare_args *args,
			char ref[MITOSIS_REF_MAX]);

/* How many functions mitosis_at_resume() takes. */
#define MITOSIS_AT_RESUME_MAX 64

/*
 * Have fn(data) called in every child of later snapshots before mitosis_prepare() returns 1 there,
 * in the order of registration; twice if it is registered twice. In a child of a snapshot that was
 * taken from outside, it is called as a handler of signals is, in the first thread, with all
 * signals blocked, and may do what such a one may. There is no way back, so fn and
 * data stay for as long as the process lives. 0, or -EINVAL (no fn), or -ENOMEM when
 * MITOSIS_AT_RESUME_MAX are registered. For any thread, and async-signal-safe.
 */
int mitosis_at_resume(void (*fn)(void *data), void *data);

/* How many pairs of functions mitosis_at_prepare() takes. */
#define MITOSIS_AT_PREPARE_MAX 64

/*
 * Have before(data) called at the beginning of every later mitosis_prepare(), the last registered
 * first, and after(data) before it returns in the parent, with a snapshot or an error, the first
 * registered first; either may be NULL. Neither runs for a snapshot that is taken from outside, nor
 * may it prepare. Else as mitosis_at_resume().
 */
int mitosis_at_prepare(void (*before)(void *data), void (*after)(void *data), void *data);

/*
 * Which child of its snapshot this process, or the one that it was forked from, is: counted from 1,
 * unless who made it said otherwise; 0 if it is none. Its environment has the same in
 * MITOSIS_CHILD.
 */
unsigned int mitosis_child_number(void);

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

enum mitosis_log_level {
	MITOSIS_LOG_ERROR = 0,
	MITOSIS_LOG_WARNING,
	MITOSIS_LOG_INFO,
	MITOSIS_LOG_DEBUG,
};

/*
 * Text for people; NULL switches it off (the default, unless MITOSIS_DEBUG is in the environment).
 */
void mitosis_set_logger(void (*fn)(enum mitosis_log_level level, const char *text, void *data),
			void *data);

/* "0.1.0" */
const char *mitosis_version(void);

#ifdef __cplusplus
}
#endif
#endif
