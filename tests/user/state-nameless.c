// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * state-nameless.c - files that no name leads to: memfds, shared memory, what was deleted; as at
 * the instant.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1UL << 20)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static char *map(int fd, uint64_t bytes, int prot, uint64_t offset)
{
	char *p = mmap(NULL, bytes, prot, MAP_SHARED, fd, (off_t)offset);

	if (p == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	return p;
}

/* Another open file description of the same file. */
static int open_again(int fd, int flags)
{
	char name[40];
	int again;

	sprintf(name, "/proc/self/fd/%d", fd);
	again = open(name, flags);
	CHECK(again >= 0);
	return again;
}

static bool can_be_written(char *p)
{
	if (mprotect(p, PAGE, PROT_READ | PROT_WRITE))
		return false;
	CHECK(!mprotect(p, PAGE, PROT_READ));
	return true;
}

static int new_memfd(const char *name, unsigned int flags)
{
	int fd = memfd_create(name, flags | MFD_CLOEXEC);

	if (fd < 0)
		FAIL("memfd_create: %s", strerror(errno));
	return fd;
}

/* ---- a memfd, in all ways at once ---- */

#define PAGES 300UL
static int memfd, memfd_reader, memfd_copy;
static char *memfd_private, *memfd_text, *memfd_all, *memfd_middle, *memfd_read, *memfd_forever,
	*memfd_hidden;

static void build_memfd(void)
{
	memfd = new_memfd("some name", MFD_ALLOW_SEALING);
	CHECK(!fchmod(memfd, 0640) && !ftruncate(memfd, PAGES * PAGE + 100));
	memfd_all = map(memfd, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, 0);
	memfd_middle = map(memfd, 10 * PAGE, PROT_READ | PROT_WRITE, 20 * PAGE);
	memfd_read = map(memfd, 10 * PAGE, PROT_READ, 25 * PAGE);
	memfd_hidden = map(memfd, 10 * PAGE, PROT_NONE, 25 * PAGE);
	memfd_reader = open_again(memfd, O_RDONLY);
	memfd_forever = map(memfd_reader, 10 * PAGE, PROT_READ, 0);
	memfd_copy = dup(memfd);
	fill(memfd_all, 200 * PAGE, 1);
	fill(memfd_all + 290 * PAGE, 10 * PAGE, 2);
	strcpy(memfd_all + PAGES * PAGE, "the end");
	memfd_private = mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memfd, 0);
	memfd_text = mmap(NULL, 40 * PAGE, PROT_NONE, MAP_PRIVATE, memfd, 290 * PAGE);
	CHECK(memfd_private != MAP_FAILED && memfd_text != MAP_FAILED);
	fill(memfd_private + 50 * PAGE, 10 * PAGE, 3);
	CHECK(lseek(memfd, 1234, SEEK_SET) == 1234 && lseek(memfd_reader, 99, SEEK_SET) == 99);
	CHECK(!fcntl(memfd, F_ADD_SEALS, F_SEAL_GROW));
}

/* The parent goes on with all of it. */
static void spoil_memfd(void)
{
	memset(memfd_all, 'x', PAGES * PAGE + 100);
	CHECK(lseek(memfd, 0, SEEK_SET) == 0 && lseek(memfd_reader, 0, SEEK_SET) == 0);
	CHECK(!fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
}

static void verify_memfd(void)
{
	char link[80] = "", name[40], text[16];
	struct stat st;

	sprintf(name, "/proc/self/fd/%d", memfd);
	CHECK(readlink(name, link, sizeof(link) - 1) > 0 &&
	      !strcmp(link, "/memfd:some name (deleted)"));
	CHECK(!fstat(memfd, &st) && S_ISREG(st.st_mode));
	CHECK_EQUAL(st.st_size, PAGES * PAGE + 100);
	CHECK_EQUAL(st.st_mode & 07777, 0640);
	CHECK_EQUAL(fcntl(memfd, F_GET_SEALS), F_SEAL_GROW);
	CHECK_EQUAL(lseek(memfd_copy, 0, SEEK_CUR), 1234);
	CHECK_EQUAL(lseek(memfd_reader, 0, SEEK_CUR), 99);
	CHECK(fcntl(memfd, F_GETFD) & FD_CLOEXEC && !(fcntl(memfd_copy, F_GETFD) & FD_CLOEXEC));
	CHECK_FILLED(memfd_all, 200 * PAGE, 1);
	CHECK_ZERO(memfd_all + 200 * PAGE, 90 * PAGE);
	CHECK_FILLED(memfd_all + 290 * PAGE, 10 * PAGE, 2);
	CHECK(!strcmp(memfd_all + PAGES * PAGE, "the end"));
	CHECK_FILLED_FROM(memfd_middle, 10 * PAGE, 1, 20 * PAGE);
	CHECK_FILLED_FROM(memfd_read, 10 * PAGE, 1, 25 * PAGE);
	CHECK_FILLED(memfd_forever, 10 * PAGE, 1);
	CHECK_FILLED(memfd_private, 50 * PAGE, 1);
	CHECK_FILLED(memfd_private + 50 * PAGE, 10 * PAGE, 3);
	CHECK_FILLED_FROM(memfd_private + 60 * PAGE, 40 * PAGE, 1, 60 * PAGE);
	CHECK(!mprotect(memfd_text, 40 * PAGE, PROT_READ));
	CHECK_FILLED(memfd_text, 10 * PAGE, 2);
	CHECK(!strcmp(memfd_text + 10 * PAGE, "the end"));
	/* One file: what is written here is read there. */
	memfd_middle[6 * PAGE] = 'm';
	CHECK(memfd_all[26 * PAGE] == 'm' && memfd_read[PAGE] == 'm' &&
	      memfd_private[26 * PAGE] != 'm');
	CHECK(pread(memfd_reader, text, 1, 26 * PAGE) == 1 && text[0] == 'm');
	CHECK(pwrite(memfd_copy, "file", 4, 4000) == 4 && !memcmp(memfd_all + 4000, "file", 4));
	CHECK(!memcmp(memfd_forever + 4000, "file", 4));
	CHECK(pwrite(memfd_reader, "f", 1, 0) < 0 && errno == EBADF);
	CHECK(can_be_written(memfd_read) && !can_be_written(memfd_forever));
	CHECK(!mprotect(memfd_hidden, PAGE, PROT_READ) && memfd_hidden[0] == memfd_read[0]);
	CHECK(ftruncate(memfd, 400 * PAGE) < 0 && errno == EPERM &&
	      !ftruncate(memfd, PAGES * PAGE));
}

/* ---- the same in the child of a child ---- */

static void verify_memfd_nested(void)
{
	char ref[MITOSIS_REF_MAX];
	int ret = mitosis_prepare(NULL, ref), pid;

	CHECK(ret >= 0);
	if (ret) {
		verify_memfd();
		return;
	}
	spoil_memfd();
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		/* It has some of them, too, but not since the instant. */
		execl(getenv("MITOSIS_TEST_CHILD"), "mitosis-child", ref, NULL);
		_exit(127);
	}
	check_exit(pid);
}

/* ---- memfds that are only open ---- */

static int empty_fd, sparse_fd, odd_fd, append_fd;

static void build_memfds(void)
{
	empty_fd = new_memfd("", 0);
	sparse_fd = new_memfd("sparse", 0);
	CHECK(!ftruncate(sparse_fd, 1L << 40));
	for (int i = 0; i < 64; i++)
		CHECK(pwrite(sparse_fd, &i, sizeof(i), (1L << 33) * i + 4093) == sizeof(i));
	odd_fd = new_memfd("odd", 0);
	CHECK(write(odd_fd, "not even one page", 17) == 17);
	append_fd = open_again(odd_fd, O_RDWR | O_APPEND | O_NONBLOCK);
}

static void spoil_memfds(void)
{
	CHECK(write(empty_fd, "x", 1) == 1 && !ftruncate(sparse_fd, 0) && !ftruncate(odd_fd, 3));
}

static void verify_memfds(void)
{
	struct stat st;
	char text[32];

	CHECK(!fstat(empty_fd, &st) && !st.st_size);
	CHECK_EQUAL(fcntl(empty_fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK(!fstat(sparse_fd, &st) && st.st_size == 1L << 40);
	CHECK(st.st_blocks * 512 <= 2 * 64 * (off_t)PAGE);
	for (int i = 0, got; i < 64; i++)
		CHECK(pread(sparse_fd, &got, sizeof(got), (1L << 33) * i + 4093) == sizeof(got) &&
		      got == i);
	CHECK_EQUAL(lseek(odd_fd, 0, SEEK_CUR), 17);
	CHECK(pread(odd_fd, text, sizeof(text), 0) == 17 && !memcmp(text, "not even one page", 17));
	CHECK((fcntl(append_fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE)) ==
	      (O_APPEND | O_NONBLOCK | O_RDWR));
	CHECK(write(append_fd, "!", 1) == 1 && pread(odd_fd, text, 1, 17) == 1 && *text == '!');
}

/* ---- seals that forbid what was done before ---- */

static int sealed_fd, future_fd;
static char *sealed, *future, *future_read;

static void build_sealed(void)
{
	sealed_fd = new_memfd("sealed", MFD_ALLOW_SEALING);
	CHECK(!ftruncate(sealed_fd, 40 * PAGE));
	sealed = map(sealed_fd, 40 * PAGE, PROT_READ | PROT_WRITE, 0);
	fill(sealed, 40 * PAGE, 5);
	CHECK(!munmap(sealed, 40 * PAGE));
	CHECK(!fcntl(sealed_fd, F_ADD_SEALS,
		     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	sealed = map(open_again(sealed_fd, O_RDONLY), 40 * PAGE, PROT_READ, 0);
	future_fd = new_memfd("future", MFD_ALLOW_SEALING);
	CHECK(!ftruncate(future_fd, 4 * PAGE));
	future = map(future_fd, 4 * PAGE, PROT_READ | PROT_WRITE, 0);
	future_read = map(future_fd, 4 * PAGE, PROT_READ, 0);
	fill(future, 4 * PAGE, 6);
	if (fcntl(future_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		skipped("this kernel has no F_SEAL_FUTURE_WRITE");
}

static void spoil_sealed(void)
{
	memset(future, 'x', 4 * PAGE);
}

static void verify_sealed(void)
{
	CHECK_EQUAL(fcntl(sealed_fd, F_GET_SEALS),
		    F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	CHECK_FILLED(sealed, 40 * PAGE, 5);
	CHECK(!can_be_written(sealed) && pwrite(sealed_fd, "x", 1, 0) < 0 && errno == EPERM);
	CHECK_EQUAL(fcntl(future_fd, F_GET_SEALS), F_SEAL_FUTURE_WRITE);
	CHECK_FILLED(future, 4 * PAGE, 6);
	future[PAGE] = 'f';
	CHECK(future_read[PAGE] == 'f');
	CHECK(pwrite(future_fd, "x", 1, 0) < 0 && errno == EPERM);
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, future_fd, 0) == MAP_FAILED);
}

/* ---- memory that only the process's own mappings lead to ---- */

#define SHARED_PAGES 500UL
static char *shared, *shared_again, *shared_closed, *posix_memory, *posix_again, *shared_empty;

static void build_shared(void)
{
	int fd;

	shared = mmap(NULL, SHARED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(shared != MAP_FAILED);
	/* The same once more. */
	shared_again = mremap(shared, 0, SHARED_PAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(shared_again != MAP_FAILED);
	CHECK(!mprotect(shared_again + 100 * PAGE, 10 * PAGE, PROT_READ) &&
	      !mprotect(shared + 7 * PAGE, PAGE, PROT_NONE));
	fill(shared_again, 7 * PAGE, 1);
	fill(shared_again + 7 * PAGE, 93 * PAGE, 2);
	fill(shared + 400 * PAGE, 100 * PAGE, 3);
	fd = new_memfd("closed", 0);
	CHECK(!ftruncate(fd, 30 * PAGE));
	shared_closed = map(fd, 10 * PAGE, PROT_READ | PROT_WRITE, 10 * PAGE);
	fill(shared_closed, 10 * PAGE, 4);
	CHECK(!close(fd));
	shm_unlink("/mitosis-state");
	fd = shm_open("/mitosis-state", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		skipped("there is no shared memory of POSIX");
	CHECK(!shm_unlink("/mitosis-state") && !ftruncate(fd, 5 * PAGE));
	posix_memory = map(fd, 5 * PAGE, PROT_READ | PROT_WRITE, 0);
	posix_again = map(fd, 2 * PAGE, PROT_READ, 3 * PAGE);
	fill(posix_memory, 5 * PAGE, 5);
	CHECK(!close(fd));
	shared_empty = mmap(NULL, 1UL << 31, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(shared_empty != MAP_FAILED);
	shared_empty[1UL << 30] = 'm';
}

static void spoil_shared(void)
{
	memset(shared_again, 'x', 100 * PAGE);
	memset(shared + 400 * PAGE, 'x', 100 * PAGE);
	memset(shared_closed, 'x', 10 * PAGE);
	memset(posix_memory, 'x', 5 * PAGE);
	shared_empty[0] = 'x';
}

static void verify_shared(void)
{
	int pid;

	CHECK_FILLED(shared, 7 * PAGE, 1);
	CHECK_FILLED(shared_again + 7 * PAGE, 93 * PAGE, 2);
	CHECK_ZERO(shared + 100 * PAGE, 300 * PAGE);
	CHECK_FILLED(shared_again + 400 * PAGE, 100 * PAGE, 3);
	CHECK_FILLED(shared_closed, 10 * PAGE, 4);
	CHECK_FILLED(posix_memory, 5 * PAGE, 5);
	CHECK_FILLED_FROM(posix_again, 2 * PAGE, 5, 3 * PAGE);
	CHECK(shared_empty[1UL << 30] == 'm' && !shared_empty[0] && !shared_empty[(1UL << 31) - 1]);
	shared[5] = 's';
	posix_memory[4 * PAGE] = 'p';
	CHECK(shared_again[5] == 's' && posix_again[PAGE] == 'p');
	CHECK(can_be_written(shared_again + 100 * PAGE));
	/* With a child of its own, too. */
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		shared_again[300 * PAGE] = 'c';
		shared_closed[1] = 'd';
		_exit(0);
	}
	check_exit(pid);
	CHECK(shared[300 * PAGE] == 'c' && shared_closed[1] == 'd');
}

/* ---- deleted files ---- */

static int deleted_fd, deleted_reader, unnamed_fd;
static char *deleted;

static void build_deleted(void)
{
	char page[PAGE];

	deleted_fd = open("deleted soon", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(deleted_fd >= 0);
	for (uint64_t i = 0; i < 50; i++) {
		fill(page, PAGE, i);
		CHECK(pwrite(deleted_fd, page, PAGE,
			     (off_t)(i < 25 ? i * PAGE : 1000000 + i * PAGE)) == (ssize_t)PAGE);
	}
	deleted_reader = open("deleted soon", O_RDONLY);
	CHECK(deleted_reader >= 0 && !unlink("deleted soon"));
	CHECK(!fchmod(deleted_fd, 0400));
	deleted = map(deleted_fd, 3 * PAGE, PROT_READ | PROT_WRITE, PAGE);
	CHECK(lseek(deleted_fd, 10, SEEK_SET) == 10 && lseek(deleted_reader, 20, SEEK_SET) == 20);
	unnamed_fd = open(".", O_RDWR | O_TMPFILE, 0600);
	if (unnamed_fd >= 0)
		CHECK(write(unnamed_fd, "never had a name", 16) == 16);
	/* One with a name that looks as if it had none. */
	CHECK(open("named (deleted)", O_RDWR | O_CREAT | O_TRUNC, 0600) >= 0);
}

static void spoil_deleted(void)
{
	memset(deleted, 'x', 3 * PAGE);
	CHECK(!ftruncate(deleted_fd, 2 * PAGE));
}

static void verify_deleted(void)
{
	struct stat st;
	char page[PAGE];

	CHECK(!fstat(deleted_fd, &st) && (st.st_mode & 07777) == 0400);
	CHECK_EQUAL(st.st_size, 1000000 + 50 * PAGE);
	CHECK_EQUAL(lseek(deleted_fd, 0, SEEK_CUR), 10);
	CHECK_EQUAL(lseek(deleted_reader, 0, SEEK_CUR), 20);
	for (uint64_t i = 0; i < 50; i++) {
		CHECK(pread(deleted_reader, page, PAGE,
			    (off_t)(i < 25 ? i * PAGE : 1000000 + i * PAGE)) == (ssize_t)PAGE);
		CHECK_FILLED(page, PAGE, i);
	}
	for (uint64_t i = 0; i < 3; i++)
		CHECK_FILLED(deleted + i * PAGE, PAGE, i + 1);
	CHECK(pwrite(deleted_fd, "w", 1, 2 * PAGE) == 1 && deleted[PAGE] == 'w');
	if (unnamed_fd >= 0) {
		CHECK_EQUAL(lseek(unnamed_fd, 0, SEEK_CUR), 16);
		CHECK(pread(unnamed_fd, page, PAGE, 0) == 16 &&
		      !memcmp(page, "never had a name", 16));
	}
}

/* ---- somebody who never stops writing ---- */

static volatile uint64_t written;
static volatile uint64_t *first_way, *second_way, *other_file;

static void *write_on(void *arg)
{
	uint64_t n = 0;

	for (;;) {
		/* What is shared was left as it is found here, at any instant. */
		if (written != n || first_way[0] != n || second_way[512] != n || other_file[5] != n)
			FAIL("%llu: %llu, %llu, %llu, %llu", (unsigned long long)n,
			     (unsigned long long)written, (unsigned long long)first_way[0],
			     (unsigned long long)second_way[512],
			     (unsigned long long)other_file[5]);
		n++;
		written = n;
		second_way[0] = n;
		first_way[512] = n;
		other_file[5] = n;
	}
	return NULL;
}

static void build_writer(void)
{
	int fd = new_memfd("written", 0);
	pthread_t thread;

	CHECK(!ftruncate(fd, 4096 * PAGE));
	first_way = (void *)map(fd, 4096 * PAGE, PROT_READ | PROT_WRITE, 0);
	second_way = (void *)map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, 0);
	other_file =
		mmap(NULL, 2048 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(other_file != MAP_FAILED);
	/* The copy takes a while. */
	memset((char *)first_way + 2 * PAGE, 'm', 4094 * PAGE);
	memset((char *)other_file + PAGE, 'm', 2047 * PAGE);
	CHECK(!pthread_create(&thread, NULL, write_on, NULL));
	while (written < 1000)
		sched_yield();
}

static void verify_writer(void)
{
	uint64_t before = written;

	while (written < before + 1000)
		sched_yield();
}

/* ---- System V ---- */

static char *segment, *segment_again;

static void build_sysv(void)
{
	int id = shmget(IPC_PRIVATE, 50 * PAGE, 0600);

	CHECK(id >= 0);
	segment = shmat(id, NULL, 0);
	segment_again = shmat(id, NULL, SHM_RDONLY);
	CHECK(segment != (void *)-1 && segment_again != (void *)-1 && !shmctl(id, IPC_RMID, NULL));
	fill(segment, 50 * PAGE, 1);
}

static void spoil_sysv(void)
{
	memset(segment, 'x', 50 * PAGE);
}

static void verify_sysv(void)
{
	CHECK_FILLED(segment_again, 50 * PAGE, 1);
	segment[PAGE] = 's';
	CHECK(segment_again[PAGE] == 's' && !can_be_written(segment_again));
}

/* ---- what another process has, too ---- */

static int elsewhere_fd, constant_fd, own_fd;

/*
 * An orphan, which is no child of anybody's, has the first two; that it has the second does not
 * matter.
 */
static void build_shared_elsewhere(void)
{
	int pid;

	elsewhere_fd = new_memfd("elsewhere", 0);
	constant_fd = new_memfd("constant", MFD_ALLOW_SEALING);
	own_fd = new_memfd("own", 0);
	CHECK(write(constant_fd, "constant", 8) == 8 && write(own_fd, "own", 3) == 3);
	CHECK(!fcntl(constant_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		int first = getpid();
		char c;

		close(own_fd);
		if (fork())
			_exit(0);
		/* Nobody waits for what it says. */
		close(1);
		close(2);
		while (getppid() == first)
			sched_yield();
		/* It ends with the test, whose open pipe is its input. */
		_exit(read(0, &c, 1) < 0);
	}
	check_exit(pid);
}

static void verify_shared_elsewhere(void)
{
	char text[16];

	CHECK(read(elsewhere_fd, text, 1) < 0 && errno == EBADF);
	CHECK(pread(constant_fd, text, sizeof(text), 0) == 8 && !memcmp(text, "constant", 8));
	CHECK(pread(own_fd, text, sizeof(text), 0) == 3 && !memcmp(text, "own", 3));
}

/* ---- more than can be copied ---- */

static int large_fd, large_deleted_fd;

static void build_large(void)
{
	const uint64_t bytes = 300 * MIB;
	struct statfs fs;
	char *p;

	large_fd = new_memfd("large", 0);
	CHECK(!ftruncate(large_fd, (off_t)bytes));
	p = map(large_fd, bytes, PROT_READ | PROT_WRITE, 0);
	memset(p, 'l', bytes);
	large_deleted_fd = open("large", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(large_deleted_fd >= 0 && !unlink("large"));
	CHECK(write(large_deleted_fd, p, 20 * MIB) == (ssize_t)(20 * MIB));
	CHECK(!munmap(p, bytes) && !fstatfs(large_deleted_fd, &fs));
	/* In memory it is not that large. */
	if (fs.f_type == TMPFS_MAGIC)
		close(large_deleted_fd);
}

static void verify_large(void)
{
	char c;

	CHECK(read(large_deleted_fd, &c, 1) < 0 && errno == EBADF);
	CHECK(read(large_fd, &c, 1) < 0 && errno == EBADF);
}

const struct state nameless_states[] = {
	{ "sysv", "shared memory of System V", build_sysv, spoil_sysv, verify_sysv },
	{ "shared-elsewhere", "memfds that another process has, too", build_shared_elsewhere, NULL,
	  verify_shared_elsewhere },
	{ "large", "a memfd and a deleted file that are too large to be copied", build_large, NULL,
	  verify_large },
	{ "memfd", "a memfd, mapped seven times, open three times", build_memfd, spoil_memfd,
	  verify_memfd },
	{ "memfd-nested", "the same in the child of a child", build_memfd, spoil_memfd,
	  verify_memfd_nested },
	{ "memfds", "memfds that are only open", build_memfds, spoil_memfds, verify_memfds },
	{ "sealed", "memfds with seals that forbid to write", build_sealed, spoil_sealed,
	  verify_sealed },
	{ "shared-memory", "shared memory that only its mappings lead to", build_shared,
	  spoil_shared, verify_shared },
	{ "deleted", "files that have been deleted", build_deleted, spoil_deleted, verify_deleted },
	{ "shared-writer", "a thread that writes to shared memory all the time", build_writer, NULL,
	  verify_writer },
	{ 0 },
};
