// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * places.c - where templates live, and the locks that say who uses them.
 *
 * A lock is on a file beside the template, since the template comes and goes: a file that was
 * removed while its lock was awaited is noticed by its name leading elsewhere.
 */
#include "lean.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "tool.h"

static char state_dir[PATH_MAX - 256], run_dir[PATH_MAX - 256];

static int set(char *to, const char *base, const char *rest)
{
	int n = snprintf(to, sizeof(state_dir), "%s%s", base, rest);

	if (n < (int)sizeof(state_dir))
		return 0;
	tool_error(base, "%s", strerror(ENAMETOOLONG));
	return -1;
}

static int choose(void)
{
	const char *given = getenv("MITOSIS_LEAN_DIR"), *home = getenv("HOME"), *runtime, *data;

	if (given && *given == '/')
		return set(state_dir, given, "/lib") || set(run_dir, given, "/run") ? -1 : 0;
	if (!geteuid())
		return set(state_dir, "/var/lib", "/mitosis-exp/lean") ||
				       set(run_dir, "/run", "/mitosis-exp/lean")
			       ? -1
			       : 0;
	data = getenv("XDG_DATA_HOME");
	runtime = getenv("XDG_RUNTIME_DIR");
	if (!home || *home != '/') {
		tool_error("HOME", "not set: no place for templates");
		return -1;
	}
	if (set(state_dir, data && *data == '/' ? data : home,
		data && *data == '/' ? "/mitosis-exp/lean" : "/.local/share/mitosis-exp/lean"))
		return -1;
	/* Without a directory that ends with the session, one that outlives it will do. */
	return runtime && *runtime == '/' ? set(run_dir, runtime, "/mitosis-exp/lean")
					  : set(run_dir, state_dir, "/.run");
}

/* What lies there is trusted: mount namespaces are entered, files become root file systems. */
static int check(const char *path)
{
	struct stat st;

	if (!stat(path, &st) && st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	tool_error(path, "must belong to this user and be writable by nobody else");
	return -1;
}

int lean_places(void)
{
	const char *const made[] = { state_dir, run_dir };

	if (choose())
		return -1;
	for (int i = 0; i < 2; i++) {
		int err = make_directories(made[i], 0755);

		if (err) {
			tool_error(made[i], "%s", strerror(-err));
			return -1;
		}
		if (check(made[i]))
			return -1;
	}
	return 0;
}

int lean_places_there(void)
{
	const char *const places[] = { state_dir, run_dir };

	if (choose())
		return -1;
	for (int i = 0; i < 2; i++)
		if (!access(places[i], F_OK) && check(places[i]))
			return -1;
	return 0;
}

const char *lean_state(void)
{
	return state_dir;
}

const char *lean_run(void)
{
	return run_dir;
}

static char *join(char buf[PATH_MAX], const char *dir, const char *name, const char *file)
{
	snprintf(buf, PATH_MAX, "%s/%s%s%s", dir, name, file ? "/" : "", file ? file : "");
	return buf;
}

char *lean_state_path(char buf[PATH_MAX], const char *name, const char *file)
{
	return join(buf, state_dir, name, file);
}

char *lean_run_path(char buf[PATH_MAX], const char *name, const char *file)
{
	return join(buf, run_dir, name, file);
}

bool lean_name_is_good(const char *name)
{
	if (!isalnum((unsigned char)*name) || strlen(name) > LEAN_NAME_MAX)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_-", *name))
			return false;
	return true;
}

int lean_lock(const char *name, enum lean_lock kind)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.lock", run_dir, name);
	for (;;) {
		int fd = open(path,
			      O_RDWR | O_CLOEXEC | O_NOFOLLOW |
				      (kind == LEAN_EXCLUSIVE ? O_CREAT : 0),
			      0600);
		struct stat ours, now;

		if (fd < 0)
			return -1;
		if (flock(fd, (kind == LEAN_EXCLUSIVE ? LOCK_EX : LOCK_SH) | LOCK_NB)) {
			int err = errno;

			close(fd);
			errno = err;
			return -1;
		}
		if (!fstat(fd, &ours) && !stat(path, &now) && ours.st_ino == now.st_ino &&
		    ours.st_dev == now.st_dev)
			return fd;
		close(fd);
	}
}

void lean_unlock(const char *name, int fd, bool gone)
{
	char path[PATH_MAX];

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s.lock", run_dir, name);
	if (gone)
		unlink(path);
	close(fd);
}

int lean_use(const char *name)
{
	uint64_t until = clock_now_ns() + 10000000000u;
	int fd;

	if (!lean_name_is_good(name) || !template_exists(name)) {
		tool_error(name, "no such template (mitosis-leanprep list shows them)");
		return -1;
	}
	for (;;) {
		fd = lean_lock(name, LEAN_SHARED);
		if (fd >= 0)
			return fd;
		if (errno == ENOENT) {
			tool_error(name,
				   "not set up since this host was started: run mitosis-leanprep create %s",
				   name);
			return -1;
		}
		if (errno != EWOULDBLOCK) {
			tool_error(name, "lock: %s", strerror(errno));
			return -1;
		}
		if (clock_now_ns() > until) {
			tool_error(name, "another process is changing the template");
			return -1;
		}
		poll(NULL, 0, 10);
	}
}
