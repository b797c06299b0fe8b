// SPDX-License-Identifier: LGPL-2.1-or-later
/* engine-user.c - engine "user": works on every Linux machine, without a kernel module. */
#include "internal.h"
#include "sys.h"

static int user_prepare(struct shadow_args *job)
{
	/*
	 * clone(2) with no flags and no exit signal: neither wait(2) nor SIGCHLD will show this
	 * process to the program. The C library is bypassed, its fork handlers with it.
	 */
	long pid = sys(SYS_clone, 0, 0, 0, 0, 0);

	if (!pid)
		((void (*)(const struct shadow_args *))mitosis_shadow_blob)(job);
	return (int)pid;
}

int user_resume(const struct reference *ref, const struct mitosis_resume_args *args);

const struct engine engine_user = {
	.name = "user",
	.prepare = user_prepare,
	.resume = user_resume,
};
