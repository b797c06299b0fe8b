// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * keeper.c - the process that keeps a template's mount namespace: it builds it, and then sleeps.
 *
 * Until it is told to go on by itself it ends with the process that started it, so that a crash in
 * between leaves nothing. Nothing is mounted in the namespace of the host.
 */
#include "prep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "namespaces.h"
#include "tool.h"

static int map_user(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char text[64];
	int fd;

	if (unshare(CLONE_NEWUSER)) {
		char why[256];

		tool_error("user namespace", "%s",
			   namespaces_problem("user", errno, why, sizeof(why), NULL));
		return -1;
	}
	for (int i = 0; i < 3; i++) {
		static const char *const files[] = {
			"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map",
		};
		int n = i ? snprintf(text, sizeof(text), "0 %u 1\n", i == 1 ? uid : gid) :
			    snprintf(text, sizeof(text), "deny");

		fd = open(files[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, text, (size_t)n) != n) {
			tool_error(files[i], "%s", strerror(errno));
			return -1;
		}
		close(fd);
	}
	return 0;
}

static int mount_at(const char *source, const char *tree, const char *below, const char *type,
		    unsigned long flags, const char *options)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s%s", tree, below) < (int)sizeof(path) &&
	    !mount(source, path, type, flags, options))
		return 0;
	tool_error(*below ? below : tree, "%s cannot be mounted: %s", type ? type : source,
		   strerror(errno));
	return -1;
}

/* Flags that a user namespace may not take away from a mount of the host stay. */
static int make_read_only(const char *path)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
	struct statvfs st;

	if (!statvfs(path, &st))
		flags |= (st.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) |
			 (st.f_flag & ST_NOATIME ? MS_NOATIME : 0) |
			 (st.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0) |
			 (st.f_flag & ST_RELATIME ? MS_RELATIME : 0);
	if (!mount(NULL, path, NULL, flags, NULL))
		return 0;
	tool_error(path, "cannot be made read-only: %s", strerror(errno));
	return -1;
}

static char *append_escaped(char *to, const char *end, const char *path)
{
	for (; *path && to < end - 2; path++) {
		if (strchr(":,\\", *path))
			*to++ = '\\';
		*to++ = *path;
	}
	*to = '\0';
	return to;
}

/*
 * A skeleton of mount points over a tree that is not ours. It is on a file system of its own, since
 * the layers of an overlay may not contain each other, and the host's root contains all there is.
 */
static int mount_layers(const struct lean_template *t, const char *tree, bool user)
{
	char options[PATH_MAX * 2], skel[PATH_MAX], *at = options, *end = options + sizeof(options);

	lean_run_path(skel, t->name, "skel");
	if (mkdir(skel, 0755) && errno != EEXIST) {
		tool_error(skel, "%s", strerror(errno));
		return -1;
	}
	if (mount_at("tmpfs", skel, "", "tmpfs", MS_NOSUID, "mode=0755,size=16m") ||
	    skeleton_make(skel, false) || (!strcmp(t->root, "/") && skeleton_hide_host(skel)))
		return -1;
	at = stpcpy(at, user ? "userxattr,lowerdir=" : "lowerdir=");
	at = append_escaped(at, end, skel);
	at = stpcpy(at, ":");
	append_escaped(at, end, t->root);
	return mount_at("overlay", tree, "", "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options);
}

/*
 * An overlay shows one file system: what of the host's programs lies on another is bound into it.
 */
static int bind_separate(const char *tree)
{
	static const char *const parts[] = { "/usr", "/opt" };
	struct stat root, part;

	if (stat("/", &root))
		return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char path[PATH_MAX];

		if (lstat(parts[i], &part) || !S_ISDIR(part.st_mode) || part.st_dev == root.st_dev)
			continue;
		snprintf(path, sizeof(path), "%s%s", tree, parts[i]);
		if (mount_at(parts[i], tree, parts[i], NULL, MS_BIND, NULL) || make_read_only(path))
			return -1;
	}
	return 0;
}

/*
 * A user namespace can make no overlay of a file system on which the host has mounted others: the
 * directories of the host's programs are bound one by one. What root alone can read stays hidden by
 * its permissions.
 */
static int bind_host(const struct lean_template *t, const char *tree)
{
	static const char *const parts[] = {
		"bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr",
	};
	struct mount_attr read_only = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	char from[PATH_MAX], path[PATH_MAX], to[PATH_MAX];

	if (mount_at("tmpfs", tree, "", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") ||
	    skeleton_make(tree, true))
		return -1;
	if (chdir(tree)) {
		tool_error(tree, "%s", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct stat st;
		ssize_t n;

		snprintf(from, sizeof(from), "/%s", parts[i]);
		if (lstat(from, &st))
			continue;
		n = S_ISLNK(st.st_mode) ? readlink(from, to, sizeof(to) - 1) : -1;
		to[n > 0 ? n : 0] = '\0';
		if (n > 0 && symlink(to, parts[i])) {
			tool_error(from, "%s", strerror(errno));
			return -1;
		}
		if (!S_ISDIR(st.st_mode))
			continue;
		lean_run_path(path, t->name, "root");
		if ((mkdir(parts[i], 0755) && errno != EEXIST) ||
		    mount_at(from, path, from, NULL, MS_BIND | MS_REC, NULL))
			return -1;
		/* Linux 5.12; before that, what is mounted below stays as it is. */
		if (syscall(SYS_mount_setattr, AT_FDCWD, parts[i], AT_RECURSIVE, &read_only,
			    sizeof(read_only)) &&
		    make_read_only(parts[i]))
			return -1;
	}
	return 0;
}

static int mount_devices(const struct lean_template *t, const char *tree, bool user)
{
	struct lean_device *more = calloc(t->devices.count + 1, sizeof(*more));
	char path[PATH_MAX];
	int err = !more;

	for (size_t i = 0; i < t->devices.count && !err; i++) {
		struct stat st;

		if (stat(t->devices.at[i], &st)) {
			tool_error(t->devices.at[i], "%s", strerror(errno));
			err = -1;
		}
		more[i] = (struct lean_device){ t->devices.at[i] + strlen("/dev/"), st.st_rdev };
	}
	lean_run_path(path, t->name, "root/dev");
	if (!err)
		err = mount_at("tmpfs", tree, "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC,
			       "mode=0755,size=64k");
	if (!err) {
		umask(0);
		err = devices_make(path, user, more, t->devices.count);
		umask(022);
	}
	if (!err && mount(NULL, path, NULL,
			  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL)) {
		tool_error(path, "cannot be made read-only: %s", strerror(errno));
		err = -1;
	}
	free(more);
	return err ? -1 : 0;
}

static int build(const struct lean_template *t)
{
	bool user = geteuid() != 0;
	char tree[PATH_MAX];
	int err;

	lean_run_path(tree, t->name, "root");
	if (mkdir(tree, 0755) && errno != EEXIST) {
		tool_error(tree, "%s", strerror(errno));
		return -1;
	}
	if (user && map_user())
		return -1;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		tool_error("mount namespace", "%s", strerror(errno));
		return -1;
	}
	if (user && !strcmp(t->root, "/"))
		err = bind_host(t, tree);
	else if (t->layered)
		err = mount_layers(t, tree, user);
	else
		err = mount_at(t->root, tree, "", NULL, MS_BIND, NULL);
	if (err)
		return -1;
	if (!user && !strcmp(t->root, "/") && bind_separate(tree))
		return -1;
	if (mount_devices(t, tree, user))
		return -1;
	/* A user namespace may mount /proc for its containers only if it can see one whole. */
	if (user && mount_at("/proc", tree, "/proc", NULL, MS_BIND | MS_REC, NULL))
		return -1;
	if (chdir(tree) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/")) {
		tool_error(tree, "cannot become the root: %s", strerror(errno));
		return -1;
	}
	return make_read_only("/");
}

static __attribute__((noreturn)) void keep(const struct lean_template *t, int ready, int go)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char title[LEAN_NAME_MAX + 8], c;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	if (build(t))
		_exit(STATUS_FAILED);
	if (write(ready, "k", 1) != 1 || read(go, &c, 1) != 1)
		_exit(STATUS_FAILED);
	prctl(PR_SET_PDEATHSIG, 0);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	/* Without the template's lock, which is inherited too. */
	dup2(ready, 3);
	syscall(SYS_close_range, 4, ~0U, 0);
	/* Only now may the one that started us end. */
	if (write(3, "g", 1) != 1)
		_exit(STATUS_FAILED);
	close(3);
	snprintf(title, sizeof(title), "lean:%s", t->name);
	prctl(PR_SET_NAME, title);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;)
		pause();
}

int keeper_start(const struct lean_template *t, struct keeper *k)
{
	int ready[2], go[2];
	char c;

	if (pipe2(ready, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	if (pipe2(go, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		close(ready[0]);
		close(ready[1]);
		return -1;
	}
	k->pid = fork();
	if (!k->pid) {
		close(ready[0]);
		close(go[1]);
		keep(t, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	k->go = go[1];
	if (k->pid < 0)
		tool_error("fork", "%s", strerror(errno));
	else if (read(ready[0], &c, 1) == 1) {
		k->ready = ready[0];
		return 0;
	} else {
		waitpid(k->pid, NULL, 0);
	}
	close(ready[0]);
	close(k->go);
	return -1;
}

int keeper_release(struct keeper *k)
{
	char c;
	int err = write(k->go, "g", 1) != 1 || read(k->ready, &c, 1) != 1 ? -1 : 0;

	if (err)
		tool_error("keeper", "ended");
	close(k->go);
	close(k->ready);
	return err;
}
