// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * containers.c - ends what runs containers of the templates that are here: mitosis-leanrun, and its
 * spawners, whose containers end with them.
 *
 * They are known by the lock of the template that they hold open.
 */
#include "clean/clean.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lean.h"

struct lock {
	dev_t dev;
	ino_t ino;
	char name[LEAN_NAME_MAX + 1];
};
static struct lock *locks;
static size_t lock_count;

static int find_locks(void)
{
	DIR *d = opendir(lean_run());
	struct dirent *e;
	int err = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);
		struct lock *list;
		struct stat st;

		if (n < 6 || n - 5 > LEAN_NAME_MAX || strcmp(e->d_name + n - 5, ".lock") ||
		    fstatat(dirfd(d), e->d_name, &st, 0))
			continue;
		list = realloc(locks, (lock_count + 1) * sizeof(*list));
		if (!list) {
			err = -ENOMEM;
			break;
		}
		locks = list;
		locks[lock_count] = (struct lock){ .dev = st.st_dev, .ino = st.st_ino };
		memcpy(locks[lock_count++].name, e->d_name, n - 5);
	}
	closedir(d);
	return err;
}

/* The template whose lock it has open. */
static const struct lock *lock_of(pid_t pid)
{
	const struct lock *found = NULL;
	char path[32];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (!d)
		clean_check_resources();
	while (d && !found && (e = readdir(d)) != NULL) {
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, 0) || !S_ISREG(st.st_mode))
			continue;
		for (size_t i = 0; i < lock_count && !found; i++)
			if (locks[i].dev == st.st_dev && locks[i].ino == st.st_ino)
				found = &locks[i];
	}
	if (d)
		closedir(d);
	return found;
}

static bool is_runner(struct process *p)
{
	const struct lock *lock = runs_tool(p->pid, "mitosis-leanrun") ? lock_of(p->pid) : NULL;

	if (lock)
		strcpy(p->name, lock->name);
	return lock;
}

struct search {
	struct processes runners, spawners;
};

static void find(pid_t pid, void *data)
{
	struct search *s = data;

	/* A spawner ends with the one that started it. */
	processes_add(runs_tool(parent_of(pid), "mitosis-leanrun") ? &s->spawners : &s->runners,
		      pid, is_runner);
}

int clean_containers(void)
{
	struct search s = { 0 };
	int err = find_locks();

	if (!err && lock_count)
		err = each_process(find, &s);
	processes_end("container", &s.runners, &s.spawners);
	processes_free(&s.runners);
	processes_free(&s.spawners);
	free(locks);
	locks = NULL;
	lock_count = 0;
	return err;
}
