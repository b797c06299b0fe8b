// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* sweep.c - all combinations of a client's lists, one after the other: see sweep.h. */
#include "sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "point.h"
#include "run.h"
#include "target.h"
#include "tool.h"

#define COMBINED_MAX	16u		/* servers, and devices, used at once */

/* ---- Targets ---- */

static struct target *target_get(struct plan *plan, const char *server, const char *device)
{
	const struct approach how = {
		plan->run, (uint16_t)plan->port, plan->timeout_ns, plan->wait_ns,
	};
	struct target **grown, *t;

	for (size_t i = 0; i < plan->target_count; i++) {
		t = plan->targets[i];
		if (!strcmp(t->server, server) &&
		    (!device || (t->wanted && !strcmp(t->wanted, device))))
			return t;
	}
	grown = realloc(plan->targets, (plan->target_count + 1) * sizeof(*grown));
	if (!grown) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		return NULL;
	}
	plan->targets = grown;
	/* Names outlive it. */
	t = calloc(1, sizeof(*t));
	server = strdup(server);
	device = device ? strdup(device) : NULL;
	if (!t || !server || target_open(t, server, device, &how)) {
		free((char *)server);
		free((char *)device);
		free(t);
		return NULL;
	}
	grown[plan->target_count++] = t;
	return t;
}

void sweep_close(struct plan *plan)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		struct target *t = plan->targets[i];
		char *server = (char *)t->server, *wanted = (char *)t->wanted;

		target_close(t, true);
		free(server);
		free(wanted);
		free(t);
	}
	free(plan->targets);
}

/* "A+B" as its parts; returns how many. */
static unsigned int parts_of(char *text, char *parts[COMBINED_MAX])
{
	unsigned int n = 0;
	char *part;

	while (n < COMBINED_MAX && (part = strsep(&text, "+")) != NULL)
		if (*part)
			parts[n++] = part;
	return n;
}

/* Thread i gets device i modulo their number, and server likewise. */
static int choose_targets(struct plan *plan, const char *servers, const char *devices,
			  struct target *chosen[], struct point *p)
{
	char server_text[256], device_text[256], *server[COMBINED_MAX], *device[COMBINED_MAX];
	unsigned int ns, nd, n;

	snprintf(server_text, sizeof(server_text), "%s", servers);
	snprintf(device_text, sizeof(device_text), "%s", devices ? devices : "");
	ns = parts_of(server_text, server);
	nd = parts_of(device_text, device);
	for (n = 0; n < COMBINED_MAX * COMBINED_MAX; n++) {
		/* The pattern repeats at the least common multiple. */
		if (n && n % ns == 0 && (!nd || n % nd == 0))
			break;
		chosen[n] = target_get(plan, server[n % ns], nd ? device[n % nd] : NULL);
		if (!chosen[n])
			return -1;
	}
	p->targets = chosen;
	p->target_count = n;
	snprintf(p->servers, sizeof(p->servers), "%s", servers);
	snprintf(p->devices, sizeof(p->devices), "%s", devices ? devices : chosen[0]->device);
	return 0;
}

/* ---- The sweep ---- */

/* One combination: the parts that its caller has chosen are in p. */
static int run_point(struct plan *plan, struct point *p, uint64_t threads, uint64_t rate)
{
	p->threads = (unsigned int)threads;
	p->rate = rate;
	p->reuse = plan->reuse && p->operation == OPERATION_CONNECT;
	p->verify = plan->verify;
	p->count = plan->count;
	p->duration_ns = plan->duration_ns;
	p->interval_ns = plan->interval_ns;
	p->timeout_ns = plan->timeout_ns;
	p->max_failures = plan->max_failures;
	p->run = plan->run;
	p->tickets = 0;
	p->failures = 0;
	p->stop = false;
	p->set_up = 0;
	return point_run(p, plan->out) || run_signal ? -1 : 0;
}

static int run_rates(struct plan *plan, struct point *p)
{
	int err = 0;

	for (size_t t = 0; t < plan->thread_count && !err; t++) {
		for (size_t r = 0; r < plan->rate_count && !err; r++)
			err = run_point(plan, p, plan->threads[t], plan->rates[r]);
	}
	return err;
}

static int run_connections(struct plan *plan, struct point *p)
{
	int err = 0;

	p->operation = OPERATION_CONNECT;
	if (plan->serial && !plan->reuse) {
		p->pipelined = false;
		p->depth = 1;
		err = run_rates(plan, p);
	}
	for (size_t i = 0; i < plan->depth_count && !err && (plan->pipelined || plan->reuse); i++) {
		p->pipelined = !plan->reuse;
		p->depth = (unsigned int)plan->depths[i];
		err = run_rates(plan, p);
	}
	return err;
}

static int run_operations(struct plan *plan, struct point *p, enum operation operation)
{
	int err = 0;

	p->operation = operation;
	p->depth = 1;
	for (size_t s = 0; s < plan->size_count && !err; s++) {
		for (size_t o = 0; o < plan->outstanding_count && !err; o++) {
			p->size = (uint32_t)plan->sizes[s];
			p->outstanding = (uint32_t)plan->outstandings[o];
			err = run_rates(plan, p);
		}
	}
	return err;
}

static int run_space(struct plan *plan, struct point *p, bool kernel)
{
	int err = 0;

	p->kernel = kernel;
	for (enum operation op = OPERATION_CONNECT; op < OPERATIONS && !err; op++) {
		if (!plan->operations[op])
			continue;
		err = op == OPERATION_CONNECT ? run_connections(plan, p) :
						run_operations(plan, p, op);
	}
	return err;
}

int sweep_run(struct plan *plan)
{
	struct target *chosen[COMBINED_MAX * COMBINED_MAX];
	struct point p = { 0 };
	int err = 0;

	for (size_t s = 0; s < plan->servers.n && !err; s++) {
		for (size_t d = 0; d < (plan->devices.n ? plan->devices.n : 1) && !err; d++) {
			const char *device = plan->devices.n ? plan->devices.list[d] : NULL;

			err = choose_targets(plan, plan->servers.list[s], device, chosen, &p);
			if (!err && plan->user)
				err = run_space(plan, &p, false);
			if (!err && plan->kernel)
				err = run_space(plan, &p, true);
		}
	}
	return err;
}
