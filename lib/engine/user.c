// SPDX-License-Identifier: LGPL-2.1-or-later
/* engine-user.c - engine "user": works on every Linux machine, without a kernel module. */
#include "internal.h"
#include "sys.h"

#include <string.h>
#include <unistd.h>

int shadow_start(struct shadow_args *job)
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

/* On demand where the host has a userfaultfd for us, else all at once. */
static int user_memory(struct child_memory *m, const struct reference *ref, const struct descriptor *d,
		       const struct mitosis_resume_args *args)
{
	int uffd;

	m->remote_fd = -1;
	m->eager = true;
	if (args->mode == MITOSIS_MODE_EAGER)
		return 0;
	uffd = uffd_open();
	if (uffd >= 0) {
		close(uffd);
		m->eager = false;
		return 0;
	}
	if (args->mode == MITOSIS_MODE_DEMAND || args->record) {
		log_error("userfaultfd: %s: memory cannot be fetched on demand (mitosis-check says what to do)",
			  strerror(-uffd));
		return uffd;
	}
	log_warning("userfaultfd: %s: all memory is fetched before the child runs (mitosis-check says what to do)",
		    strerror(-uffd));
	return 0;
}

const struct engine engine_user = {
	.name = "user",
	.prepare = shadow_start,
	.memory = user_memory,
};
