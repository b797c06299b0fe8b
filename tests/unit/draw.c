// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * draw.c - a progress bar among everything that may be written beside it: records, messages of the
 * process, of its threads and of those it forked. terminal.sh looks at the screen.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "library.h"
#include "progress.h"
#include "record.h"
#include "tool.h"

#define ROUNDS 20u
#define THREADS 4

static const struct record_column columns[] = {
	{ "round", RECORD_UINT, "number" },
	{ "what", RECORD_STRING, "text" },
};

static void *talk(void *unused)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		tool_warn("thread", "%u", i);
	return unused;
}

static void fork_one(unsigned int round)
{
	pid_t pid = fork();

	if (!pid) {
		tool_warn("forked", "%u", round);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		exit(99);
}

int main(int argc, char **argv)
{
	struct library_voice voice = { .verbose = true };
	pthread_t threads[THREADS];
	struct record_stream *rs;

	tool_init("draw");
	if (record_open(&rs, stdout, argc > 1 ? RECORD_JSON : RECORD_AUTO, columns, 2, NULL, argc, argv))
		return 99;
	progress_start("drawing", ROUNDS);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		progress_update(i);
		record_begin(rs);
		record_uint(rs, 0, i);
		record_string(rs, 1, "a record");
		record_end(rs);
		progress_update(i + 1);
		fork_one(i);
		progress_update(i + 1);
		library_log(MITOSIS_LOG_INFO, "of the library", &voice);
		progress_update(i + 1);
		tool_warn("itself", "%u", i);
	}
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, talk, NULL))
			return 99;
	for (unsigned int i = 0; i < 50 * ROUNDS; i++) {
		progress_clear();
		progress_update(ROUNDS);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	progress_finish();
	return record_close(rs) ? STATUS_FAILED : STATUS_OK;
}
