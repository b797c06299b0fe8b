// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* signals.c - what a process does with signals, and which are pending for it. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

const char *signals_read(struct snapshot *s)
{
	const struct capture *c = &s->args.capture;

	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++)
		if (sys(SYS_rt_sigaction, i, 0, &s->header.actions[i - 1], 8) < 0)
			return "what it does with signals cannot be read";
	s->header.signal_pending = c->signal_pending;
	if (c->signal_count > ARRAY_SIZE(s->signals))
		return "it has too many pending signals";
	memcpy(s->signals, c->signals, c->signal_count * sizeof(s->signals[0]));
	s->n.signals = c->signal_count;
	return NULL;
}

#endif
#ifdef IN_LIBRARY

#include <signal.h>

const char *signals_check(const struct descriptor *d)
{
	const struct descriptor_signal *signals = descriptor_at(d, d->signals);

	for (uint32_t i = 0; i < d->signals.count; i++) {
		int32_t number = signals[i].info[0];

		if (number < 1 || number > DESCRIPTOR_SIGNALS || number == SIGKILL ||
		    number == SIGSTOP || signals[i].shared > 1 ||
		    signals[i].thread >= d->threads.count)
			return "a pending signal is malformed";
	}
	return NULL;
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <signal.h>

void signals_restore(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;

	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++) {
		long ret;

		if (i == SIGKILL || i == SIGSTOP)
			continue;
		ret = sys(SYS_rt_sigaction, i, &d->actions[i - 1], 0, 8);
		if (ret < 0)
			restore_fail(a, RESTORE_SIGNAL, ret, (uint64_t)i);
	}
}

/*
 * All signals are blocked, and stay so: what is raised here is pending until the frame that the
 * thread leaves by sets the mask that the program had.
 */
void signals_raise(const struct restorer_args *a, const struct descriptor_thread *t)
{
	const struct descriptor *d = a->descriptor;
	const struct descriptor_signal *signals = descriptor_at(d, d->signals);
	uint64_t mask = ~0ULL;
	const struct descriptor_thread *threads = descriptor_at(d, d->threads);
	long pid = sys(SYS_getpid), tid = sys(SYS_gettid), ret;

	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++) {
		ret = t->signal_pending >> (i - 1) & 1 ? sys(SYS_tgkill, pid, tid, i) : 0;
		if (ret < 0)
			restore_fail(a, RESTORE_SIGNAL, ret, (uint64_t)i);
	}
	for (uint32_t i = 0; i < d->signals.count; i++) {
		int32_t number = signals[i].info[0];

		if (signals[i].shared || &threads[signals[i].thread] != t)
			continue;
		ret = sys(SYS_rt_tgsigqueueinfo, pid, tid, number, signals[i].info);
		if (ret < 0)
			restore_fail(a, RESTORE_SIGNAL, ret, (uint64_t)number);
	}
}

/* Those for the process, which any of its threads may get: all of them block signals. */
void signals_raise_shared(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	const struct descriptor_signal *signals = descriptor_at(d, d->signals);
	long pid = sys(SYS_getpid), ret;

	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++) {
		ret = d->signal_pending >> (i - 1) & 1 ? sys(SYS_kill, pid, i) : 0;
		if (ret < 0)
			restore_fail(a, RESTORE_SIGNAL, ret, (uint64_t)i);
	}
	for (uint32_t i = 0; i < d->signals.count; i++) {
		int32_t number = signals[i].info[0];

		if (!signals[i].shared)
			continue;
		ret = sys(SYS_rt_sigqueueinfo, pid, number, signals[i].info);
		if (ret < 0)
			restore_fail(a, RESTORE_SIGNAL, ret, (uint64_t)number);
	}
}

#endif
