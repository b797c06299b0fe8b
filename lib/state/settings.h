/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * settings.h - what one number tells about a process: most are what it has asked the kernel for
 * (prctl(2), nice(1)).
 *
 *	SETTING(NAME, when, noted, said)
 *
 * when: EARLY	set as soon as there is a process for the child, while it has /proc
 *	 LATE	set when its memory is there, which the restorer could not lay out with it
 *	 NEVER	not carried: a number other than 0 is named
 * noted: NOTED	 a copy of the process does not have it: the number comes from capture/
 *	  COPIED the shadow reads its own
 * said: of a child that has another number than its parent (two of them are given), or NEVER: that
 * it lacks it
 *
 * The numbers are places in the descriptor: a new setting is the last.
 */
#ifndef MITOSIS_SETTINGS_H
#define MITOSIS_SETTINGS_H

#include <stdint.h>

#define DESCRIPTOR_SETTINGS(SETTING) \
	SETTING(NICE, LATE, NOTED, "its nice value is %lld, not %lld") \
	SETTING(POLICY, LATE, NOTED, "its scheduling policy and priority are 0x%llx, not 0x%llx") \
	SETTING(IO_PRIORITY, EARLY, COPIED, "its I/O priority is 0x%llx, not 0x%llx") \
	SETTING(TIMER_SLACK, EARLY, COPIED, "its timer slack is %lld, not %lld ns") \
	SETTING(OOM_SCORE, EARLY, COPIED, "its oom_score_adj is %lld, not %lld") \
	SETTING(CORE_FILTER, EARLY, COPIED, "its coredump_filter is 0x%llx, not 0x%llx") \
	SETTING(PERSONALITY, LATE, COPIED, "its personality is 0x%llx, not 0x%llx") \
	SETTING(SUBREAPER, EARLY, NOTED, \
		"orphans do not become its children (subreaper %lld, not %lld)") \
	SETTING(NO_HUGE_PAGES, EARLY, COPIED, "its PR_GET_THP_DISABLE is %lld, not %lld") \
	SETTING(MEMORY_ERRORS, EARLY, COPIED, "its PR_MCE_KILL_GET is %lld, not %lld") \
	SETTING(IO_FLUSHER, EARLY, COPIED, "its PR_GET_IO_FLUSHER is %lld, not %lld") \
	SETTING(MERGING, LATE, COPIED, "its PR_GET_MEMORY_MERGE is %lld, not %lld") \
	SETTING(TIME_STAMP, LATE, COPIED, "its PR_GET_TSC is %lld, not %lld") \
	SETTING(NO_EXEC_GAIN, LATE, NOTED, "its PR_GET_MDWE is %lld, not %lld") \
	SETTING(STORE_BYPASS, EARLY, COPIED, "its PR_SPEC_STORE_BYPASS is %lld, not %lld") \
	SETTING(INDIRECT_BRANCH, EARLY, COPIED, "its PR_SPEC_INDIRECT_BRANCH is %lld, not %lld") \
	SETTING(FLUSHED_CACHE, EARLY, COPIED, "its PR_SPEC_L1D_FLUSH is %lld, not %lld") \
	SETTING(BARRIERS, LATE, COPIED, "its membarrier(2) registrations are 0x%llx, not 0x%llx") \
	SETTING(PARENT_DEATH, NEVER, NOTED, \
		"no signal tells it of the end of who started its parent (PR_SET_PDEATHSIG)") \
	SETTING(TIMERS, NEVER, NOTED, "it lacks POSIX timers of its parent (timer_create)") \
	SETTING(CHILDREN, NEVER, NOTED, "its parent's child processes are not its own") \
	SETTING(LOCKED, NEVER, NOTED, "its memory is not locked (mlock)") \
	SETTING(CORE_COOKIE, NEVER, COPIED, \
		"it shares processor cores with all others (core scheduling)") \
	SETTING(OWN_KEYRINGS, NEVER, NOTED, "it lacks its parent's thread and process keyrings") \
	SETTING(SESSION_KEYS, NEVER, COPIED, "it lacks the keys of its parent's session keyring") \
	SETTING(SIGNAL_VALUES, NEVER, NOTED, "what was sent with its pending signals is lost") \
	SETTING(AREA_POLICY, NEVER, COPIED, \
		"its memory areas have no memory policies of their own (mbind)")

enum descriptor_setting {
#define SETTING(name, when, noted, said) SETTING_##name,
	DESCRIPTOR_SETTINGS(SETTING)
#undef SETTING
	SETTINGS
};

#define SETTING_UNKNOWN	INT64_MIN	/* this kernel has no such thing */
#define SETTING_HIDDEN	(INT64_MIN + 1)	/* it has, but it was not to be read */

/*
 * A child is killed with its supervisor: for a parent to which the same was to happen nothing is
 * lost.
 */
static inline int64_t settings_parent_death(int64_t signal)
{
	return signal == 9 /* SIGKILL */ ? 0 : signal;
}

#endif
