// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * test-workingset.c - working sets: order, merging, files, and every way in which a file is bad;
 * then mutated files, for which the sanitizers are the judge.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdbool.h>
#include <stddef.h>

#include "api/log.h"
#include "page/workingset-file.h"

static int failures;

#define EXPECT(condition) \
	((condition) ? (void)0 : (printf("test-workingset.c:%d: not true: %s\n", __LINE__, #condition), (void)failures++))

void log_text(enum mitosis_log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void order(void)
{
	static const uint64_t touched[] = { 9, 8, 7, 20, 21, 3, 6 };
	struct workingset w = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(touched); i++)
		EXPECT(!workingset_add(&w, touched[i] * PAGE_BYTES));
	EXPECT(w.pages == 7 && w.count == 6);
	EXPECT(w.extents[0].start == 9 * PAGE_BYTES && w.extents[3].pages == 2);
	workingset_merge(&w);
	EXPECT(w.pages == 7 && w.count == 3);
	EXPECT(w.extents[0].start == 3 * PAGE_BYTES && w.extents[1].start == 6 * PAGE_BYTES);
	EXPECT(w.extents[1].pages == 4 && w.extents[2].pages == 2);
	workingset_free(&w);
	/* What comes late stays late. */
	for (uint64_t i = 0; i < 1000; i++)
		EXPECT(!workingset_add(&w, (5000 - 2 * i) * PAGE_BYTES));
	workingset_merge(&w);
	EXPECT(w.count == 1000 && w.extents[999].start > w.extents[744 + 24].start);
	EXPECT(w.extents[0].start == (5000 - 2 * 255) * PAGE_BYTES);
	workingset_free(&w);
}

static int check(const uint8_t *data, uint64_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	const char *why = NULL;
	int err;

	memcpy(copy, data, length);
	err = workingset_check(copy, length, &why);
	EXPECT(!err || (err == -EPROTO && why && *why));
	free(copy);
	return err;
}

static void files(const char *dir)
{
	struct workingset w = { .program = 5, .layout = 6 }, r;
	struct workingset_header *h;
	uint8_t data[4096], work[4096];
	char path[512], missing[512];
	size_t length;
	FILE *f;

	snprintf(path, sizeof(path), "%s/set", dir);
	snprintf(missing, sizeof(missing), "%s/none/set", dir);
	for (uint64_t i = 0; i < 40; i++)
		EXPECT(!workingset_add(&w, (1000 - 3 * i) * PAGE_BYTES));
	EXPECT(!workingset_can_write(path) && access(path, F_OK));
	EXPECT(workingset_can_write(missing) == -ENOENT && workingset_can_write(dir) == -EISDIR);
	EXPECT(!workingset_write(&w, path) && !workingset_write(&w, path));
	EXPECT(!workingset_read(&r, path));
	EXPECT(r.program == 5 && r.layout == 6 && r.pages == 40 && r.count == 40);
	EXPECT(!memcmp(r.extents, w.extents, 40 * sizeof(*w.extents)));
	workingset_free(&r);
	EXPECT(workingset_read(&r, missing) == -ENOENT && workingset_read(&r, dir) == -EPROTO);
	f = fopen(path, "rb");
	length = f ? fread(data, 1, sizeof(data), f) : 0;
	if (f)
		fclose(f);
	EXPECT(length == sizeof(*h) + 40 * sizeof(*w.extents));
	EXPECT(!check(data, length));
	for (size_t n = 0; n < length; n++)
		EXPECT(check(data, n));
	/* One bit changed: only the identities and the minor version may. */
	for (size_t bit = 0; bit < length * 8; bit++) {
		size_t at = bit / 8;
		bool free_to_change = (at >= 10 && at < 12) ||
			(at >= offsetof(struct workingset_header, program) &&
			 at < offsetof(struct workingset_header, pages));

		memcpy(work, data, length);
		work[at] ^= (uint8_t)(1u << bit % 8);
		EXPECT(!check(work, length) == free_to_change);
	}
	/* With a hash that agrees, all the rest has to hold by itself. */
	for (int i = 0; i < 200000; i++) {
		memcpy(work, data, length);
		for (uint64_t times = 1 + next_random() % 3; times--;) {
			uint64_t value = next_random() >> next_random() % 64;

			memcpy(work + next_random() % (length / 8) * 8, &value, 8);
		}
		h = (void *)work;
		h->hash = descriptor_hash(h + 1, length - sizeof(*h));
		check(work, length);
	}
	unlink(path);
	workingset_free(&w);
	EXPECT(!rmdir(dir));		/* nothing was left behind */
}

int main(void)
{
	char dir[] = "/tmp/mitosis-workingset.XXXXXX";

	if (!mkdtemp(dir))
		return 99;
	order();
	files(dir);
	printf("test-workingset: %d failures\n", failures);
	return failures != 0;
}
