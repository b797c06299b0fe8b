// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * process.c - finds processes of ours, and ends them.
 *
 * Names can be anybody's. A process counts as a tool's if the file that it executes, which the
 * kernel names, is called so and holds what all our tools hold. It is held by a pidfd before it is
 * looked at: should it end then, a signal goes nowhere.
 */
#include "clean/clean.h"
#include "clean/report.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "tool.h"

#define GRACE_MS	5000	/* for what SIGTERM makes a program do */
#define PATIENCE_MS	10000	/* for the kernel, after SIGKILL */

static bool for_all_users;

void clean_for(bool all_users)
{
	for_all_users = all_users;
}

bool is_wanted(uid_t user)
{
	return for_all_users || user == geteuid();
}

void clean_check_resources(void)
{
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM)
		return;
	tool_error("processes", "cannot be looked at: %s", strerror(errno));
	exit(STATUS_FAILED);
}

/*
 * Whom a process belongs to, by its effective user id. The owner of its directory in /proc is root
 * where the program may not be read or has had more rights: it would pass for one of root's.
 */
static bool user_of(pid_t pid, uid_t *user)
{
	char path[32], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f) {
		clean_check_resources();
		return false;
	}
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "Uid: %*u %u", user) == 1;
	fclose(f);
	return found;
}

int each_process(void (*fn)(pid_t pid, void *data), void *data)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)) != NULL) {
		pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)atoi(e->d_name) : 0;
		uid_t user;

		if (pid && user_of(pid, &user) && is_wanted(user))
			fn(pid, data);
	}
	closedir(d);
	return 0;
}

pid_t parent_of(pid_t pid)
{
	char path[32], text[512], *at;
	int fd, parent = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		clean_check_resources();
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The command's name may hold anything; the last parenthesis ends it. */
	at = strrchr(text, ')');
	if (!at || sscanf(at, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

bool is_ancestor(pid_t pid)
{
	for (pid_t at = getpid(); at > 1; at = parent_of(at))
		if (at == pid)
			return true;
	return pid == 1;
}

/* What --version of each tool says, as it is in the program. */
static bool is_of_this_suite(const char *exe)
{
	static const char mark[] = "%s (mitosis-exp %s)";
	int fd = open(exe, O_RDONLY | O_CLOEXEC);
	bool found = false;
	struct stat st;
	void *map;

	if (fd < 0) {
		clean_check_resources();
		return false;
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			found = memmem(map, (size_t)st.st_size, mark, sizeof(mark) - 1);
			munmap(map, (size_t)st.st_size);
		}
	}
	close(fd);
	return found;
}

bool runs_tool(pid_t pid, const char *tool)
{
	char path[32], exe[PATH_MAX], *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false;
	exe[n] = '\0';
	/* Since an upgrade. */
	if (n > 10 && !strcmp(exe + n - 10, " (deleted)"))
		exe[n - 10] = '\0';
	name = strrchr(exe, '/');
	return name && !strcmp(name + 1, tool) && is_of_this_suite(path);
}

void processes_add(struct processes *p, pid_t pid, bool (*is_ours)(struct process *p))
{
	struct process *list = realloc(p->list, (p->count + 1) * sizeof(*list)), *new;

	if (!list) {
		clean_check_resources();
		return;
	}
	p->list = list;
	new = &list[p->count];
	*new = (struct process){ .pid = pid, .fd = (int)syscall(SYS_pidfd_open, pid, 0) };
	if (new->fd < 0) {
		clean_check_resources();
		return;
	}
	if (user_of(pid, &new->user) && is_ours(new))
		p->count++;
	else
		close(new->fd);
}

void processes_free(struct processes *p)
{
	while (p->count)
		close(p->list[--p->count].fd);
	free(p->list);
	p->list = NULL;
}

bool process_wait(const struct process *p, int ms)
{
	uint64_t until = clock_now_ns() + (uint64_t)ms * 1000000u;

	for (;;) {
		struct pollfd f = { .fd = p->fd, .events = POLLIN };
		uint64_t now = clock_now_ns();
		int left = now < until ? (int)((until - now) / 1000000u) + 1 : 0;

		if (poll(&f, 1, left) > 0)
			return true;
		if (!left)
			return false;
	}
}

static int send_signal(const struct process *p, int signo)
{
	return syscall(SYS_pidfd_send_signal, p->fd, signo, NULL, 0) && errno != ESRCH ? -errno : 0;
}

static bool wait_all(const struct processes *p, int ms)
{
	uint64_t until = clock_now_ns() + (uint64_t)ms * 1000000u;

	for (size_t i = 0; i < p->count; i++) {
		uint64_t now = clock_now_ns();

		if (!process_wait(&p->list[i], now < until ? (int)((until - now) / 1000000u) : 0))
			return false;
	}
	return true;
}

size_t processes_end(const char *kind, const struct processes *p, const struct processes *below)
{
	int *errors = calloc(p->count + 1, sizeof(*errors));
	size_t ended = 0;

	for (size_t i = 0; i < p->count && !report_looks(); i++)
		errors[i] = send_signal(&p->list[i], SIGTERM);
	if (!report_looks() && (!wait_all(p, GRACE_MS) || !wait_all(below, 0))) {
		for (size_t i = 0; i < p->count; i++)
			send_signal(&p->list[i], SIGKILL);
		for (size_t i = 0; i < below->count; i++)
			send_signal(&below->list[i], SIGKILL);
		wait_all(p, PATIENCE_MS);
		wait_all(below, PATIENCE_MS);
	}
	for (size_t i = 0; i < p->count; i++) {
		const struct object o = { kind, p->list[i].name, p->list[i].pid, p->list[i].user };

		if (report_looks() || process_wait(&p->list[i], 0)) {
			report_object(&o, NULL);
			ended++;
			continue;
		}
		report_object(&o, errors && errors[i] ? strerror(-errors[i])
						      : "it does not end, not even by SIGKILL");
	}
	free(errors);
	return ended;
}
