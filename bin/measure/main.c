// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* main.c - a tool that measures children: see main.h. */
#include "measure/main.h"

#include <signal.h>

#include "library.h"
#include "measure/references.h"
#include "mitosis.h"

static int run(const struct measuring *m, const char **given, int argc, char **argv)
{
	int status = m->parse(given);
	char **refs = NULL;

	if (!status)
		status = m->check(given);
	if (!status && given)
		refs = references_read(given, argc, argv, &status);
	if (!status) {
		mitosis_set_logger(library_log, NULL);
		/* A parent or child that has gone is told by what is read of it. */
		signal(SIGPIPE, SIG_IGN);
		status = m->run(refs, argc, argv);
	}
	references_free(refs);
	return status;
}

int measure_main(const struct measuring *m, int argc, char **argv)
{
	int status = STATUS_USAGE;
	poptContext con;

	tool_init(m->name);
	con = tool_options_context(argc, argv, m->options, 0, m->info);
	if (tool_next(con) == TOOL_END)
		status = run(m, poptGetArgs(con), argc, argv);
	poptFreeContext(con);
	return status;
}
