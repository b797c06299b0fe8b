// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* ended.c - see ended.h. */
#include "capture/ended.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "trace.h"

#define LIST_MAX	8192u

/* A zombie of a shadow: "NUMBER (NAME) STATE ..." */
static bool is_ended(int pid)
{
	char path[40], text[256], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	proc_read(path, text, sizeof(text));
	end = strrchr(text, ')');
	return end && strstr(text, " (mitosis-shadow)") && !strncmp(end, ") Z", 3);
}

void ended_find(struct frozen *f)
{
	char path[64], *list = workspace_take(f->memory, LIST_MAX);

	f->ended_count = 0;
	/* Those that its first thread has made; not every kernel has this list. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", f->pid, f->pid);
	if (!list || proc_read(path, list, LIST_MAX) <= 0)
		return;
	for (char *at = list, *end; f->ended_count < FREEZE_ENDED_MAX; at = end) {
		int pid = (int)strtol(at, &end, 10);

		if (end == at)
			return;
		if (is_ended(pid))
			f->ended[f->ended_count++] = proc_number_inside(pid, pid);
	}
}

int ended_reap(struct frozen *f)
{
	int err = 0;

	/* None that has an exit signal, whatever its name is. */
	for (uint32_t i = 0; i < f->ended_count && !err; i++) {
		long ret;

		err = tracee_call(&f->borrowed->tracee, &f->space, &ret, SYS_waitid, P_PID,
				  f->ended[i], 0, WEXITED | WNOHANG | __WCLONE, 0);
	}
	f->ended_count = 0;
	return err;
}
