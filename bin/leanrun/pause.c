// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pause.c - what it costs to keep a container frozen and to thaw it when it is needed: the warm start of
 * systems that keep containers around.
 *
 * The container holds a function that answers each byte with the time. A byte is sent while it is
 * frozen; the answer tells when it ran again.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "progress.h"
#include "tool.h"

enum { C_TEMPLATE, C_MODE, C_PARALLEL, C_ITER, C_START, C_PAUSE = 14 };

static void answer(struct lean_spawn *s)
{
	const int *fds = s->data;
	char c;

	dup2(fds[0], 0);
	dup2(fds[1], 1);
	syscall(SYS_close_range, 2, ~0U, 0);
	while (read(0, &c, 1) == 1) {
		uint64_t now = clock_now_ns();

		if (write_exactly(1, &now, sizeof(now)))
			break;
	}
	_exit(0);
}

static int cycles(struct job *j, const struct measure *m, struct record_stream *out, const struct lean_leaf *leaf, int to,
		  int from)
{
	progress_start("pauses", m->count);
	for (uint64_t i = 0; i < m->count && !record_error(out); i++) {
		uint64_t asked = clock_now_ns(), frozen, thaw, ran;
		int err = leaf_freeze(leaf->fd, true);

		frozen = clock_now_ns();
		if (!err && write_exactly(to, "x", 1))
			err = -EPIPE;
		thaw = clock_now_ns();
		if (!err)
			err = group_write(leaf->fd, "cgroup.freeze", "0");
		if (!err && read_exactly(from, &ran, sizeof(ran)))
			err = -EPIPE;
		if (err) {
			progress_finish();
			tool_error(j->name, "pause: %s", strerror(-err));
			return STATUS_FAILED;
		}
		if (ran < thaw) {
			progress_finish();
			tool_error(j->name, "it ran while it was paused");
			return STATUS_FAILED;
		}
		record_begin(out);
		record_string(out, C_TEMPLATE, j->name);
		record_string(out, C_MODE, "pause");
		record_uint(out, C_PARALLEL, 1);
		record_uint(out, C_ITER, i);
		record_uint(out, C_START, ran - thaw);
		record_uint(out, C_PAUSE, frozen - asked);
		record_end(out);
		progress_update(i + 1);
	}
	progress_finish();
	return record_error(out) ? STATUS_FAILED : 0;
}

int run_bench_pause(struct job *j, const struct measure *m)
{
	struct lean_spawn *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct record_stream *out = NULL;
	struct lean_leaf leaf = { .fd = -1 };
	int to[2], from[2], inside[2], status;
	pid_t pid;

	if (j->spawner.group < 0) {
		tool_error(j->name, "it has no cgroup here, so its containers cannot be paused");
		return STATUS_SKIP;
	}
	if (s == MAP_FAILED || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
		tool_error(j->name, "%s", strerror(errno));
		return STATUS_CANNOT_RUN;
	}
	signal(SIGPIPE, SIG_IGN);
	if (record_open(&out, stdout, m->json ? RECORD_JSON : RECORD_AUTO, measure_columns, measure_column_count, NULL, m->argc,
			m->argv))
		return STATUS_FAILED;
	if (spawner_enter(&j->spawner, NULL, 0) ||
	    leaf_take(j->spawner.group, j->spawner.t, j->spawner.view.limits, &leaf)) {
		record_close(out);
		return STATUS_CANNOT_RUN;
	}
	job_spawn(j, s, &leaf);
	inside[0] = to[0];
	inside[1] = from[1];
	s->main = answer;
	s->data = inside;
	pid = lean_spawn(s);
	close(to[0]);
	close(from[1]);
	if (pid < 0) {
		record_close(out);
		return job_failed(j, s, pid);
	}
	status = cycles(j, m, out, &leaf, to[1], from[0]);
	close(to[1]);
	close(from[0]);
	leaf_freeze(leaf.fd, false);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (status && s->failed)
		job_failed(j, s, 0);
	leaf_give_back(&leaf);
	return record_close(out) ? STATUS_FAILED : status;
}
