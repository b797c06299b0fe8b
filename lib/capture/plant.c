// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * plant.c - a copy that was made by a tracer becomes a shadow.
 *
 * The shadow's program and all that was noted lie in one range of the copy's memory, which is no
 * part of the snapshot: the code first, then the data, a page without any access on either side so
 * that the kernel joins them with nothing. Descriptors travel over a pair of sockets that the copy
 * makes, whichever namespaces it is in.
 */
#include "capture/plant.h"
#include "pie/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace.h"

#define STACK		(16u << 10)
#define GIVEN_MAX	(5 + CAPTURE_PIPES_MAX)

struct planting {
	struct tracee *copy;
	struct tracee_space space;
	char *why;
};

static int fail(const struct planting *p, int err, const char *what)
{
	snprintf(p->why, PLANT_WHY_MAX, "%s: %s", what, strerror(-err));
	return err;
}

/* A call that must succeed. */
#define call(p, result, number, ...) \
	call_(p, result, #number, SYS_##number, TRACEE_ARGS_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0))
static int call_(const struct planting *p, long *result, const char *name, long nr,
		 const uint64_t args[6])
{
	int err = tracee_call6(p->copy, &p->space, result, nr, args);

	if (!err && SYS_FAILED(*result))
		err = (int)*result;
	return err ? fail(p, err, name) : 0;
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* ---- what was noted, as it will lie there ---- */

struct luggage {
	uint8_t *bytes;
	uint64_t used, at;		/* at: its address in the copy */
};

/* Room for a thing, or a copy of it; returns its address in the copy. */
static uint64_t pack(struct luggage *l, const void *thing, uint64_t bytes)
{
	uint64_t at = l->used;

	if (l->bytes && thing)
		memcpy(l->bytes + at, thing, bytes);
	l->used = (at + bytes + 63) & ~63ULL;
	return l->at + at;
}

/*
 * Everything in its order; without .bytes only .used is computed. Returns the address of the
 * arguments.
 */
static uint64_t pack_all(struct luggage *l, const struct shadow_args *job)
{
	const struct capture *c = &job->capture;
	uint64_t args = pack(l, job, sizeof(*job));
	uint64_t threads = pack(l, c->threads, c->thread_count * sizeof(*c->threads));
	struct shadow_args *there = (void *)l->bytes;

	for (uint32_t i = 0; i < c->thread_count; i++) {
		uint64_t state = pack(l, c->threads[i].extended,
				      c->threads[i].state.extended_bytes);
		struct capture_thread *t = l->bytes ? (void *)(l->bytes + (threads - l->at)) : NULL;

		if (t)
			t[i].extended = (const void *)state;
	}
	uint64_t positions = pack(l, c->positions, c->position_count * sizeof(*c->positions));
	uint64_t texts = pack(l, c->texts, c->texts_used);
	uint64_t unforked = pack(l, c->unforked, c->unforked_count * sizeof(*c->unforked));
	uint64_t signals = pack(l, c->signals, c->signal_count * sizeof(*c->signals));
	uint64_t timers = pack(l, c->posix_timers, c->posix_timer_count * sizeof(*c->posix_timers));

	if (there) {
		there->capture.threads = (const void *)threads;
		there->capture.positions = (const void *)positions;
		there->capture.texts = (const void *)texts;
		there->capture.unforked = (const void *)unforked;
		there->capture.signals = (const void *)signals;
		there->capture.posix_timers = (const void *)timers;
	}
	return args;
}

/* ---- descriptors ---- */

struct parcel {				/* a message as recvmsg(2) takes it there */
	struct msghdr header;
	struct iovec vector;
	union {
		char bytes[CMSG_SPACE(GIVEN_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
};

/* Send ours through the end of the pair that we have fetched. */
static int send_descriptors(int through, const int *fds, uint32_t count)
{
	struct parcel p = { .byte = 1 };
	struct cmsghdr *c;

	p.vector = (struct iovec){ &p.byte, 1 };
	p.header = (struct msghdr){
		.msg_iov = &p.vector, .msg_iovlen = 1, .msg_control = &p.control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	c = CMSG_FIRSTHDR(&p.header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	return sendmsg(through, &p.header, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* scratch: memory there, for a while. The numbers that they have there. */
static int give_descriptors(const struct planting *p, uint64_t scratch, const int *fds,
			    uint32_t count, int *there)
{
	uint64_t at = scratch;
	struct parcel parcel = { 0 };
	int pair[2], pidfd, end, err;
	long ret;

	err = call(p, &ret, socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scratch);
	if (!err)
		err = tracee_read(&p->space, scratch, pair, sizeof(pair));
	if (err)
		return err;
	pidfd = (int)syscall(SYS_pidfd_open, p->copy->tid, 0);
	end = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, pair[1], 0);
	err = end < 0 ? fail(p, -errno, "pidfd_getfd") : send_descriptors(end, fds, count);
	if (pidfd >= 0)
		close(pidfd);
	if (end >= 0)
		close(end);
	if (err)
		return err;
	parcel.vector = (struct iovec){ (void *)(at + offsetof(struct parcel, byte)), 1 };
	parcel.header = (struct msghdr){
		.msg_iov = (void *)(at + offsetof(struct parcel, vector)),
		.msg_iovlen = 1,
		.msg_control = (void *)(at + offsetof(struct parcel, control)),
		.msg_controllen = sizeof(parcel.control),
	};
	err = tracee_write(&p->space, at, &parcel, sizeof(parcel));
	if (!err)
		err = call(p, &ret, recvmsg, pair[0], at, MSG_CMSG_CLOEXEC);
	if (!err)
		err = tracee_read(&p->space, at, &parcel, sizeof(parcel));
	if (err)
		return err;
	if (parcel.header.msg_flags & MSG_CTRUNC ||
	    parcel.control.align.cmsg_len != CMSG_LEN(count * sizeof(int)))
		return fail(p, -EMFILE, "its descriptors (RLIMIT_NOFILE)");
	memcpy(there, CMSG_DATA(&parcel.control.align), count * sizeof(int));
	for (int i = 0; i < 2 && !err; i++)
		err = call(p, &ret, close, pair[i]);
	return err;
}

/* Those of the job, where it has not got them yet, and what was opened meanwhile. */
static int give_all(const struct planting *p, uint64_t scratch, struct shadow_args *job, bool give)
{
	int32_t *places[GIVEN_MAX];
	int fds[GIVEN_MAX], there[GIVEN_MAX];
	uint32_t count = 0;
	int err;

	if (give) {
		int32_t *of_job[] = { &job->listen_fd, &job->device_fd, &job->parent_fd,
				      &job->outcome_fd };

		for (uint32_t i = 0; i < sizeof(of_job) / sizeof(of_job[0]); i++)
			if (*of_job[i] >= 0)
				places[count++] = of_job[i];
	}
	if (job->held_fd[1] >= 0)
		places[count++] = &job->held_fd[1];
	job->held_fd[0] = -1;
	for (uint32_t i = 0; i < job->capture.pipe_count; i++)
		if (job->capture.pipes[i].copy_fd >= 0)
			places[count++] = &job->capture.pipes[i].copy_fd;
	for (uint32_t i = 0; i < count; i++)
		fds[i] = *places[i];
	err = count ? give_descriptors(p, scratch, fds, count, there) : 0;
	for (uint32_t i = 0; i < count; i++)
		*places[i] = err ? -1 : there[i];
	return err;
}

/* ---- */

/* *code and *data: in one range, which begins at *range and has *length bytes. */
static int make_room(const struct planting *p, uint64_t code_bytes, uint64_t data_bytes,
		     uint64_t *range, uint64_t *length, uint64_t *code, uint64_t *data)
{
	long ret;
	int err;

	*length = code_bytes + data_bytes + 3 * PAGE_BYTES;
	err = call(p, &ret, mmap, 0, *length, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (err)
		return err;
	*range = (uint64_t)ret;
	*code = *range + PAGE_BYTES;
	*data = *code + code_bytes + PAGE_BYTES;
	err = call(p, &ret, mmap, *code, code_bytes, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (!err)
		err = call(p, &ret, mprotect, *data, data_bytes, PROT_READ | PROT_WRITE);
	return err;
}

int plant(struct tracee *copy, const struct tracee_space *space, const struct shadow_args *job,
	  struct workspace *memory, bool give, char why[PLANT_WHY_MAX])
{
	const uint64_t blob = (uint64_t)(mitosis_restorer_blob - mitosis_shadow_blob);
	struct planting p = { .copy = copy, .space = *space, .why = why };
	struct luggage l = { 0 };
	struct shadow_args args = *job;
	struct arch_registers r;
	uint64_t code, data, at;
	char path[40];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/mem", copy->tid);
	p.space.memory = open(path, O_RDWR | O_CLOEXEC);
	if (p.space.memory < 0)
		return fail(&p, -errno, path);
	pack_all(&l, &args);
	l.bytes = workspace_take(memory, l.used);
	err = l.bytes ? make_room(&p, page_up(blob), page_up(l.used) + STACK, &args.luggage,
				  &args.luggage_bytes, &code, &data)
		      : fail(&p, -ENOMEM, "what was noted");
	if (!err)
		err = give_all(&p, data, &args, give);
	if (!err) {
		l.used = 0;
		l.at = data;
		at = pack_all(&l, &args);
		err = tracee_write(&p.space, data, l.bytes, l.used);
	}
	if (!err)
		err = tracee_write(&p.space, code, mitosis_shadow_blob, blob);
	if (!err)
		err = tracee_registers(copy, &r);
	if (!err) {
		trace_enter(&r, code, at, data + page_up(l.used) + STACK);
		err = tracee_set_registers(copy, &r);
	}
	if (!err)
		err = tracee_release(copy);
	if (err && !*why)
		fail(&p, err, "its memory");
	close(p.space.memory);
	return err;
}
