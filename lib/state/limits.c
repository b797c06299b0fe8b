// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* limits.c - resource limits. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

const char *limits_read(struct snapshot *s)
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++)
		if (sys(SYS_prlimit64, 0, i, 0, &s->header.limits[i]) < 0)
			return "its resource limits cannot be read";
	return NULL;
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <errno.h>
#include <sys/resource.h>

/* A limit above what this user may have here becomes the most that is allowed. */
void limits_restore(const struct restorer_args *a)
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++) {
		struct descriptor_limit want = a->descriptor->limits[i], have;
		long ret;

		if (i == RLIMIT_NPROC || i == RLIMIT_MEMLOCK) {
			/* Accounted per user, not per process: this host's setting holds. */
			continue;
		}
		ret = sys(SYS_prlimit64, 0, i, &want, 0);
		if (ret == -EPERM) {
			ret = sys(SYS_prlimit64, 0, i, 0, &have);
			want.hard = want.hard < have.hard ? want.hard : have.hard;
			want.soft = want.soft < want.hard ? want.soft : want.hard;
			if (!ret)
				ret = sys(SYS_prlimit64, 0, i, &want, 0);
		}
		if (ret < 0)
			restore_fail(a, RESTORE_LIMIT, ret, (uint64_t)i);
	}
}

#endif
