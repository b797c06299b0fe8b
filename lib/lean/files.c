// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* files.c - small files and whole trees. */
#include "lean.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "children.h"

int write_text(const char *path, const char *text, mode_t mode)
{
	char part[PATH_MAX];
	size_t length = strlen(text);
	int fd, err = 0;

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	if (write_exactly(fd, text, length) || fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(part, path))
		err = -errno;
	if (err)
		unlink(part);
	return err;
}

char *read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f)
		return NULL;
	n = getdelim(&text, &room, '\0', f);
	if (n < 0 && !ferror(f)) {
		free(text);
		text = strdup("");
	} else if (n < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

int make_directories(const char *path, mode_t mode)
{
	char part[PATH_MAX];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	for (char *slash = part + 1; *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = '\0';
		if (mkdir(part, mode) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, mode) && errno != EEXIST ? -errno : 0;
}

/*
 * fts_read() gives a directory twice, before and after what is in it. Returns the first failure, or
 * err.
 */
static int remove_one(const FTSENT *entry, int err)
{
	int failed = 0;

	switch (entry->fts_info) {
	case FTS_D:
		/* What a user's image made unreadable must be readable to be emptied. */
		if (geteuid() && (entry->fts_statp->st_mode & 0700) != 0700)
			chmod(entry->fts_accpath, 0700);
		break;
	case FTS_DP:
		failed = rmdir(entry->fts_accpath);
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		errno = entry->fts_errno;
		failed = -1;
		break;
	default:
		failed = unlink(entry->fts_accpath);
	}
	return err || !failed || errno == ENOENT ? err : -errno;
}

/*
 * By directories, whose device tells a mount; on overlayfs, files have the device that they lie on.
 */
int remove_tree(const char *path)
{
	char *paths[] = { (char *)path, NULL };
	const FTSENT *entry;
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	int err = 0;

	if (!tree)
		return -errno;
	for (;;) {
		errno = 0;
		entry = fts_read(tree);
		if (!entry)
			break;
		err = remove_one(entry, err);
	}
	if (!err && errno)
		err = -errno;
	fts_close(tree);
	return err;
}

/* Through memory: the number of bytes, at least 1, or -1 with errno. */
static ssize_t copy_some(int in, int out, off_t left)
{
	char buffer[65536];
	ssize_t n = read(in, buffer, left < (off_t)sizeof(buffer) ? (size_t)left : sizeof(buffer));

	if (n < 0)
		return -1;
	if (!n) {
		errno = EIO;	/* it ends before its size: it has been truncated meanwhile */
		return -1;
	}
	return write_exactly(out, buffer, (size_t)n) ? -1 : n;
}

int copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out, err = 0;
	struct stat st;

	if (in < 0)
		return -errno;
	if (fstat(in, &st)) {
		err = -errno;
		close(in);
		return err;
	}
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
	if (out < 0) {
		err = -errno;
		close(in);
		return err;
	}
	for (off_t left = st.st_size; left > 0 && !err;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);

		if (!n || (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
				     errno == EOPNOTSUPP)))
			n = copy_some(in, out, left);
		if (n < 0)
			err = -errno;
		left -= n;
	}
	/* The umask took some away; nothing is owned by anybody else here. */
	if (!err && fchmod(out, st.st_mode & 0777))
		err = -errno;
	if (close(out) && !err)
		err = -errno;
	close(in);
	return err;
}
