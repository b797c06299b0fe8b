// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* remote.c - asks the kernel module for snapshots of other hosts. */
#include "api/log.h"
#include "engine/remote.h"
#include "format/control.h"
#include "format/reference.h"
#include "format/workingset.h"
#include "../../kmod/mitosis_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_device(void)
{
	int fd = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int device_error(int fd)
{
	struct mitosis_ioc_info info = { .size = sizeof(info) };

	return ioctl(fd, MITOSIS_IOC_INFO, &info) ? -errno : info.error;
}

static void log_device(int error)
{
	if (error == -ENOENT || error == -ENXIO)
		log_error("%s: the kernel module is not loaded (modprobe mitosis)",
			  MITOSIS_DEVICE_PATH);
	else if (error == -ENODEV)
		log_error("%s: no RDMA device that could serve a snapshot (mitosis-check says what to do)",
			  MITOSIS_DEVICE_PATH);
	else
		log_error("%s: %s", MITOSIS_DEVICE_PATH, strerror(-error));
}

bool remote_can_serve(void)
{
	int fd = open_device(), error;

	if (fd < 0)
		return false;
	error = device_error(fd);
	close(fd);
	return !error;
}

int remote_device(void)
{
	int fd = open_device(), error = fd < 0 ? fd : device_error(fd);

	if (!error || (fd >= 0 && error >= 0))
		return fd;
	log_device(error);
	if (fd >= 0)
		close(fd);
	return error;
}

const char *remote_reason(int error)
{
	switch (-error) {
	case ENOENT:
		return "the snapshot is gone: released, or its parent ended";
	case ETIMEDOUT:
		return "no answer from the parent's host in time";
	case ECONNREFUSED:
		return "the parent's host refuses connections: is its kernel module still loaded?";
	case EPROTO:
		return "the parent's host speaks another protocol";
	case ENODEV:
		return "the RDMA device is gone, or there is none";
	case ESTALE:
		return "the snapshot is not the one it was";
	case EIO:
		return "the RDMA device reports errors for it";
	default:
		return strerror(-error);
	}
}

int remote_open(const struct reference *ref, const struct descriptor *d,
		const struct mitosis_resume_args *args)
{
	struct mitosis_ioc_open io = {
		.size = sizeof(io), .window = args->window, .timeout_ms = args->timeout_ms,
		.flags = (args->flags & MITOSIS_RESUME_PRIVATE ? MITOSIS_OPEN_PRIVATE : 0) |
			 (args->flags & MITOSIS_RESUME_POLL ? MITOSIS_OPEN_POLL : 0) |
			 (args->record ? MITOSIS_OPEN_RECORD : 0),
	};
	int device, fd, error;

	if (!d->rdma_address_length) {
		log_error("%s: the parent's host serves no memory by RDMA: engine kernel cannot be used",
			  ref->address);
		return -ENOTSUP;
	}
	if (io.window > MITOSIS_WINDOW_MAX)
		io.window = MITOSIS_WINDOW_MAX;
	memcpy(io.uuid, ref->uuid, sizeof(io.uuid));
	memcpy(io.endpoint.sockaddr, d->rdma_address, sizeof(io.endpoint.sockaddr));
	io.endpoint.length = d->rdma_address_length;
	device = open_device();
	if (device < 0) {
		log_device(device);
		log_error("%s: its memory is served by RDMA; with engine user it comes over TCP",
			  ref->address);
		return device;
	}
	fd = ioctl(device, MITOSIS_IOC_OPEN, &io);
	error = -errno;
	close(device);
	if (fd >= 0)
		return fd;
	log_error("%s: cannot reach its memory by RDMA: %s", ref->address, remote_reason(error));
	return error;
}

int remote_prefetch(int fd, const struct descriptor_extent *extents, uint32_t count)
{
	struct mitosis_ioc_prefetch io = { .size = sizeof(io),
					   .ranges = (uint64_t)extents,
					   .range_count = count };

	_Static_assert(sizeof(struct mitosis_ioc_range) == sizeof(*extents),
		       "a start and a number of pages");
	return ioctl(fd, MITOSIS_IOC_PREFETCH, &io) ? -errno : 0;
}

int remote_next(int fd, uint64_t *start, uint64_t *pages)
{
	struct mitosis_ioc_next io = { .size = sizeof(io), .start = *start };

	if (ioctl(fd, MITOSIS_IOC_NEXT, &io))
		return -errno;
	*start = io.start;
	*pages = io.pages;
	return 0;
}

static int get_state(int fd, struct mitosis_ioc_state *state)
{
	*state = (struct mitosis_ioc_state){ .size = sizeof(*state) };
	return ioctl(fd, MITOSIS_IOC_STATE, state) ? -errno : 0;
}

void remote_stats(int fd, struct control_message *m)
{
	struct mitosis_ioc_state s;

	m->error = get_state(fd, &s);
	if (m->error)
		return;
	m->faults = s.faults;
	m->zero_faults = s.zero_faults;
	m->fetched_pages = s.read_pages + m->hot_pages;
	m->missing_pages = s.pages > s.cached_pages ? s.pages - s.cached_pages : 0;
}

int remote_lost(int fd, uint64_t *address)
{
	struct mitosis_ioc_state s;
	int error = get_state(fd, &s);

	*address = error ? 0 : s.lost_address;
	return error ? error : s.error;
}

int remote_recorded(int fd, struct workingset *set)
{
	uint64_t addresses[512];

	for (uint64_t first = 0;;) {
		struct mitosis_ioc_recorded io = {
			.size = sizeof(io), .first = first, .addresses = (uint64_t)addresses,
			.count = ARRAY_SIZE(addresses),
		};

		if (ioctl(fd, MITOSIS_IOC_RECORDED, &io))
			return -errno;
		for (uint64_t i = 0; i < io.count; i++) {
			int error = workingset_add(set, addresses[i]);

			if (error)
				return error;
		}
		first += io.count;
		if (!io.count || first >= io.total)
			return 0;
	}
}
