// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rootfs.c - the kinds of root file systems.
 *
 * Trees that are made for the template are mounted as they are. A directory of somebody else's, or
 * the host's root, is read through an overlay without an upper layer: on top of it lies a skeleton
 * with the mount points, and for the host, with what hides its secrets (keeper.c).
 */
#include "prep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "children.h"
#include "tool.h"

enum kind { CLOSURE, TAR, OCI, DOCKER_ARCHIVE, DIR_, MINBASE, HOST, KINDS };
static const struct {
	const char *name;
	bool argument, optional;
} kinds[KINDS] = {
	[CLOSURE] = {
		      "closure",
		      true, false }, [TAR] = { "tar", true, false }, [OCI] = { "oci", true, false },
	[DOCKER_ARCHIVE] = { "docker-archive", true, false }, [DIR_] = { "dir", true, false },
	[MINBASE] = { "minbase", false, true }, [HOST] = { "host", false, false },
};

static int parse(const char *spec, const char **argument)
{
	size_t n = strcspn(spec, ":");

	for (int i = 0; i < KINDS; i++) {
		if (strlen(kinds[i].name) != n || strncmp(spec, kinds[i].name, n))
			continue;
		*argument = spec[n] ? spec + n + 1 : NULL;
		if (*argument ? !**argument || !(kinds[i].argument || kinds[i].optional) :
				kinds[i].argument)
			return -1;
		return i;
	}
	return -1;
}

int rootfs_check(const char *spec)
{
	const char *argument;
	struct stat st;

	switch (parse(spec, &argument)) {
	case -1:
		return tool_usage_error("--rootfs", "%s: none of closure:PROGRAM[,...], tar:FILE, "
					"oci:DIRECTORY[:TAG], docker-archive:FILE[:TAG], "
					"dir:DIRECTORY, minbase[:SUITE], host", spec);
	case DIR_:
		if (*argument != '/')
			return tool_usage_error("--rootfs", "%s: the directory must begin with /",
						spec);
		if (stat(argument, &st) || !S_ISDIR(st.st_mode)) {
			tool_error(argument, "%s",
				   S_ISDIR(st.st_mode) ? strerror(errno) : "not a directory");
			return STATUS_FAILED;
		}
		return 0;
	case TAR:
		if (access(argument, R_OK)) {
			tool_error(argument, "%s", strerror(errno));
			return STATUS_FAILED;
		}
		return 0;
	default:
		return 0;
	}
}

/*
 * One level below the tree. What an image has there already stays, also a symbolic link, which must
 * not be followed here: it leads out of the tree, onto the host.
 */
static int make_directory(const char *tree, const char *path, mode_t mode)
{
	char full[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", tree, path);
	if (!lstat(full, &st) || (!mkdir(full, mode) && !chmod(full, mode)))
		return 0;
	tool_error(full, "%s", strerror(errno));
	return -1;
}

static int install_child(const char *tree)
{
	char path[PATH_MAX];
	const char *child = sibling_path("mitosis-child");
	int err;

	snprintf(path, sizeof(path), "%s" LEAN_CHILD, tree);
	unlink(path);
	err = copy_file(child, path);
	if (!err || err == -ENOENT)
		return 0;	/* without it, mitosis-leanrun --child says what is missing */
	tool_error(path, "%s", strerror(-err));
	return -1;
}

/* Somebody may have led a mount point elsewhere by a symbolic link: it is replaced. */
static void clear_mount_point(const char *tree, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", tree, path);
	if (!lstat(full, &st) && !S_ISDIR(st.st_mode))
		unlink(full);
}

int skeleton_make(const char *tree, bool whole)
{
	static const struct {
		const char *path;
		mode_t mode;
	} needed[] = {
		{ "/dev", 0755 }, { "/proc", 0755 }, { "/tmp", 01777 }, { "/.mitosis", 0755 },
	}, usual[] = {
		{ "/run", 0755 }, { "/sys", 0755 }, { "/etc", 0755 }, { "/var", 0755 },
		{ "/root", 0700 },
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		clear_mount_point(tree, needed[i].path);
		if (make_directory(tree, needed[i].path, needed[i].mode))
			return -1;
	}
	for (size_t i = 0; whole && i < sizeof(usual) / sizeof(usual[0]); i++)
		if (make_directory(tree, usual[i].path, usual[i].mode))
			return -1;
	return install_child(tree);
}

/* Nothing of the directory below shows through. */
static int make_opaque(const char *skel, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	if (lstat(path, &st) || !S_ISDIR(st.st_mode))
		return 0;
	snprintf(full, sizeof(full), "%s%s", skel, path);
	if (!make_directories(full, 0755) && !lsetxattr(full, "trusted.overlay.opaque", "y", 1, 0))
		return 0;
	tool_error(path, "cannot be hidden from containers: %s", strerror(errno));
	return -1;
}

/* Containers do not see that it is there at all. */
static int white_out(const char *skel, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	if (lstat(path, &st))
		return 0;
	snprintf(full, sizeof(full), "%s%s", skel, path);
	*strrchr(full, '/') = '\0';
	if (!make_directories(full, 0755)) {
		snprintf(full, sizeof(full), "%s%s", skel, path);
		if (!mknod(full, S_IFCHR, makedev(0, 0)))
			return 0;
	}
	tool_error(path, "cannot be hidden from containers: %s", strerror(errno));
	return -1;
}

int skeleton_hide_host(const char *skel)
{
	static const char *const directories[] = {
		"/boot",
		"/etc/ssh",
		"/etc/ssl/private", "/etc/sudoers.d", "/home", "/media", "/mnt", "/root", "/run",
		"/srv",
		"/sys", "/tmp", "/var/backups", "/var/cache", "/var/lib", "/var/log", "/var/mail",
		"/var/spool", "/var/tmp",
	};
	static const char *const files[] = {
		"/etc/gshadow", "/etc/gshadow-", "/etc/shadow", "/etc/shadow-", "/etc/sudoers",
	};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (make_opaque(skel, directories[i]))
			return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (white_out(skel, files[i]))
			return -1;
	return 0;
}

int rootfs_make(struct lean_template *t)
{
	char tree[PATH_MAX];
	const char *argument;
	int kind = parse(t->rootfs, &argument), err;

	lean_state_path(tree, t->name, "rootfs");
	free(t->root);
	t->layered = kind == DIR_ || kind == HOST;
	t->root = strdup(kind == DIR_ ? argument : kind == HOST ? "/" : tree);
	if (t->layered)
		return 0;
	if (mkdir(tree, 0755) && errno != EEXIST) {
		tool_error(tree, "%s", strerror(errno));
		return -1;
	}
	switch (kind) {
	case CLOSURE:
		err = closure_make(argument, tree);
		break;
	case TAR:
		err = image_tar(argument, tree);
		break;
	case OCI:
		err = image_oci(t, argument, tree);
		break;
	case DOCKER_ARCHIVE:
		err = image_docker_archive(t, argument, tree);
		break;
	case MINBASE:
		err = image_minbase(argument, tree);
		break;
	default:
		err = 0;
	}
	return err ? err : skeleton_make(tree, true);
}
