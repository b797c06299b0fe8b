// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * settings.c - reads and sets what settings.h lists.
 *
 * A child is made from the process that makes it, its launcher, and would have the launcher's
 * numbers. Each that differs is set; a trial (restore/trial.c) finds out before which may be, and
 * these remain in the descriptor.
 */
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>

#include "pie/freestanding.h"

/* Of Linux 6.3 and 6.4; older headers lack them. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE		65
#define PR_GET_MDWE		66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#define PR_GET_MEMORY_MERGE	68
#endif
#define GET_REGISTRATIONS	(1 << 9)	/* of membarrier(2), Linux 6.3 */

/* struct sched_attr as of Linux 5.3: a shorter one is given and taken, too. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
_Static_assert(sizeof(struct attributes) == 56, "as the kernel has it");
#define FLAG_RESET	1ULL		/* SCHED_FLAG_RESET_ON_FORK */
#define FLAG_UTIL	0x60ULL		/* SCHED_FLAG_UTIL_CLAMP */

/* In one number: policy, priority, whether children have it, and the bounds of utilization. */
static int64_t pack(const struct attributes *a)
{
	return (int64_t)((a->policy & 0xff) | (a->priority & 0xff) << 8 |
			 (a->flags & FLAG_RESET) << 16 | (uint64_t)(a->util_min & 0xfff) << 32 |
			 (uint64_t)(a->util_max & 0xfff) << 48);
}

/* What it has asked for; where the machine decides for all, nothing. */
static int64_t speculation(long which)
{
	long ret = sys(SYS_prctl, PR_GET_SPECULATION_CTRL, which, 0, 0, 0);

	if (ret < 0 || !(ret & PR_SPEC_PRCTL))
		return ret < 0 ? ret : -ENODEV;
	return ret & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC);
}

#ifndef IN_RESTORER

/* 0: of this thread. */
static int64_t policy_of(int pid)
{
	struct attributes a = { 0 };
	long ret = sys(SYS_sched_getattr, pid, &a, sizeof(a), 0);

	return ret < 0 ? ret : pack(&a);
}

static long number_in(const char *path, int base, int64_t *value)
{
	char text[32] = "";
	const char *p = text;
	long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return fd;
	n = sys(SYS_read, fd, text, sizeof(text) - 1);
	sys(SYS_close, fd);
	if (n < 0)
		return n;
	*value = 0;
	for (p += *p == '-'; *p && *p != '\n'; p++)
		*value = *value * base + (*p <= '9' ? *p - '0' : *p - 'a' + 10);
	if (*text == '-')
		*value = -*value;
	return 0;
}

/*
 * Is it not the priority that follows from the nice value and the policy, which is none of its own?
 */
static int64_t io_priority(void)
{
	long ret = sys(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0),
	     nice = 20 - sys(SYS_getpriority, PRIO_PROCESS, 0);
	uint32_t policy = (uint32_t)policy_of(0) & 0xff;
	long class = policy == SCHED_IDLE ? IOPRIO_CLASS_IDLE :
		     policy == SCHED_FIFO || policy == SCHED_RR ? IOPRIO_CLASS_RT : IOPRIO_CLASS_BE;

	if (ret < 0)
		return ret;
	if (IOPRIO_PRIO_CLASS(ret) == IOPRIO_CLASS_NONE ||
	    ret == (long)IOPRIO_PRIO_VALUE(class, (nice + 20) / 5) ||
	    ret == (long)IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4))
		return 0;
	return ret;
}

/* A barrier that is not registered for is refused: so kernels that do not list them are asked. */
static int64_t barriers(void)
{
	long ret = sys(SYS_membarrier, GET_REGISTRATIONS, 0, 0);
	int64_t have = 0;

	if (ret != -EINVAL)
		return ret;
	if (!sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		have |= MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	if (!sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0))
		have |= MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	if (!sys(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0))
		have |= MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;
	return have;
}

/* The session keyring's number, if there are keys in it beside the user's own keyrings. */
static int64_t session_keys(void)
{
	long ring = sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	long user = sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0);
	long user_session = sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING,
				0);
	int32_t keys[64];
	long n;

	if (ring == -ENOKEY || ring == user_session)
		return 0;
	if (ring < 0)
		return ring;
	n = sys(SYS_keyctl, KEYCTL_READ, ring, keys, sizeof(keys));
	if (n > (long)sizeof(keys))
		return ring;
	for (long i = 0; i < n / 4; i++)
		if (keys[i] != user && keys[i] != user_session)
			return ring;
	return 0;
}

static int64_t own_keyrings(void)
{
	long thread = sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0);
	long process = sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0);

	if (thread == -ENOKEY && process == -ENOKEY)
		return 0;
	return thread < 0 && thread != -ENOKEY ? thread : 1;
}

/*
 * Or zombies that it has not waited for; the library's own shadows do not count, since they have no
 * exit signal.
 */
static int64_t children(void)
{
	struct { int32_t fields[32]; } info;
	long ret = sys(SYS_waitid, 0 /* P_ALL */, 0, &info,
		       4 | 1 | 0x01000000 /* WEXITED | WNOHANG | WNOWAIT */, 0);

	return ret == -ECHILD ? 0 : ret < 0 ? ret : 1;
}

static int64_t timers(void)
{
	long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/timers", O_RDONLY | O_CLOEXEC), n;
	char first;

	if (fd < 0)
		return fd;
	n = sys(SYS_read, fd, &first, 1);
	sys(SYS_close, fd);
	return n;
}

static int64_t get(enum descriptor_setting which)
{
	int64_t value = 0;
	int32_t word = 0;
	long ret;

	switch (which) {
	case SETTING_NICE:
		ret = sys(SYS_getpriority, PRIO_PROCESS, 0);
		return ret < 0 ? SETTING_HIDDEN : 20 - ret;
	case SETTING_POLICY:
		return policy_of(0);
	case SETTING_IO_PRIORITY:
		return io_priority();
	case SETTING_TIMER_SLACK:
		/* 0: of a real-time policy, which has none. */
		ret = sys(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
		return ret ? ret : -EINVAL;
	case SETTING_OOM_SCORE:
		ret = number_in("/proc/self/oom_score_adj", 10, &value);
		return ret < 0 ? SETTING_HIDDEN : value;
	case SETTING_CORE_FILTER:
		ret = number_in("/proc/self/coredump_filter", 16, &value);
		return ret < 0 ? ret : value;
	case SETTING_PERSONALITY:
		return sys(SYS_personality, 0xffffffffU);
	case SETTING_SUBREAPER:
		ret = sys(SYS_prctl, PR_GET_CHILD_SUBREAPER, &word, 0, 0, 0);
		return ret < 0 ? ret : word;
	case SETTING_NO_HUGE_PAGES:
		return sys(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	case SETTING_MEMORY_ERRORS:
		return sys(SYS_prctl, PR_MCE_KILL_GET, 0, 0, 0, 0);
	case SETTING_IO_FLUSHER:
		/* Only who may set it may read it. */
		ret = sys(SYS_prctl, PR_GET_IO_FLUSHER, 0, 0, 0, 0);
		return ret == -EPERM ? -EINVAL : ret;
	case SETTING_MERGING:
		return sys(SYS_prctl, PR_GET_MEMORY_MERGE, 0, 0, 0, 0);
	case SETTING_TIME_STAMP:
		ret = sys(SYS_prctl, PR_GET_TSC, &word, 0, 0, 0);
		return ret < 0 ? ret : word;
	case SETTING_NO_EXEC_GAIN:
		return sys(SYS_prctl, PR_GET_MDWE, 0, 0, 0, 0);
	case SETTING_STORE_BYPASS:
		return speculation(PR_SPEC_STORE_BYPASS);
	case SETTING_INDIRECT_BRANCH:
		return speculation(PR_SPEC_INDIRECT_BRANCH);
	case SETTING_FLUSHED_CACHE:
		return speculation(PR_SPEC_L1D_FLUSH);
	case SETTING_BARRIERS:
		return barriers();
	case SETTING_PARENT_DEATH:
		ret = sys(SYS_prctl, PR_GET_PDEATHSIG, &word, 0, 0, 0);
		return ret < 0 ? ret : settings_parent_death(word);
	case SETTING_TIMERS:
		return timers();
	case SETTING_CHILDREN:
		return children();
	case SETTING_LOCKED:
	case SETTING_SIGNAL_VALUES:
		return -ENOSYS;		/* capture/self.c */
	case SETTING_CORE_COOKIE:
		ret = sys(SYS_prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &value);
		return ret < 0 ? ret : value;
	case SETTING_OWN_KEYRINGS:
		return own_keyrings();
	case SETTING_SESSION_KEYS:
		return session_keys();
	case SETTING_AREA_POLICY:
		return -ENOSYS;		/* scheduling.c */
	case SETTINGS:
		break;
	}
	return -EINVAL;
}

/*
 * What this kernel, or its configuration, does not know is no difference; what may not be read is
 * told.
 */
static int64_t known(int64_t value)
{
	switch (value) {
	case -EINVAL:
	case -ENOSYS:
	case -ENODEV:
	case -ENXIO:
	case -EOPNOTSUPP:
	case -ENOENT:
		return SETTING_UNKNOWN;
	}
	return SYS_FAILED(value) ? SETTING_HIDDEN : value;
}

/* These are below zero by themselves. */
static int64_t setting_get(enum descriptor_setting which)
{
	int64_t value = get(which);

	return which == SETTING_NICE || which == SETTING_OOM_SCORE ? value : known(value);
}

#endif
enum { EARLY, LATE, NEVER, NOTED, COPIED };

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

void settings_read(struct snapshot *s)
{
	s->header.settings[SETTING_AREA_POLICY] = scheduling_has_area_policies(s);
#define SETTING(name, when, noted, said)                                                         \
	if (SETTING_##name != SETTING_AREA_POLICY)                                               \
		s->header.settings[SETTING_##name] = noted == NOTED                              \
							     ? s->args.capture                   \
								       .settings[SETTING_##name] \
							     : setting_get(SETTING_##name);
	DESCRIPTOR_SETTINGS(SETTING)
#undef SETTING
}

#endif
#if defined(IN_LIBRARY) || defined(IN_RESTORER)

static long write_number(const char *path, int64_t value)
{
	uint64_t rest = (uint64_t)(value < 0 ? -value : value);
	char text[32], *begin = text + sizeof(text);
	long fd = sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return fd;
	/* The kernel takes it as decimal without a prefix. */
	do {
		*--begin = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--begin = '-';
	ret = sys(SYS_write, fd, begin, text + sizeof(text) - begin);
	sys(SYS_close, fd);
	return ret < 0 ? ret : 0;
}

static long policy_set(int64_t value)
{
	struct attributes a = { 0 };
	long ret = sys(SYS_sched_getattr, 0, &a, sizeof(a), 0);
	int64_t util = (int64_t)(0xfffULL << 32 | 0xfffULL << 48);

	if (ret < 0)
		return ret;
	a.flags = value >> 16 & 1 ? FLAG_RESET : 0;
	if ((pack(&a) ^ value) & util)
		a.flags |= FLAG_UTIL;
	a.policy = (uint32_t)value & 0xff;
	a.priority = (uint32_t)value >> 8 & 0xff;
	a.util_min = (uint32_t)(value >> 32) & 0xfff;
	a.util_max = (uint32_t)(value >> 48) & 0xfff;
	a.size = sizeof(a);
	a.runtime = a.deadline = a.period = 0;
	/* A deadline is more than this tells. */
	return a.policy == SCHED_DEADLINE ? -EOPNOTSUPP : sys(SYS_sched_setattr, 0, &a, 0);
}

static long speculation_set(long which, int64_t value)
{
	/* Decided for all here: setting_get() has nothing to compare with. */
	if (speculation(which) == -ENODEV)
		return 0;
	return sys(SYS_prctl, PR_SET_SPECULATION_CTRL, which,
		   value ? value : (int64_t)PR_SPEC_ENABLE, 0, 0);
}

static long barriers_set(int64_t value)
{
	for (int i = 0; i < 16; i++) {
		long ret = value >> i & 1 ? sys(SYS_membarrier, 1 << i, 0, 0) : 0;

		if (ret < 0)
			return ret;
	}
	return 0;
}

static long setting_set(enum descriptor_setting which, int64_t value)
{
	switch (which) {
	case SETTING_NICE:
		return sys(SYS_setpriority, PRIO_PROCESS, 0, value);
	case SETTING_POLICY:
		return policy_set(value);
	case SETTING_IO_PRIORITY:
		return sys(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value);
	case SETTING_TIMER_SLACK:
		return sys(SYS_prctl, PR_SET_TIMERSLACK, value, 0, 0, 0);
	case SETTING_OOM_SCORE:
		return write_number("/proc/self/oom_score_adj", value);
	case SETTING_CORE_FILTER:
		return write_number("/proc/self/coredump_filter", value);
	case SETTING_PERSONALITY: {
		long ret = sys(SYS_personality, value);

		return ret < 0 ? ret : 0;
	}
	case SETTING_SUBREAPER:
		return sys(SYS_prctl, PR_SET_CHILD_SUBREAPER, value, 0, 0, 0);
	case SETTING_NO_HUGE_PAGES:
		return sys(SYS_prctl, PR_SET_THP_DISABLE, value & 1, value & ~1LL, 0, 0);
	case SETTING_MEMORY_ERRORS:
		return sys(SYS_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, value, 0, 0);
	case SETTING_IO_FLUSHER:
		return sys(SYS_prctl, PR_SET_IO_FLUSHER, value, 0, 0, 0);
	case SETTING_MERGING:
		return sys(SYS_prctl, PR_SET_MEMORY_MERGE, value, 0, 0, 0);
	case SETTING_TIME_STAMP:
		return sys(SYS_prctl, PR_SET_TSC, value, 0, 0, 0);
	case SETTING_NO_EXEC_GAIN:
		return sys(SYS_prctl, PR_SET_MDWE, value, 0, 0, 0);
	case SETTING_STORE_BYPASS:
		return speculation_set(PR_SPEC_STORE_BYPASS, value);
	case SETTING_INDIRECT_BRANCH:
		return speculation_set(PR_SPEC_INDIRECT_BRANCH, value);
	case SETTING_FLUSHED_CACHE:
		return speculation_set(PR_SPEC_L1D_FLUSH, value);
	case SETTING_BARRIERS:
		return barriers_set(value);
	default:
		return -EOPNOTSUPP;
	}
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

void settings_note(int64_t settings[SETTINGS])
{
#define SETTING(name, when, noted, said) \
	if (noted == NOTED) \
		settings[SETTING_##name] = setting_get(SETTING_##name);
	DESCRIPTOR_SETTINGS(SETTING)
#undef SETTING
}

int64_t settings_policy(int pid)
{
	return known(policy_of(pid));
}

static const struct {
	int when;
	const char *said;
} all[SETTINGS] = {
#define SETTING(name, when, noted, said) [SETTING_##name] = { when, said },
	DESCRIPTOR_SETTINGS(SETTING)
#undef SETTING
};

/* Is there nothing to do, and nothing to say? */
static bool is_fulfilled(enum descriptor_setting which, int64_t want, int64_t here, bool same_host)
{
	if (want == SETTING_UNKNOWN)
		return true;
	if (which == SETTING_SESSION_KEYS)
		return !want || (same_host && want == sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
							  KEY_SPEC_SESSION_KEYRING, 0));
	if (all[which].when == NEVER)
		return !want;
	/* Cannot be taken back, and more of them do no harm. */
	if (which == SETTING_BARRIERS)
		return want >= 0 && here >= 0 && !(want & ~here);
	return want == here || (here == SETTING_UNKNOWN && !want);
}

bool settings_settle(struct descriptor *d)
{
	bool same_host = host_is_parents(d), any = false;

	for (int i = 0; i < SETTINGS; i++) {
		/* A fork does not keep it, so the child has none. */
		int64_t here = i == SETTING_SUBREAPER ? 0
			       : all[i].when == NEVER ? 0
						      : setting_get(i);

		if (is_fulfilled(i, d->settings[i], here, same_host))
			d->settings[i] = SETTING_UNKNOWN;
		else if (all[i].when != NEVER)
			any = true;
	}
	return any;
}

void settings_try(const struct descriptor *d, long errors[SETTINGS])
{
	for (int phase = EARLY; phase <= LATE; phase++)
		for (int i = 0; i < SETTINGS; i++)
			if (all[i].when == phase && d->settings[i] > SETTING_HIDDEN)
				errors[i] = setting_set(i, d->settings[i]);
}

void settings_lose(struct descriptor *d, const long errors[SETTINGS], struct losses *losses)
{
	for (int i = 0; i < SETTINGS; i++) {
		int64_t want = d->settings[i], here;

		if (want == SETTING_UNKNOWN ||
		    (all[i].when != NEVER && want != SETTING_HIDDEN && !errors[i]))
			continue;
		d->settings[i] = SETTING_UNKNOWN;
		if (want == SETTING_HIDDEN) {
			losses_add(losses,
				   "a setting of its parent could not be read (number %d in settings.h)",
				   i);
			continue;
		}
		here = i == SETTING_SUBREAPER || all[i].when == NEVER ? 0 : setting_get(i);
		losses_add(losses, all[i].said, (long long)(here == SETTING_UNKNOWN ? 0 : here),
			   (long long)want);
	}
}

long settings_begin(const struct descriptor *d)
{
	long ret = 0;

	for (int i = 0; i < SETTINGS && !ret; i++)
		if (all[i].when == EARLY && d->settings[i] != SETTING_UNKNOWN)
			ret = setting_set(i, d->settings[i]);
	return ret;
}

#endif
#ifdef IN_RESTORER

void settings_restore(const struct restorer_args *a)
{
	const int64_t *settings = a->descriptor->settings;
	long ret = 0;

#define SETTING(name, when, noted, said) \
	if (when == LATE && settings[SETTING_##name] != SETTING_UNKNOWN && !ret) \
		ret = setting_set(SETTING_##name, settings[SETTING_##name]);
	DESCRIPTOR_SETTINGS(SETTING)
#undef SETTING
	if (ret < 0)
		restore_fail(a, RESTORE_SETTING, ret, 0);
}

#endif
