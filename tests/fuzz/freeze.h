/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* freeze.h - what the two halves of the random program share. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WORKERS	60u		/* and short ones, and those who look after them: some 64 */

struct worker {
	uint64_t random;
	const char *doing;
	pthread_t thread;
	pid_t tid;
	bool started;
	atomic_bool ended;
	uint64_t done;
	/* signals taken: both are always the same but for its handler */
	volatile uint64_t taken, again;
	volatile int value;		/* that came with the last one it sent to itself */
};

extern atomic_bool stop;
extern atomic_ulong interrupted;	/* calls, by no signal */
extern bool keeps_numbers;	/* copies have the thread numbers of the program */
extern __thread struct worker *mine;

uint64_t now_ns(void);
/* 0 to below - 1 */
uint64_t draw(struct worker *w, uint64_t below);
void wrong(const struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Is this a copy of the program that was started? */
bool is_resumed(void);
/* Raw sleep, whatever comes between. */
void nap_us(uint64_t us);

/* Once, before there are threads: 0, or it cannot be done here. */
int prepare_operations(void);
/* One operation, which checks itself. */
void operate(struct worker *w);
/* At the end, what no process's end takes away. */
void leave_nothing(void);
