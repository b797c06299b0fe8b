/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * state.h - a state of a process that a child must find as its parent left it.
 *
 * The program "state NAME" builds the state, prepares, and prints the reference; a child verifies
 * and prints "ok NAME". One state per test; the scripts run each with several ways of fetching.
 * "state" alone lists them.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mitosis.h"

struct state {
	const char *name;
	const char *about;
	void (*build)(void);
	void (*after)(void);		/* in the parent once it is prepared; NULL: nothing */
	void (*verify)(void);		/* in the child; returns if all is well */
};

extern const struct state area_states[], memory_states[], nameless_states[], process_states[],
	file_states[], descriptor_states[], signal_states[], socket_states[], number_states[], trap_states[],
	uring_states[], zoo_states[];

/* Does the parent verify what it has, after its children did? */
extern bool state_in_parent;
/* By its name; NULL: there is none. */
const struct state *state_find(const char *name);
/* What messages begin with, for a state made of others. */
extern const char *state_doing;

/* The process that the state was built in; in a child it differs from getpid(), unless the numbers are kept. */
extern int state_parent_pid;
/* The program's arguments, for states that look at them. */
extern char **state_argv;

#define PAGE 4096UL

/* Say what is wrong and end with status 1. */
void failed(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
/* How many there have been, about. */
extern unsigned int state_checks;
#define FAIL(...) failed(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) (state_checks++, (condition) ? (void)0 : FAIL("not true: %s", #condition))
#define CHECK_EQUAL(a, b) check_equal(__FILE__, __LINE__, #a, (uint64_t)(a), (uint64_t)(b))
void check_equal(const char *file, int line, const char *what, uint64_t got, uint64_t want);
/* This machine cannot do it: status 77. */
void skipped(const char *why) __attribute__((noreturn));

/* Was this engine asked for, by MITOSIS_TEST_ENGINE? */
bool state_engine_is(const char *name);

/* Has this process more than one thread, so that its children have its numbers, where the host allows it? */
bool state_has_threads(void);

/* Is this address in an area that forks do not copy? By its VmFlags. */
bool is_unforked(const char *p);

/* Private anonymous memory, read and write, or the end. */
void *map_pages(uint64_t pages);
/* Every byte of [p, p + bytes) follows from the seed and its distance from p. */
void fill(void *p, uint64_t bytes, uint64_t seed);
#define CHECK_FILLED(p, bytes, seed) check_filled(__FILE__, __LINE__, p, bytes, seed, 0)
/* As before, of a piece that begins skip bytes behind what was filled. */
#define CHECK_FILLED_FROM(p, bytes, seed, skip) check_filled(__FILE__, __LINE__, p, bytes, seed, skip)
void check_filled(const char *file, int line, const void *p, uint64_t bytes, uint64_t seed, uint64_t skip);
#define CHECK_ZERO(p, bytes) check_zero(__FILE__, __LINE__, p, bytes)
void check_zero(const char *file, int line, const void *p, uint64_t bytes);
/* Wait for a process and demand that it exited with 0. */
void check_exit(int pid);
/*
 * A process that waits until its parent ends, and has of the parent's descriptors this one besides
 * the standard ones: it has closed the others before this returns.
 */
int fork_keeping(int fd);

uint64_t random_next(uint64_t *state);

#endif
