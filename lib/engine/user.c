// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* user.c - engine "user": works on every Linux machine, without a kernel module. */
#include "api/log.h"
#include "engine/engine.h"
#include "page/source.h"
#include "private/uffd.h"

#include <string.h>
#include <unistd.h>

static bool is_available(void)
{
	return true;
}

static int check(void)
{
	return 0;
}

static int open_nothing(struct shadow_args *job)
{
	job->device_fd = -1;
	return 0;
}

/* On demand where the host has a userfaultfd for us, else all at once. */
static int memory(struct child_memory *m, const struct reference *ref, const struct descriptor *d,
		  const struct mitosis_resume_args *args)
{
	int uffd;

	*m = (struct child_memory){ .source = &source_none, .backing_fd = -1 };
	if (args->mode == MITOSIS_MODE_EAGER)
		return 0;
	uffd = uffd_open();
	if (uffd >= 0) {
		close(uffd);
		m->on_demand = true;
		m->source = &source_socket;
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
	.scheme = REFERENCE_PLAIN,
	.is_available = is_available,
	.check = check,
	.open = open_nothing,
	.memory = memory,
};
