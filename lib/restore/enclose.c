// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * enclose.c - decides which namespaces a child gets (enclosure.c and network.c make them), and
 * names what it lacks without them.
 *
 * Numbers are kept where a program has seen them, or may have: one with several threads, and one
 * that was prepared from outside, anywhere in its code. One that is alone with its snapshot expects
 * what fork(2) does. Clocks are kept where they differ.
 */
#include "api/log.h"
#include "restore/resume.h"
#include "state/state.h"

#define CLOCK_NOTICED	1000000000	/* ns */

/* Has the parent numbers that its program has seen, or may have? */
static bool has_numbers(const struct resume *r)
{
	return r->d->threads.count > 1 || !r->d->child_state;
}

static void refuse_network(const struct resume *r, const char *why)
{
	log_error("%s: it cannot have a network of its own (--net new): %s", r->ref->address, why);
}

/* Whether it can be entered later, too. */
int enclose_network(struct resume *r)
{
	struct enclosure e = { 0 };
	int err;

	if (r->args->net != MITOSIS_NET_NEW)
		return 0;
	err = enclosure_look_ahead(&e, r->d);
	if (err) {
		refuse_network(r, e.why);
		return err;
	}
	return network_open(&r->network, r->ref->address, &r->plan.fd_next);
}

/* What is wanted, and whether it has to be. */
struct wish {
	bool network, numbers, clocks, must_numbers, must_clocks;
	int64_t ahead;			/* the parent's clocks, in ns */
};

static void name_numbers(struct resume *r, const char *why)
{
	losses_add(&r->losses, "its process and thread numbers are not its parent's (%s)", why);
}

static void name_clocks(struct resume *r, const struct wish *w, const char *why)
{
	losses_add(&r->losses,
		   "its clocks that count from the start of a machine are %lld seconds %s its parent's (%s)",
		   (long long)((w->ahead < 0 ? -w->ahead : w->ahead) / 1000000000),
		   w->ahead < 0 ? "ahead of" : "behind", why);
}

static int fulfil(struct resume *r, struct wish *w)
{
	struct enclosure *e = &r->enclosure;
	int err;

	for (;;) {
		e->numbers = w->numbers;
		e->clocks = w->clocks;
		if (!e->numbers && !e->clocks && !w->network)
			return 0;
		err = enclosure_open(e, r->d);
		if (err >= 0)
			return err;
		e->user = false;
		if (!w->numbers && !w->clocks) {
			refuse_network(r, e->why);
			return err;
		}
		if (w->must_clocks || (w->must_numbers && !w->clocks)) {
			log_error("%s: it cannot have its parent's %s: %s", r->ref->address,
				  w->must_numbers ? "process and thread numbers (--tids same)"
						  : "clocks (--clock same)",
				  e->why);
			return err;
		}
		/* Kernels without time namespaces have those of numbers. */
		if (w->clocks) {
			w->clocks = false;
			name_clocks(r, w, e->why);
		} else {
			w->numbers = false;
			name_numbers(r, e->why);
		}
	}
}

/* What this child is to have, and what it is not to. */
static void make_wish(struct resume *r, struct wish *w)
{
	const struct mitosis_resume_args *args = r->args;
	bool differ;

	*w = (struct wish){
		.network = r->enclosure.network,
		.numbers = args->tids == MITOSIS_TIDS_SAME ||
			   (args->tids == MITOSIS_TIDS_AUTO && has_numbers(r)),
		.must_numbers = args->tids == MITOSIS_TIDS_SAME,
		.ahead = clocks_compare(r->d, r->enclosure.offset),
	};
	if (!w->numbers && r->d->threads.count > 1)
		name_numbers(r, "--tids new");
	differ = w->ahead > CLOCK_NOTICED || w->ahead < -CLOCK_NOTICED;
	w->clocks = differ && args->clock != MITOSIS_CLOCK_HOST;
	w->must_clocks = differ && args->clock == MITOSIS_CLOCK_SAME;
	if (differ && !w->clocks)
		name_clocks(r, w, "--clock host");
	/* Not for the clock alone is a program put where other users are nobody. */
	if (w->clocks && !w->must_clocks && !w->numbers && !w->network &&
	    !enclosure_is_allowed()) {
		w->clocks = false;
		name_clocks(r, w, "without CAP_SYS_ADMIN, that takes --clock same");
	}
}

int enclose(struct resume *r)
{
	struct wish w;

	r->enclosure = (struct enclosure){ .root = r->root,
					   .network = r->args->net == MITOSIS_NET_NEW ?
							      &r->network : NULL,
					   .spare = r->arena,
					   .spare_bytes = r->arena_length };
	make_wish(r, &w);
	return fulfil(r, &w);
}
