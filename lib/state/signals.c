// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* signals.c - what a process does with signals, and which are pending for it. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

const char *signals_read(struct snapshot *s)
{
	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++)
		if (sys(SYS_rt_sigaction, i, 0, &s->header.actions[i - 1], 8) < 0)
			return "what it does with signals cannot be read";
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
 * All signals are blocked, and stay so: what is raised here is pending until the frame that the thread leaves by
 * sets the mask that the program had.
 */
void signals_raise(const struct restorer_args *a, const struct descriptor_thread *t)
{
	uint64_t mask = ~0ULL;
	long pid = sys(SYS_getpid), tid = sys(SYS_gettid), ret;

	sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++) {
		if (!(t->signal_pending >> (i - 1) & 1))
			continue;
		ret = sys(SYS_tgkill, pid, tid, i);
		if (ret < 0)
			restore_fail(a, RESTORE_SIGNAL, ret, (uint64_t)i);
	}
}

#endif
