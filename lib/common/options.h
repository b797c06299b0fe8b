/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * options.h - the options of a tool with what each goes with, in one table.
 *
 * A tool names the circumstances that decide whether an option makes sense: its command, another
 * option, an engine that was asked for. Each is a bit. A row of the table is an option for popt,
 * and beside it the circumstances that it needs and those that it contradicts:
 *
 *	enum { SERVE = 1 << 0, CRIU = 1 << 1 };
 *	static const char *const circumstances[] = { "--serve", "engine criu" };
 *	static const struct tool_option table[] = {
 *		{ { "count", 'n', POPT_ARG_STRING, &o.count, 0, "how many (default 10)", "N" },
   .without = SERVE },
 *		{ { "images", '\0', POPT_ARG_STRING, &o.images, 0, "where they lie", "DIR" },
   .with = CRIU },
 *		TOOL_OPTIONS_END
 *	};
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "tool.h"

struct tool_option {
	struct poptOption popt;
	unsigned int with;	/* it goes with one of these only; 0: with all that is not below */
	unsigned int without;	/* it does not go with any of these */
};

#define TOOL_OPTIONS_END { POPT_TABLEEND, 0, 0 }

/*
 * As tool_context(); the common options come behind those of the table, which must outlive the
 * context.
 */
poptContext tool_options_context(int argc, char **argv, const struct tool_option *table,
				 unsigned int flags, const struct tool_info *info);

/*
 * Does each option that was given go with the circumstances in force? 0, or STATUS_USAGE after a
 * message that names both. names: that of each bit; what follows the name of one that contradicts
 * an option may be the reason, as in "--mode eager, which fetches everything anyway".
 */
int tool_options_check(const struct tool_option *table, const char *const names[],
		       unsigned int in_force);

#endif
