// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * counter.c - a process that continues elsewhere.
 *
 *	cc -o counter counter.c $(pkg-config --cflags --libs libmitosis)
 *	./counter			# prints 1 to 3 and a reference, and 4 to 6 when its input ends
 *	./counter REFERENCE		# meanwhile, elsewhere, as often as wanted: 4 to 6
 */
#include <mitosis.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void complain(enum mitosis_log_level level, const char *text, void *data)
{
	(void)data;
	if (level <= MITOSIS_LOG_WARNING)
		fprintf(stderr, "counter: %s\n", text);
}

int main(int argc, char **argv)
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	char reference[MITOSIS_REF_MAX];
	int count = 0, is_child;

	mitosis_set_logger(complain, NULL);
	if (argc > 1) {
		/* On success this process becomes the supervisor of the child and ends as it ends. */
		int error = mitosis_resume(argv[1], NULL);

		fprintf(stderr, "counter: %s\n", strerror(-error));
		return 1;
	}
	while (count < 3)
		printf("%d\n", ++count);
	/* What is in a buffer when a process is prepared, every child would write as well. */
	fflush(stdout);
	args.label = "counter";
	is_child = mitosis_prepare(&args, reference);
	if (is_child < 0) {
		fprintf(stderr, "counter: %s\n", strerror(-is_child));
		return 1;
	}
	if (!is_child) {
		printf("%s\n", reference);
		fflush(stdout);
		/* The snapshot ends with its parent: stay until standard input ends. */
		while (getchar() != EOF)
			;
	}
	while (count < 6)
		printf("%d\n", ++count);
	return 0;
}
