// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state.c - the program of the state tests: builds a state, prepares, and verifies in the child. */
#include "state.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int state_parent_pid;
char **state_argv;
const char *state_doing;
bool state_in_parent;
unsigned int state_checks;

static const struct state *const groups[] = {
	memory_states, area_states, nameless_states, process_states, file_states,
	descriptor_states, signal_states, socket_states, number_states, trap_states, uring_states, zoo_states,
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

void failed(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	char text[512];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* Not through stdio: the caller may be a thread or a process with locks held. */
	n = dprintf(1, "%s%s%s:%d: %s\n", state_doing ? state_doing : "", state_doing ? ": " : "",
		    slash ? slash + 1 : file, line, text);
	_exit(n > 0 ? 1 : 2);
}

void check_equal(const char *file, int line, const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		failed(file, line, "%s is %llu (0x%llx), not %llu (0x%llx)", what, (unsigned long long)got,
		       (unsigned long long)got, (unsigned long long)want, (unsigned long long)want);
}

void skipped(const char *why)
{
	printf("%s\n", why);
	fflush(stdout);
	_exit(77);
}

bool state_engine_is(const char *name)
{
	const char *asked = getenv("MITOSIS_TEST_ENGINE");

	return asked && !strcmp(asked, name);
}

void *map_pages(uint64_t pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	return p;
}

static uint64_t word_at(uint64_t seed, uint64_t offset)
{
	uint64_t x = (offset / 8 + 1) * 0x9e3779b97f4a7c15ULL + seed * 0xd1342543de82ef95ULL;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ULL | 1;	/* never zero */
}

void fill(void *p, uint64_t bytes, uint64_t seed)
{
	uint64_t *word = p;

	for (uint64_t at = 0; at < bytes; at += 8)
		word[at / 8] = word_at(seed, at);
}

void check_filled(const char *file, int line, const void *p, uint64_t bytes, uint64_t seed, uint64_t skip)
{
	const volatile uint64_t *word = p;

	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t got = word[at / 8], want = word_at(seed, skip + at);

		if (got != want)
			failed(file, line, "page %llu, byte 0x%llx at %p: 0x%llx, not 0x%llx (seed %llu)",
			       (unsigned long long)(at / PAGE), (unsigned long long)(at % PAGE),
			       (void *)((uintptr_t)p + at), (unsigned long long)got, (unsigned long long)want,
			       (unsigned long long)seed);
	}
}

void check_zero(const char *file, int line, const void *p, uint64_t bytes)
{
	const volatile uint64_t *word = p;

	for (uint64_t at = 0; at < bytes; at += 8)
		if (word[at / 8])
			failed(file, line, "page %llu, byte 0x%llx at %p: 0x%llx, not zero",
			       (unsigned long long)(at / PAGE), (unsigned long long)(at % PAGE),
			       (void *)((uintptr_t)p + at), (unsigned long long)word[at / 8]);
}

int fork_keeping(int fd)
{
	int closed[2], pid;
	char byte;

	CHECK(fd > 2 && !pipe(closed));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if ((fd > 3 && syscall(SYS_close_range, 3, fd - 1, 0)) ||
		    syscall(SYS_close_range, fd + 1, ~0U, 0))
			_exit(1);
		for (;;)
			pause();
	}
	/* The end of the file: nobody else has the other end any more. */
	CHECK(!close(closed[1]) && read(closed[0], &byte, 1) == 0 && !close(closed[0]));
	return pid;
}

void check_exit(int pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		FAIL("waitpid: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("process ended with wait status 0x%x", (unsigned int)status);
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void print_log(enum mitosis_log_level level, const char *text, void *data)
{
	if (level <= MITOSIS_LOG_WARNING)
		fprintf(stderr, "state: %s\n", text);
}

/* ---- companions: threads that the state knows nothing of (MITOSIS_TEST_THREADS: how many there are in all) ---- */

#define COMPANIONS_MAX 600
static struct companion {
	pthread_t thread;
	volatile uint64_t beats;
} companions[COMPANIONS_MAX];
static unsigned int companion_count;

/* Each keeps something of its own in thread-local memory and in a vector register while it sleeps. */
static void *accompany(void *arg)
{
	static __thread uint64_t own;
	struct companion *me = arg;
	const uint64_t seed = (uint64_t)(me - companions) + 1;

	own = seed;
	for (;;) {
		const struct timespec pause = { .tv_nsec = 2000000 };
		double kept = (double)seed, got;
		long ret = SYS_nanosleep;

		__asm__ volatile("movsd %2, %%xmm13\n\tsyscall\n\tmovsd %%xmm13, %0"
				 : "=m"(got), "+a"(ret) : "m"(kept), "D"(&pause), "S"(NULL)
				 : "rcx", "r11", "xmm13", "memory");
		if (own != seed || got != kept || ret)
			FAIL("thread %llu: %llu, %g", (unsigned long long)seed, (unsigned long long)own, got);
		me->beats++;
	}
	return NULL;
}

static void start_companions(void)
{
	const char *count = getenv("MITOSIS_TEST_THREADS");
	sigset_t all, old;

	/* Signals are the state's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	while (count && companion_count + 1 < strtoul(count, NULL, 10) && companion_count < COMPANIONS_MAX) {
		struct companion *c = &companions[companion_count];
		pthread_attr_t attr;

		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 64 << 10);
		if (pthread_create(&c->thread, &attr, accompany, c))
			FAIL("pthread_create");
		pthread_attr_destroy(&attr);
		companion_count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* They all go on. */
static void check_companions(void)
{
	for (unsigned int i = 0; i < companion_count; i++) {
		uint64_t before = companions[i].beats;

		while (companions[i].beats < before + 2)
			sched_yield();
	}
}

bool state_has_threads(void)
{
	struct stat st;

	CHECK(!stat("/proc/self/task", &st));
	return st.st_nlink > 3;
}

const struct state *state_find(const char *name)
{
	for (size_t i = 0; i < GROUPS; i++)
		for (const struct state *s = groups[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct state *state = NULL;
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	char ref[MITOSIS_REF_MAX], c;
	ssize_t n;
	int ret;

	args.listen = getenv("MITOSIS_TEST_LISTEN");
	args.engine = getenv("MITOSIS_TEST_ENGINE");

	for (size_t i = 0; argc < 2 && i < GROUPS; i++)
		for (const struct state *s = groups[i]; s->name; s++)
			printf("%-22s%s\n", s->name, s->about);
	state = argc < 2 ? NULL : state_find(argv[1]);
	if (!state)
		return argc < 2 ? 0 : 99;
	state_parent_pid = getpid();
	state_argv = argv;
	mitosis_set_logger(print_log, NULL);
	start_companions();
	state->build();
	state_checks = 0;
	if (getenv("MITOSIS_TEST_BY_PID")) {
		/* Somebody else takes the snapshot, and then lets us go on. */
		printf("waiting\n");
		fflush(stdout);
		do {
			n = read(0, &c, 1);
		} while (n < 0 && errno == EINTR);
		strcpy(ref, "goes on");
		/* Children get no line: they read /dev/null. */
		ret = n == 0;
	} else {
		ret = mitosis_prepare(&args, ref);
	}
	if (ret < 0)
		FAIL("mitosis_prepare: %s", strerror(-ret));
	if (ret) {
		/* A program that was alone with its snapshot knows a child by that. */
		CHECK(getenv("MITOSIS_TEST_BY_PID") || state_has_threads() || getpid() != state_parent_pid);
		state->verify();
		check_companions();
		printf("ok %s\n", state->name);
		return 0;
	}
	if (state->after)
		state->after();
	printf("%s\n", ref);
	fflush(stdout);
	while (read(0, &c, 1) > 0 || errno == EINTR)
		errno = 0;
	/* It has all of it still. */
	if (getenv("MITOSIS_TEST_PARENT_TOO")) {
		state_in_parent = true;
		state->verify();
		check_companions();
		printf("ok %s\n", state->name);
	}
	return 0;
}
