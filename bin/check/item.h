/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * item.h - what mitosis-check knows of one thing: its state, in what detail, and the remedy.
 *
 * A probe uses the thing (opens the device, makes the system call) instead of guessing from
 * versions, and leaves nothing changed.
 */
#ifndef CHECK_ITEM_H
#define CHECK_ITEM_H

#include <stdbool.h>

enum state { STATE_OK, STATE_LIMITED, STATE_NO };

struct item {
	const char *name;
	/* the argument that asks for it and those behind it; NULL: as the one before */
	const char *section;
	const char *group;		/* the headline on a terminal */
	void (*probe)(struct item *item);
	bool chosen;
	enum state state;
	char detail[320], remedy[320];
};

void item_set(struct item *item, enum state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A command or a sentence; "%s" for what item_sudo() returns belongs before a command. */
void item_remedy(struct item *item, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Only states matter: what takes a while to find out for a remedy is not. */
extern bool item_without_remedies;
/* "sudo ", or nothing for root. */
const char *item_sudo(void);

/* Runs probe once and returns its state: what a later probe or a verdict builds upon. */
enum state item_state(const char *name);

/* The first line of a file without its end, or "". */
const char *read_line(const char *path, char *to, int room);

/* Whether the running kernel has, or can load, a module; a name with underscores. */
bool module_is_available(const char *name);

/* memory.c */
void probe_userfaultfd(struct item *item);
void probe_uffd_syscall(struct item *item);
void probe_uffd_device(struct item *item);
void probe_uffd_sysctl(struct item *item);
void probe_uffd_features(struct item *item);
void probe_thp(struct item *item);
void probe_pagemap_scan(struct item *item);

/* restore.c */
void probe_privileges(struct item *item);
void probe_proc(struct item *item);
void probe_vdso_map(struct item *item);
void probe_mm_map(struct item *item);
void probe_loopback(struct item *item);
void probe_descriptors(struct item *item);
void probe_user_namespaces(struct item *item);
void probe_cpu(struct item *item);
void probe_vdso(struct item *item);

/* trace.c */
void probe_trace(struct item *item);
void probe_trace_undumpable(struct item *item);
void probe_trace_confined(struct item *item);
void probe_child_numbers(struct item *item);

/* machine.c */
void probe_cgroup(struct item *item);
void probe_rdma(struct item *item);
void probe_rdma_rxe(struct item *item);
void probe_module(struct item *item);
void probe_kvm(struct item *item);
void probe_criu(struct item *item);

/* lab.c */
void probe_lab_part(struct item *item);
void probe_lab(struct item *item);

#endif
