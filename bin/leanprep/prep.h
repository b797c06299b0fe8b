/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * prep.h - the parts of mitosis-leanprep. Functions return 0, or -1 after a message, unless they
 * say otherwise.
 */
#ifndef PREP_H
#define PREP_H

#include "lean.h"

/*
 * rootfs.c: make what t->rootfs asks for; fills in root, layered and what an image says of itself.
 */
/* Is it understood, and does its source exist? STATUS_USAGE if not. */
int rootfs_check(const char *spec);
int rootfs_make(struct lean_template *t);
/* The directories that containers mount on, in a tree of ours or laid over somebody else's. */
int skeleton_make(const char *tree, bool whole);
/* Lay over the host's root what hides its users' and its own secrets. */
int skeleton_hide_host(const char *skel);

/* closure.c: copy programs, directories and all that they need to run */
int closure_make(const char *list, const char *tree);

/* image.c: trees that other tools unpack */
int image_tar(const char *file, const char *tree);
int image_oci(struct lean_template *t, const char *reference, const char *tree);
int image_docker_archive(struct lean_template *t, const char *reference, const char *tree);
int image_minbase(const char *suite, const char *tree);
/* Run another tool; what it prints is shown only if it fails. directory NULL: here. */
int run_tool(char *const argv[], const char *remedy);
/*
 * Its standard output in memory; NULL if it failed, without a message, or, after one, with EINTR if
 * a signal ended it.
 */
char *tool_output(char *const argv[]);

/* profile.c: the system call filter, compiled into RUN/NAME/seccomp */
int profile_write(const char *name);

/* keeper.c: the process that keeps the template's mount namespace */
struct keeper {
	pid_t pid;
	int go, ready;		/* it outlives us once it was told so and has answered */
};
int keeper_start(const struct lean_template *t, struct keeper *k);
int keeper_release(struct keeper *k);

/*
 * delegate.c: the template's cgroup. STATUS_SKIP after a message if a limit is required and cannot
 * be had.
 */
int delegate(const struct lean_template *t, pid_t keeper, struct lean_view *v);

/* ---- remove.c: ending templates, and finding what is left of them ---- */

/* A directory of cgroup v2; if not errno tells why: ENOTTY if it is another file system's. */
bool group_is_one(const char *path);

#define WHY_MAX 512
/*
 * End the running half of a template: keeper, cgroup, RUN/NAME. t: NULL if there is no description.
 * -1 with the reason in why, without a message.
 */
int template_stop(const char *name, const struct lean_template *t, char why[WHY_MAX]);
/* All of it; the caller has locked it exclusively. */
int template_destroy(const char *name, char why[WHY_MAX]);
/* Call fn for each visible name in a directory; STATUS_FAILED if it returned not 0 for one. */
int entries_each(const char *path, int (*fn)(const char *name, void *data), void *data);

enum leftover {
	LEFT_TEMPLATE,		/* a whole one */
	LEFT_PARTS,		/* what a crash left of one: directories, a lock, a cgroup */
};

struct lean_clean {
	bool all;		/* whole templates, too */
	bool look;		/* remove nothing */
	/* why: NULL: it was removed, or is there (look); else the reason why it was not */
	void (*tell)(enum leftover what, const char *name, const char *why);
};
/*
 * Go through all that there is, each once. 0, or STATUS_FAILED if something could not be removed.
 */
int lean_clean(const struct lean_clean *c);

#endif
