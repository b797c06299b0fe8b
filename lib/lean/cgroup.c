// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * cgroup.c - the cgroup v2 side of containers: leaves with limits, the freezer, killing.
 *
 * A template's group holds one leaf per container that ever ran at the same time: c0, c1, ... A
 * leaf is made once, with the template's limits, and used again and again: making one costs more
 * than all the rest of a container. Who runs a container in a leaf holds the flock(2) on its
 * directory. A leaf that is free but populated was left by a spawner that was killed: what is in it
 * is killed first.
 */
#include "lean.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clock.h"
#include "textfile.h"
#include "tool.h"

#define LEAVES_MAX	65536u
#define PATIENCE_NS	30000000000u	/* for the kernel to end what was killed */
#define SYSTEMD_NS	5000000000u	/* for systemd to hear of it */

int cgroup_root(char path[PATH_MAX])
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	const struct mntent *m;
	int err = -ENOENT;

	if (!f)
		return -errno;
	while (err && (m = getmntent(f)) != NULL) {
		struct statfs st;

		/* A file system of another type may be mounted over it. */
		if (strcmp(m->mnt_type, "cgroup2") || statfs(m->mnt_dir, &st) ||
		    st.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		snprintf(path, PATH_MAX, "%s", m->mnt_dir);
		err = 0;
	}
	endmntent(f);
	return err;
}

int cgroup_own(char path[PATH_MAX])
{
	char root[PATH_MAX], *text, *line;
	int err = cgroup_root(root);

	if (err)
		return err;
	text = read_text("/proc/self/cgroup");
	line = text ? strstr(text, "0::/") : NULL;
	err = !line ? -ENOENT : 0;
	if (line) {
		line[strcspn(line, "\n")] = '\0';
		if (snprintf(path, PATH_MAX, "%s%s", root, line[4] ? line + 3 : "") >= PATH_MAX)
			err = -ENAMETOOLONG;
	}
	free(text);
	return err;
}

int group_base(const struct lean_template *t, char path[PATH_MAX])
{
	uint32_t hash = 2166136261u;
	size_t used;
	int err;

	if (t && t->cgroup) {
		snprintf(path, PATH_MAX, "%s", t->cgroup);
		return 0;
	}
	err = geteuid() ? cgroup_own(path) : cgroup_root(path);
	if (err)
		return err;
	used = strlen(path);
	/* Templates that are kept in another directory have groups of another name. */
	for (const char *c = lean_state(); *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	if (!strcmp(lean_state(), "/var/lib/mitosis-exp/lean"))
		snprintf(path + used, PATH_MAX - used, "/mitosis-lean");
	else
		snprintf(path + used, PATH_MAX - used, "/mitosis-lean.%08x", hash);
	return 0;
}

/* A number of a file of lines "key number". */
static int64_t number_of(int dir_fd, const char *file, const char *key)
{
	int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	char text[1024], *line, *at = text;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	while ((line = strsep(&at, "\n")) != NULL)
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ' ')
			return strtoll(line + strlen(key), NULL, 10);
	return -ENOENT;
}

int group_populated(int dir_fd)
{
	return (int)number_of(dir_fd, "cgroup.events", "populated");
}

/* Wait until a line of cgroup.events has the value; the kernel announces a change by POLLPRI. */
static int await_event(int dir_fd, const char *key, int64_t value, uint64_t patience_ns)
{
	uint64_t until = clock_now_ns() + patience_ns;
	int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		int64_t now = number_of(dir_fd, "cgroup.events", key);
		char text[256];

		if (now == value)
			break;
		if (now < 0 || clock_now_ns() > until) {
			err = now < 0 ? (int)now : -ETIMEDOUT;
			break;
		}
		/* A change between our look and poll() is seen: reading arms the file. */
		if (pread(fd, text, sizeof(text), 0) < 0)
			err = -errno;
		if (number_of(dir_fd, "cgroup.events", key) != value)
			poll(&p, 1, 100);
	}
	close(fd);
	return err;
}

static void kill_each(int dir_fd)
{
	int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	int pid;

	if (!f)
		return;
	while (fscanf(f, "%d", &pid) == 1)
		if (pid > 0)
			kill(pid, SIGKILL);
	fclose(f);
}

/*
 * One by one, until none is left; frozen, so that none is made meanwhile. Not by cgroup.kill: with
 * Linux 6.18 whatever is cloned into a leaf later, on which that was once used, is killed at its
 * birth.
 */
static int empty_leaf(int dir_fd)
{
	uint64_t until = clock_now_ns() + PATIENCE_NS;

	textfile_write(dir_fd, "cgroup.freeze", "1");
	while (group_populated(dir_fd) == 1 && clock_now_ns() < until) {
		kill_each(dir_fd);
		poll(NULL, 0, 1);
	}
	textfile_write(dir_fd, "cgroup.freeze", "0");
	return group_populated(dir_fd) ? -ETIMEDOUT : 0;
}

/* All levels; since Linux 5.14. The group is removed afterwards. */
static int kill_group(int dir_fd)
{
	int err = textfile_write(dir_fd, "cgroup.kill", "1");

	return err ? err : await_event(dir_fd, "populated", 0, PATIENCE_NS);
}

int leaf_freeze(int leaf_fd, bool freeze)
{
	int err = textfile_write(leaf_fd, "cgroup.freeze", freeze ? "1" : "0");

	if (!err)
		err = await_event(leaf_fd, "frozen", freeze, PATIENCE_NS);
	/* What could not be frozen in time runs on: it must not freeze later by itself. */
	if (err && freeze)
		textfile_write(leaf_fd, "cgroup.freeze", "0");
	return err;
}

static int set_limit(int fd, const struct lean_template *t, const char *name, const char *file,
		     const char *value)
{
	int err = textfile_write(fd, file, value);

	if (err)
		tool_error(t->name, "%s: %s cannot be set: %s", name, value, strerror(-err));
	return err;
}

static int set_limits(int fd, const struct lean_template *t, unsigned int limits)
{
	char text[32];

	if (limits & LEAN_MEMORY) {
		snprintf(text, sizeof(text), "%" PRIu64, t->memory);
		if (set_limit(fd, t, "memory", "memory.max", text) ||
		    set_limit(fd, t, "memory", "memory.oom.group", "1"))
			return -1;
		/*
		 * A limit is no invitation to swap. Without swap accounting there is no such file.
		 */
		textfile_write(fd, "memory.swap.max", "0");
	}
	if (limits & LEAN_PIDS) {
		snprintf(text, sizeof(text), "%" PRIu64, t->pids);
		if (set_limit(fd, t, "pids", "pids.max", text))
			return -1;
	}
	return limits & LEAN_CPUS && set_limit(fd, t, "cpus", "cpuset.cpus", t->cpus) ? -1 : 0;
}

/* 1: taken; 0: in use */
static int try_leaf(int group, const struct lean_template *t, unsigned int limits,
		    struct lean_leaf *leaf, unsigned int n)
{
	char name[16];
	int64_t kills;
	int fd, err;
	bool made;

	snprintf(name, sizeof(name), "c%u", n);
	made = !mkdirat(group, name, 0755);
	if (!made && errno != EEXIST) {
		tool_error(t->name, "cgroup %s: %s", name, strerror(errno));
		return -1;
	}
	fd = openat(group, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		tool_error(t->name, "cgroup %s: %s", name, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return 0;
	}
	/* Set again for an old one: who made it may have been killed before that. */
	if (set_limits(fd, t, limits))
		goto fail;
	if (!made && group_populated(fd) == 1 && empty_leaf(fd)) {
		tool_error(t->name,
			   "cgroup %s: processes of a container that was left cannot be killed",
			   name);
		goto fail;
	}
	/* What starts in a frozen one never runs. */
	err = !made && number_of(fd, "cgroup.events", "frozen") == 1 ? leaf_freeze(fd, false) : 0;
	if (err) {
		tool_error(t->name, "cgroup %s: cannot be thawed: %s", name, strerror(-err));
		goto fail;
	}
	kills = limits & LEAN_MEMORY ? number_of(fd, "memory.events", "oom_kill") : 0;
	*leaf = (struct lean_leaf){ .fd = fd,
				    .number = n,
				    .oom_kills = kills > 0 ? (uint64_t)kills : 0 };
	return 1;
fail:
	close(fd);
	return -1;
}

int leaf_take(int group, const struct lean_template *t, unsigned int limits, struct lean_leaf *leaf)
{
	leaf->fd = -1;
	if (group < 0)
		return 0;
	for (unsigned int n = 0; n < LEAVES_MAX; n++) {
		int got = try_leaf(group, t, limits, leaf, n);

		if (got)
			return got < 0 ? -1 : 0;
	}
	tool_error(t->name, "%u containers run already", LEAVES_MAX);
	return -1;
}

void leaf_give_back(struct lean_leaf *leaf)
{
	if (leaf->fd >= 0)
		close(leaf->fd);
	leaf->fd = -1;
}

bool leaf_ran_out(const struct lean_leaf *leaf)
{
	return leaf->fd >= 0 &&
	       number_of(leaf->fd, "memory.events", "oom_kill") > (int64_t)leaf->oom_kills;
}

/* Leaves first. A process that is being killed keeps its group busy for a moment. */
static int remove_level(const char *path)
{
	uint64_t until = clock_now_ns() + PATIENCE_NS;
	char below[PATH_MAX];
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, NULL), err = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (!err && entries[i]->d_type == DT_DIR && entries[i]->d_name[0] != '.' &&
		    snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name) <
			    (int)sizeof(below))
			err = remove_level(below);
		free(entries[i]);
	}
	free(entries);
	while (!err && rmdir(path)) {
		if (errno == ENOENT)
			break;
		if (errno != EBUSY || clock_now_ns() > until)
			err = -errno;
		poll(NULL, 0, 5);
	}
	return err;
}

/*
 * systemd removes a scope of its own when it hears that the group is empty. From a group that has
 * gone before it hears nothing any more, and the scope would stay on its list.
 */
static void leave_to_systemd(const char *path)
{
	const char *end = strrchr(path, '.');
	uint64_t until = clock_now_ns() + SYSTEMD_NS;

	if (!end || strcmp(end, ".scope") || access("/run/systemd/system", F_OK))
		return;
	while (!access(path, F_OK) && clock_now_ns() < until)
		poll(NULL, 0, 5);
}

int group_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = kill_group(fd);
	close(fd);
	if (err)
		return err;
	leave_to_systemd(path);
	return remove_level(path);
}
