/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * verbs.h - the commands of mitosis-leanprep, a file each, and what they share.
 *
 * A command gets the options and its arguments, as many as its row in the table of
 * mitosis-leanprep.c says. Commands return an exit status, and so does what is below unless it says
 * otherwise.
 */
#ifndef VERBS_H
#define VERBS_H

#include <signal.h>

#include "lean.h"
#include "record.h"

struct options {
	char *rootfs, *memory, *cpus, *pids, *tmp, *user, *caps, *network, *hostname, *cgroup;
	int writable, require_limits, all, json, quiet;
	int argc;
	char **argv;
};

typedef int verb_run(const struct options *o, const char **arguments);
verb_run verb_create, verb_list, verb_inspect, verb_rm, verb_clean, verb_mount_dev, verb_pause,
	 verb_unpause;

/* ---- settings.c ---- */

/* Options of create, into the template; what they made is freed by its owner. */
int settings_parse(const struct options *o, struct lean_template *t);
/*
 * Of two templates' settings as text: the first line of one that the other lacks, or has with
 * another value, and the other's line in *other (NULL: it has none). NULL: there is no such line.
 */
const char *settings_difference(const char *settings, const char *others, const char **other);

/* ---- set-up.c: the running half of a template ---- */

/* Set by a signal: what was begun is undone instead of being left. */
extern volatile sig_atomic_t interrupted;
void catch_signals(void);

/* Exclusive use of a template: a descriptor, or -1 after a message. */
int lock_alone(const char *name);
/* Say why it could not be had; err: an errno. */
void lock_failed(const char *name, int err);

/* Keeper, cgroup and filter of a template that is there; done if it runs already. */
int set_up(const struct lean_template *t);

/* ---- show.c: what list and inspect show ---- */

enum { L_NAME, L_ROOTFS, L_STATE, L_CONTAINERS, L_MEMORY, L_CPUS, L_PIDS, L_LIMITS, L_KEY,
       L_VALUE, L_COLUMNS };
extern const struct record_column leanprep_columns[L_COLUMNS];

/* Containers of it that run; -1: not known, there is no cgroup. */
int count_containers(const struct lean_view *v);
/* Those in force, such as "memory,pids", or "none". */
const char *format_limits(unsigned int limits, char text[32]);

#endif
