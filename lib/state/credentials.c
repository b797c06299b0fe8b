// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * credentials.c - whose rights a process has: user and group ids, supplementary groups,
 * capabilities, securebits, and whether others of its user may look into it (dumpable).
 *
 * A child gets those of its parent as far as this host allows, each by itself: what may not be
 * gained is not, what the parent lacked is dropped in any case. A trial (restore/trial.c) finds out
 * what that comes to before anything is promised; then the descriptor holds that, and the child
 * ends if it cannot become just the same.
 */
#include "state/state.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "pie/freestanding.h"

#define CAPABILITIES_MAX	64u

/* All but the groups; of the calling thread. 0 or -errno. */
long credentials_get(struct descriptor_credentials *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	long ret;

	ret = sys(SYS_getresuid, &c->uid[0], &c->uid[1], &c->uid[2]);
	if (!ret)
		ret = sys(SYS_getresgid, &c->gid[0], &c->gid[1], &c->gid[2]);
	if (!ret)
		ret = sys(SYS_capget, &head, data);
	if (ret < 0)
		return ret;
	/* Not a valid number: changes nothing, and tells what it is. */
	c->uid[3] = (uint32_t)sys(SYS_setfsuid, -1);
	c->gid[3] = (uint32_t)sys(SYS_setfsgid, -1);
	c->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	c->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	c->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	c->bounding = 0;
	c->ambient = 0;
	for (uint32_t i = 0; i < CAPABILITIES_MAX; i++) {
		ret = sys(SYS_prctl, PR_CAPBSET_READ, i, 0, 0, 0);
		if (ret < 0)
			break;
		if (ret)
			c->bounding |= 1ULL << i;
		/* Only what is permitted and inheritable can be. */
		if ((c->permitted & c->inheritable) >> i & 1 &&
		    sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
			c->ambient |= 1ULL << i;
	}
	ret = sys(SYS_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0);
	if (ret < 0)
		return ret;
	c->securebits = (uint32_t)ret;
	ret = sys(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (ret < 0)
		return ret;
	/* 2, for root alone, cannot be asked for: nobody's is the nearest. */
	c->dumpable = ret == 1;
	return 0;
}

#ifdef IN_SHADOW

#include "shadow/read.h"

const char *credentials_read(struct snapshot *s)
{
	static const char unreadable[] = "its user and groups cannot be read";
	struct descriptor_credentials *c = &s->header.credentials;
	long n;

	if (credentials_get(c) < 0)
		return unreadable;
	n = sys(SYS_getgroups, SCRATCH_BYTES / 4, s->scratch2);
	if (n < 0)
		return unreadable;
	c->group_count = (uint32_t)n;
	return add_payload(s, s->scratch2, c->group_count * 4, &c->groups)
		       ? NULL
		       : "it is in too many groups";
}

#endif
#if defined(IN_LIBRARY) || defined(IN_RESTORER)

static void set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	sys(SYS_capset, &head, data);
}

/* As much of what is permitted as is possible, for the steps that follow. */
static void take_all(struct descriptor_credentials *now)
{
	credentials_get(now);
	set_capabilities(now->permitted, now->permitted, now->inheritable);
}

/*
 * No step's answer is looked at: what came of all is seen at the end, by *got (its groups are not
 * filled in). 0 or -errno, of the look.
 */
long credentials_enter(const struct descriptor *d, struct descriptor_credentials *got)
{
	const struct descriptor_credentials *want = &d->credentials;
	struct descriptor_credentials now;

	take_all(&now);
	/* A user other than root keeps nothing without this. */
	sys(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	for (uint32_t i = 0; i < CAPABILITIES_MAX; i++)
		if ((now.bounding & ~want->bounding) >> i & 1)
			sys(SYS_prctl, PR_CAPBSET_DROP, i, 0, 0, 0);
	sys(SYS_setgroups, want->group_count, descriptor_payload(d, want->groups));
	sys(SYS_setresgid, want->gid[0], want->gid[1], want->gid[2]);
	sys(SYS_setresuid, want->uid[0], want->uid[1], want->uid[2]);
	/*
	 * To those of files root's capabilities are tied: take them all again before the user is
	 * another one.
	 */
	sys(SYS_setfsgid, want->gid[3]);
	take_all(&now);
	sys(SYS_setfsuid, want->uid[3]);
	take_all(&now);
	set_capabilities(now.permitted, now.permitted, want->inheritable);
	take_all(&now);
	for (uint32_t i = 0; i < CAPABILITIES_MAX; i++)
		if ((now.ambient ^ want->ambient) >> i & 1)
			sys(SYS_prctl, PR_CAP_AMBIENT,
			    want->ambient >> i & 1 ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER, i,
			    0, 0);
	if (now.securebits != want->securebits)
		sys(SYS_prctl, PR_SET_SECUREBITS, want->securebits, 0, 0, 0);
	sys(SYS_prctl, PR_SET_KEEPCAPS, want->securebits >> SECURE_KEEP_CAPS & 1, 0, 0, 0);
	set_capabilities(want->effective & now.permitted, want->permitted & now.permitted,
			 want->inheritable & now.inheritable);
	/* A change of the user has cleared it. */
	sys(SYS_prctl, PR_SET_DUMPABLE, want->dumpable, 0, 0, 0);
	return credentials_get(got);
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

const char *credentials_check(const struct descriptor *d)
{
	const struct descriptor_credentials *c = &d->credentials;

	if (c->groups % 4 || c->group_count > 65536 || c->dumpable > 1 ||
	    !descriptor_has_payload(d, c->groups, c->group_count * 4))
		return "its user or groups are malformed";
	return NULL;
}

static void name_ids(struct losses *losses, const char *what, const uint32_t *want,
		     const uint32_t *got)
{
	static const char *const kinds[] = { "real", "effective", "saved", "file system's" };

	if (want[0] != got[0] && want[1] != got[1]) {
		losses_add(losses, "it runs as %s %u, not %u", what, got[1], want[1]);
		return;
	}
	for (int i = 0; i < 4; i++)
		if (want[i] != got[i])
			losses_add(losses, "its %s %s is %u, not %u", kinds[i], what, got[i],
				   want[i]);
}

static void name_capabilities(struct losses *losses, const char *what, uint64_t want, uint64_t got)
{
	if (want & ~got)
		losses_add(losses, "it lacks %scapabilities of its parent (0x%llx)", what,
			   (unsigned long long)(want & ~got));
	if (got & ~want)
		losses_add(losses, "it has %scapabilities that its parent has not (0x%llx)", what,
			   (unsigned long long)(got & ~want));
}

void credentials_compare(const struct descriptor_credentials *want,
			 const struct descriptor_credentials *got, bool same_groups,
			 struct losses *losses)
{
	bool another = want->uid[1] != got->uid[1];

	name_ids(losses, "user", want->uid, got->uid);
	name_ids(losses, "group", want->gid, got->gid);
	if (!same_groups)
		losses_add(losses, "its supplementary groups are others");
	/*
	 * Of another user they are others, but no more than a word: which, only if they are more.
	 */
	name_capabilities(losses, "", another ? want->permitted & got->permitted : want->permitted,
			  got->permitted);
	if (want->permitted == got->permitted)
		name_capabilities(losses, "effective ", want->effective, got->effective);
	name_capabilities(losses, "inheritable ", want->inheritable, got->inheritable);
	name_capabilities(losses, "bounding ",
			  another ? want->bounding & got->bounding : want->bounding, got->bounding);
	if (!another || want->ambient & ~got->ambient)
		name_capabilities(losses, "ambient ", want->ambient, got->ambient);
	if (want->securebits != got->securebits)
		losses_add(losses, "its securebits are 0x%x, not 0x%x", got->securebits,
			   want->securebits);
	if (want->dumpable != got->dumpable)
		losses_add(losses, "it is %sdumpable", got->dumpable ? "" : "not ");
}

#endif
#ifdef IN_RESTORER

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

static bool same_ids(const uint32_t *a, const uint32_t *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* From another namespace of process ids it has no number here: there its end of the pair tells. */
static bool has_supervisor(const struct restorer_args *a)
{
	struct pollfd control = { .fd = a->control_fd };
	const struct timespec at_once = { 0 };

	return a->supervisor == (int32_t)sys(SYS_getppid) &&
	       !(sys(SYS_ppoll, &control, 1, &at_once, 0, 8) > 0 && control.revents & POLLHUP);
}

void credentials_restore(const struct restorer_args *a, const struct descriptor_thread *t)
{
	const struct descriptor_credentials *want = &a->descriptor->credentials;
	struct descriptor_credentials got;
	long ret;

	if (!a->change_credentials)
		return;
	ret = credentials_enter(a->descriptor, &got);
	/*
	 * It is the process's, and other threads are about to change it: the first, which comes
	 * last, has the last word.
	 */
	if (t != descriptor_at(a->descriptor, a->descriptor->threads))
		got.dumpable = want->dumpable;
	if (!ret && (!same_ids(want->uid, got.uid) || !same_ids(want->gid, got.gid) ||
		     want->effective != got.effective || want->permitted != got.permitted ||
		     want->inheritable != got.inheritable || want->bounding != got.bounding ||
		     want->ambient != got.ambient || want->securebits != got.securebits ||
		     want->dumpable != got.dumpable))
		ret = -EPERM;
	/* The kernel's promise to end it with its supervisor goes with a change of the user. */
	if (!ret)
		ret = sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!ret && !has_supervisor(a))
		ret = -ESRCH;
	if (ret < 0)
		restore_fail(a, RESTORE_CREDENTIALS, ret, 0);
}

#endif
