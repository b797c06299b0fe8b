/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * criu.h - the baseline "criu": a process saved by criu dump, and children of it by criu restore.
 *
 * A parent, made by parent_start(), calls criu_wait() when it has everything, and is saved there;
 * with criu dump it ends. Each restored child goes on in criu_wait(), which then returns. It has
 * the parent's PID, so there is one child at a time. Its standard input and output are those that
 * criu was started with: CRIU takes them for the parent's two pipes. So a child reports as one of
 * mitosis-child does.
 *
 * The images lie in a place: a directory that is removed as soon as neither this tool nor any criu
 * that it started is there any more, however they end.
 */
#ifndef MEASURE_CRIU_H
#define MEASURE_CRIU_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "children.h"
#include "measure/measure.h"

/* NULL if CRIU works on this host, else one line why not (static storage). */
const char *criu_unusable(void);

/* The same with a message: it is left out. */
bool measure_has_criu(void);

struct criu_place {
	char images[PATH_MAX];
	char copy[PATH_MAX];	/* of the images, or empty */
	int guard;		/* while somebody has this open the directories stay */
	pid_t guardian;
};

/*
 * In the directory `in` (NULL: in memory), with room for a process of so many bytes, and for copies
 * in `copy_to` unless that is NULL. 0, or -1 after a message.
 */
int criu_place_make(struct criu_place *p, const char *in, const char *copy_to, uint64_t bytes);
void criu_place_remove(struct criu_place *p);
/* Remove the images in it, and count the bytes of memory in them unless bytes is NULL. */
void criu_place_empty(const struct criu_place *p, uint64_t *bytes);

/* Save a child of this process; it ends and is waited for, or goes on. 0, or -1 after a message. */
int criu_dump(const struct criu_place *p, pid_t pid, bool leave_running, uint64_t *dump_ns);

/* In a parent: tells an empty reference, is saved, returns in each child. */
void criu_wait(int report, int until);
/*
 * In a child: CRIU gives it the parent's clock. What to add to be with clock_now_ns() of the tool.
 */
uint64_t criu_clock_offset(void);

/* Copy the images to where the next child is restored from. 0, or -1 after a message. */
int criu_copy(const struct criu_place *p, uint64_t *copy_ns, uint64_t *bytes);
/* Start criu restore, from the copy if there is one, as child_start() starts mitosis-child. */
int criu_restore(const struct criu_place *p, const struct parent *parent, struct child *c);
/* It has ended with another status than 0, so there was no child: say why. */
void criu_restore_failed(const struct criu_place *p);

#endif
