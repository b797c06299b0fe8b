// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* timers.c - the three interval timers; how far they had come is noted before the parent goes on. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

void timers_read(struct snapshot *s)
{
	memcpy(s->header.timers, s->args.capture.timers, sizeof(s->header.timers));
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

void timers_restore(const struct restorer_args *a)
{
	const struct descriptor_timer *timers = a->descriptor->timers;

	for (int i = 0; i < DESCRIPTOR_TIMERS; i++) {
		long ret = 0;

		if (timers[i].value_s || timers[i].value_us)
			ret = sys(SYS_setitimer, i, &timers[i], 0);
		if (ret < 0)
			restore_fail(a, RESTORE_TIMER, ret, (uint64_t)i);
	}
}

#endif
