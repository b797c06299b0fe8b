// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * scheduling.c - on which processors a process may run, and where its memory comes from.
 *
 * What a parent has chosen its child has, too. Where it has chosen nothing, the choice of who
 * starts the child holds (taskset(1), numactl(8)). Nice value and policy are among the settings.
 */
#include "state/state.h"

/* All is done before there is a restorer. */
#ifndef IN_RESTORER

#include <errno.h>
#include <linux/mempolicy.h>

#include "pie/freestanding.h"

/* As the kernel counts the bits of such a mask. */
#define NODE_BITS	(DESCRIPTOR_MASK_WORDS * 64)

static bool is_same(const uint64_t *a, const uint64_t *b)
{
	return !memcmp(a, b, DESCRIPTOR_MASK_WORDS * 8);
}

static long cpus_get(uint64_t *mask)
{
	long ret;

	memset(mask, 0, DESCRIPTOR_MASK_WORDS * 8);
	ret = sys(SYS_sched_getaffinity, 0, DESCRIPTOR_MASK_WORDS * 8, mask);
	return ret < 0 ? ret : 0;
}

static long nodes_get(uint32_t *policy, uint64_t *nodes)
{
	int32_t mode = 0;
	long ret;

	memset(nodes, 0, DESCRIPTOR_MASK_WORDS * 8);
	ret = sys(SYS_get_mempolicy, &mode, nodes, NODE_BITS, 0, 0);
	*policy = (uint32_t)mode;
	return ret;
}

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

const char *scheduling_read(struct snapshot *s)
{
	struct descriptor_scheduling *c = &s->header.scheduling;
	uint64_t all[DESCRIPTOR_MASK_WORDS];
	long ret;

	ret = cpus_get(c->cpus);
	if (ret < 0)
		return "its processors cannot be read";
	/* With all that it is allowed it has as many as before: it has chosen none. */
	memset(all, 0xff, sizeof(all));
	if (!sys(SYS_sched_setaffinity, 0, sizeof(all), all) && !cpus_get(all)) {
		if (is_same(all, c->cpus))
			memset(c->cpus, 0, sizeof(c->cpus));
		else
			sys(SYS_sched_setaffinity, 0, sizeof(c->cpus), c->cpus);
	}
	ret = nodes_get(&c->policy, c->nodes);
	if (ret < 0 && ret != -ENOSYS)
		return "its memory policy cannot be read";
	return NULL;
}

/*
 * Is there an area with a policy of its own? One call each tells, without a look at the pages. That
 * memory be near who touches it first, as OpenBLAS asks for, is also what it is without a policy.
 */
int64_t scheduling_has_area_policies(const struct snapshot *s)
{
	int32_t own = MPOL_DEFAULT;

	sys(SYS_get_mempolicy, &own, 0, 0, 0, 0);
	for (uint32_t i = 0; i < s->n.vmas; i++) {
		int32_t mode = 0;

		if (s->vmas[i].flags & VMA_VDSO)
			continue;
		if (sys(SYS_get_mempolicy, &mode, 0, 0, s->vmas[i].start, MPOL_F_ADDR) < 0)
			return 0;
		if (mode != MPOL_DEFAULT && !(mode == MPOL_LOCAL && own == MPOL_DEFAULT))
			return 1;
	}
	return 0;
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

static bool is_empty(const uint64_t *mask)
{
	for (int i = 0; i < DESCRIPTOR_MASK_WORDS; i++)
		if (mask[i])
			return false;
	return true;
}

bool scheduling_settle(struct descriptor *d)
{
	struct descriptor_scheduling *c = &d->scheduling;
	uint64_t here[DESCRIPTOR_MASK_WORDS];
	uint32_t policy;

	if (!cpus_get(here) && is_same(here, c->cpus))
		memset(c->cpus, 0, sizeof(c->cpus));
	if (!nodes_get(&policy, here) && policy == c->policy && is_same(here, c->nodes))
		c->policy = MPOL_DEFAULT;
	return !is_empty(c->cpus) || c->policy != MPOL_DEFAULT;
}

/* Both steps, and what has failed of them. */
void scheduling_try(const struct descriptor *d, long errors[2])
{
	const struct descriptor_scheduling *c = &d->scheduling;
	uint64_t got[DESCRIPTOR_MASK_WORDS];

	if (!is_empty(c->cpus)) {
		errors[0] = sys(SYS_sched_setaffinity, 0, sizeof(c->cpus), c->cpus);
		/* Those that are not here, or not allowed, are left out in silence. */
		if (!errors[0] && (cpus_get(got) || !is_same(got, c->cpus)))
			errors[0] = -ENODEV;
	}
	if (c->policy != MPOL_DEFAULT)
		errors[1] = sys(SYS_set_mempolicy, c->policy, c->nodes, NODE_BITS + 1);
}

void scheduling_lose(struct descriptor *d, const long errors[2], struct losses *losses)
{
	struct descriptor_scheduling *c = &d->scheduling;

	if (errors[0]) {
		losses_add(losses,
			   "its processors are not those that its parent was bound to (0x%llx)",
			   (unsigned long long)c->cpus[0]);
		memset(c->cpus, 0, sizeof(c->cpus));
	}
	if (errors[1]) {
		losses_add(losses, "it has not the memory policy of its parent (%u, nodes 0x%llx)",
			   c->policy, (unsigned long long)c->nodes[0]);
		c->policy = MPOL_DEFAULT;
	}
}

long scheduling_begin(const struct descriptor *d)
{
	long errors[2] = { 0 };

	scheduling_try(d, errors);
	return errors[0] ? errors[0] : errors[1];
}

#endif
#endif
