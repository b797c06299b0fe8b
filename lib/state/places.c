// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * places.c - where a process is: its root and working directory, its namespaces, and what a
 * security module calls it.
 *
 * On the parent's host the child enters the parent's root directory, if it is allowed to, and
 * started outside of it. Namespaces and labels are the launcher's: whether they are the parent's is
 * looked at, and said if not. Numbers of directories and namespaces mean something on one host
 * only; of another one only this is compared: whether they are those that a machine starts with.
 */
#include "state/state.h"

#ifndef IN_RESTORER
static const char init_name[] = ENCLOSURE_INIT "\n";
#endif

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct descriptor_place place_of(const char *path)
{
	struct stat st;

	if (sys(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0)
		return (struct descriptor_place){ 0 };
	return (struct descriptor_place){ st.st_dev, st.st_ino };
}

/* The mount point, the fifth field of a line of mountinfo, is "/". */
static bool is_root(const char *line)
{
	for (int field = 1; field < 5 && *line; line++)
		field += *line == ' ';
	return line[0] == '/' && line[1] == ' ';
}

/* The root directory is no mount point that it can see: chroot(2). */
static const char *look_for_root(struct snapshot *s)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	bool found = false;
	const char *line;

	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return "cannot read /proc/self/mountinfo on the parent's host";
	while ((line = next_line(&r)))
		found |= is_root(line);
	sys(SYS_close, r.fd);
	if (!found)
		s->header.process_flags |= PROCESS_CHROOTED;
	return NULL;
}

const char *places_read(struct snapshot *s)
{
	struct descriptor *d = &s->header;
	long n;

	d->shadow = (uint32_t)sys(SYS_getpid);
	d->root = place_of("/proc/self/root");
	d->directory = place_of("/proc/self/cwd");
#define NAMESPACE(name, first) \
	d->namespaces[NAMESPACE_##name] = place_of("/proc/self/ns/" #name).inode;
	DESCRIPTOR_NAMESPACES(NAMESPACE)
#undef NAMESPACE
	n = read_whole("/proc/1/comm", s->scratch2, 64);
	if (n == sizeof(init_name) - 1 && !memcmp(s->scratch2, init_name, sizeof(init_name) - 1))
		d->process_flags |= PROCESS_ENCLOSED;
	n = read_whole("/proc/self/attr/current", s->scratch2, 4096);
	/* It ends in a NUL or a new line, as the module likes it. None: there is no such module. */
	s->scratch2[n < 0 ? 0 : n] = '\0';
	for (char *p = s->scratch2; *p; p++)
		if (*p == '\n')
			*p = '\0';
	if (*s->scratch2) {
		d->label = add_string(s, s->scratch2);
		if (!d->label)
			return "its security label is too long";
	}
	return look_for_root(s);
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *places_check(const struct descriptor *d)
{
	return descriptor_has_string(d, d->label) ? NULL : "a string is missing";
}

static uint64_t namespace_here(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static bool differs(uint64_t want, uint64_t here, uint64_t first, bool same_host)
{
	if (!want || !here)
		return want != here;
	if (same_host)
		return want != here;
	return first && (want == first) != (here == first);
}

/* Are we a child, or run by one, in namespaces made for it? */
static bool is_enclosed(void)
{
	char name[sizeof(init_name)];
	int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name));

	if (fd >= 0)
		close(fd);
	return n == sizeof(init_name) - 1 && !memcmp(name, init_name, sizeof(init_name) - 1);
}

static void compare_namespaces(const struct descriptor *d, bool same_host, struct losses *losses)
{
	/*
	 * Those made for a child are as its launcher's, and a child's child gets its own if it
	 * needs them.
	 */
	const uint32_t made = d->process_flags & PROCESS_ENCLOSED || is_enclosed() ?
		1U << NAMESPACE_mnt | 1U << NAMESPACE_pid | 1U << NAMESPACE_user : 0;
	/* What that of time makes different is compared by itself: clocks.c. */
	const uint32_t left_out = made | 1U << NAMESPACE_time;
	char others[128] = "";

#define NAMESPACE(name, first)                                                               \
	if (!(left_out >> NAMESPACE_##name & 1) &&                                           \
	    differs(d->namespaces[NAMESPACE_##name], namespace_here("/proc/self/ns/" #name), \
		    first, same_host))                                                       \
		strcat(strcat(others, *others ? ", " : ""), #name);
	DESCRIPTOR_NAMESPACES(NAMESPACE)
#undef NAMESPACE
	if (*others)
		losses_add(losses, "its namespaces are others (%s)", others);
}

static void compare_label(const struct descriptor *d, struct losses *losses)
{
	const char *want = descriptor_string(d, d->label);
	char here[4097] = "";
	int fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, here, sizeof(here) - 1);

	if (fd >= 0)
		close(fd);
	here[n < 0 ? 0 : n] = '\0';
	here[strcspn(here, "\n")] = '\0';
	if (strcmp(want, here))
		losses_add(losses, "its security label is \"%s\", not \"%s\"", here, want);
}

bool place_is(const struct descriptor_place *place, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == place->device && st.st_ino == place->inode;
}

static bool is_same_directory(int a, int b)
{
	struct statx x, y;

	/* The same directory may be mounted twice. */
	return !statx(a, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &x) &&
	       !statx(b, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &y) &&
	       x.stx_mnt_id == y.stx_mnt_id && x.stx_ino == y.stx_ino &&
	       x.stx_dev_major == y.stx_dev_major && x.stx_dev_minor == y.stx_dev_minor;
}

/*
 * Whoever starts a child may confine it: so the parent's root directory is entered only from a
 * directory around it. From one that lies elsewhere the way up does not pass our own root.
 */
static bool is_below_root(int fd)
{
	int root = open("/", O_PATH | O_CLOEXEC), at = fcntl(fd, F_DUPFD_CLOEXEC, 3), up;
	bool found = false;

	while (root >= 0 && at >= 0 && !found) {
		found = is_same_directory(at, root);
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up >= 0 && is_same_directory(at, up)) {
			close(up);
			up = -1;
		}
		close(at);
		at = up;
	}
	if (at >= 0)
		close(at);
	if (root >= 0)
		close(root);
	return found;
}

int places_root(const struct descriptor *d, struct losses *losses)
{
	bool same_host = host_is_parents(d);
	char path[40];
	struct stat st;
	int fd;

	if (same_host && !stat("/", &st) && st.st_dev == d->root.device &&
	    st.st_ino == d->root.inode)
		return -1;
	if (same_host) {
		/* The shadow is there, if it is who has that number here. */
		snprintf(path, sizeof(path), "/proc/%u/root", d->shadow);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && place_is(&d->root, fd) && is_below_root(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	/* That of another namespace is another, which is said of that. */
	if (d->process_flags & PROCESS_CHROOTED)
		losses_add(losses, "it is not confined to its parent's root directory (chroot)");
	else if (same_host && d->namespaces[NAMESPACE_mnt] == namespace_here("/proc/self/ns/mnt"))
		losses_add(losses, "its root directory is another");
	return -1;
}

void places_compare(const struct descriptor *d, struct losses *losses)
{
	compare_namespaces(d, host_is_parents(d), losses);
	compare_label(d, losses);
}

#endif
