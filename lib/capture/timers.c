// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * timers.c - see timers.h. With nothing from the C library: a program may be in a signal handler.
 */
#include "capture/timers.h"

#include <signal.h>

static bool skip(const char **p, const char *text)
{
	const char *at = *p;

	while (*text && *at == *text) {
		at++;
		text++;
	}
	if (*text)
		return false;
	*p = at;
	return true;
}

static uint64_t number(const char **p, unsigned int base)
{
	uint64_t value = 0;

	for (;; (*p)++) {
		unsigned int digit = **p >= '0' && **p <= '9' ? (unsigned int)(**p - '0') :
				     **p >= 'a' && **p <= 'f' ? (unsigned int)(**p - 'a') + 10 : 16;

		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

/*
 *	ID: 0
 *	signal: 60/00007fff86e452a8
 *	notify: signal/pid.2634
 *	ClockID: 0
 */
static bool parse(const char **p, struct descriptor_posix_timer *t)
{
	*t = (struct descriptor_posix_timer){ 0 };
	if (!skip(p, "ID: "))
		return false;
	t->id = (uint32_t)number(p, 10);
	if (!skip(p, "\nsignal: "))
		return false;
	t->signal = (uint32_t)number(p, 10);
	if (!skip(p, "/"))
		return false;
	t->value = number(p, 16);
	if (!skip(p, "\nnotify: "))
		return false;
	if (skip(p, "signal/"))
		t->notify = SIGEV_SIGNAL;
	else if (skip(p, "none/"))
		t->notify = SIGEV_NONE;
	else if (skip(p, "thread/"))
		t->notify = SIGEV_THREAD;
	else
		return false;
	if (skip(p, "tid."))
		t->notify |= SIGEV_THREAD_ID;
	else if (!skip(p, "pid."))
		return false;
	t->thread = (uint32_t)number(p, 10);
	if (!skip(p, "\nClockID: "))
		return false;
	/* One of another process or thread has a number below 0. */
	t->clock = skip(p, "-") ? ~0U : 0;
	t->clock |= (uint32_t)number(p, 10);
	return skip(p, "\n");
}

bool timers_parse(const char *text, struct descriptor_posix_timer *list, uint32_t room,
		  uint32_t *count)
{
	*count = 0;
	while (*text) {
		struct descriptor_posix_timer t;
		uint32_t at = *count;

		if (at == room || !parse(&text, &t))
			return false;
		for (; at && list[at - 1].id > t.id; at--)
			list[at] = list[at - 1];
		list[at] = t;
		(*count)++;
	}
	return true;
}

bool timer_is_plain(const struct descriptor_posix_timer *t)
{
	return t->clock <= DESCRIPTOR_CLOCK_MAX && t->id <= INT32_MAX;
}
