// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state.c - the program of the state tests: builds a state, prepares, and verifies in the child. */
#include "state.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int state_parent_pid;
char **state_argv;

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
	n = dprintf(1, "%s:%d: %s\n", slash ? slash + 1 : file, line, text);
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

int main(int argc, char **argv)
{
	static const struct state *const groups[] = { memory_states, process_states, signal_states, trap_states };
	const struct state *state = NULL;
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	char ref[MITOSIS_REF_MAX], c;
	int ret;

	args.listen = getenv("MITOSIS_TEST_LISTEN");
	args.engine = getenv("MITOSIS_TEST_ENGINE");

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct state *s = groups[i]; s->name; s++) {
			if (argc < 2)
				printf("%-22s%s\n", s->name, s->about);
			else if (!strcmp(s->name, argv[1]))
				state = s;
		}
	}
	if (!state)
		return argc < 2 ? 0 : 99;
	state_parent_pid = getpid();
	state_argv = argv;
	mitosis_set_logger(print_log, NULL);
	state->build();
	ret = mitosis_prepare(&args, ref);
	if (ret < 0)
		FAIL("mitosis_prepare: %s", strerror(-ret));
	if (ret) {
		/* On another host it may have the same number. */
		CHECK(args.listen || getpid() != state_parent_pid);
		state->verify();
		printf("ok %s\n", state->name);
		return 0;
	}
	if (state->after)
		state->after();
	printf("%s\n", ref);
	fflush(stdout);
	while (read(0, &c, 1) > 0 || errno == EINTR)
		errno = 0;
	return 0;
}
