/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * descriptor.h - all that is known of a snapshot except its pages.
 *
 * The shadow writes it once; a child checks every field before it uses one: what belongs to the
 * format in descriptor.c, what belongs to a kind of state in the file of that kind (state/). All
 * numbers are little-endian and fixed-width; a table is an offset from the start of the descriptor
 * and a number of entries; strings end in NUL inside the string table, and offset 0 is "". A reader
 * refuses another major version; a minor version only adds fields behind the known ones.
 *
 * Addresses are the parent's virtual addresses in bytes, extents count pages of page_size bytes.
 */
#ifndef MITOSIS_DESCRIPTOR_H
#define MITOSIS_DESCRIPTOR_H

#include <stdint.h>

#include "cpu.h"
#include "layout.h"
#include "registers.h"
#include "state/settings.h"

#define DESCRIPTOR_MAGIC	0x3143534544544d4dULL	/* "MMTDESC1" */
#define DESCRIPTOR_MAJOR	3
#define DESCRIPTOR_MINOR	0
#define DESCRIPTOR_MAX		(256u << 20)		/* longest descriptor a child accepts */
#define DESCRIPTOR_HOT_MAX	16384u			/* most pages that travel with it */

/* What process 1 of a namespace that a child got for itself is called. */
#define ENCLOSURE_INIT		"mitosis-init"

/* A UUID in text, another one for each start of a machine. */
#define BOOT_ID			"/proc/sys/kernel/random/boot_id"

/* Whose registers and processor it holds: ARCH_TAG of that processor's layout.h. */
enum descriptor_arch { DESCRIPTOR_X86_64 = 1, DESCRIPTOR_AARCH64 = 2 };

struct descriptor_table {
	uint32_t offset;
	uint32_t count;
};

enum descriptor_vma_flags {
	VMA_FILE	= 1u << 0,	/* .mapped is valid */
	VMA_SHARED	= 1u << 1,
	VMA_STACK	= 1u << 2,	/* the initial stack: restored whole */
	VMA_VDSO	= 1u << 3,	/* vvar or vdso: the kernel maps these */
	VMA_TRAVELS	= 1u << 4,	/* never map the local file: pages come from the snapshot */
	/* MADV_WIPEONFORK: empty after a fork, and so in the snapshot */
	VMA_WIPED	= 1u << 5,
	/* MAP_DROPPABLE (Linux 6.11): that, and the kernel may empty it */
	VMA_DROPPABLE	= 1u << 6,
	/* MAP_GROWSDOWN, as the initial stack: grows when touched below */
	VMA_GROWS_DOWN	= 1u << 7,
	VMA_MAY_WRITE	= 1u << 8,	/* shared and read-only, of what was opened for writing */
	VMA_NAMELESS	= 1u << 9,	/* .mapped is an index into nameless */
	VMA_KNOWN_FLAGS	= (1u << 10) - 1,
};

struct descriptor_vma {
	uint64_t start, end;
	uint64_t offset;		/* in the file, bytes */
	uint32_t mapped;		/* index into mapped */
	uint32_t flags;			/* enum descriptor_vma_flags */
	uint32_t prot;			/* PROT_* */
	uint32_t extents;		/* number of its extents, which are consecutive */
	uint32_t first_extent;
	uint32_t reserved;
};

/* What was advised of an area with madvise(2). */
enum descriptor_advice_kinds {
	/* not only a hint: such memory is not in a core dump */
	ADVICE_NO_DUMP		= 1u << 0,
	ADVICE_RANDOM		= 1u << 1,
	ADVICE_SEQUENTIAL	= 1u << 2,
	ADVICE_HUGE		= 1u << 3,
	ADVICE_NOT_HUGE		= 1u << 4,
	ADVICE_MERGEABLE	= 1u << 5,
	ADVICE_KNOWN		= (1u << 6) - 1,
};

struct descriptor_advice {
	uint64_t start, end;
	uint32_t advice;		/* enum descriptor_advice_kinds */
	uint32_t reserved;
};

/* A run of pages that the snapshot holds of its own (of a file mapping: the modified ones). */
struct descriptor_extent {
	uint64_t start;
	uint64_t pages;
};

#define BUILD_ID_MAX 32
/* A file behind areas, and what tells it from another: see restore/samefile.c for the rule. */
struct descriptor_mapped {
	/* of one that is gone: as far as it is mapped and can be read */
	uint64_t size;
	int64_t mtime_ns;
	uint64_t device, inode;
	uint32_t path;			/* string */
	/* not (or no longer) to be found at that path on the parent's host */
	uint8_t gone;
	uint8_t build_id_length;	/* 0: none */
	/* "gone" only since it had just changed: its time does not tell it from others */
	uint8_t recent;
	uint8_t reserved;
	uint8_t build_id[BUILD_ID_MAX];
};

enum descriptor_nameless_flags {
	NAMELESS_HELD		= 1u << 0,	/* the snapshot has what it held at the instant */
	NAMELESS_ELSEWHERE	= 1u << 1,	/* another process has it too */
	NAMELESS_LARGE		= 1u << 2,	/* it was not copied: it holds too much */
	NAMELESS_SYSV		= 1u << 3,	/* of shmget(2) */
	NAMELESS_KNOWN_FLAGS	= (1u << 4) - 1,
};

/*
 * A file that no name leads to, open or mapped: of memfd_create(2), deleted, or the one behind
 * shared anonymous memory and that of System V.
 */
struct descriptor_nameless {
	uint64_t size;
	uint64_t device, inode;		/* there */
	/* where the snapshot serves its first byte; no area of the parent's lies there */
	uint64_t address;
	uint32_t name;			/* string: what maps and /proc/PID/fd call it */
	uint32_t flags;			/* enum descriptor_nameless_flags */
	uint32_t mode;			/* permissions */
	uint32_t seals;			/* fcntl(2), F_GET_SEALS */
	uint32_t first_run, runs;	/* of its pages, in held; what is between them is zeros */
	/* NAMELESS_ELSEWHERE: a process that has it; 0: nobody knows which */
	uint32_t other;
	uint32_t reserved;
};

enum descriptor_thread_flags {
	/* the one that the process is named by, which has ended before the others */
	THREAD_GONE	= 1u << 0,
	THREAD_SCHEDULED_APART = 1u << 1,	/* not as the first one: that is not carried over */
};

/* All that the kernel keeps of a thread. */
struct descriptor_thread {
	struct arch_registers registers;
	uint64_t tid_address;		/* set_tid_address(2) */
	uint64_t robust_list, robust_list_length;
	uint64_t rseq;			/* 0: not registered */
	uint32_t rseq_length, rseq_signature;
	uint64_t signal_mask;
	/* for it, and not among signals: nothing is known but the number */
	uint64_t signal_pending;
	uint64_t altstack_base, altstack_length;
	uint32_t altstack_flags;
	uint32_t tid;			/* as the parent sees it */
	/* extended register state, as in a signal frame: in payload */
	uint32_t extended, extended_bytes;
	/* enum descriptor_thread_flags; nothing else of one that is gone is valid */
	uint32_t flags;
	uint32_t reserved;
	char name[16];
};

/*
 * The kinds of open files, in the order in which a file is asked whether it is of that kind. A new
 * one is a line before the last, with the next number, and a file state/files/NAME.c; numbers are
 * never used again.
 */
#define DESCRIPTOR_FILE_KINDS(KIND) \
	KIND(FILE_NAMELESS, nameless) \
	KIND(FILE_REGULAR, regular) \
	KIND(FILE_DIRECTORY, directory) \
	KIND(FILE_DEVICE, device) \
	KIND(FILE_PIPE, pipe) \
	KIND(FILE_SOCKETPAIR, socketpair) \
	KIND(FILE_CONNECTION, connection) \
	KIND(FILE_SOCKET, socket) \
	KIND(FILE_EVENTFD, eventfd) \
	KIND(FILE_TIMERFD, timerfd) \
	KIND(FILE_SIGNALFD, signalfd) \
	KIND(FILE_EPOLL, epoll) \
	KIND(FILE_INOTIFY, inotify) \
	KIND(FILE_PTY, pty) \
	KIND(FILE_TERMINAL, terminal) \
	KIND(FILE_URING, uring) \
	KIND(FILE_OTHER, other)		/* none of the others */

enum descriptor_file_kind {
	FILE_OTHER	= 0,
	FILE_REGULAR	= 1,
	FILE_DIRECTORY	= 2,
	FILE_DEVICE	= 3,
	FILE_PIPE	= 4,
	FILE_EVENTFD	= 5,
	FILE_TIMERFD	= 6,
	FILE_SIGNALFD	= 7,
	FILE_EPOLL	= 8,
	FILE_SOCKETPAIR	= 9,
	FILE_CONNECTION	= 14,
	FILE_SOCKET	= 15,
	FILE_NAMELESS	= 20,
	FILE_INOTIFY	= 21,
	FILE_PTY	= 22,
	FILE_TERMINAL	= 23,
	FILE_URING	= 24,
	FILE_KINDS			/* one more than the highest */
};

enum descriptor_file_flags {
	/* opened while the snapshot was taken: its state then is not known */
	FILE_LATE		= 1u << 0,
	FILE_ELSEWHERE		= 1u << 1,	/* another process, which is no copy, has it too */
	FILE_KNOWN_FLAGS	= (1u << 2) - 1,
};

/* What the parent held of a file; nobody else can have it as long as it does. */
enum descriptor_file_locks {
	LOCK_FLOCK		= 1u << 0,	/* flock(2) */
	LOCK_POSIX		= 1u << 1,	/* fcntl(2), F_SETLK; lockf(3) */
	LOCK_OFD		= 1u << 2,	/* fcntl(2), F_OFD_SETLK */
	/* fcntl(2), F_SETLEASE: broken by who opens the file for writing, */
	LOCK_LEASE_READ		= 1u << 3,
	LOCK_LEASE_WRITE	= 1u << 4,	/* or at all */
	LOCK_KNOWN		= (1u << 5) - 1,
};

enum descriptor_owner { OWNER_NONE, OWNER_SELF, OWNER_OTHER };

/* An open file description: what dup(2) shares. */
struct descriptor_file {
	uint32_t kind;			/* enum descriptor_file_kind */
	uint32_t open_flags;		/* O_*, but O_CLOEXEC */
	uint64_t position;
	/* What it is. */
	uint32_t path;			/* string: what /proc/self/fd/N says */
	uint32_t mode;			/* st_mode */
	uint64_t size;
	int64_t mtime_ns;
	uint64_t device, inode;
	uint32_t payload, payload_bytes;	/* of its kind: in payload */
	uint32_t flags;			/* enum descriptor_file_flags */
	uint32_t locks;			/* enum descriptor_file_locks */
	/* enum descriptor_owner: to whom its signal goes (F_SETOWN) */
	uint32_t owner;
	uint32_t signal;		/* F_SETSIG */
};

/* A number that points to one. */
struct descriptor_fd {
	uint32_t fd;
	uint32_t file;			/* index into files */
	uint32_t flags;			/* FD_CLOEXEC */
	uint32_t reserved;
};

/* One that was sent and has not arrived, with what was sent with it. */
struct descriptor_signal {
	uint32_t shared;		/* 1: for the whole process */
	uint32_t thread;		/* else: for this one, an index into threads */
	/* the kernel's siginfo, which begins with the signal's number */
	int32_t info[32];
};

struct descriptor_action {		/* the kernel's struct sigaction */
	uint64_t handler, flags, restorer, mask;
};

struct descriptor_limit {
	uint64_t soft, hard;
};

struct descriptor_timer {
	int64_t interval_s, interval_us, value_s, value_us;
};

#define DESCRIPTOR_CLOCK_MAX	15u		/* the kernel's MAX_CLOCKS */

/* One of timer_create(2). */
struct descriptor_posix_timer {
	uint32_t id, clock;
	uint32_t notify, signal;	/* SIGEV_* */
	uint64_t value;			/* sigev_value */
	uint32_t thread;		/* SIGEV_THREAD_ID: for this one, an index into threads */
	uint32_t reserved;
	int64_t interval_s, interval_ns, value_s, value_ns;	/* as timer_gettime(2) tells */
};

struct descriptor_mm {			/* the kernel's struct prctl_mm_map, first part */
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
};

#define DESCRIPTOR_MASK_WORDS	16		/* up to 1,024 processors, and as many nodes */

/* Where it may run and have memory, as far as it has chosen. */
struct descriptor_scheduling {
	uint64_t cpus[DESCRIPTOR_MASK_WORDS];	/* none: it has not */
	uint64_t nodes[DESCRIPTOR_MASK_WORDS];
	uint32_t policy;		/* set_mempolicy(2); 0: none */
	uint32_t reserved;
};

/* Whose rights it has. */
struct descriptor_credentials {
	uint32_t uid[4], gid[4];	/* real, effective, saved, for files */
	uint32_t groups, group_count;	/* supplementary ones, uint32_t each: in payload */
	/* capabilities, a bit each */
	uint64_t effective, permitted, inheritable, bounding, ambient;
	uint32_t securebits;
	uint32_t dumpable;		/* 0 or 1 */
};

#define DESCRIPTOR_CLOCKS	2		/* CLOCK_MONOTONIC, CLOCK_BOOTTIME */

/* What the clocks of the parent's host said, all at once, in ns. */
struct descriptor_clocks {
	int64_t now[DESCRIPTOR_CLOCKS];
	int64_t realtime;
	int64_t offset[DESCRIPTOR_CLOCKS];	/* what its time namespace has added to them */
};

/* A directory of the parent's host: beside the name, which may lead elsewhere. */
struct descriptor_place {
	uint64_t device, inode;
};

/* The kinds of namespaces, and the numbers of those that a machine starts with (0: any number). */
#define DESCRIPTOR_NAMESPACES(NAMESPACE) \
	NAMESPACE(cgroup, 0xeffffffbU) \
	NAMESPACE(ipc, 0xefffffffU) \
	NAMESPACE(mnt, 0) \
	NAMESPACE(net, 0) \
	NAMESPACE(pid, 0xeffffffcU) \
	NAMESPACE(time, 0xeffffffaU) \
	NAMESPACE(user, 0xeffffffdU) \
	NAMESPACE(uts, 0xeffffffeU)

enum descriptor_namespace {
#define NAMESPACE(name, first) NAMESPACE_##name,
	DESCRIPTOR_NAMESPACES(NAMESPACE)
#undef NAMESPACE
	NAMESPACES
};

enum descriptor_process_flags {
	PROCESS_NO_NEW_PRIVS	= 1u << 0,
	/* which descriptors share an open file is not known */
	PROCESS_FILES_UNCOMPARED = 1u << 1,
	PROCESS_STOPPED		= 1u << 2,	/* by a signal; it waits for SIGCONT */
	PROCESS_CHROOTED = 1u << 3,	/* its root directory is not that of its mount namespace */
	/* it is a child itself, in namespaces made for it alone (restore/enclosure.c) */
	PROCESS_ENCLOSED = 1u << 5,
	PROCESS_LEADS		= 1u << 6,	/* its process group is named by it */
	/* it has functions that run in its children: mitosis_at_resume() */
	PROCESS_SEES_TO_CHILDREN = 1u << 4,
};

#define DESCRIPTOR_SIGNALS	64
#define DESCRIPTOR_PENDING_MAX	1152u
#define DESCRIPTOR_POSIX_TIMERS_MAX 512u
#define DESCRIPTOR_LIMITS	16
#define DESCRIPTOR_TIMERS	3
#define NAMELESS_MAX		4096u

/*
 * The tables: name, entry, and how many the shadow has room for (an untouched one costs nothing).
 * The header, the writer, the checker and the server are made of this list. Vmas and extents come
 * first, since the largest are sent in place.
 */
#define DESCRIPTOR_TABLES(TABLE) \
	TABLE(vmas, struct descriptor_vma, 65536u)	/* vm.max_map_count is 65530 by default */ \
	TABLE(extents, struct descriptor_extent, 8u << 20) \
	TABLE(hot, struct descriptor_extent, DESCRIPTOR_HOT_MAX) \
	/* MADV_GUARD_INSTALL (Linux 6.13), ascending */ \
	TABLE(guards, struct descriptor_extent, 65536u) \
	TABLE(advice, struct descriptor_advice, 65536u)	/* ascending */ \
	TABLE(unforked, struct descriptor_extent, 4096u)	/* MADV_DONTFORK, ascending */ \
	TABLE(mapped, struct descriptor_mapped, 8192u) \
	TABLE(nameless, struct descriptor_nameless, NAMELESS_MAX) \
	/* of nameless, each file's consecutive and ascending */ \
	TABLE(held, struct descriptor_extent, 262144u) \
	/* the one that the process is named by first */ \
	TABLE(threads, struct descriptor_thread, 16384u) \
	/* in the order of their arrival */ \
	TABLE(signals, struct descriptor_signal, DESCRIPTOR_PENDING_MAX) \
	/* ascending by id */ \
	TABLE(posix_timers, struct descriptor_posix_timer, DESCRIPTOR_POSIX_TIMERS_MAX) \
	TABLE(files, struct descriptor_file, 65536u) \
	TABLE(fds, struct descriptor_fd, 65536u)	/* ascending */ \
	TABLE(auxv, uint64_t, 128u) \
	TABLE(payload, uint8_t, 64u << 20) \
	TABLE(strings, char, 8u << 20)

struct descriptor {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t arch;			/* enum descriptor_arch */
	uint64_t length;		/* of the whole, bytes */
	uint64_t user_end;		/* one past the highest user address there */
	uint32_t page_size;
	uint32_t umask;

#define TABLE(name, type, max) struct descriptor_table name;
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE

	struct mitosis_cpu cpu;
	char boot[36];			/* BOOT_ID of the parent's host; zeros: not known */
	uint32_t reserved;
	uint64_t permissions;		/* register states it may use: arch_permissions() */
	uint64_t child_state;		/* struct child_state of the parent; 0: it has none */

	struct descriptor_mm mm;
	uint64_t vdso_start, vdso_length;	/* vvar and vdso as one range */
	uint64_t vdso_image, vdso_image_length;	/* the code alone */
	uint64_t vdso_hash;

	struct descriptor_action actions[DESCRIPTOR_SIGNALS];
	struct descriptor_limit limits[DESCRIPTOR_LIMITS];
	struct descriptor_timer timers[DESCRIPTOR_TIMERS];
	uint64_t signal_pending;	/* for the whole process, and not among signals */
	struct descriptor_credentials credentials;
	struct descriptor_scheduling scheduling;
	int64_t settings[SETTINGS];	/* settings.h */
	struct descriptor_place root, directory;	/* its root directory, and that of cwd */
	uint64_t namespaces[NAMESPACES];	/* inode of /proc/self/ns/NAME; 0: not known */
	uint32_t label;			/* string: what a security module calls it; "": nothing */
	uint32_t shadow;		/* the shadow's number, as it sees itself */
	uint32_t cwd, exe;		/* strings */
	uint64_t pages;			/* in all extents */
	uint64_t hot_pages;		/* in all hot extents */
	uint32_t process_flags;		/* enum descriptor_process_flags */
	uint32_t seccomp_filters;	/* how many confine it; they cannot be carried over */

	/* Where the kernel module serves the pages, struct sockaddr_in or sockaddr_in6. */
	uint8_t rdma_address[28];
	uint32_t rdma_address_length;	/* 0: pages come over this connection only */

	struct descriptor_clocks clocks;

	/* For state/inside.c. */
	uint64_t entry;			/* struct child_entry (entry.h); 0: it has none */
	/*
	 * what is behind "MITOSIS_CHILD=" in the environment that it was started with; 0: nothing
	 */
	uint64_t variable;
	uint32_t variable_bytes;	/* up to its NUL */
	uint32_t reserved2;
};

/*
 * Filled in by the restorer in the memory of a resumed child: what its libmitosis needs to talk
 * to the supervisor. All zero in a process that is no child.
 */
struct child_state {
	int32_t is_child;
	int32_t control_fd;
	/* kept open so that a lost pager blocks instead of giving zeros */
	int32_t uffd;
	int32_t supervisor;
	/* engine kernel: the module fills its memory, no pager does */
	int32_t is_remote;
	int32_t remote_fd;		/* then: the file behind it */
	int32_t is_detached;		/* it was, and is the process's own now */
	/* IS_CHILD: the thread that made the snapshot has not seen yet what it is */
	int32_t is_new;
	int32_t reserved;
	uint32_t tail_bytes;		/* what is left of the restorer's memory; 0: nothing */
	uint64_t tail;
};

/* In child_state.is_new, while a snapshot is made. */
enum { IS_UNKNOWN, IS_CHILD };

/* 0, or -EPROTO with a sentence about the first thing that is wrong with the format. */
int descriptor_check(const void *data, uint64_t length, const char **why);

static inline const void *descriptor_at(const struct descriptor *d, struct descriptor_table t)
{
	return (const char *)d + t.offset;
}

static inline const char *descriptor_string(const struct descriptor *d, uint32_t offset)
{
	return (const char *)d + d->strings.offset + offset;
}

/* The table ends in NUL, so any offset inside is a terminated string. */
static inline int descriptor_has_string(const struct descriptor *d, uint32_t offset)
{
	return offset < d->strings.count;
}

static inline const void *descriptor_payload(const struct descriptor *d, uint32_t offset)
{
	return (const char *)d + d->payload.offset + offset;
}

static inline int descriptor_has_payload(const struct descriptor *d, uint32_t offset,
					 uint32_t bytes)
{
	return offset <= d->payload.count && bytes <= d->payload.count - offset;
}

static inline int descriptor_is_user(uint64_t address)
{
	return address >= PAGE_BYTES && address < USER_END;
}

/* 64-bit FNV-1a over words: equal vDSO images hash equal, which is all that is asked of it. */
static inline uint64_t descriptor_hash(const void *data, uint64_t bytes)
{
	const uint64_t *word = data;
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (uint64_t i = 0; i < bytes / 8; i++)
		hash = (hash ^ word[i]) * 0x100000001b3ULL;
	return hash;
}

#endif
