// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * closure.c - a root file system of named programs and what they need: shared libraries, the
 * interpreters of scripts, the standard library of Python. true(1) always comes along, as the
 * program that says what starting anything costs.
 *
 * Paths are the host's, symbolic links included: /bin/sh is the link that it is there, and what it
 * leads to comes along. A directory is copied whole, with the libraries that the objects in it
 * need.
 */
#include "prep.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "tool.h"

#define LINKS_MAX	40

struct closure {
	const char *tree;
	uint64_t files;
	char loader[PATH_MAX];	/* of the last program; shared objects are loaded by it, too */
};

static int add(struct closure *c, const char *path, int links);

static int in_tree(const struct closure *c, const char *path, char full[PATH_MAX])
{
	if (snprintf(full, PATH_MAX, "%s%s", c->tree, path) < PATH_MAX)
		return 0;
	tool_error(path, "%s", strerror(ENAMETOOLONG));
	return -1;
}

static int failed(const char *path)
{
	tool_error(path, "%s", strerror(errno));
	return -1;
}

/* What the loader would load, as it tells itself. */
static int add_libraries(struct closure *c, const char *path)
{
	char *argv[] = { c->loader, (char *)"--list", (char *)path, NULL };
	char *text, *at, *line;
	int err = 0;

	if (!*c->loader)
		return 0;
	text = tool_output(argv);
	if (!text)	/* not meant to be loaded, or of another processor */
		return errno == EINTR ? -1 : 0;
	at = text;
	while ((line = strsep(&at, "\n")) != NULL && !err) {
		char *found = strstr(line, "=> ");
		char *library = found ? found + 3 : line + strspn(line, " \t");

		if (strstr(line, "not found")) {
			tool_error(path, "%s", line + strspn(line, " \t"));
			err = -1;
		}
		library[strcspn(library, " ")] = '\0';
		if (*library == '/' && !err)
			err = add(c, library, 0);
	}
	free(text);
	return err;
}

static int add_elf(struct closure *c, int fd, const char *path)
{
	Elf64_Ehdr header;
	char loader[PATH_MAX] = "";

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    header.e_ident[EI_CLASS] != ELFCLASS64)
		return 0;
	for (int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof(p),
			  (off_t)(header.e_phoff + (uint64_t)i * header.e_phentsize)) != sizeof(p))
			return 0;
		if (p.p_type == PT_INTERP && p.p_filesz > 0 && p.p_filesz < sizeof(loader) &&
		    pread(fd, loader, p.p_filesz, (off_t)p.p_offset) == (ssize_t)p.p_filesz)
			loader[p.p_filesz - 1] = '\0';
	}
	if (*loader) {
		strcpy(c->loader, loader);
		if (add(c, loader, 0))
			return -1;
	}
	return *loader || header.e_type == ET_DYN ? add_libraries(c, path) : 0;
}

/* Python without its library says no more than that it misses it. */
static int add_python(struct closure *c, const char *path)
{
	char *argv[] = {
		(char *)path, (char *)"-I", (char *)"-c",
		(char *)"import sysconfig as s; "
			"print(*{s.get_path('stdlib'), s.get_path('platstdlib')}, sep='\\n')",
		NULL
	};
	char *text = tool_output(argv), *at = text, *line;
	int err = 0;

	if (!text) {
		if (errno == EINTR)
			return -1;
		tool_error(path, "does not tell where its library is");
		return -1;
	}
	while ((line = strsep(&at, "\n")) != NULL && !err)
		if (*line == '/')
			err = add(c, line, 0);
	free(text);
	return err;
}

static bool is_python(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return !strncmp(name, "python", 6) && !name[6 + strspn(name + 6, "0123456789.")];
}

static int add_needs(struct closure *c, const char *path, const struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	char head[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head) - 1, 0);

	if (n < 0)
		return failed(path);
	head[n] = '\0';
	if (n > 4 && !memcmp(head, ELFMAG, SELFMAG)) {
		err = add_elf(c, fd, path);
		if (!err && st->st_mode & 0111 && is_python(path))
			err = add_python(c, path);
	} else if (st->st_mode & 0111 && !strncmp(head, "#!", 2)) {
		char *name = head + 2 + strspn(head + 2, " \t");

		name[strcspn(name, " \t\n")] = '\0';
		if (*name == '/' && !access(name, X_OK))
			err = add(c, name, 0);
	}
	close(fd);
	return err;
}

static int add_file(struct closure *c, const char *path, const struct stat *st)
{
	char full[PATH_MAX];
	int err;

	if (in_tree(c, path, full))
		return -1;
	err = copy_file(path, full);
	if (err == -EEXIST)
		return 0;
	if (err) {
		errno = -err;
		return failed(path);
	}
	progress_update(++c->files);
	return add_needs(c, path, st);
}

static int add_directory(struct closure *c, const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int err = 0;

	if (!d)
		return failed(path);
	while (!err && (e = readdir(d)) != NULL) {
		char below[PATH_MAX];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", strcmp(path, "/") ? path : "",
			     e->d_name) >= (int)sizeof(below)) {
			errno = ENAMETOOLONG;
			err = failed(path);
		} else {
			err = add(c, below, 0);
		}
	}
	closedir(d);
	return err;
}

/* The symbolic link at the first `length` bytes of the path, then where the whole path leads. */
static int add_link(struct closure *c, const char *link, const char *rest, int links)
{
	char to[PATH_MAX], next[PATH_MAX], full[PATH_MAX];
	ssize_t n = readlink(link, to, sizeof(to) - 1);
	int wanted;

	if (n < 0)
		return failed(link);
	to[n] = '\0';
	if (links > LINKS_MAX) {
		errno = ELOOP;
		return failed(link);
	}
	if (in_tree(c, link, full))
		return -1;
	if (symlink(to, full) && errno != EEXIST)
		return failed(link);
	if (*to == '/')
		wanted = snprintf(next, sizeof(next), "%s%s", to, rest);
	else
		wanted = snprintf(next, sizeof(next), "%.*s/%s%s", (int)(strrchr(link, '/') - link),
				  link, to, rest);
	if (wanted >= (int)sizeof(next)) {
		errno = ENAMETOOLONG;
		return failed(link);
	}
	return add(c, next, links + 1);
}

/* Remove "//", "/." and "/.." where they are, as the kernel would walk them. */
static int next_component(const char **at, char *walked)
{
	size_t n;

	*at += strspn(*at, "/");
	n = strcspn(*at, "/");
	if (!n)
		return 0;
	if (n == 2 && !strncmp(*at, "..", 2)) {
		char *slash = strrchr(walked, '/');

		if (slash)
			*slash = '\0';
	} else if (n != 1 || **at != '.') {
		size_t used = strlen(walked);

		if (used + n + 2 > PATH_MAX)
			return 0;
		walked[used] = '/';
		memcpy(walked + used + 1, *at, n);
		walked[used + 1 + n] = '\0';
	}
	*at += n;
	return 1;
}

static int add(struct closure *c, const char *path, int links)
{
	char walked[PATH_MAX] = "", full[PATH_MAX];
	const char *at = path;
	struct stat st;

	while (next_component(&at, walked)) {
		const char *rest = at + strspn(at, "/");

		if (!*walked)
			continue;
		if (lstat(walked, &st))
			return failed(path);
		if (S_ISLNK(st.st_mode)) {
			struct stat target;

			/*
			 * Inside a directory that is copied whole, a link that leads nowhere is
			 * only a link.
			 */
			if (!*rest && stat(walked, &target) && links == 0 &&
			    strcmp(path, walked) == 0 && errno == ENOENT) {
				char to[PATH_MAX];
				ssize_t n = readlink(walked, to, sizeof(to) - 1);

				to[n > 0 ? n : 0] = '\0';
				if (in_tree(c, walked, full) ||
				    (symlink(to, full) && errno != EEXIST))
					return failed(walked);
				return 0;
			}
			return add_link(c, walked, at, links);
		}
		if (S_ISDIR(st.st_mode)) {
			if (in_tree(c, walked, full))
				return -1;
			if (!mkdir(full, 0755) || errno == EEXIST)
				continue;
			return failed(full);
		}
		if (S_ISREG(st.st_mode) && !*rest)
			return add_file(c, walked, &st);
		if (!*rest)
			return 0;	/* sockets and devices are nothing to copy */
		errno = ENOTDIR;
		return failed(walked);
	}
	return *walked ? add_directory(c, walked) : 0;
}

/* What the containers' own /tmp and the like would cover is of no use. */
static int add_reachable(struct closure *c, const char *path)
{
	static const char *const covered[] = { "/tmp/", "/dev/", "/proc/" };

	for (size_t i = 0; i < sizeof(covered) / sizeof(covered[0]); i++) {
		if (strncmp(path, covered[i], strlen(covered[i])))
			continue;
		tool_error(path, "cannot be seen in containers, which have %.*s of their own",
			   (int)strlen(covered[i]) - 1, covered[i]);
		return -1;
	}
	return add(c, path, 0);
}

static int add_named(struct closure *c, const char *name)
{
	const char *path = getenv("PATH");
	char *copy, *at, *dir, full[PATH_MAX];

	if (*name == '/')
		return add_reachable(c, name);
	copy = strdup(path ? path : "/usr/bin:/bin");
	at = copy;
	while ((dir = strsep(&at, ":")) != NULL) {
		snprintf(full, sizeof(full), "%s/%s", dir, name);
		if (*dir == '/' && !access(full, X_OK))
			break;
	}
	free(copy);
	if (dir)
		return add_reachable(c, full);
	tool_error(name, "no such program");
	return -1;
}

/* Files that programs look for at their start, without which they would still run. */
static int add_usual(struct closure *c)
{
	static const char *const programs[] = { "/bin/true", "/usr/bin/true" };
	static const char *const files[] = {
		"/etc/ld.so.cache",
		"/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/localtime",
	};
	static const char passwd[] =
		"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
	static const char group[] = "root:x:0:\nnogroup:x:65534:\n";
	char path[PATH_MAX];
	int err;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (!access(programs[i], X_OK) && add(c, programs[i], 0))
			return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!access(files[i], R_OK) && add(c, files[i], 0))
			return -1;
	if (in_tree(c, "/etc", path) || (mkdir(path, 0755) && errno != EEXIST))
		return failed(path);
	err = in_tree(c, "/etc/passwd", path) ? -ENAMETOOLONG : write_text(path, passwd, 0644);
	if (!err)
		err = in_tree(c, "/etc/group", path) ? -ENAMETOOLONG :
						       write_text(path, group, 0644);
	if (!err)
		return 0;
	errno = -err;
	return failed(path);
}

int closure_make(const char *list, const char *tree)
{
	struct closure c = { .tree = tree };
	char *copy = strdup(list), *at = copy, *name;
	int err = 0;

	progress_start("files copied", 0);
	while (!err && (name = strsep(&at, ",")) != NULL)
		if (*name)
			err = add_named(&c, name);
	if (!err)
		err = add_usual(&c);
	progress_finish();
	free(copy);
	return err;
}
