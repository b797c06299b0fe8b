// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * fuzz-descriptor.c - feeds mutated descriptors to everything that reads one before a child runs.
 *
 *	fuzz-descriptor [FILE]...	files: real descriptors and old findings
 *
 * Compiled with address and undefined-behaviour sanitizers. MITOSIS_SEED repeats a run,
 * MITOSIS_FUZZ_SECONDS makes it longer (default 3).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/log.h"
#include "page/pages.h"
#include "restore/plan.h"
#include "restore/restorer.h"
#include "sample.h"

#define INPUT_MAX (1u << 20)

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The library's voice: formatted, so that bad strings are found, and dropped. */
void log_text(enum mitosis_log_level level, const char *format, ...)
{
	static char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
}

/* What a child may do to its memory, at random, on the bookkeeping of the plan. */
static void use_pages(const struct plan *plan)
{
	struct pages p;
	uint64_t low = ~0ULL, high = 0;

	if (plan->missing_pages > 1u << 22 || pages_init(&p, plan->missing, plan->missing_count))
		return;
	for (uint32_t i = 0; i < plan->step_count; i++) {
		const struct map_step *s = &plan->steps[i];

		if (!(s->flags & MAP_STEP_UFFD))
			continue;
		if (pages_add_segment(&p, s->start, s->end, s->start))
			abort();
		low = s->start < low ? s->start : low;
		high = s->end > high ? s->end : high;
	}
	for (int n = 0; n < 20 && low < high; n++) {
		uint64_t at = low + next_random() % (high - low) / PAGE_BYTES * PAGE_BYTES;
		uint64_t bytes = (next_random() % 64 + 1) * PAGE_BYTES;
		uint64_t page = pages_find(&p, at);

		if (page != NO_PAGE) {
			if (page >= p.total || pages_find_source(&p, pages_source(&p, page)) != page)
				abort();
			pages_set_asked(&p, page, true);
			pages_set_arrived(&p, page);
			pages_extent_end(&p, page);
		}
		pages_current(&p, at);
		switch (next_random() % 3) {
		case 0:
			pages_removed(&p, at, at + bytes);
			break;
		case 1:
			pages_unmapped(&p, at, at + bytes);
			break;
		default:
			pages_remapped(&p, at, (high + bytes + next_random() % (1u << 30)) & ~(PAGE_BYTES - 1), bytes);
		}
		if (p.missing > p.total)
			abort();
	}
	pages_free(&p);
}

static int one_input(uint8_t *data, uint64_t length)
{
	/* Eager, on demand by a pager, behind a file. */
	static const struct child_memory memories[] = {
		{ .backing_fd = -1 }, { .on_demand = true, .backing_fd = -1 }, { .backing_fd = 0 },
	};
	/* Exactly as long as it is, so that one byte too far is noticed; aligned as malloc does it. */
	uint8_t *copy = malloc(length ? length : 1);
	struct descriptor *d = (void *)copy;
	struct descriptor_mapped *mapped;
	struct plan plan;
	const char *why;
	int err;

	memcpy(copy, data, length);
	err = state_check(copy, length, &why);
	if (!err) {
		/* No file of this host shall be opened. */
		mapped = (void *)(copy + d->mapped.offset);
		for (uint32_t i = 0; i < d->mapped.count; i++)
			mapped[i].gone = 1;
		for (size_t i = 0; i < ARRAY_SIZE(memories); i++) {
			if (plan_make(&plan, d, "fuzz", &memories[i]))
				continue;
			use_pages(&plan);
			plan_free(&plan);
		}
	} else if (!why || !*why) {
		abort();
	}
	free(copy);
	return !err;
}

static void mutate(uint8_t *data, uint64_t length)
{
	static const uint64_t interesting[] = {
		0, 1, 7, 8, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 0x7ffffffff000, ~0ULL, 1ULL << 63,
		(1ULL << 63) - 1, ~0xfffULL,
	};
	uint64_t times = 1 + next_random() % 4;

	while (times--) {
		uint64_t at = next_random() % length, value = interesting[next_random() % 14];
		size_t size = 1u << next_random() % 4;

		at -= at % size;
		if (at + size > length)
			continue;
		switch (next_random() % 4) {
		case 0:
			data[at] ^= (uint8_t)(1u << next_random() % 8);
			break;
		case 1:
			memcpy(data + at, &value, size);
			break;
		case 2:
			value = next_random();
			memcpy(data + at, &value, size);
			break;
		default:
			/* A neighbour's value: another address, another count. */
			value = next_random() % length;
			value -= value % size;
			if (value + size <= length)
				memmove(data + at, data + value, size);
		}
	}
}

static uint64_t read_input(const char *path, uint8_t *to)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(to, 1, INPUT_MAX, f) : 0;

	if (f)
		fclose(f);
	if (!n)
		fprintf(stderr, "fuzz-descriptor: %s: cannot be read\n", path);
	return n;
}

/* Samples of what once went wrong. */
static void once_wrong(struct sample *s, int which)
{
	sample_make(s);
	switch (which) {
	case 0:		/* its pages were counted past the end of the number */
		s->mapped[0].size = ~0ULL;
		s->mapped[0].gone = 0;
		break;
	case 1:		/* one more than this was taken for a descriptor */
		s->fds[0].fd = INT32_MAX;
		break;
	default:	/* room was made for one */
		s->vmas[1].flags |= VMA_STACK;
	}
}

int main(int argc, char **argv)
{
	const char *text = getenv("MITOSIS_SEED"), *limit = getenv("MITOSIS_FUZZ_SECONDS");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	time_t end = time(NULL) + (limit ? atoi(limit) : 3);
	uint64_t inputs = 0, accepted = 0, lengths[64];
	uint8_t *bases[64], *work = malloc(INPUT_MAX);
	struct sample sample;
	int count = 0;

	printf("fuzz-descriptor: seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	state = seed | 1;
	sample_make(&sample);
	bases[count] = malloc(sizeof(sample));
	memcpy(bases[count], &sample, sizeof(sample));
	lengths[count++] = sizeof(sample);
	if (!one_input(bases[0], lengths[0])) {
		const char *why;

		state_check(&sample, sizeof(sample), &why);
		fprintf(stderr, "fuzz-descriptor: the sample is refused: %s\n", why);
		return 1;
	}
	for (int i = 0; i < 3; i++) {
		struct sample *base = malloc(sizeof(*base));

		once_wrong(base, i);
		one_input((uint8_t *)base, sizeof(*base));
		bases[count] = (uint8_t *)base;
		lengths[count++] = sizeof(*base);
	}
	for (int i = 1; i < argc && count < 64; i++) {
		lengths[count] = read_input(argv[i], work);
		if (!lengths[count])
			return 99;
		bases[count] = malloc(lengths[count]);
		memcpy(bases[count], work, lengths[count]);
		one_input(bases[count], lengths[count]);
		count++;
	}
	/* Cut off at every length. */
	for (uint64_t n = 0; n < sizeof(sample); n++)
		if (one_input(bases[0], n))
			return 1;
	while (time(NULL) <= end) {
		for (int n = 0; n < 500; n++) {
			int i = (int)(next_random() % (uint64_t)count);

			memcpy(work, bases[i], lengths[i]);
			mutate(work, lengths[i]);
			accepted += (uint64_t)one_input(work, lengths[i]);
			inputs++;
		}
	}
	printf("fuzz-descriptor: %llu inputs, %llu accepted\n", (unsigned long long)inputs, (unsigned long long)accepted);
	for (int i = 0; i < count; i++)
		free(bases[i]);
	free(work);
	/* A mutation often changes nothing that matters: if none is accepted, the fuzzer is at fault. */
	return accepted ? 0 : 1;
}
