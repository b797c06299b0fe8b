// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * layout.c - what the kernel notes of a process's memory beside its areas: heap, arguments,
 * program.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <errno.h>

/* Field numbers of /proc/PID/stat as in proc(5). */
const char *layout_read(struct snapshot *s)
{
	struct descriptor_mm *mm = &s->header.mm;
	uint64_t field[53] = { 0 };
	long n = read_whole("/proc/self/stat", s->scratch2, 8191);
	const char *p = s->scratch2, *behind = NULL;

	if (n <= 0)
		return "cannot read /proc/self/stat on the parent's host";
	s->scratch2[n] = '\0';
	for (; *p; p++)
		if (*p == ')')
			behind = p;
	if (!behind)
		return "cannot parse /proc/self/stat on the parent's host";
	p = behind + 4;		/* ") S ": field 4 begins */
	for (int i = 4; i <= 52 && *p; i++) {
		if (*p == '-')
			p++;
		field[i] = text_number(&p, 10);
		while (*p && *p != ' ')
			p++;
		if (*p)
			p++;
	}
	*mm = (struct descriptor_mm){
		.start_code = field[26], .end_code = field[27], .start_stack = field[28],
		.start_data = field[45], .end_data = field[46], .start_brk = field[47],
		.arg_start = field[48], .arg_end = field[49],
		.env_start = field[50], .env_end = field[51],
		.brk = (uint64_t)sys(SYS_brk, 0),
	};
	n = read_whole("/proc/self/auxv", s->auxv, sizeof(s->auxv));
	if (n == -EACCES)
		return STATE_NOT_DUMPABLE;
	if (n <= 0)
		return "cannot read /proc/self/auxv on the parent's host";
	s->n.auxv = (uint32_t)n / 8;
	s->header.exe = add_link(s, "/proc/self/exe");
	return NULL;
}

#endif
#ifdef IN_LIBRARY

const char *layout_check(const struct descriptor *d)
{
	return descriptor_has_string(d, d->exe) ? NULL : "a string is missing";
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <sys/prctl.h>

void layout_restore(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	struct {
		struct descriptor_mm mm;
		uint64_t auxv;
		uint32_t auxv_size, exe_fd;
	} map = {
		.mm = d->mm,
		.auxv = (uint64_t)descriptor_at(d, d->auxv),
		.auxv_size = d->auxv.count * 8,
		.exe_fd = (uint32_t)a->exe_fd,
	};
	long ret = sys(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);

	if (ret < 0 && a->exe_fd >= 0) {
		/*
		 * /proc/PID/exe may only be set with CAP_CHECKPOINT_RESTORE; mitosis-child(1) says
		 * so.
		 */
		map.exe_fd = ~0U;
		ret = sys(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
	}
	if (ret < 0)
		restore_fail(a, RESTORE_MM, ret, d->mm.start_brk);
	if (a->exe_fd >= 0)
		sys(SYS_close, a->exe_fd);
}

#endif
