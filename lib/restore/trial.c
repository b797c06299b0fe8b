// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * trial.c - may a child have its parent's settings, limits and rights here? Rules for that are many
 * and change with kernels and security modules: so a process that is thrown away tries all of it,
 * in the child's order.
 *
 * It is made only where something differs from what this process has, which a child would have
 * anyway.
 */
#include "api/log.h"
#include "restore/trial.h"
#include "state/state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

struct results {
	long settings[SETTINGS], scheduling[2], root, credentials;
	bool same_groups;
	struct descriptor_limit limits[DESCRIPTOR_LIMITS];
	struct descriptor_credentials got;
};

#define GROUPS_MAX 65536
/* Not on the stack: which is the library's caller's, and of any size. */
static uint32_t groups[GROUPS_MAX];

static bool has_groups(const struct descriptor *d)
{
	const struct descriptor_credentials *c = &d->credentials;
	int n = getgroups(GROUPS_MAX, (gid_t *)groups);

	return n == (int)c->group_count &&
	       !memcmp(groups, descriptor_payload(d, c->groups), c->group_count * 4);
}

/* With nothing but system calls: another thread of the caller may hold any lock. */
static __attribute__((noreturn)) void try_all(const struct descriptor *d, int root, bool change,
					      int socket, struct results *r)
{
	char c = 0;

	settings_try(d, r->settings);
	scheduling_try(d, r->scheduling);
	limits_try(d, r->limits);
	if (root >= 0)
		r->root = sys(SYS_fchdir, root);
	if (root >= 0 && !r->root)
		r->root = sys(SYS_chroot, ".");
	if (change) {
		r->credentials = credentials_enter(d, &r->got);
		r->same_groups = has_groups(d);
	}
	sys(SYS_write, socket, &c, 1);
	/* The caller sees whether it still may end this process. */
	sys(SYS_read, socket, &c, 1);
	sys(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* 0: it has ended, by our hand; -EPERM: it had to end by itself. */
static int try_apart(const struct descriptor *d, int root, bool change, struct results *r)
{
	int pair[2], err = 0;
	ssize_t n;
	long pid;
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = sys(SYS_clone, 0, 0, 0, 0, 0);
	if (!pid) {
		sys(SYS_close, pair[0]);
		try_all(d, root, change, pair[1], r);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return (int)pid;
	}
	do {
		n = read(pair[0], &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		err = -ECHILD;
	else if (kill((pid_t)pid, SIGKILL))
		err = -EPERM;
	close(pair[0]);
	while (waitpid((pid_t)pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	return err;
}

static bool same_credentials(const struct descriptor *d)
{
	struct descriptor_credentials here = d->credentials;

	return !credentials_get(&here) && !memcmp(&here, &d->credentials, sizeof(here)) &&
	       has_groups(d);
}

/* What is promised is what the trial has come to; the child becomes just that. */
static void settle_credentials(struct descriptor *d, const struct results *r, struct losses *losses)
{
	struct descriptor_credentials got = r->got;

	credentials_compare(&d->credentials, &got, r->same_groups, losses);
	got.groups = d->credentials.groups;
	got.group_count = d->credentials.group_count;
	d->credentials = got;
}

int trial_run(struct descriptor *d, const char *object, int *root, bool *change,
	      struct losses *losses)
{
	bool settings, scheduling, limits;
	struct results *r;
	int err = 0;

	settings = settings_settle(d);
	scheduling = scheduling_settle(d);
	limits = limits_settle(d);
	*change = !same_credentials(d);
	r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return -errno;
	memcpy(r->limits, d->limits, sizeof(r->limits));
	if (settings || scheduling || limits || *change || *root >= 0)
		err = try_apart(d, *root, *change, r);
	if (err == -EPERM && *change) {
		/*
		 * Whom the supervisor may not end it does not supervise: the child keeps our
		 * rights.
		 */
		struct descriptor_credentials here = d->credentials;

		err = credentials_get(&here);
		r->got = here;
		r->same_groups = has_groups(d);
		*change = false;
	}
	if (!err && *change)
		err = (int)r->credentials;
	if (err) {
		log_error("%s: cannot try out what the child may have here: %s%s", object,
			  strerror(-err), err == -EMFILE ? " (see ulimit -n)" : "");
	} else {
		if (*root >= 0 && r->root) {
			losses_add(losses, "it is not confined to its parent's root directory (%s)",
				   strerror(-(int)r->root));
			close(*root);
			*root = -1;
		}
		if (*change || !same_credentials(d))
			settle_credentials(d, r, losses);
		settings_lose(d, r->settings, losses);
		scheduling_lose(d, r->scheduling, losses);
		limits_lose(d, r->limits, losses);
	}
	munmap(r, sizeof(*r));
	return err;
}
