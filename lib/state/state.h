/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * state.h - the kinds of state that a process has: a file for each, which tells all there is to it.
 *
 * A kind is met at three places, and its file is compiled for each of them:
 *
 *   IN_SHADOW	in the copy of the parent, which reads its own state into the descriptor (no C library)
 *   IN_LIBRARY	on the child's host, where a descriptor is checked before anything of it is used
 *   IN_RESTORER	in the process that becomes the child, which re-creates the state (no C library)
 *
 * Functions that read or check return NULL, or a sentence about why it cannot be done; those of the
 * restorer return only when it is done. state.c has the order for reading and checking, and
 * restore/restorer.c that for re-creating.
 */
#ifndef MITOSIS_STATE_H
#define MITOSIS_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "format/descriptor.h"
#include "frame.h"

#ifdef IN_SHADOW
struct snapshot;

/* All of it, into the header and the tables. */
const char *state_read(struct snapshot *s);

const char *areas_read(struct snapshot *s);		/* areas.c */
const char *files_read(struct snapshot *s);		/* files/files.c; closes what was inherited */
const char *host_read(struct snapshot *s);		/* host.c */
const char *layout_read(struct snapshot *s);		/* layout.c */
const char *limits_read(struct snapshot *s);			/* limits.c */
const char *pages_read(struct snapshot *s);		/* pages.c, after the areas */
const char *pages_choose_hot(struct snapshot *s);
const char *pages_open(struct snapshot *s);
const char *process_read(struct snapshot *s);		/* process.c */
const char *signals_read(struct snapshot *s);			/* signals.c */
const char *threads_read(struct snapshot *s);		/* thread.c */
void timers_read(struct snapshot *s);			/* timers.c */
#endif

#ifdef IN_LIBRARY
/* Every field of a descriptor that came over the wire: 0, or -EPROTO with what is wrong first. */
int state_check(const void *data, uint64_t length, const char **why);

const char *areas_check(const struct descriptor *d);
const char *files_check(const struct descriptor *d);
const char *host_well_formed(const struct descriptor *d);
const char *layout_check(const struct descriptor *d);
const char *pages_check(const struct descriptor *d);
const char *process_check(const struct descriptor *d);
const char *threads_check(const struct descriptor *d);

/* Can this snapshot run on this host? 0, or -ENOTSUP with the exact reason logged for object. */
int host_check(const struct descriptor *d, const char *object);
/* Is this the host where the parent was, since its last start? */
bool host_is_parents(const struct descriptor *d);
/* How much room the frames of all threads take. */
uint64_t threads_frame_bytes(const struct descriptor *d);
#endif

#ifdef IN_RESTORER
#include "restore/restorer.h"

/* Tell the supervisor, and end. */
void restore_fail(const struct restorer_args *a, enum restore_step step, long error, uint64_t address)
	__attribute__((noreturn));

void areas_restore(const struct restorer_args *a);
void host_restore(const struct restorer_args *a);
void layout_restore(const struct restorer_args *a);
void limits_restore(const struct restorer_args *a);
void pages_guard(const struct restorer_args *a);
void pages_fill_hot(const struct restorer_args *a);
void pages_register(const struct restorer_args *a);
void pages_fetch_all(const struct restorer_args *a);
void pages_populate(const struct restorer_args *a);
void process_restore(const struct restorer_args *a);
void signals_restore(const struct restorer_args *a);
void signals_raise(const struct restorer_args *a, const struct descriptor_thread *t);
void thread_restore(const struct restorer_args *a, const struct descriptor_thread *t);
void thread_introduce(const struct restorer_args *a, const struct descriptor_thread *t);
/* Writes the frame that the thread leaves by; returns what goes to arch_leave(). */
uint64_t thread_frame(const struct restorer_args *a, const struct descriptor_thread *t, void *at);
void timers_restore(const struct restorer_args *a);
#endif

#endif
