// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * run.c - the threads of a point: started together, watched, joined.
 *
 * A thread that sleeps in a system call cannot look at the time. Whoever watches sends it SIGUSR1
 * when it has slept for WAKE_NS, and again as long as it sleeps, since a signal that comes right
 * before the sleep wakes nobody.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "drive.h"
#include "kernel.h"
#include "operate.h"
#include "pool.h"
#include "progress.h"
#include "report.h"
#include "run.h"
#include "tool.h"
#include "units.h"

#define WAKE_NS	100000000u

volatile sig_atomic_t run_signal;

static void caught(int number)
{
	if (number != SIGUSR1)
		run_signal = number;
}

void run_catch_signals(void)
{
	/* Without SA_RESTART: what sleeps returns with EINTR. */
	struct sigaction action = { .sa_handler = caught };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

void run_wake(pthread_t thread)
{
	pthread_kill(thread, SIGUSR1);
}

/* What a thread had done and failed when the last interval ended. */
struct seen {
	uint64_t done, failed;
};

static uint64_t failed_of(struct worker *w)
{
	uint64_t n = 0;

	for (unsigned int i = OUTCOME_OK + 1; i < OUTCOMES; i++)
		n += atomic_load_explicit(&w->outcomes[i], memory_order_relaxed);
	return n;
}

static void report_all(struct record_stream *out, struct point *p, struct worker *workers,
		       struct seen *seen, uint64_t interval_ns)
{
	uint64_t done_all = 0, failed_all = 0;

	for (unsigned int i = 0; i < p->threads; i++) {
		uint64_t done = atomic_load_explicit(&workers[i].done, memory_order_relaxed);
		uint64_t failed = failed_of(&workers[i]);

		report_interval(out, p, &workers[i], done - seen[i].done, failed - seen[i].failed,
				interval_ns);
		done_all += done - seen[i].done;
		failed_all += failed - seen[i].failed;
		seen[i] = (struct seen){ done, failed };
	}
	report_interval(out, p, NULL, done_all, failed_all, interval_ns);
}

static uint64_t done_of(struct point *p, struct worker *workers)
{
	uint64_t done = 0;

	for (unsigned int i = 0; i < p->threads; i++)
		done += atomic_load_explicit(&workers[i].done, memory_order_relaxed);
	return done;
}

static bool all_ended(struct point *p, struct worker *workers)
{
	for (unsigned int i = 0; i < p->threads; i++) {
		if (!atomic_load(&workers[i].ended))
			return false;
	}
	return true;
}

static void wake_sleepers(struct point *p, struct worker *workers, uint64_t now)
{
	bool stop = atomic_load(&p->stop);

	for (unsigned int i = 0; i < p->threads; i++) {
		struct worker *w = &workers[i];

		if (!atomic_load(&w->ended) &&
		    (stop ||
		     now > atomic_load_explicit(&w->waiting_since, memory_order_relaxed) + WAKE_NS))
			run_wake(w->thread);
	}
}

/* Sleep until that time, or until a thread has ended; never longer than WAKE_NS. */
static void sleep_until(uint64_t ns, struct point *p)
{
	struct timespec until;
	uint64_t now = clock_now_ns();

	if (ns > now + WAKE_NS || ns <= now)
		ns = now + (ns <= now ? WAKE_NS / 100 : WAKE_NS);
	until = (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	sem_clockwait(&p->ended, CLOCK_MONOTONIC, &until);
}

/* What a kernel thread has done is known when its call has returned, shortly after the interval. */
static bool is_told(struct point *p, struct worker *workers, uint64_t due)
{
	for (unsigned int i = 0; i < p->threads && p->kernel; i++) {
		if (!atomic_load(&workers[i].ended) && atomic_load(&workers[i].told_ns) < due)
			return false;
	}
	return true;
}

static void watch(struct point *p, struct worker *workers, struct record_stream *out)
{
	struct seen *seen = calloc(p->threads, sizeof(*seen));
	uint64_t last = p->begun_ns, due = p->begun_ns + p->interval_ns, now;

	progress_start(operation_names[p->operation],
		       p->count ? p->count : p->duration_ns / 1000000);
	while (!all_ended(p, workers)) {
		sleep_until(p->interval_ns ? due : UINT64_MAX, p);
		now = clock_now_ns();
		if (run_signal || (out && record_error(out)))
			atomic_store(&p->stop, true);
		wake_sleepers(p, workers, now);
		if (p->interval_ns && seen && now >= due && is_told(p, workers, due)) {
			report_all(out, p, workers, seen, now - last);
			last = now;
			while (due <= now)
				due += p->interval_ns;
		}
		progress_update(p->count ? done_of(p, workers) : (now - p->begun_ns) / 1000000);
	}
	progress_finish();
	now = clock_now_ns();
	/* A last interval that is too short to be counted in would only make noise. */
	if (p->interval_ns && seen && (last == p->begun_ns || now - last > p->interval_ns / 10))
		report_all(out, p, workers, seen, now - last);
	free(seen);
}

/* For who looks at a terminal: the throughput, which raw records do not have. */
static void tell(struct point *p, uint64_t done, uint64_t ns)
{
	char duration[32], rate[32];

	if (!isatty(STDERR_FILENO) || !done || !ns)
		return;
	fprintf(stderr, "%s: %s by %s, %u thread%s: %llu %s in %s, %s per second\n", tool_name,
		p->servers, p->devices, p->threads, p->threads == 1 ? "" : "s",
		(unsigned long long)done,
		p->operation == OPERATION_CONNECT ? "connections" : "operations",
		units_format_ns((double)ns, duration),
		units_format_count((double)done * 1e9 / (double)ns, rate));
}

/* An open loop that could not keep up leaves out the worst: say so. */
static void judge_rate(struct point *p, uint64_t begun)
{
	uint64_t due = (uint64_t)((unsigned __int128)p->duration_ns * p->rate / 1000000000u);

	if (!p->rate || !p->duration_ns || atomic_load(&p->stop))
		return;
	if (p->count && p->count < due)
		due = p->count;
	if (begun < due)
		tool_warn(p->servers, "%llu of %llu could not even begin within --timeout: "
			  "the rate is too high",
			  (unsigned long long)(due - begun), (unsigned long long)due);
}

static int judge(struct point *p, struct worker *workers)
{
	uint64_t outcomes[OUTCOMES] = { 0 }, failed = 0;
	char text[256];
	int err = 0;

	for (unsigned int i = 0; i < p->threads; i++) {
		for (unsigned int k = 0; k < OUTCOMES; k++)
			outcomes[k] += atomic_load(&workers[i].outcomes[k]);
		failed += failed_of(&workers[i]);
		if (workers[i].error && !err) {
			tool_error(p->servers, "thread %u: %s", i, strerror(workers[i].error));
			err = -1;
		}
	}
	judge_rate(p, done_of(p, workers) + failed);
	if (!failed)
		return err;
	report_outcomes(outcomes, text, sizeof(text));
	if (failed > p->max_failures)
		tool_error(p->servers, "%llu failed: %s", (unsigned long long)failed, text);
	else
		tool_warn(p->servers, "%llu failed: %s", (unsigned long long)failed, text);
	return failed > p->max_failures ? -1 : err;
}

static void *(*body_of(const struct point *p))(void *)
{
	if (p->kernel)
		return drive_kernel;
	if (p->operation != OPERATION_CONNECT)
		return drive_operations;
	return p->reuse ? drive_pool : drive_connections;
}

/* How many threads could be started. */
static unsigned int start(struct point *p, struct worker *workers)
{
	unsigned int i;

	for (i = 0; i < p->threads; i++) {
		struct worker *w = &workers[i];

		w->point = p;
		w->target = p->targets[i % p->target_count];
		w->index = i;
		atomic_store(&w->waiting_since, UINT64_MAX - WAKE_NS);
		samples_init(&w->samples, sizeof(struct sample));
		samples_init(&w->shorts, sizeof(struct short_sample));
		w->error = pthread_create(&w->thread, NULL, body_of(p), w);
		if (w->error)
			break;
	}
	return i;
}

static int run(struct point *p, struct worker *workers, struct record_stream *out)
{
	sigset_t set, old;
	unsigned int started;
	uint64_t end;
	int err;

	/* Signals that ask to end are for this thread. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	started = start(p, workers);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (started < p->threads) {
		/* The others wait for it, in vain. */
		tool_error("thread", "%s", strerror(workers[started].error));
		exit(STATUS_FAILED);
	}
	while (atomic_load(&p->set_up) < p->threads) {
		sleep_until(UINT64_MAX, p);
		wake_sleepers(p, workers, clock_now_ns());
		if (run_signal)
			atomic_store(&p->stop, true);
	}
	p->begun_ns = clock_now_ns();
	p->end_ns = p->duration_ns ? p->begun_ns + p->duration_ns : 0;
	pthread_barrier_wait(&p->go);
	watch(p, workers, out);
	end = clock_now_ns();
	for (unsigned int i = 0; i < p->threads; i++)
		pthread_join(workers[i].thread, NULL);
	tell(p, done_of(p, workers), end - p->begun_ns);
	for (unsigned int i = 0; i < p->threads; i++)
		report_samples(out, p, &workers[i]);
	err = judge(p, workers);
	return record_error(out) ? -1 : err;
}

int point_run(struct point *p, struct record_stream *out)
{
	struct worker *workers = calloc(p->threads, sizeof(*workers));
	int err;

	if (!workers) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		return -1;
	}
	sem_init(&p->ended, 0, 0);
	pthread_barrier_init(&p->go, NULL, p->threads + 1);
	err = run(p, workers, out);
	pthread_barrier_destroy(&p->go);
	sem_destroy(&p->ended);
	for (unsigned int i = 0; i < p->threads; i++) {
		samples_free(&workers[i].samples);
		samples_free(&workers[i].shorts);
	}
	free(workers);
	return err;
}
