// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* subject.c - a process for the baseline "criu": see subject.h. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "measure/criu.h"
#include "tool.h"
#include "wss.h"

/* Shared with the subject through a file, since CRIU knows how to dump a file mapping. */
struct shared {
	_Atomic uint64_t ready;
	_Atomic uint64_t longest_gap_ns;
};

struct subject {
	pid_t pid;
	struct criu_place place;
	struct shared *shared;
};

/* Watch the clock: the longest step is how long this process stood still. */
static __attribute__((noreturn)) void live(struct shared *shared, uint64_t bytes, bool huge,
					   pid_t parent)
{
	struct wss w;
	uint64_t last;
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0U, 0);
	if (bytes && (wss_make(&w, bytes, huge) || (huge && !w.huge_bytes)))
		_exit(1);
	atomic_store(&shared->ready, 1);
	last = clock_now_ns();
	while (getppid() == parent) {
		uint64_t now = clock_now_ns();

		if (now - last > atomic_load(&shared->longest_gap_ns))
			atomic_store(&shared->longest_gap_ns, now - last);
		last = now;
	}
	_exit(0);
}

/* Hidden, and so none of the images. */
static struct shared *map_shared(const struct criu_place *place)
{
	char file[PATH_MAX + 16];
	struct shared *shared = MAP_FAILED;
	int fd;

	snprintf(file, sizeof(file), "%s/.shared", place->images);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && !ftruncate(fd, sizeof(*shared)))
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		tool_error(file, "%s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return shared == MAP_FAILED ? NULL : shared;
}

struct subject *subject_start(uint64_t wss, bool huge, const char *in)
{
	struct subject *s = calloc(1, sizeof(*s));
	pid_t parent = getpid();

	if (!s || criu_place_make(&s->place, in, NULL, wss)) {
		free(s);
		return NULL;
	}
	s->shared = map_shared(&s->place);
	if (!s->shared)
		goto fail;
	fflush(NULL);
	s->pid = fork();
	if (!s->pid) {
		setsid();
		live(s->shared, wss, huge, parent);
	}
	while (s->pid > 0 && !atomic_load(&s->shared->ready)) {
		if (waitpid(s->pid, NULL, WNOHANG)) {
			tool_error("working set", "could not be made");
			s->pid = 0;
			goto fail;
		}
		sched_yield();
	}
	return s;
fail:
	subject_end(s);
	return NULL;
}

void subject_end(struct subject *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->shared)
		munmap(s->shared, sizeof(*s->shared));
	criu_place_remove(&s->place);
	free(s);
}

int subject_dump(struct subject *s, uint64_t *frozen_ns, uint64_t *dump_ns, uint64_t *bytes)
{
	int err;

	atomic_store(&s->shared->longest_gap_ns, 0);
	err = criu_dump(&s->place, s->pid, true, dump_ns);
	*frozen_ns = atomic_load(&s->shared->longest_gap_ns);
	criu_place_empty(&s->place, bytes);
	return err;
}
