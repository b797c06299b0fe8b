/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * state.h - the kinds of state that a process has: a file for each, which tells all there is to it.
 *
 * A kind is met at three places, and its file is compiled for each of them:
 *
 *   IN_SHADOW	in the copy of the parent, which reads its own state into the descriptor (no C
 *		library)
 *   IN_LIBRARY	on the child's host, where a descriptor is checked before anything of it is used
 *   IN_RESTORER	in the process that becomes the child, which re-creates the state (no C
 *		library)
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

/* Of the calling thread, all but the groups. 0 or -errno. */
long credentials_get(struct descriptor_credentials *c);
/* Become that as far as is allowed; *got is what came of it. 0 or -errno, of reading it. */
long credentials_enter(const struct descriptor *d, struct descriptor_credentials *got);

#ifdef IN_SHADOW
struct snapshot;

#define STATE_NOT_DUMPABLE \
	"it is not dumpable, as after a change of its user (prctl(PR_SET_DUMPABLE, 1) in it allows children)"

/* All of it, into the header and the tables. */
const char *state_read(struct snapshot *s);

const char *areas_read(struct snapshot *s);		/* areas.c */
const char *credentials_read(struct snapshot *s);	/* credentials.c */
void clocks_read(struct snapshot *s);			/* clocks.c */
const char *copied_read(struct snapshot *s);		/* copied.c, before all others */
const char *files_read(struct snapshot *s); /* files/files.c; closes what was inherited */
/* Another copy of the parent, which has no exit signal and is about to close what it has. */
bool files_is_shadow(struct snapshot *s, uint32_t pid);
/* Made after the instant of the snapshot: what it has it got later. */
bool files_is_younger(struct snapshot *s, uint32_t pid);
/* Has the parent a lease on this file that ends when anybody opens it? */
bool files_lease(const struct snapshot *s, uint64_t device, uint64_t inode);
const char *host_read(struct snapshot *s);		/* host.c */
void inside_read(struct snapshot *s);			/* inside.c, after areas and layout */
const char *layout_read(struct snapshot *s);		/* layout.c */
const char *limits_read(struct snapshot *s);			/* limits.c */
void nameless_copy(struct snapshot *s); /* nameless.c, while the parent stands still */
const char *nameless_serve(struct snapshot *s);		/* after it, before the files */
/* Which of them is the file that maps tells of so? -1: none. */
int nameless_find(const struct snapshot *s, uint64_t device, uint64_t inode, const char *name);
/* Does the snapshot serve one of them here? */
bool nameless_is_at(const struct snapshot *s, uint64_t address);
const char *pages_read(struct snapshot *s);		/* pages.c, after the areas */
const char *pages_choose_hot(struct snapshot *s);
const char *pages_open(struct snapshot *s);
const char *places_read(struct snapshot *s);		/* places.c */
const char *process_read(struct snapshot *s);		/* process.c */
const char *scheduling_read(struct snapshot *s);	/* scheduling.c */
int64_t scheduling_has_area_policies(const struct snapshot *s);
void settings_read(struct snapshot *s);			/* settings.c, after areas and scheduling */
const char *signals_read(struct snapshot *s);			/* signals.c */
const char *threads_read(struct snapshot *s);		/* thread.c */
void timers_read(struct snapshot *s);			/* timers.c */
#endif

#ifdef IN_LIBRARY
/* Every field of a descriptor that came over the wire: 0, or -EPROTO with what is wrong first. */
int state_check(const void *data, uint64_t length, const char **why);

const char *areas_check(const struct descriptor *d);
const char *clocks_check(const struct descriptor *d);
const char *credentials_check(const struct descriptor *d);
const char *files_check(const struct descriptor *d);
const char *host_well_formed(const struct descriptor *d);
const char *inside_check(const struct descriptor *d);
const char *layout_check(const struct descriptor *d);
const char *limits_check(const struct descriptor *d);
const char *nameless_well_formed(const struct descriptor *d);
/* Why a child cannot have it, the end of a sentence in text; NULL: it can. */
#define NAMELESS_WHY_MAX 160
const char *nameless_why(const struct descriptor_nameless *n, char text[NAMELESS_WHY_MAX]);
const char *pages_check(const struct descriptor *d);
const char *places_check(const struct descriptor *d);
const char *process_check(const struct descriptor *d);
const char *signals_check(const struct descriptor *d);
const char *threads_check(const struct descriptor *d);
const char *timers_check(const struct descriptor *d);

/* Can this snapshot run on this host? 0, or -ENOTSUP with the exact reason logged for object. */
int host_check(const struct descriptor *d, const char *object);
/* Is this the host where the parent was, since its last start? */
bool host_is_parents(const struct descriptor *d);

/*
 * What a child would have of its launcher. *_settle() forgets what is the same here, and says
 * whether something is left that may not be allowed; *_try() tries that in a process that is thrown
 * away (restore/trial.c); *_lose() names what has failed, and reduces the descriptor to what has
 * not; *_begin() does it in the process that becomes the child.
 */
struct losses;
bool settings_settle(struct descriptor *d);
void settings_try(const struct descriptor *d, long errors[SETTINGS]);
void settings_lose(struct descriptor *d, const long errors[SETTINGS], struct losses *losses);
long settings_begin(const struct descriptor *d);
/* What a copy of this process would not have: for capture/. */
void settings_note(int64_t settings[SETTINGS]);
/* SETTING_POLICY of another process. */
int64_t settings_policy(int pid);
bool scheduling_settle(struct descriptor *d);
void scheduling_try(const struct descriptor *d, long errors[2]);
void scheduling_lose(struct descriptor *d, const long errors[2], struct losses *losses);
long scheduling_begin(const struct descriptor *d);
bool limits_settle(struct descriptor *d);
void limits_try(const struct descriptor *d, struct descriptor_limit got[DESCRIPTOR_LIMITS]);
void limits_lose(struct descriptor *d, const struct descriptor_limit got[DESCRIPTOR_LIMITS],
		 struct losses *losses);
void credentials_compare(const struct descriptor_credentials *want,
			 const struct descriptor_credentials *got, bool same_groups,
			 struct losses *losses);

/* Those that this kernel cannot make. */
void timers_lose(struct descriptor *d, struct losses *losses);
void threads_lose(const struct descriptor *d, struct losses *losses);
/* That the child's number does not fit in; or cannot be told at all: false. */
bool inside_can_tell(const struct descriptor *d);
void inside_lose(struct descriptor *d, uint32_t number, struct losses *losses);
/*
 * The parent's root directory, where it is another than ours and can be had; else -1, and named if
 * it cannot.
 */
int places_root(const struct descriptor *d, struct losses *losses);
void places_compare(const struct descriptor *d, struct losses *losses);
/* Is this descriptor's the directory? */
bool place_is(const struct descriptor_place *place, int fd);
/*
 * What a time namespace has to add to the clocks for the child to see its parent's; how far they
 * are ahead of ours then, in ns, is returned: that one of both which is further off.
 */
int64_t clocks_compare(const struct descriptor *d, int64_t offset[DESCRIPTOR_CLOCKS]);
/* How much room the frames of all threads take. */
uint64_t threads_frame_bytes(const struct descriptor *d);
#endif

#ifdef IN_RESTORER
#include "restore/restorer.h"

/* Tell the supervisor, and end. */
void restore_fail(const struct restorer_args *a, enum restore_step step, long error,
		  uint64_t address) __attribute__((noreturn));

void areas_restore(const struct restorer_args *a);
/* Of the calling thread, which is t. */
void credentials_restore(const struct restorer_args *a, const struct descriptor_thread *t);
void host_restore(const struct restorer_args *a);
/* Into its memory; and have the thread begin with what the program has for its children. */
void inside_tell(const struct restorer_args *a);
bool inside_enters(const struct restorer_args *a, const struct descriptor_thread *t);
void inside_raise(const struct restorer_args *a, const struct descriptor_thread *t);
void layout_restore(const struct restorer_args *a);
void limits_restore(const struct restorer_args *a);
void pages_guard(const struct restorer_args *a);
void pages_fill_hot(const struct restorer_args *a);
void pages_register(const struct restorer_args *a);
void pages_fetch_all(const struct restorer_args *a);
void pages_advise(const struct restorer_args *a);
void pages_populate(const struct restorer_args *a);
void pages_unfork(const struct restorer_args *a);
void process_restore(const struct restorer_args *a);
void settings_restore(const struct restorer_args *a);
void signals_restore(const struct restorer_args *a);
void signals_raise(const struct restorer_args *a, const struct descriptor_thread *t);
void signals_raise_shared(const struct restorer_args *a);
void thread_restore(const struct restorer_args *a, const struct descriptor_thread *t);
void thread_introduce(const struct restorer_args *a, const struct descriptor_thread *t);
/* Writes the frame that the thread leaves by; returns what goes to arch_leave(). */
uint64_t thread_frame(const struct restorer_args *a, const struct descriptor_thread *t, void *at);
void timers_restore(const struct restorer_args *a);
/* Once there are all threads; tid_of: the number of one by its index. */
void posix_timers_restore(const struct restorer_args *a,
			  int32_t (*tid_of)(const struct restorer_args *a, uint32_t thread));
#endif

#endif
