// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * engine-kernel.c - engine "kernel": the module mitosis.ko holds the snapshot's pages, and on the
 * child's host it is the file behind the child's memory, filled by RDMA READ.
 *
 * Descriptor, life time and release are the shadow's business, as with engine "user".
 */
#include "internal.h"
#include "engine/remote.h"

#include <errno.h>

static int kernel_memory(struct child_memory *m, const struct reference *ref, const struct descriptor *d,
			 const struct mitosis_resume_args *args)
{
	/* What is not in the module (pages of files that differ here) comes over the connection. */
	m->eager = true;
	m->populate = args->mode == MITOSIS_MODE_EAGER;
	m->remote_fd = remote_open(ref, d, args);
	return m->remote_fd < 0 ? m->remote_fd : 0;
}

const struct engine engine_kernel = {
	.name = "kernel",
	.rdma = true,
	.prepare = shadow_start,
	.memory = kernel_memory,
};
