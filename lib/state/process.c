// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * process.c - where a process is and how far it is confined: directory, umask, no_new_privs,
 * filters.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <sys/prctl.h>

const char *process_read(struct snapshot *s)
{
	static const char name[] = "\nSeccomp_filters:\t";	/* since Linux 5.9 */
	struct descriptor *d = &s->header;
	long n;

	/* A filter of seccomp may answer in the kernel's place. */
	n = sys(SYS_umask, 0);
	if (n < 0)
		return "its umask cannot be read";
	d->umask = (uint32_t)n;
	d->cwd = add_link(s, "/proc/self/cwd");
	if (!d->cwd)
		return "its working directory cannot be found out";
	n = read_whole("/proc/self/status", s->scratch2, SCRATCH_BYTES - 1);
	if (n <= 0)
		return "cannot read /proc/self/status on the parent's host";
	s->scratch2[n] = '\0';
	for (const char *p = s->scratch2; *p; p++) {
		if (!text_begins(p, name))
			continue;
		p += sizeof(name) - 1;
		d->seccomp_filters = (uint32_t)text_number(&p, 10);
		break;
	}
	if (sys(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		d->process_flags |= PROCESS_NO_NEW_PRIVS;
	if (sys(SYS_getpgid, s->args.parent_pid) == s->args.parent_pid)
		d->process_flags |= PROCESS_LEADS;
	return NULL;
}

#endif
#ifdef IN_LIBRARY

const char *process_check(const struct descriptor *d)
{
	if (d->umask & ~0777U)
		return "its umask is malformed";
	return descriptor_has_string(d, d->cwd) ? NULL : "a string is missing";
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <sys/prctl.h>

void process_restore(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	long ret = sys(SYS_umask, d->umask);

	if (ret >= 0 && d->process_flags & PROCESS_NO_NEW_PRIVS)
		ret = sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (ret < 0)
		restore_fail(a, RESTORE_STATE, ret, 0);
}

#endif
