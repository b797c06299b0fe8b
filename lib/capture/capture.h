/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * capture.h - what must be known of a process at the very instant of the snapshot, because a copy
 * of it made by clone(2) would not tell: what the kernel does not copy, and what goes on changing
 * with the parent (the position of an open file and most locks belong to both). All else the shadow
 * reads from itself, later.
 *
 * Filled by the program itself (self.c), or by a tracer that stopped it (outside.c).
 */
#ifndef MITOSIS_CAPTURE_H
#define MITOSIS_CAPTURE_H

#include <stdbool.h>

#include "format/descriptor.h"
#include "frame.h"

#define CAPTURE_FDS_MAX		65536u
#define CAPTURE_TEXTS		(256u << 10)
#define CAPTURE_ROOM		(CAPTURE_FDS_MAX * sizeof(struct capture_position) + CAPTURE_TEXTS)
#define CAPTURE_PIPES_MAX	32u
#define CAPTURE_UNFORKED_MAX	4096u

/* Of an open file that can be sought in, of a socket and of a terminal: all but pipes. */
struct capture_position {
	uint32_t fd;
	uint32_t locks;			/* enum descriptor_file_locks */
	uint64_t position;
	/*
	 * Offset in .texts: lines of fdinfo that only its kind has, or, of a socket, struct
	 * capture_socket, of a terminal struct capture_terminal; 0: none.
	 */
	uint32_t text;
	uint32_t reserved;
};

#define CAPTURE_TEXT_LOST	(~0U)	/* there was no room for them */

enum { CAPTURE_CONNECTED = 1, CAPTURE_ENDED };

enum capture_rings {
	CAPTURE_RINGS		= 1,	/* of io_uring are open */
	/* a thread has numbers of its own for some (IORING_REGISTER_RING_FDS) */
	CAPTURE_RINGS_NUMBERED	= 2,
};

/* Those numbers: calls with them say EBADF, or EINVAL, if there is none. */
#define CAPTURE_RING_NUMBERS	16
#define CAPTURE_ENTER_BY_NUMBER	(1u << 4)	/* IORING_ENTER_REGISTERED_RING, Linux 5.18 */

/* What a program may do next to a socket: listen, connect, give it a name. */
struct capture_socket {
	uint8_t listens;
	uint8_t connected;		/* CAPTURE_CONNECTED, CAPTURE_ENDED; 0: to nobody */
	/* Of its addresses, which follow; none of a stream that is connected. */
	uint8_t name_bytes, peer_bytes;
	uint8_t waiting;		/* something has arrived that was not read */
};

enum {
	CAPTURE_TERMINAL		= 1,	/* always */
	CAPTURE_TERMINAL_PACKETS	= 2,	/* TIOCPKT */
	CAPTURE_TERMINAL_LOCKED		= 4,	/* TIOCSPTLCK */
	CAPTURE_TERMINAL_EXCLUSIVE	= 8,	/* TIOCEXCL */
	CAPTURE_TERMINAL_LEFT		= 16,	/* its other side has been closed */
	CAPTURE_TERMINAL_KNOWN		= 31,
};

/* How a program may set a terminal, of either side of a pseudo-terminal. */
struct capture_terminal {
	uint32_t flags;
	uint32_t unread;		/* bytes */
	uint8_t modes[44];		/* the kernel's struct termios2 */
	uint16_t rows, columns, width, height;
	uint32_t reserved;
};

/* No kind that is carried has a longer one than struct sockaddr_un. */
#define CAPTURE_ADDRESS_MAX	112u

/* A pipe that was not empty and has both ends here: who reads it takes the bytes away. */
struct capture_pipe {
	uint64_t inode;
	uint32_t bytes;
	uint32_t ends;			/* 1: there is a descriptor that reads, 2: that writes */
	int32_t fd;			/* one that reads */
	int32_t copy_fd;		/* a pipe with the same bytes; -1: they could not be had */
};

struct capture_thread {
	struct descriptor_thread state;	/* .extended is not set: */
	const void *extended;		/* state.extended_bytes, as a signal frame has them */
};

struct capture {
	const struct capture_thread *threads;	/* the one that the process is named by first */
	uint32_t thread_count;
	const struct descriptor_signal *signals;	/* pending ones */
	uint32_t signal_count;
	uint64_t signal_pending;	/* for the process; those for a thread are in it */
	/* those that are NOTED: settings_note(); a copy has the others */
	int64_t settings[SETTINGS];
	uint32_t position_count;
	const struct capture_position *positions;	/* ascending by descriptor */
	struct descriptor_timer timers[DESCRIPTOR_TIMERS];
	const struct descriptor_posix_timer *posix_timers;
	uint32_t posix_timer_count;
	/* enum descriptor_process_flags: those that a copy does not show */
	uint32_t process_flags;
	uint32_t pipe_count;
	uint32_t pipes_lost;		/* there were more */
	uint32_t texts_used;
	const char *texts;
	struct capture_pipe pipes[CAPTURE_PIPES_MAX];
	uint32_t socket_count;
	uint32_t sockets_lost;		/* there were more */
	/* inodes of unix sockets that have something to be read */
	uint64_t sockets[CAPTURE_PIPES_MAX];
	uint32_t has_nameless;		/* a file that no name leads to is open, or may be mapped */
	uint32_t rings;			/* enum capture_rings; if not 0, has_nameless is set, too */
	/* CAPTURE_ROOM bytes for both: no part of the snapshot; 0: it lies elsewhere */
	uint64_t room;
	uint64_t monotonic_ns;		/* CLOCK_MONOTONIC */
	/* memory.h */
	uint64_t memory_pages;		/* the size of the parent's memory; 0: not known */
	/* a userfaultfd of its memory, -ENOSYS: there are none in this kernel; else: no such */
	int32_t uffd;
	uint32_t unforked_count;
	/* MADV_DONTFORK there, but not here; ascending */
	const struct descriptor_extent *unforked;
};

/*
 * Note what this process is: arch_save() has written the general registers and the extended state
 * of the call that goes on to where capture_self_registers() and capture_self_extended() say. The
 * caller has blocked all signals; mask is what it had before. 0, or -errno; -ENFILE: it has more
 * open files than can be noted; -EPERM: it is not dumpable, and not root's. Async-signal-safe; one
 * at a time.
 */
int capture_self(struct capture *c, uint64_t mask);
struct arch_registers *capture_self_registers(void);
void *capture_self_extended(void);
/* In the parent, once there is a copy, or none. */
void capture_done(struct capture *c);

/*
 * Open files, as part of it: positions, locks, pipes. proc is "/proc/PID", or that of a thread;
 * pidfd refers to the process, -1: to this one; room has CAPTURE_ROOM bytes. 0 or -errno.
 */
int capture_files(struct capture *c, const char *proc, int pidfd, void *room);

#endif
