/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clean.h - the parts of mitosis-clean: each finds one kind of object and removes it. */
#ifndef CLEAN_H
#define CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* children.c: children of snapshots, and what supervises them */
int clean_children(void);
/* containers.c: what runs containers of the templates that are here */
int clean_containers(void);
/* snapshots.c */
int clean_snapshots(void);
/* module.c */
int clean_module(void);

/* ---- process.c ---- */

/*
 * After something could not be opened: for want of descriptors or memory everything would look as
 * if it were not there, so that this ends the tool with a message. Otherwise it is gone, or not
 * ours.
 */
void clean_check_resources(void);

/* A process that is ours, held by a descriptor: no signal can reach a later one of its pid. */
struct process {
	pid_t pid;
	int fd;			/* pidfd */
	uid_t user;
	char name[256];
};
struct processes {
	struct process *list;
	size_t count;
};
/* Add a process that `is_ours` says yes to, asked when the descriptor is there. */
void processes_add(struct processes *p, pid_t pid, bool (*is_ours)(struct process *p));
void processes_free(struct processes *p);
/* Wait until it has ended; false: not within so many ms. */
bool process_wait(const struct process *p, int ms);
/*
 * End all by SIGTERM, those that have not ended in time by SIGKILL, and report them as objects of
 * this kind. below: what SIGKILL goes to as well, since it belongs to them. Returns how many have
 * ended, with --dry-run how many there are.
 */
size_t processes_end(const char *kind, const struct processes *p, const struct processes *below);

/* Whose things are looked at: the caller's own, or everybody's. */
void clean_for(bool all_users);
bool is_wanted(uid_t user);
/* Call fn for each process of those users. 0 or -errno. */
int each_process(void (*fn)(pid_t pid, void *data), void *data);
pid_t parent_of(pid_t pid);		/* 0: it is gone */
/*
 * Does it run a tool of this suite, by the kernel's account and by what is in the program's file?
 */
bool runs_tool(pid_t pid, const char *tool);
/* Is it us, or what we were started by? */
bool is_ancestor(pid_t pid);

#endif
