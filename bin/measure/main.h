/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * main.h - a tool that measures children: of parents of its own, or of those that references name.
 */
#ifndef MEASURE_MAIN_H
#define MEASURE_MAIN_H

#include <stdbool.h>

#include "options.h"

/* Its parts, which return 0 or an exit status after a message. */
struct measuring {
	const char *name;
	const struct tool_info *info;
	const struct tool_option *options;
	/* Values of options, into the tool's plan. */
	int (*parse)(bool refs);
	/* Does what was asked for go together? */
	int (*check)(bool refs);
	/* Measure, or serve. refs: NULL, or a list that ends in NULL. */
	int (*run)(char *const *refs, int argc, char **argv);
};

int measure_main(const struct measuring *m, int argc, char **argv);

#endif
