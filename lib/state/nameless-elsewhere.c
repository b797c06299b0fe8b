// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * nameless-elsewhere.c - which of the parent's files without a name another process has too: it is
 * looked for in /proc.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "pie/numbers.h"
#include "state/nameless.h"

#include <fcntl.h>

static void mark(struct descriptor_nameless *n, uint32_t pid)
{
	/* What can never change is the same, whoever has it. */
	if (n->seals & F_SEAL_WRITE)
		return;
	n->flags |= NAMELESS_ELSEWHERE;
	n->other = pid;
}

/* The numbers of System V are those of a namespace. */
static bool has_our_ipc(struct snapshot *s, uint32_t pid)
{
	char name[48], theirs[48], ours[48];
	long n, m;

	proc_path(name, pid, "/ns/ipc");
	n = sys(SYS_readlinkat, AT_FDCWD, name, theirs, sizeof(theirs));
	m = sys(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/ipc", ours, sizeof(ours));
	return n == m && n > 0 && !memcmp(ours, theirs, (size_t)n);
}

/* is_other: neither the parent nor a copy of it. Every mapping of System V is counted. */
static void look_at_maps(struct snapshot *s, uint32_t pid, bool is_other)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	char name[48];
	const char *p;

	proc_path(name, pid, "/maps");
	r.fd = (int)sys(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	while (r.fd >= 0 && (p = next_line(&r))) {
		struct nameless_line l;
		int at;

		nameless_parse(p, &l);
		at = nameless_is_candidate(l.name)
			     ? nameless_find(s, l.device, l.inode, l.name) : -1;
		if (at < 0)
			continue;
		if (s->nameless[at].flags & NAMELESS_SYSV) {
			if (!has_our_ipc(s, pid))
				continue;
			s->copies[at].mappings++;
		}
		if (is_other)
			mark(&s->nameless[at], pid);
	}
	if (r.fd >= 0)
		sys(SYS_close, r.fd);
}

/*
 * By its name first: to ask for more of any file may wait for a file system that does not answer.
 */
static void look_at_file(struct snapshot *s, uint32_t pid, const char *link)
{
	long n = sys(SYS_readlinkat, AT_FDCWD, link, s->scratch2, 4096);
	struct stat st;
	int found;

	if (n <= 0)
		return;
	s->scratch2[n] = '\0';
	if (!nameless_is_candidate(s->scratch2) ||
	    sys(SYS_newfstatat, AT_FDCWD, link, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_nlink)
		return;
	found = nameless_find(s, nameless_device(&st), st.st_ino, s->scratch2);
	if (found >= 0)
		mark(&s->nameless[found], pid);
}

static void look_at_files(struct snapshot *s, uint32_t pid)
{
	char name[64], *end = proc_path(name, pid, "/fd");
	struct numbers list;

	if (numbers_open(&list, name))
		return;
	*end++ = '/';
	while (numbers_next(&list) >= 0) {
		*text_append(end, list.name) = '\0';
		look_at_file(s, pid, name);
	}
	numbers_close(&list);
}

/* More have attached a segment of System V than we can see. */
static void count_attached(struct snapshot *s)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *p;

	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/sysvipc/shm", O_RDONLY | O_CLOEXEC);
	while (r.fd >= 0 && (p = next_line(&r))) {
		uint64_t column[7];

		/* key, shmid, perms, size, cpid, lpid, nattch */
		for (int i = 0; i < 7; i++) {
			while (*p == ' ' || *p == '-')
				p++;
			column[i] = text_number(&p, 10);
		}
		for (uint32_t i = 0; i < s->n.nameless; i++)
			if (s->nameless[i].flags & NAMELESS_SYSV &&
			    s->nameless[i].inode == column[1] &&
			    column[6] > s->copies[i].mappings &&
			    !(s->nameless[i].flags & NAMELESS_ELSEWHERE))
				mark(&s->nameless[i], 0);
	}
	if (r.fd >= 0)
		sys(SYS_close, r.fd);
}

/* A shadow whose parent is not its own any more has an exit signal, but a name. */
static bool is_other_snapshot(struct snapshot *s, uint32_t pid)
{
	char path[48];
	long n;

	if (files_is_shadow(s, pid))
		return true;
	proc_path(path, pid, "/comm");
	n = read_whole(path, s->scratch2, 64);
	s->scratch2[n < 0 ? 0 : n] = '\0';
	return text_is(s->scratch2, "mitosis-shadow\n");
}

void nameless_find_elsewhere(struct snapshot *s)
{
	const int self = (int)sys(SYS_getpid);
	struct numbers list;
	int pid;

	if (numbers_open(&list, "/proc"))
		return;
	while ((pid = numbers_next(&list)) >= 0) {
		bool is_other = pid != self && pid != s->args.parent_pid &&
				!is_other_snapshot(s, (uint32_t)pid) &&
				!files_is_younger(s, (uint32_t)pid);

		look_at_maps(s, (uint32_t)pid, is_other);
		if (is_other)
			look_at_files(s, (uint32_t)pid);
	}
	numbers_close(&list);
	count_attached(s);
}

#endif
