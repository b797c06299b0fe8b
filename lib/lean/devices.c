// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * devices.c - the /dev of containers: the few nodes that every program expects and none can harm
 * with.
 *
 * The file system is one for all containers of a template, and mounted read-only in them.
 */
#include "lean.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tool.h"

static const struct {
	const char *name;
	unsigned int major, minor;
} nodes[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};
static const char *const links[][2] = {
	{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "shm", "/tmp" }, { "ptmx", "pts/ptmx" },
};

/* Of a device such as net/tun */
static void make_parent(const char *path)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	make_directories(parent, 0755);
}

int device_add(const char *directory, const struct lean_device *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, device->name);
	if (strchr(device->name, '/'))
		make_parent(path);
	/*
	 * For any user of the container: who may have the device is decided by giving it to the
	 * template.
	 */
	if (mknod(path, S_IFCHR | 0666, device->number) && errno != EEXIST) {
		tool_error(device->name, "cannot be made in /dev of the containers: %s",
			   strerror(errno));
		return -1;
	}
	return chmod(path, 0666);
}

static int bind_node(const char *directory, const char *name)
{
	char path[PATH_MAX], from[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(from, sizeof(from), "/dev/%s", name);
	if (strchr(name, '/'))
		make_parent(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !mount(from, path, NULL, MS_BIND, NULL))
		return 0;
	tool_error(from, "cannot be bound into the containers: %s", strerror(errno));
	return -1;
}

int devices_make(const char *directory, bool bound, const struct lean_device *more, size_t count)
{
	char path[PATH_MAX];
	int err = 0;

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]) && !err; i++) {
		const struct lean_device d = { nodes[i].name,
					       makedev(nodes[i].major, nodes[i].minor) };

		err = bound ? bind_node(directory, d.name) : device_add(directory, &d);
	}
	for (size_t i = 0; i < count && !err; i++)
		err = bound ? bind_node(directory, more[i].name) : device_add(directory, &more[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]) && !err; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, links[i][0]);
		err = symlink(links[i][1], path);
		if (err)
			tool_error(path, "%s", strerror(errno));
	}
	snprintf(path, sizeof(path), "%s/pts", directory);
	if (!err && mkdir(path, 0755)) {
		tool_error(path, "%s", strerror(errno));
		err = -1;
	}
	return err;
}
