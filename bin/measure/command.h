/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * command.h - children that a tool measures: how mitosis-child is called for them, and how they
 * end.
 */
#ifndef MEASURE_COMMAND_H
#define MEASURE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "children.h"
#include "measure/criu.h"

/* Options of the measuring tool that it passes on. */
struct child_options {
	char *window;				/* NULL: mitosis-child's default */
	int no_push, private, poll;
};

/* The window that was given, if mitosis-child takes it. 0, or STATUS_USAGE after a message. */
int child_options_check(const struct child_options *o, uint64_t *window);

struct child_command {
	char *argv[20];
	int argc;
};

/*
 * mitosis-child for a snapshot. engine: NULL: what the reference says; mode: "demand" or "eager".
 */
void child_command_make(struct child_command *c, const char *ref, const char *engine,
			const char *mode, const struct child_options *o);
/* The same for an option more, with a file: "--record" or "--replay". */
void child_command_add(struct child_command *c, const char *option, const char *file);

/* Who speaks for a child in messages: mitosis-child, or criu if it is restored from a place. */
const char *child_speaker(const struct criu_place *place);

/*
 * Wait for a child that has told all it has to tell, or as much as came. 0, or -1 after a message;
 * place: what it was restored from, or NULL.
 */
int child_end(struct child *c, const struct criu_place *place, bool has_told);

#endif
