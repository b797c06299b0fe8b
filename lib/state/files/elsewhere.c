// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * elsewhere.c - who else has a pipe, eventfd and the like of the parent's: a child must not get one
 * that looks like it and leads nowhere. The kernel counts and does not tell; those who got it by
 * fork(2) are asked, which are the parent's descendants and who started it.
 */
#include "state/files/kind.h"

#ifdef IN_SHADOW

#include "pie/numbers.h"
#include "shadow/read.h"

#include <fcntl.h>
#include <linux/kcmp.h>

#define PROCESSES_MAX 4096u

static bool is_candidate(const struct descriptor_file *f)
{
	return f->kind == FILE_PIPE || f->kind == FILE_SOCKETPAIR || f->kind == FILE_EVENTFD ||
	       f->kind == FILE_PTY || f->kind == FILE_URING;
}

/*
 * A pipe has a number, and so have a socket and one side of a pseudo-terminal; the other kinds
 * share one, and are compared.
 */
static bool is_same(const struct snapshot *s, uint32_t pid, uint32_t fd, uint32_t number,
		    const char *link)
{
	const struct descriptor_file *f = &s->files[s->fds[number].file];

	if (!text_is(s->strings + f->path, link))
		return false;
	return (f->kind != FILE_EVENTFD && f->kind != FILE_URING &&
		!text_is(link, "/dev/ptmx") && !text_is(link, "/dev/pts/ptmx")) ||
	       sys(SYS_kcmp, sys(SYS_getpid), pid, KCMP_FILE, s->fds[number].fd, fd) == 0;
}

static void look_at(struct snapshot *s, uint32_t pid, uint32_t fd)
{
	char name[64], link[64];
	long n;

	*text_append_number(proc_path(name, pid, "/fd/"), fd) = '\0';
	n = sys(SYS_readlinkat, AT_FDCWD, name, link, sizeof(link) - 1);
	if (n <= 0)
		return;
	link[n] = '\0';
	if (link[0] == '/' && !text_begins(link, "/dev/pt"))
		return;
	for (uint32_t i = 0; i < s->n.fds; i++) {
		struct descriptor_file *f = &s->files[s->fds[i].file];

		if (is_candidate(f) && !(f->flags & FILE_ELSEWHERE) && is_same(s, pid, fd, i, link))
			f->flags |= FILE_ELSEWHERE;
	}
}

static void look_through(struct snapshot *s, uint32_t pid)
{
	struct numbers list;
	char name[64];
	int fd;

	proc_path(name, pid, "/fd");
	if (numbers_open(&list, name))
		return;
	while ((fd = numbers_next(&list)) >= 0)
		look_at(s, pid, (uint32_t)fd);
	numbers_close(&list);
}

/* Append the children of a process; all are forked by its only thread. */
static uint32_t add_children(struct snapshot *s, uint32_t pid, uint32_t *list, uint32_t count)
{
	char name[64];
	const char *p;
	long n;

	*text_append(text_append_number(proc_path(name, pid, "/task/"), pid), "/children") = '\0';
	n = read_whole(name, s->scratch2, SCRATCH_BYTES - 1);
	s->scratch2[n < 0 ? 0 : n] = '\0';
	for (p = s->scratch2; *p >= '0' && *p <= '9' && count < PROCESSES_MAX; count++) {
		list[count] = (uint32_t)text_number(&p, 10);
		while (*p == ' ')
			p++;
	}
	return count;
}

static uint32_t parent_of(struct snapshot *s, uint32_t pid)
{
	const char *p = proc_stat(s, pid, 4);

	return (uint32_t)text_number(&p, 10);
}

bool files_is_shadow(struct snapshot *s, uint32_t pid)
{
	const char *p = proc_stat(s, pid, 38);

	return p[0] == '0' && p[1] == ' ';
}

static uint64_t start_of(struct snapshot *s, uint32_t pid)
{
	const char *p = proc_stat(s, pid, 22);

	return text_number(&p, 10);
}

bool files_is_younger(struct snapshot *s, uint32_t pid)
{
	uint32_t self = (uint32_t)sys(SYS_getpid);
	uint64_t ours = start_of(s, self), its = start_of(s, pid);

	/* Numbers are given in their order; within a tick of the clock all of them. */
	return its > ours || (its == ours && pid > self);
}

void files_find_elsewhere(struct snapshot *s)
{
	uint32_t *list = s->order[0], count = 0, parent = (uint32_t)s->args.parent_pid;
	bool any = false;

	for (uint32_t i = 0; i < s->n.files; i++)
		any |= is_candidate(&s->files[i]);
	if (!any)
		return;
	count = add_children(s, parent, list, count);
	for (uint32_t i = 0; i < count; i++)
		if (!files_is_shadow(s, list[i]))
			count = add_children(s, list[i], list, count);
	list[count++] = parent_of(s, parent);
	for (uint32_t i = 0; i < count; i++)
		if (list[i] && !files_is_shadow(s, list[i]))
			look_through(s, list[i]);
}

#endif
