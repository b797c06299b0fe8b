// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * enter.c - turns this process into a spawner of a template's containers.
 *
 * It stays in the host's pid namespace, but sees the template's files only, and can no longer gain
 * what containers shall not have: the bounding set, no_new_privs and the system call filter are
 * inherited, so they cost nothing per container. Its own capabilities it keeps, for clone3 and the
 * mounts.
 */
#include "lean.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

/*
 * What tells of the host or lets its root act on it. Most can be read by the host's root only,
 * whose user ID containers may have.
 */
static const char *const masked[] = {
	"/proc/acpi", "/proc/asound",	     "/proc/kcore",
	"/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
	"/proc/scsi", "/proc/timer_list",    "/proc/timer_stats",
};

int spawner_open(struct lean_spawner *s, const char *name)
{
	*s = (struct lean_spawner){ .lock = -1, .group = -1 };
	s->lock = lean_use(name);
	if (s->lock < 0)
		return -1;
	s->t = template_read(name);
	if (!s->t)
		return -1;
	switch (view_read(name, &s->view)) {
	case 0:
		break;
	case -ENOENT:
	case -ESRCH:
		tool_error(name,
			   "not set up since this host was started: run mitosis-leanprep create %s",
			   name);
		return -1;
	default:
		tool_error(name, "its state cannot be read: %s", strerror(errno));
		return -1;
	}
	if (s->view.cgroup[0]) {
		s->group = open(s->view.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (s->group < 0) {
			tool_error(name, "cgroup %s: %s", s->view.cgroup, strerror(errno));
			return -1;
		}
	}
	return filter_read(name, &s->filter);
}

/* The namespace file of the keeper, if it is what was noted down. */
static int open_namespace(const struct lean_view *v, const char *kind, uint64_t inode)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)v->pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && st.st_ino == inode)
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

static void note_masked(struct lean_inside *in)
{
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++) {
		struct stat st;

		if (stat(masked[i], &st))
			continue;
		strings_add(S_ISDIR(st.st_mode) ? &in->masked_directories : &in->masked_files,
			    masked[i]);
	}
}

/* In the template's namespace: which of the host's directories the keeper has bound one by one. */
static void note_parts(struct lean_inside *in)
{
	static const char *const parts[] = { "bin",    "etc", "lib",  "lib32", "lib64",
					     "libx32", "opt", "sbin", "usr" };
	struct stat root, st;

	if (!in->t->writable || strcmp(in->t->root, "/") || stat("/", &root))
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct lean_part *part = &in->parts[in->part_count];
		char path[32];

		snprintf(path, sizeof(path), "/%s", parts[i]);
		if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_dev == root.st_dev)
			continue;
		snprintf(part->upper, sizeof(part->upper), "/tmp/upper-%s", parts[i]);
		snprintf(part->work, sizeof(part->work), "/tmp/work-%s", parts[i]);
		snprintf(part->target, sizeof(part->target), "/tmp/root/%s", parts[i]);
		snprintf(part->options, sizeof(part->options),
			 "lowerdir=/%s,upperdir=/tmp/upper-%s,workdir=/tmp/work-%s%s", parts[i],
			 parts[i], parts[i], in->user_ns ? ",userxattr" : "");
		in->part_count++;
	}
}

/* A /dev of this spawner's own over the template's. */
static int own_devices(const struct lean_device *extra, size_t count)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")) {
		tool_error("/dev", "%s", strerror(errno));
		return -1;
	}
	if (devices_make("/dev", false, extra, count))
		return -1;
	if (mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC,
		  NULL)) {
		tool_error("/dev", "%s", strerror(errno));
		return -1;
	}
	return 0;
}

int spawner_enter(struct lean_spawner *s, const struct lean_device *extra, size_t count)
{
	struct lean_inside *in = &s->inside;
	int user = -1, mounts;

	in->t = s->t;
	in->user_ns = s->view.user_ns;
	snprintf(in->tmp_options, sizeof(in->tmp_options), "mode=1777,size=%llu",
		 (unsigned long long)s->t->tmp);
	if (getrandom(&in->secret, sizeof(in->secret), 0) != sizeof(in->secret)) {
		tool_error("getrandom", "%s", strerror(errno));
		return -1;
	}
	note_masked(in);
	mounts = open_namespace(&s->view, "mnt", s->view.mount_ns);
	if (mounts >= 0 && in->user_ns)
		user = open_namespace(&s->view, "user", s->view.user_ns);
	if (mounts < 0 || (in->user_ns && user < 0)) {
		tool_error(s->t->name, "its namespaces: %s", strerror(errno));
		return -1;
	}
	if ((user >= 0 && setns(user, CLONE_NEWUSER)) || setns(mounts, CLONE_NEWNS)) {
		tool_error(s->t->name, "its namespaces cannot be entered: %s%s", strerror(errno),
			   errno == EPERM && geteuid()
				   ? " (only the user who made the template may)"
				   : "");
		return -1;
	}
	if (user >= 0)
		close(user);
	close(mounts);
	note_parts(in);
	if (count && own_devices(extra, count))
		return -1;
	/* It fails with EINVAL behind the last capability that the kernel knows. */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(s->t->caps & 1ULL << cap) && prctl(PR_CAPBSET_DROP, cap)) {
			tool_error("capabilities", "%s", strerror(errno));
			return -1;
		}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		tool_error("no_new_privs", "%s", strerror(errno));
		return -1;
	}
	return filter_install(&s->filter, in->secret);
}
