// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rdma.c - the shadow hands its pages to the kernel module, which other hosts read by RDMA.
 *
 * All that the snapshot holds in anonymous memory goes there. Pages of file mappings stay: the
 * child's host maps the file itself, or fetches them over the connection like a child without RDMA.
 * So do those of areas that grow, which no file can be behind.
 */
#include "shadow/snapshot.h"
#include "../../kmod/mitosis_ioctl.h"

#include <errno.h>

static const char *reason(long error)
{
	switch (error) {
	case -ENODEV:
		return "the kernel module has no RDMA device that could serve it";
	case -EADDRNOTAVAIL:
		return "the RDMA device of the parent's host has no address";
	case -ENOMEM:
		return "no memory to register it with the RDMA device";
	case -EOPNOTSUPP:
		return "the kernel module cannot serve huge pages of hugetlbfs";
	default:
		return "the kernel module cannot hold its pages";
	}
}

const char *serve_by_rdma(struct snapshot *s)
{
	/* Behind the extents there is room, which costs nothing until it is used. */
	struct mitosis_ioc_range *ranges = (void *)&s->extents[s->n.extents];
	struct mitosis_ioc_snapshot io = { .size = sizeof(io), .ranges = (uint64_t)ranges };
	uint32_t room = (uint32_t)ARRAY_SIZE(s->extents) - s->n.extents;
	long error;

	_Static_assert(sizeof(*ranges) == sizeof(s->extents[0]),
		       "both are a start and a number of pages");
	if (s->args.device_fd < 0)
		return NULL;
	for (uint32_t i = 0; i < s->n.vmas; i++) {
		const struct descriptor_vma *v = &s->vmas[i];

		if (v->flags & (VMA_FILE | VMA_SHARED | VMA_VDSO | VMA_STACK | VMA_GROWS_DOWN))
			continue;
		for (uint32_t k = 0; k < v->extents; k++) {
			const struct descriptor_extent *e = &s->extents[v->first_extent + k];

			if (io.range_count == room || io.range_count == MITOSIS_RANGES_MAX)
				return "its memory is too fragmented";
			ranges[io.range_count++] = (struct mitosis_ioc_range){ e->start, e->pages };
		}
	}
	if (!io.range_count)
		return "it has no memory to serve";
	memcpy(io.uuid, s->args.uuid, sizeof(io.uuid));
	error = sys(SYS_ioctl, s->args.device_fd, MITOSIS_IOC_SNAPSHOT, &io);
	if (error < 0)
		return reason(error);
	memcpy(s->header.rdma_address, io.endpoint.sockaddr, sizeof(s->header.rdma_address));
	s->header.rdma_address_length = io.endpoint.length;
	return NULL;
}

void unserve_by_rdma(struct snapshot *s)
{
	if (s->args.device_fd >= 0)
		sys(SYS_ioctl, s->args.device_fd, MITOSIS_IOC_RELEASE, 0);
}
