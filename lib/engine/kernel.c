// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * kernel.c - engine "kernel": the module mitosis.ko holds the snapshot's pages, and on the child's
 * host it is the file behind the child's memory, filled by RDMA READ.
 *
 * Descriptor, life time and release are the shadow's business, as with engine "user".
 */
#include "engine/engine.h"
#include "engine/remote.h"
#include "page/source.h"

#include <unistd.h>

static int check(void)
{
	int fd = remote_device();

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int open_device(struct shadow_args *job)
{
	job->device_fd = remote_device();
	return job->device_fd < 0 ? job->device_fd : 0;
}

static int memory(struct child_memory *m, const struct reference *ref, const struct descriptor *d,
		  const struct mitosis_resume_args *args)
{
	/*
	 * What is not in the module (pages of files that differ here) comes over the connection, at
	 * once.
	 */
	*m = (struct child_memory){
		.source = &source_module, .populate = args->mode == MITOSIS_MODE_EAGER,
		.backing_fd = remote_open(ref, d, args),
	};
	return m->backing_fd < 0 ? m->backing_fd : 0;
}

const struct engine engine_kernel = {
	.name = "kernel",
	.scheme = REFERENCE_RDMA,
	.is_available = remote_can_serve,
	.check = check,
	.open = open_device,
	.memory = memory,
};
