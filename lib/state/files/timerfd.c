// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * timerfd.c - a timer that is a file. One that was set to a time of the clock rings at that time,
 * if the clock is the same one: CLOCK_REALTIME is everywhere, the others only on the parent's host.
 * All others have the rest left to them that they had at the instant.
 */
#include "state/files/kind.h"

#include <sys/timerfd.h>
#include <time.h>

FILE_KIND_COMPLETE(timerfd)

struct timerfd_state {
	uint32_t clock;
	uint32_t flags;			/* of timerfd_settime(2) */
	uint64_t ticks;			/* how often it rang and was not read */
	/* what is left; 0: it is off, or it rang and goes on when it is read */
	uint64_t value_s, value_ns;
	uint64_t interval_s, interval_ns;
	uint64_t now_s, now_ns;		/* what its clock said at that moment */
};

#define TIMERFD_FLAGS	(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

bool timerfd_is(const struct descriptor_file *f, const char *path)
{
	return text_is(path, "anon_inode:[timerfd]");
}

/* "it_value: (0, 49406829)" */
static bool read_pair(const char *fdinfo, const char *name, uint64_t *s, uint64_t *ns)
{
	const char *p = fdinfo_find(fdinfo, name);

	if (!p)
		return false;
	while (*p == ' ' || *p == '(')
		p++;
	*s = text_number(&p, 10);
	while (*p == ' ' || *p == ',')
		p++;
	*ns = text_number(&p, 10);
	return true;
}

bool timerfd_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct timerfd_state state = { 0 };
	uint64_t clock, flags;
	struct timespec now, then;

	if (!fdinfo_number(fdinfo, "clockid:", 10, &clock) ||
	    !fdinfo_number(fdinfo, "ticks:", 10, &state.ticks) ||
	    !fdinfo_number(fdinfo, "settime flags:", 8, &flags) ||
	    !read_pair(fdinfo, "it_value:", &state.value_s, &state.value_ns) ||
	    !read_pair(fdinfo, "it_interval:", &state.interval_s, &state.interval_ns))
		return false;
	state.clock = (uint32_t)clock;
	state.flags = (uint32_t)flags & TIMERFD_FLAGS;
	/* What its clock said then, by what it says now, and how long ago that was. */
	if (sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now) < 0 ||
	    sys(SYS_clock_gettime, clock, &then) < 0)
		return false;
	int64_t ns = then.tv_sec * 1000000000LL + then.tv_nsec -
		     (now.tv_sec * 1000000000LL + now.tv_nsec -
		      (int64_t)s->args.capture.monotonic_ns);

	if (ns < 0)
		return false;
	state.now_s = (uint64_t)ns / 1000000000;
	state.now_ns = (uint64_t)ns % 1000000000;
	return file_set_payload(s, f, &state, sizeof(state));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS	_IOW('T', 0, uint64_t)
#endif

bool timerfd_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct timerfd_state *t = file_payload(d, f, sizeof(*t));
	const uint64_t most = INT64_MAX / 1000000000;

	return t && f->payload_bytes == sizeof(*t) && !(t->flags & ~(uint32_t)TIMERFD_FLAGS) &&
	       t->value_ns < 1000000000 && t->interval_ns < 1000000000 && t->now_ns < 1000000000 &&
	       t->value_s <= most && t->interval_s <= most && t->now_s <= most;
}

/* 0 or -1 with errno. */
static int set(int fd, const struct timerfd_state *t, bool same_clock)
{
	struct itimerspec spec = {
		.it_value = { (time_t)t->value_s, (long)t->value_ns },
		.it_interval = { (time_t)t->interval_s, (long)t->interval_ns },
	};
	bool off = !t->value_s && !t->value_ns,
	     rang = off && t->ticks && (t->interval_s || t->interval_ns);

	/* One that rang goes on once it is read: it has to ring here, too. */
	if (rang) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		spec.it_value.tv_nsec = 1;
		if (timerfd_settime(fd, 0, &spec, NULL) || poll(&p, 1, 1000) != 1)
			return -1;
	} else if (!off && t->flags & TFD_TIMER_ABSTIME && same_clock) {
		spec.it_value.tv_sec += (time_t)t->now_s;
		spec.it_value.tv_nsec += (long)t->now_ns;
		if (spec.it_value.tv_nsec >= 1000000000) {
			spec.it_value.tv_sec++;
			spec.it_value.tv_nsec -= 1000000000;
		}
		if (timerfd_settime(fd, (int)t->flags, &spec, NULL))
			return -1;
	} else if (timerfd_settime(fd, 0, &spec, NULL)) {
		return -1;
	}
	/* Of a timer that has rung since, by its clock, the kernel has counted that already. */
	return t->ticks ? ioctl(fd, TFD_IOC_SET_TICKS, &t->ticks) : 0;
}

int timerfd_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct timerfd_state *t = file_payload(o->d, f, sizeof(*t));
	int fd = timerfd_create((int)t->clock, TFD_CLOEXEC);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	if (set(fd, t,
		o->same_host || t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM)) {
		close(fd);
		return -ENOENT;
	}
	return file_set_flags(fd, f);
}

#endif
