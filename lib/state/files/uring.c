// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * uring.c - a ring of io_uring, as it is while the parent stands still: is it at rest?
 *
 * The kernel counts requests and completions. They are equal if each request has had its one
 * completion. A request may have several, or none, and another one be in flight that makes up for
 * that: those that have waited for a file are listed, others (timeouts, futexes, commands of
 * devices) are not. So the entries that are left in the memory of the ring, all requests of the
 * last round, must be of kinds that have one completion and wait for files only.
 */
#include "state/files/uring.h"

FILE_KIND_COMPLETE(uring)

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/numbers.h"
#include "state/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define UNREADABLE	1UL		/* no process has memory there */

struct ring {
	struct uring_state state;
	int fd;
	uint64_t inode;
	uint64_t memory, memory_bytes;	/* where it is mapped; 0: it is not */
	uint64_t sqes, sqes_bytes;
	bool is_odd;			/* a part of it is mapped, or what nobody may read */
};

bool uring_is(const struct descriptor_file *f, const char *path)
{
	return text_is(path, URING_NAME);
}

/* A line that says no more than what is known: "SqMask:	0xff". */
static bool is_understood(const char *line)
{
	static const char known[][24] = {
		"SqMask:", "SqHead:", "SqTail:", "CachedSqHead:", "CqMask:", "CqHead:", "CqTail:",
		"CachedCqTail:", "SQEs:", "CQEs:", "SqThread:", "SqThreadCpu:", "SqTotalTime:",
		"SqWorkTime:", "UserFiles:", "UserBufs:", "PollList:", "CqOverflowList:",
		"NAPI:\tdisabled",
	};

	if (fdinfo_is_common(line))
		return true;
	for (uint32_t i = 0; i < ARRAY_SIZE(known); i++)
		if (fdinfo_line_begins(line, known[i]))
			return true;
	return false;
}

/* "SqMask:\t0x1f": how many entries; 0: not understood. */
static uint32_t entries_of(const char *fdinfo, const char *name, uint32_t most)
{
	const char *p = fdinfo_find(fdinfo, name);
	uint64_t mask;

	if (!p || p[0] != '\t' || p[1] != '0' || p[2] != 'x' || !fdinfo_parse(p + 3, 16, &mask) ||
	    mask >= most || mask & (mask + 1))
		return 0;
	return (uint32_t)mask + 1;
}

static enum uring_why read_fdinfo(const char *fdinfo, struct uring_state *u)
{
	uint64_t head, tail, seen, cq_head, cq_tail, posted, files, buffers;
	const char *thread = fdinfo_find(fdinfo, "SqThread:");

	u->sq_entries = entries_of(fdinfo, "SqMask:", URING_SQ_MAX);
	u->cq_entries = entries_of(fdinfo, "CqMask:", URING_CQ_MAX);
	if (!u->sq_entries || !u->cq_entries || !thread ||
	    !fdinfo_number(fdinfo, "SqHead:", 10, &head) ||
	    !fdinfo_number(fdinfo, "SqTail:", 10, &tail) ||
	    !fdinfo_number(fdinfo, "CachedSqHead:", 10, &seen) ||
	    !fdinfo_number(fdinfo, "CqHead:", 10, &cq_head) ||
	    !fdinfo_number(fdinfo, "CqTail:", 10, &cq_tail) ||
	    !fdinfo_number(fdinfo, "CachedCqTail:", 10, &posted) ||
	    !fdinfo_number(fdinfo, "UserFiles:", 10, &files) ||
	    !fdinfo_number(fdinfo, "UserBufs:", 10, &buffers) ||
	    !fdinfo_find(fdinfo, "PollList:") || !fdinfo_find(fdinfo, "CqOverflowList:"))
		return URING_UNKNOWN;
	if (!fdinfo_line_begins(thread, "\t-1\n"))
		return URING_SQPOLL;
	if (files)
		return URING_FILES;
	if (buffers)
		return URING_BUFFERS;
	if (head != tail || seen != head || cq_head != cq_tail || posted != cq_tail)
		return URING_BUSY;
	/* Of a list that is not empty, and what later kernels have to say. */
	for (const char *line = fdinfo; *line; line = fdinfo_next_line(line))
		if (!is_understood(line))
			return fdinfo_line_begins(line, "  ") ? URING_BUSY : URING_UNKNOWN;
	if (head > cq_tail)
		return URING_BUSY;
	if (head != cq_tail)
		return URING_UNEVEN;
	u->count = (uint32_t)head;
	return URING_IDLE;
}

/*
 * None of these calls changes anything, whatever the ring is. An eventfd would be registered from
 * memory that cannot be read, which the kernel finds out when it knows that there is none yet; and
 * to wait with a set of signals of an impossible size is refused where the kernel would wait, which
 * it does not for a ring that polls.
 */
static enum uring_why ask(int fd)
{
	static const uint64_t no_signals;
	long ret = sys(SYS_io_uring_register, fd, IORING_REGISTER_EVENTFD, UNREADABLE, 1);

	if (ret != -EFAULT)
		return ret == -EBUSY ? URING_EVENTFD : ret == -EEXIST ? URING_OWNED :
		       ret == -EACCES ? URING_RESTRICTED : URING_UNKNOWN;
	/* Who may not use all of it, may use little. */
	if (sys(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS, 0, 0) != -EBADFD ||
	    sys(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, 0, 0) != -EBADFD ||
	    sys(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, 0, 0) != -EINVAL)
		return URING_RESTRICTED;
	ret = sys(SYS_io_uring_enter, fd, 0, 1, IORING_ENTER_GETEVENTS, &no_signals, 1);
	return ret == -EINVAL ? URING_IDLE : ret == -EEXIST ? URING_OWNED :
	       ret == -EBADFD ? URING_RESTRICTED : ret == 0 ? URING_IOPOLL : URING_UNKNOWN;
}

/* Another ring of the same size, for a moment. *has_no_array: has this kernel rings without one? */
static bool ask_layout(struct uring_state *u, bool *has_no_array)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_CQSIZE, .cq_entries = u->cq_entries,
	}, q = { .flags = IORING_SETUP_NO_SQARRAY };
	long fd = sys(SYS_io_uring_setup, u->sq_entries, &p);

	if (fd < 0)
		return false;
	sys(SYS_close, fd);
	fd = sys(SYS_io_uring_setup, 1, &q);
	*has_no_array = fd >= 0;
	if (fd >= 0)
		sys(SYS_close, fd);
	uring_layout_of(&p, &u->layout);
	u->features = p.features;
	return p.sq_entries == u->sq_entries && p.cq_entries == u->cq_entries &&
	       p.features & IORING_FEAT_SINGLE_MMAP;
}

static void find_mapped(struct snapshot *s, struct ring *r)
{
	struct line_reader reader = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *p;

	reader.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	while (reader.fd >= 0 && (p = next_line(&reader))) {
		struct nameless_line l;

		nameless_parse(p, &l);
		if (l.inode != r->inode || !text_is(l.name, URING_NAME))
			continue;
		if (!(l.prot & PROT_READ) || !l.is_shared) {
			r->is_odd = true;
		} else if (l.offset == IORING_OFF_SQES) {
			r->is_odd |= r->sqes && r->sqes_bytes != l.end - l.start;
			r->sqes = l.start;
			r->sqes_bytes = l.end - l.start;
		} else if (l.offset == IORING_OFF_SQ_RING || l.offset == IORING_OFF_CQ_RING) {
			/* It is the same memory, of which who looks for completions needs less. */
			if (l.end - l.start > r->memory_bytes) {
				r->memory = l.start;
				r->memory_bytes = l.end - l.start;
			}
		} else {
			r->is_odd = true;
		}
	}
	r->is_odd |= reader.fd < 0 || reader.failed;
	if (reader.fd >= 0)
		sys(SYS_close, reader.fd);
}

static uint32_t at(const struct ring *r, uint32_t offset)
{
	return __atomic_load_n((const uint32_t *)(r->memory + offset), __ATOMIC_ACQUIRE);
}

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static bool is_zero(uint64_t address, uint64_t bytes)
{
	const uint8_t *p = (const uint8_t *)address;

	for (uint64_t i = 0; i < bytes; i++)
		if (p[i])
			return false;
	return true;
}

/*
 * Which of the requests stands at a place of the queue is said by an array, or is what counts: then
 * there is no array, whose place is zeros. An array of zeros is one that nobody has filled, or that
 * of a program which has one request at a time, at the first place: then the others are empty.
 */
static enum uring_why find_array(const struct ring *r, struct uring_state *u, bool has_no_array)
{
	const struct uring_layout *l = &u->layout;
	uint64_t with = uring_bytes(u), without;

	if (!has_no_array)
		return r->memory_bytes == whole_pages(with) ? URING_IDLE : URING_UNMAPPED;
	u->setup = IORING_SETUP_NO_SQARRAY;
	without = uring_bytes(u);
	if (r->memory_bytes == whole_pages(without) &&
	    whole_pages(without) != whole_pages(with))
		return URING_IDLE;
	if (r->memory_bytes != whole_pages(with))
		return URING_UNMAPPED;
	if (!is_zero(r->memory + l->array, u->sq_entries * sizeof(uint32_t))) {
		u->setup = 0;
		return URING_IDLE;
	}
	/* Where the array would need more memory than is mapped without it, it has an array. */
	if (whole_pages(without) != whole_pages(with) ||
	    (u->count > 1 && u->sq_entries > 1 &&
	     is_zero(r->sqes + sizeof(struct io_uring_sqe), sizeof(struct io_uring_sqe))))
		return URING_ARRAY;
	return URING_IDLE;
}

/*
 * Entries may be twice as large (IORING_SETUP_SQE128, IORING_SETUP_CQE32). The program has mapped
 * what it needs; where that is the same in pages, the second entry tells: the second half of a
 * large one is empty but for commands of devices.
 */
static bool has_plain_sizes(const struct ring *r, const struct uring_state *u)
{
	const uint64_t sqe = sizeof(struct io_uring_sqe), cqe = sizeof(struct io_uring_cqe);
	bool has_two = u->count > 1;
	const uint32_t *array = (const uint32_t *)(r->memory + u->layout.array);
	uint64_t large = u->layout.cqes + 2 * cqe * u->cq_entries;
	bool is_identity = !(u->setup & IORING_SETUP_NO_SQARRAY) && u->sq_entries > 1;

	for (uint32_t i = 0; is_identity && i < u->sq_entries; i++)
		is_identity = array[i] == i;
	if (whole_pages(2 * uring_sqe_bytes(u)) == r->sqes_bytes &&
	    (!has_two || u->sq_entries == 1 || is_zero(r->sqes + sqe, sqe)))
		return false;
	if (is_identity || whole_pages(large) > r->memory_bytes)
		return true;
	return has_two && u->cq_entries > 1 && !is_zero(r->memory + u->layout.cqes + cqe, cqe);
}

/* One completion, and what it waits for is a file, or a disk. */
static bool is_plain(const struct io_uring_sqe *q)
{
	static const uint8_t plain[] = {
		IORING_OP_NOP, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
		IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_OP_SYNC_FILE_RANGE,
		IORING_OP_SENDMSG, IORING_OP_RECVMSG, IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL,
		IORING_OP_CONNECT, IORING_OP_FALLOCATE, IORING_OP_OPENAT, IORING_OP_CLOSE,
		IORING_OP_STATX, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FADVISE,
		IORING_OP_MADVISE, IORING_OP_SEND, IORING_OP_RECV, IORING_OP_OPENAT2,
		IORING_OP_EPOLL_CTL, IORING_OP_SPLICE, IORING_OP_TEE, IORING_OP_SHUTDOWN,
		IORING_OP_RENAMEAT, IORING_OP_UNLINKAT, IORING_OP_MKDIRAT, IORING_OP_SYMLINKAT,
		IORING_OP_LINKAT, IORING_OP_FSETXATTR, IORING_OP_SETXATTR, IORING_OP_FGETXATTR,
		IORING_OP_GETXATTR, IORING_OP_SOCKET,
	};
	bool waits = q->opcode == IORING_OP_SENDMSG || q->opcode == IORING_OP_RECVMSG ||
		     q->opcode == IORING_OP_SEND || q->opcode == IORING_OP_RECV ||
		     q->opcode == IORING_OP_ACCEPT;
	bool polls = q->opcode == IORING_OP_POLL_ADD || q->opcode == IORING_OP_POLL_REMOVE;

	if (q->flags & ~(IOSQE_IO_DRAIN | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC) ||
	    q->personality || (waits && q->ioprio) || (polls && q->len))
		return false;
	for (uint32_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (plain[i] == q->opcode)
			return true;
	return false;
}

static bool has_plain_requests(const struct ring *r, const struct uring_state *u)
{
	const struct io_uring_sqe *sqes = (const void *)r->sqes;
	const struct io_uring_cqe *cqes = (const void *)(r->memory + u->layout.cqes);

	for (uint32_t i = 0; i < u->sq_entries; i++)
		if (!is_plain(&sqes[i]))
			return false;
	for (uint32_t i = 0; i < u->cq_entries; i++)
		if (cqes[i].flags & ~(uint32_t)IORING_CQE_F_SOCK_NONEMPTY)
			return false;
	return true;
}

static bool header_agrees(const struct ring *r, const struct uring_state *u)
{
	const struct uring_layout *l = &u->layout;

	return at(r, l->sq_entries) == u->sq_entries && at(r, l->sq_mask) == u->sq_entries - 1 &&
	       at(r, l->cq_entries) == u->cq_entries && at(r, l->cq_mask) == u->cq_entries - 1 &&
	       at(r, l->sq_head) == u->count && at(r, l->sq_tail) == u->count &&
	       at(r, l->cq_head) == u->count && at(r, l->cq_tail) == u->count;
}

static enum uring_why examine(struct snapshot *s, struct ring *r)
{
	struct uring_state *u = &r->state;
	bool has_no_array;
	enum uring_why why;
	char name[40];
	long n;

	*text_append_number(text_append(name, "/proc/self/fdinfo/"), (uint64_t)r->fd) = '\0';
	n = read_whole(name, s->scratch2, SCRATCH_BYTES - 1);
	s->scratch2[n < 0 ? 0 : n] = '\0';
	why = read_fdinfo(s->scratch2, u);
	if (why)
		return why;
	if (sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0))
		return URING_CONFINED;
	/* Whether it is this one's is not known. */
	if (s->args.capture.rings & CAPTURE_RINGS_NUMBERED)
		return URING_NUMBERED;
	why = ask(r->fd);
	if (why)
		return why;
	if (!ask_layout(u, &has_no_array))
		return URING_UNKNOWN;
	find_mapped(s, r);
	if (r->is_odd || !r->memory || !r->sqes ||
	    r->sqes_bytes != whole_pages(uring_sqe_bytes(u)))
		return URING_UNMAPPED;
	why = find_array(r, u, has_no_array);
	if (why)
		return why;
	if (!header_agrees(r, u))
		return URING_UNKNOWN;
	if (at(r, u->layout.sq_dropped) || at(r, u->layout.sq_flags) ||
	    at(r, u->layout.cq_overflow) || at(r, u->layout.cq_flags))
		return URING_DROPPED;
	if (!has_plain_sizes(r, u))
		return URING_SIZES;
	return has_plain_requests(r, u) ? URING_IDLE : URING_REQUESTS;
}

static bool add(struct snapshot *s, struct ring *r)
{
	const struct uring_state *u = &r->state;
	struct snapshot_uring *noted = &s->urings[s->uring_count];
	uint32_t begin, more;

	if (!add_payload(s, u, sizeof(*u), &begin))
		return false;
	/* Each part is a multiple of 8 bytes long, but for an array. */
	if (!u->why &&
	    (!add_payload(s, (const void *)r->sqes, (uint32_t)uring_sqe_bytes(u), &more) ||
	     !add_payload(s, (const void *)(r->memory + u->layout.cqes),
			  (uint32_t)(uring_bytes(u) - u->layout.cqes), &more)))
		return false;
	*noted = (struct snapshot_uring){ .inode = r->inode, .fd = r->fd, .payload = begin,
					  .payload_bytes = s->n.payload - begin };
	s->uring_count++;
	return true;
}

static struct uring_state *noted_state(struct snapshot *s, uint32_t i)
{
	return (void *)(s->payload + s->urings[i].payload);
}

static void note(struct snapshot *s, int fd)
{
	long self = sys(SYS_getpid), n;
	struct ring r = { .fd = fd };
	char name[40], link[40];
	struct stat st;

	*text_append_number(text_append(name, "/proc/self/fd/"), (uint64_t)fd) = '\0';
	n = sys(SYS_readlinkat, AT_FDCWD, name, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	if (!text_is(link, URING_NAME) || sys(SYS_fstat, fd, &st) < 0)
		return;
	r.inode = st.st_ino;
	for (uint32_t i = 0; i < s->uring_count; i++) {
		if (s->urings[i].inode != r.inode)
			continue;
		if (sys(SYS_kcmp, self, self, KCMP_FILE, s->urings[i].fd, fd))
			noted_state(s, i)->why = URING_TWO;
		return;
	}
	if (s->uring_count == ARRAY_SIZE(s->urings))
		return;
	r.state.why = examine(s, &r);
	add(s, &r);
}

void urings_note(struct snapshot *s)
{
	struct numbers list;
	int fd;

	if (numbers_open(&list, "/proc/self/fd"))
		return;
	while ((fd = numbers_next(&list)) >= 0)
		if (fd != list.fd)
			note(s, fd);
	numbers_close(&list);
}

void urings_forget(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->uring_count; i++)
		noted_state(s, i)->why = URING_UNSEEN;
}

bool uring_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	const struct uring_state unseen = { .why = URING_UNSEEN };

	for (uint32_t i = 0; i < s->uring_count; i++) {
		if (s->urings[i].inode != f->inode)
			continue;
		f->payload = s->urings[i].payload;
		f->payload_bytes = noted_state(s, i)->why ? (uint32_t)sizeof(struct uring_state)
							  : s->urings[i].payload_bytes;
		return true;
	}
	return file_set_payload(s, f, &unseen, sizeof(unseen));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>

bool uring_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct uring_state *u = file_payload(d, f, sizeof(*u));

	if (!u || u->why >= URING_WHY_COUNT)
		return false;
	if (u->why)
		return f->payload_bytes == sizeof(*u);
	return u->sq_entries && u->sq_entries <= URING_SQ_MAX &&
	       !(u->sq_entries & (u->sq_entries - 1)) && u->cq_entries >= u->sq_entries &&
	       u->cq_entries <= URING_CQ_MAX && !(u->cq_entries & (u->cq_entries - 1)) &&
	       !(u->setup & ~IORING_SETUP_NO_SQARRAY) && u->layout.cqes <= PAGE_BYTES &&
	       uring_bytes(u) > u->layout.cqes && u->layout.array <= 1u << 24 &&
	       f->payload_bytes ==
		       sizeof(*u) + uring_sqe_bytes(u) + uring_bytes(u) - u->layout.cqes;
}

int uring_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	int fd = o->urings[file];

	/* What is mapped has one, or there would be no child. */
	if (fd < 0) {
		o->why = uring_why(o->d, f);
		return -ENOENT;
	}
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : file_set_flags(fd, f);
}

#endif
