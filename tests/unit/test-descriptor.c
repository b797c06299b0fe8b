// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* test-descriptor.c - one wrong number at a time: each is noticed, and told apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/log.h"
#include "sample.h"
#include "state/files/sockets.h"

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

/* A socket is larger than the sample's payload: there is room behind the whole. */
struct socket_sample {
	struct sample s;
	union {
		struct socket_state state;
		struct pair_state pair;
	};
};

static void expect_socket(int line, struct socket_sample *s, uint32_t kind, const char *want)
{
	const uint32_t bytes = kind == FILE_SOCKET ? sizeof(s->state) : sizeof(s->pair);
	const char *why;

	s->s.d.payload = (struct descriptor_table){ sizeof(s->s), bytes };
	s->s.d.length = (uint32_t)sizeof(s->s) + bytes;
	s->s.files[0].kind = kind;
	s->s.files[0].payload_bytes = bytes;
	why = files_check(&s->s.d);
	if (want ? !why || strcmp(why, want) : why != NULL) {
		printf("test-descriptor.c:%d: %s, not %s\n", line, why ? why : "accepted",
		       want ? want : "accepted");
		failures++;
	}
}

#define WITH_SOCKET(change, want) \
	do { \
		struct socket_sample s = { \
			.state = { .domain = AF_INET, .type = SOCK_STREAM, .name_bytes = 16 } \
		}; \
		sample_make(&s.s); \
		s.state.name[0] = AF_INET; \
		change; \
		expect_socket(__LINE__, &s, FILE_SOCKET, want); \
	} while (0)

static void with_sockets(void)
{
	WITH_SOCKET((void)0, NULL);
	WITH_SOCKET(s.state.domain = AF_INET6, "an open file is malformed");
	WITH_SOCKET((s.state.domain = AF_INET6, s.state.name[0] = AF_INET6),
		    "an open file is malformed");
	WITH_SOCKET(
		(s.state.domain = AF_INET6, s.state.name[0] = AF_INET6, s.state.name_bytes = 28),
		NULL);
	WITH_SOCKET(s.state.domain = AF_PACKET, "an open file is malformed");
	WITH_SOCKET(s.state.type = SOCK_RAW, "an open file is malformed");
	WITH_SOCKET(s.state.name_bytes = 17, "an open file is malformed");
	WITH_SOCKET(s.state.peer_bytes = 16, "an open file is malformed");
	/* That one has no family; and who connects a stream waits. */
	WITH_SOCKET((s.state.peer_bytes = 16, s.state.peer[0] = AF_INET), "an open file is malformed");
	WITH_SOCKET((s.state.peer_bytes = 16, s.state.peer[0] = AF_INET, s.state.type = SOCK_DGRAM),
		    NULL);
	WITH_SOCKET((s.state.peer_bytes = 16, s.state.peer[0] = AF_INET, s.state.type = SOCK_DGRAM,
		     s.state.flags = SOCKET_LISTENS),
		    "an open file is malformed");
	WITH_SOCKET((s.state.domain = AF_UNIX, s.state.name[0] = AF_UNIX, s.state.name_bytes = 2),
		    "an open file is malformed");
	WITH_SOCKET((s.state.domain = AF_UNIX, s.state.name[0] = AF_UNIX, s.state.name_bytes = 111),
		    NULL);
	WITH_SOCKET((s.state.domain = AF_UNIX, s.state.name[0] = AF_UNIX, s.state.name_bytes = 112),
		    "an open file is malformed");
	WITH_SOCKET(s.state.flags = SOCKET_KNOWN_FLAGS + 1, "an open file is malformed");
	WITH_SOCKET(s.state.given[1] = 1ULL << 63, "an open file is malformed");
	WITH_SOCKET(s.state.device[15] = 1, "an open file is malformed");
	WITH_SOCKET(s.state.backlog = 1u << 31, "an open file is malformed");
	WITH_SOCKET(s.state.mode = 0100644, "an open file is malformed");
}

#define WITH_PAIR(change, want) \
	do { \
		struct socket_sample s = { \
			.pair.socket = { .domain = AF_UNIX, .type = SOCK_STREAM } \
		}; \
		sample_make(&s.s); \
		change; \
		expect_socket(__LINE__, &s, FILE_SOCKETPAIR, want); \
	} while (0)

static void with_pairs(void)
{
	WITH_PAIR((void)0, NULL);
	WITH_PAIR(s.pair.flags = PAIR_KNOWN + 1, "an open file is malformed");
	WITH_PAIR(s.pair.socket.type = 0, "an open file is malformed");
	WITH_PAIR(s.pair.socket.domain = AF_INET, "an open file is malformed");
	WITH_PAIR(s.pair.socket.flags = SOCKET_KNOWN_FLAGS + 1, "an open file is malformed");
	WITH_PAIR(s.pair.socket.given[1] = 1ULL << 63, "an open file is malformed");
	WITH_PAIR(s.pair.socket.send_bytes = 1u << 31, "an open file is malformed");
	WITH_PAIR(s.pair.socket.linger_s = 1u << 31, "an open file is malformed");
}

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
	WITH((s.files[1].payload = 8, s.files[1].payload_bytes = FRAME_LEGACY - 8), "an open file is malformed");
	WITH(s.files[0].flags = FILE_KNOWN_FLAGS + 1, "an open file is malformed");
	WITH(s.files[0].flags = FILE_KNOWN_FLAGS, NULL);
	WITH(s.files[0].locks = LOCK_KNOWN + 1, "an open file is malformed");
	WITH(s.files[0].locks = LOCK_KNOWN, NULL);
	/* Of a kind: as long as it says, in line, and nothing in it that nobody knows. */
	WITH((s.files[0].kind = FILE_SIGNALFD, s.files[0].payload_bytes = 8), NULL);
	WITH((s.files[0].kind = FILE_SIGNALFD, s.files[0].payload_bytes = 16), "an open file is malformed");
	WITH((s.files[0].kind = FILE_SIGNALFD, s.files[0].payload_bytes = 8, s.files[0].payload = 4),
	     "an open file is malformed");
	WITH((s.files[0].kind = FILE_EVENTFD, s.files[0].payload_bytes = 16), NULL);
	WITH((s.files[0].kind = FILE_EVENTFD, s.files[0].payload_bytes = 8), "an open file is malformed");
	WITH((s.files[0].kind = FILE_EVENTFD, s.files[0].payload_bytes = 16, s.payload[8] = 3), "an open file is malformed");
	WITH((s.files[0].kind = FILE_EVENTFD, s.files[0].payload_bytes = 16, memset(s.payload, 255, 8)),
	     "an open file is malformed");
	WITH((s.files[0].kind = FILE_TIMERFD, s.files[0].payload_bytes = 64), NULL);
	WITH((s.files[0].kind = FILE_TIMERFD, s.files[0].payload_bytes = 56), "an open file is malformed");
	WITH((s.files[0].kind = FILE_TIMERFD, s.files[0].payload_bytes = 64, s.payload[4] = 4), "an open file is malformed");
	WITH((s.files[0].kind = FILE_TIMERFD, s.files[0].payload_bytes = 64, s.payload[31] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_TIMERFD, s.files[0].payload_bytes = 64, s.payload[55] = 1), "an open file is malformed");
	/* A ring that cannot be had has a reason, and nothing else. */
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80, s.payload[0] = 1), NULL);
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80, s.payload[0] = 99), "an open file is malformed");
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 88, s.payload[0] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 72, s.payload[0] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80), "an open file is malformed");
	/* One of one entry, without an array. */
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80 + 64 + 32, s.payload[8] = 1, s.payload[12] = 2,
	      s.payload[6] = 1), NULL);
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80 + 64 + 32, s.payload[8] = 1, s.payload[12] = 3,
	      s.payload[6] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80 + 64 + 32, s.payload[8] = 1, s.payload[12] = 2,
	      s.payload[5] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_URING, s.files[0].payload_bytes = 80 + 64 + 24, s.payload[8] = 1, s.payload[12] = 2,
	      s.payload[6] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_EPOLL, s.files[0].payload_bytes = 0), NULL);
	WITH((s.files[0].kind = FILE_EPOLL, s.files[0].payload_bytes = 48), NULL);
	WITH((s.files[0].kind = FILE_EPOLL, s.files[0].payload_bytes = 40), "an open file is malformed");
	WITH((s.files[0].kind = FILE_EPOLL, s.files[0].payload_bytes = 48, s.payload[24 + 3] = 0x80),
	     "an open file is malformed");
	WITH((s.files[0].kind = FILE_EPOLL, s.files[0].payload_bytes = 24, s.payload[16] = 2), "an open file is malformed");
	WITH((s.files[0].kind = FILE_CONNECTION, s.files[0].payload_bytes = 16,
	      s.payload[0] = AF_INET6, s.payload[4] = SOCK_STREAM),
	     NULL);
	WITH((s.files[0].kind = FILE_CONNECTION, s.files[0].payload_bytes = 16,
	      s.payload[0] = AF_INET6, s.payload[4] = SOCK_SEQPACKET),
	     "an open file is malformed");
	WITH((s.files[0].kind = FILE_CONNECTION, s.files[0].payload_bytes = 16,
	      s.payload[0] = AF_INET6, s.payload[4] = SOCK_STREAM, s.payload[12] = 2),
	     "an open file is malformed");
	with_sockets();
	with_pairs();
	WITH((s.files[0].kind = FILE_PIPE, s.files[0].mode = 0010600, s.files[0].payload_bytes = 8), NULL);
	WITH((s.files[0].kind = FILE_PIPE, s.files[0].mode = 0010600, s.files[0].payload_bytes = 16, s.payload[4] = 8), NULL);
	WITH((s.files[0].kind = FILE_PIPE, s.files[0].mode = 0010600, s.files[0].payload_bytes = 8, s.payload[4] = 8),
	     "an open file is malformed");
	WITH((s.files[0].kind = FILE_PIPE, s.files[0].payload_bytes = 8), "an open file is malformed");
	WITH(s.fds[2].fd = UINT32_MAX, "a descriptor of an open file is malformed");
	/* One more than this is computed from it. */
	WITH(s.fds[2].fd = INT32_MAX, "a descriptor of an open file is malformed");
	WITH(s.fds[2].fd = 3, "a descriptor of an open file is malformed");
	WITH(s.fds[1].file = 3, "a descriptor of an open file is malformed");
	WITH(s.fds[1].flags = 2, "a descriptor of an open file is malformed");
	WITH(s.fds[1].reserved = 1, "a descriptor of an open file is malformed");

	WITH(s.d.umask = 01000, "its umask is malformed");
	WITH(s.d.label = SAMPLE_STRINGS, "a string is missing");
	WITH(s.d.limits[7].soft = s.d.limits[7].hard + 1, "a resource limit is malformed");
	WITH(s.d.credentials.groups = 2, "its user or groups are malformed");
	WITH(s.d.credentials.groups = FRAME_LEGACY - 4, "its user or groups are malformed");
	WITH(s.d.credentials.group_count = 65537, "its user or groups are malformed");
	WITH(s.d.credentials.group_count = FRAME_LEGACY / 4, "its user or groups are malformed");
	WITH(s.d.credentials.dumpable = 2, "its user or groups are malformed");

	WITH(s.signals[0].info[0] = 0, "a pending signal is malformed");
	WITH(s.signals[0].info[0] = 65, "a pending signal is malformed");
	WITH(s.signals[0].info[0] = 9, "a pending signal is malformed");
	WITH(s.signals[0].shared = 2, "a pending signal is malformed");
	WITH(s.signals[0].thread = 1, "a pending signal is malformed");
	WITH(s.posix_timers[1].id = 0, "a timer is malformed");
	WITH(s.posix_timers[1].id = 0x80000000U, "a timer is malformed");
	WITH(s.posix_timers[0].clock = 16, "a timer is malformed");
	WITH(s.posix_timers[0].notify = 3, "a timer is malformed");
	WITH(s.posix_timers[0].notify = 8, "a timer is malformed");
	WITH(s.posix_timers[0].signal = 65, "a timer is malformed");
	WITH(s.posix_timers[0].thread = 1, "a timer is malformed");
	WITH(s.posix_timers[0].reserved = 1, "a timer is malformed");
	WITH(s.posix_timers[0].value_ns = 1000000000, "a timer is malformed");
	WITH(s.posix_timers[0].value_s = -1, "a timer is malformed");
	WITH(s.posix_timers[0].interval_ns = -1, "a timer is malformed");
	WITH(s.d.entry = 0x500000, NULL);
	WITH(s.d.entry = 0x500004, "where its number goes is malformed");
	WITH(s.d.entry = 0x400000, "where its number goes is malformed");
	WITH(s.d.entry = 0x600000 - 8, "where its number goes is malformed");
	WITH((s.d.variable = 0x500001, s.d.variable_bytes = 10), NULL);
	WITH((s.d.variable = 0x700000, s.d.variable_bytes = 10), "where its number goes is malformed");
	WITH((s.d.variable = 0x600000 - 4, s.d.variable_bytes = 4), "where its number goes is malformed");
	WITH((s.d.variable = 0x7fffff800000, s.d.variable_bytes = 4), "where its number goes is malformed");
	WITH(s.d.variable_bytes = 10, "where its number goes is malformed");
	WITH(s.d.clocks.now[0] = -1, "its clocks are malformed");
	WITH(s.d.clocks.now[1] = INT64_MAX, "its clocks are malformed");
	WITH(s.d.clocks.offset[0] = INT64_MIN, "its clocks are malformed");
	WITH(s.d.clocks.realtime = -1, "its clocks are malformed");
	WITH(s.threads[0].flags = THREAD_GONE, "a thread is malformed");
	WITH(s.threads[0].reserved = 1, "a thread is malformed");

	WITH(s.files[0].owner = OWNER_OTHER + 1, "an open file is malformed");
	WITH(s.files[0].signal = 65, "an open file is malformed");
	WITH(s.advice[0].start++, "what was advised of memory is malformed");
	WITH(s.advice[0].end = s.advice[0].start, "what was advised of memory is malformed");
	WITH(s.advice[0].end = USER_END + PAGE_BYTES, "what was advised of memory is malformed");
	WITH(s.advice[0].advice = ADVICE_KNOWN + 1, "what was advised of memory is malformed");
	WITH(s.advice[0].reserved = 1, "what was advised of memory is malformed");
	WITH(s.advice[1].start = s.advice[0].start, "what was advised of memory is malformed");

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
	WITH(s.d.threads.count = 0, "it has no thread");
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
	WITH(s.vmas[1].flags |= VMA_GROWS_DOWN, NULL);
	WITH(s.vmas[2].flags |= VMA_GROWS_DOWN, "an area that grows is not private memory");
	WITH(s.vmas[1].flags |= VMA_SHARED | VMA_GROWS_DOWN, "an area that grows is not private memory");
	WITH(s.vmas[0].flags |= VMA_SHARED | VMA_MAY_WRITE, NULL);
	WITH(s.vmas[0].flags |= VMA_MAY_WRITE, "an area has unknown flags");
	WITH(s.vmas[1].flags |= VMA_SHARED | VMA_MAY_WRITE, "an area has unknown flags");
	WITH(s.mapped[0].gone = 2, "a mapped file is malformed");
	WITH(s.mapped[0].recent = 1, NULL);
	WITH((s.mapped[0].gone = 0, s.mapped[0].recent = 1), "a mapped file is malformed");
	WITH(s.mapped[0].reserved = 1, "a mapped file is malformed");
	WITH(s.vmas[0].mapped = 1, "an area names no valid file");
	WITH(s.vmas[0].offset = 1, "an area names no valid file");
	WITH(s.vmas[0].offset = (1ULL << 63) - PAGE_BYTES, "an area names no valid file");
	/* A second initial stack would need room that nobody has counted. */
	WITH(s.vmas[1].flags |= VMA_STACK, "it has two stacks");

	WITH(s.vmas[5].mapped = 1, "an area names no valid file");
	WITH(s.vmas[5].offset = 1, "an area names no valid file");
	WITH(s.vmas[5].offset = (1ULL << 63) - PAGE_BYTES, "an area names no valid file");
	WITH(s.vmas[5].flags = VMA_NAMELESS, "an area names no valid file");
	WITH(s.vmas[5].flags |= VMA_FILE, "an area names no valid file");
	WITH(s.vmas[5].flags |= VMA_STACK, "an area names no valid file");
	WITH((s.vmas[5].flags |= VMA_MAY_WRITE, s.vmas[5].prot = PROT_READ), NULL);
	WITH(s.vmas[5].flags |= VMA_MAY_WRITE, "an area has unknown flags");
	WITH(s.nameless[0].flags |= NAMELESS_ELSEWHERE | NAMELESS_SYSV | NAMELESS_LARGE, NULL);
	WITH(s.nameless[0].flags |= NAMELESS_KNOWN_FLAGS + 1, "a file without a name is malformed");
	WITH(s.nameless[0].flags &= ~NAMELESS_HELD, "a file without a name is malformed");
	WITH(s.nameless[0].name = SAMPLE_STRINGS, "a file without a name is malformed");
	WITH(s.nameless[0].mode = 010000, "a file without a name is malformed");
	WITH(s.nameless[0].seals = 0x40, "a file without a name is malformed");
	WITH(s.nameless[0].reserved = 1, "a file without a name is malformed");
	WITH(s.nameless[0].size = 1ULL << 63, "a file without a name is malformed");
	WITH(s.nameless[0].size = USER_END, "a file without a name is malformed");
	WITH(s.nameless[0].size = 5 * PAGE_BYTES, "a file without a name is malformed");
	WITH(s.nameless[0].size = 5 * PAGE_BYTES + 1, NULL);
	WITH(s.nameless[0].address++, "a file without a name is malformed");
	WITH(s.nameless[0].address += PAGE_BYTES, "a file without a name is malformed");
	WITH(s.nameless[0].address = USER_END - PAGE_BYTES, "a file without a name is malformed");
	WITH(s.nameless[0].runs = 1, "a file without a name is malformed");
	WITH(s.nameless[0].runs = UINT32_MAX, "a file without a name is malformed");
	WITH(s.nameless[0].first_run = 1, "a file without a name is malformed");
	WITH(s.held[0].pages = 0, "a file without a name is malformed");
	WITH(s.held[0].pages = 5, "a file without a name is malformed");
	WITH(s.held[1].pages = 3, "a file without a name is malformed");
	WITH(s.held[1].pages = UINT64_MAX / PAGE_BYTES, "a file without a name is malformed");
	WITH(s.held[1].start = s.held[0].start, "a file without a name is malformed");
	WITH(s.held[1].start += 8, "a file without a name is malformed");
	WITH(s.held[1].start += 2 * PAGE_BYTES, "a file without a name is malformed");
	WITH((s.files[0].kind = FILE_NAMELESS, s.files[0].payload_bytes = 8), NULL);
	WITH((s.files[0].kind = FILE_NAMELESS, s.files[0].payload_bytes = 16), "an open file is malformed");
	WITH((s.files[0].kind = FILE_NAMELESS, s.files[0].payload_bytes = 8, s.payload[0] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_NAMELESS, s.files[0].payload_bytes = 8, s.payload[4] = 1), "an open file is malformed");
	WITH((s.files[0].kind = FILE_NAMELESS, s.files[0].payload_bytes = 8, s.files[0].mode = 0040700),
	     "an open file is malformed");

	WITH(s.guards[0].start++, "guard pages are out of order");
	WITH(s.guards[0].pages = 0, "guard pages are out of order");
	WITH(s.guards[0].pages = ~0ULL, "guard pages are out of order");
	WITH(s.guards[1].start = s.guards[0].start, "guard pages are out of order");
	WITH(s.d.guards.count = UINT32_MAX, "a table does not fit");
	WITH(s.unforked[0].start++, "areas that a fork does not copy are out of order");
	WITH(s.unforked[0].pages = 0, "areas that a fork does not copy are out of order");
	WITH(s.unforked[0].pages = ~0ULL, "areas that a fork does not copy are out of order");
	WITH(s.unforked[1].start = s.unforked[0].start, "areas that a fork does not copy are out of order");
	WITH(s.d.unforked.count = UINT32_MAX, "a table does not fit");

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
	WITH((s.vmas[3].extents = 0, s.vmas[4].first_extent = s.vmas[5].first_extent = 3), "extents and areas do not agree");

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
