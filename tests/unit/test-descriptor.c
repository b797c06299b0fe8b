// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* test-descriptor.c - one wrong number at a time: each is noticed, and told apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/log.h"
#include "sample.h"

/* The library's voice: nothing here is to be said. */
void log_text(enum mitosis_log_level level, const char *format, ...)
{
}


static int failures;

/* why NULL: accepted */
static void expect(int line, const struct sample *s, uint64_t length, const char *want)
{
	const char *why = "not set";
	int err = state_check(s, length, &why);

	if (want ? err != -EPROTO || !why || strcmp(why, want) : err || why) {
		printf("test-descriptor.c:%d: %s, not %s\n", line, why ? why : "accepted", want ? want : "accepted");
		failures++;
	}
}

/* With one statement applied to a fresh sample. */
#define WITH(change, want) do { \
	struct sample s; \
	sample_make(&s); \
	change; \
	expect(__LINE__, &s, sizeof(s), want); \
} while (0)

int main(void)
{
	struct sample plain;

	sample_make(&plain);
	expect(__LINE__, &plain, sizeof(plain), NULL);
	expect(__LINE__, &plain, sizeof(plain.d) - 1, "not a descriptor");
	expect(__LINE__, &plain, sizeof(plain) - 8, "wrong length");
	expect(__LINE__, &plain, sizeof(plain) + 8, "wrong length");
	WITH(s.d.magic++, "not a descriptor");
	WITH(s.d.major++, "another version of the descriptor format");
	WITH(s.d.minor += 7, NULL);
	WITH(s.d.arch = DESCRIPTOR_AARCH64, "of another processor architecture, not " ARCH_NAME);
	WITH(s.d.length--, "wrong length");

	WITH(s.d.vmas.offset = 0, "a table does not fit");
	WITH(s.d.vmas.offset += 4, "a table does not fit");
	WITH(s.d.extents.count = UINT32_MAX, "a table does not fit");
	WITH(s.d.hot.offset = UINT32_MAX - 7, "a table does not fit");
	WITH(s.d.mapped.count = 1u << 26, "a table does not fit");
	WITH(s.d.fds.count += 100, "a table does not fit");
	WITH(s.d.auxv.count += 100, "a table does not fit");
	WITH(s.d.strings.count++, "a table does not fit");
	WITH(s.d.vmas.count = 0, "no memory areas");
	WITH(s.d.strings.count = 0, "strings are not terminated");
	WITH(s.strings[SAMPLE_STRINGS - 1] = 'x', "strings are not terminated");
	WITH(s.d.cwd = SAMPLE_STRINGS, "a string is missing");
	WITH(s.d.exe = UINT32_MAX, "a string is missing");
	WITH(s.mapped[0].path = SAMPLE_STRINGS, "a mapped file is malformed");
	WITH(s.mapped[0].build_id_length = BUILD_ID_MAX + 1, "a mapped file is malformed");
	WITH(s.files[0].path = SAMPLE_STRINGS, "an open file is malformed");
	WITH(s.files[0].position = 1ULL << 63, "an open file is malformed");
	WITH(s.files[1].kind = FILE_KINDS, "an open file is malformed");
	WITH(s.files[1].payload = FRAME_LEGACY + 1, "an open file is malformed");
	WITH((s.files[1].payload = 8, s.files[1].payload_bytes = FRAME_LEGACY - 7), "an open file is malformed");
	WITH((s.files[1].payload = 8, s.files[1].payload_bytes = FRAME_LEGACY - 8), NULL);
	WITH(s.fds[2].fd = UINT32_MAX, "a descriptor of an open file is malformed");
	/* One more than this is computed from it. */
	WITH(s.fds[2].fd = INT32_MAX, "a descriptor of an open file is malformed");
	WITH(s.fds[2].fd = 3, "a descriptor of an open file is malformed");
	WITH(s.fds[1].file = 2, "a descriptor of an open file is malformed");
	WITH(s.fds[1].flags = 2, "a descriptor of an open file is malformed");
	WITH(s.fds[1].reserved = 1, "a descriptor of an open file is malformed");

	WITH(s.d.vdso_start++, "its vDSO is malformed");
	WITH(s.d.vdso_length = 2u << 20, "its vDSO is malformed");
	WITH(s.d.vdso_image_length = 4 * PAGE_BYTES, "its vDSO is malformed");
	WITH(s.threads[0].registers.fs_base = 0, "an address is out of range");
	WITH(s.threads[0].registers.fs_base = USER_END, "an address is out of range");
	WITH(s.threads[0].registers.rip = ~0ULL, "an address is out of range");
	WITH(s.threads[0].registers.rsp = 8, "an address is out of range");
	WITH(s.threads[0].tid_address = USER_END, "an address is out of range");
	WITH(s.threads[0].tid_address = 0, NULL);
	WITH(s.threads[0].rseq = ~0ULL, "an address is out of range");
	WITH(s.threads[0].extended_bytes = FRAME_LEGACY - 8, "the state of a thread is malformed");
	WITH(s.threads[0].extended_bytes = FRAME_LEGACY + 8, "the state of a thread is malformed");
	WITH(s.threads[0].extended_bytes = UINT32_MAX, "the state of a thread is malformed");
	WITH(s.threads[0].extended = 8, "the state of a thread is malformed");
	WITH(s.threads[0].extended = UINT32_MAX - 7, "the state of a thread is malformed");
	WITH(s.d.threads.count = 0, "it has not one thread");
	WITH(s.d.child_state = 1, "an address is out of range");
	WITH(s.d.child_state = 0, NULL);

	WITH(s.vmas[0].start++, "areas overlap or are out of order");
	WITH(s.vmas[0].start = 0, "areas overlap or are out of order");
	WITH(s.vmas[1].start = 0x40f000, "areas overlap or are out of order");
	WITH(s.vmas[1].end = s.vmas[1].start, "areas overlap or are out of order");
	WITH(s.vmas[4].end = USER_END + PAGE_BYTES, "areas overlap or are out of order");
	WITH(s.vmas[1].flags |= VMA_KNOWN_FLAGS + 1, "an area has unknown flags");
	WITH(s.vmas[1].prot |= 8, "an area has unknown flags");
	WITH(s.vmas[1].reserved = 1, "an area has unknown flags");
	WITH(s.vmas[0].mapped = 1, "an area names no valid file");
	WITH(s.vmas[0].offset = 1, "an area names no valid file");
	WITH(s.vmas[0].offset = (1ULL << 63) - PAGE_BYTES, "an area names no valid file");
	/* A second initial stack would need room that nobody has counted. */
	WITH(s.vmas[1].flags |= VMA_STACK, "it has two stacks");

	WITH(s.guards[0].start++, "guard pages are out of order");
	WITH(s.guards[0].pages = 0, "guard pages are out of order");
	WITH(s.guards[0].pages = ~0ULL, "guard pages are out of order");
	WITH(s.guards[1].start = s.guards[0].start, "guard pages are out of order");
	WITH(s.d.guards.count = UINT32_MAX, "a table does not fit");

	WITH(s.vmas[1].first_extent = 1, "extents do not follow the areas");
	WITH(s.vmas[4].extents = 1, "extents do not follow the areas");
	WITH(s.vmas[3].extents = UINT32_MAX, "extents do not follow the areas");
	WITH(s.extents[0].start++, "an extent lies outside its area");
	WITH(s.extents[0].start -= PAGE_BYTES, "an extent lies outside its area");
	WITH(s.extents[0].pages = 0, "an extent lies outside its area");
	WITH(s.extents[0].pages = 0x100, "an extent lies outside its area");
	WITH(s.extents[1].pages = 1ULL << 52, "an extent lies outside its area");
	WITH(s.extents[1].start = 0x50f000, "an extent lies outside its area");
	WITH(s.d.pages++, "extents and areas do not agree");
	WITH((s.vmas[3].extents = 0, s.vmas[4].first_extent = 3), "extents and areas do not agree");

	WITH(s.hot[0].start++, "hot pages are out of order");
	WITH(s.hot[0].pages = 0, "hot pages are out of order");
	WITH(s.hot[1].start = 0x603000, "hot pages are out of order");
	WITH(s.hot[1].pages = DESCRIPTOR_HOT_MAX + 1, "hot pages are out of order");
	WITH(s.hot[0].start = 0x4000, "hot pages lie outside the areas");
	WITH(s.hot[0].pages = 0x10, "hot pages lie outside the areas");
	WITH(s.hot[1].start = 0x7fffff000000, "hot pages lie outside the areas");
	WITH(s.d.hot_pages++, "wrong number of hot pages");

	printf("test-descriptor: %d failures\n", failures);
	return failures != 0;
}
