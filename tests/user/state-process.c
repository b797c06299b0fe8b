// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-process.c - what a process has besides memory and signals, as the parent left it. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- thread-local storage ---- */

static __thread uint64_t tls_zero;
static __thread uint64_t tls_value = 0x1234;
static __thread char tls_block[3 * 4096];

static void build_tls(void)
{
	tls_zero = 11;
	tls_value++;
	fill(tls_block, sizeof(tls_block), 3);
	errno = EXDEV;
}

static void *tls_thread(void *arg)
{
	CHECK_EQUAL(tls_zero, 0);
	CHECK_EQUAL(tls_value, 0x1234);
	tls_value = 5;
	return arg;
}

static void verify_tls(void)
{
	pthread_t t;
	void *ret;

	CHECK_EQUAL(tls_zero, 11);
	CHECK_EQUAL(tls_value, 0x1235);
	CHECK_FILLED(tls_block, sizeof(tls_block), 3);
	CHECK(!pthread_create(&t, NULL, tls_thread, tls_block));
	CHECK(!pthread_join(t, &ret) && ret == tls_block);
	CHECK_EQUAL(tls_value, 0x1235);
}

/* ---- identity ---- */

static void build_identity(void)
{
	CHECK(!prctl(PR_SET_NAME, "a fine name"));
}

static void verify_identity(void)
{
	pthread_mutex_t mutex;
	pthread_mutexattr_t attributes;
	char comm[16], link[4096];
	long n;

	CHECK(!prctl(PR_GET_NAME, comm));
	if (strcmp(comm, "a fine name"))
		FAIL("the process is called '%s'", comm);
	CHECK_EQUAL(getpid(), syscall(SYS_gettid));
	CHECK_EQUAL(gettid(), getpid());
	/* glibc's own idea of this thread's id: raise() and recursive mutexes use it. */
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&mutex, &attributes);
	CHECK(!pthread_mutex_lock(&mutex));
	CHECK_EQUAL(mutex.__data.__owner, getpid());
	CHECK_EQUAL(pthread_mutex_lock(&mutex), EDEADLK);
	CHECK(!pthread_mutex_unlock(&mutex));
	CHECK(sched_getcpu() >= 0);
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = '\0';
	if (!geteuid())
		CHECK(strstr(link, "state"));
}

/* ---- stdio ---- */

static FILE *stream;
static char stream_name[] = "stream.XXXXXX";

static void build_stdio(void)
{
	int fd = mkstemp(stream_name);

	CHECK(fd >= 0);
	stream = fdopen(fd, "r+");
	fputs("written out\n", stream);
	fflush(stream);
	fputs("in the buffer", stream);
	printf("unflushed line of the parent\n");
}

static void verify_stdio(void)
{
	char text[100];

	/* The buffer is here, and so is the file behind it, at its offset. */
	CHECK(fputs(", and more\n", stream) >= 0);
	CHECK(!fflush(stream));
	rewind(stream);
	CHECK(fgets(text, sizeof(text), stream) && !strcmp(text, "written out\n"));
	CHECK(fgets(text, sizeof(text), stream) && !strcmp(text, "in the buffer, and more\n"));
	/* For the next child of this test. */
	CHECK(!ftruncate(fileno(stream), 12));
}

/* ---- open files ---- */

static int open_fd, high_fd, append_fd, dir_fd, null_fd, socket_fds[2];
static char *const file_text = (char *)"0123456789abcdefghij";

static void build_descriptors(void)
{
	open_fd = open("plain", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(write(open_fd, file_text, 20) == 20);
	CHECK(lseek(open_fd, 10, SEEK_SET) == 10);
	null_fd = open("plain", O_RDONLY);
	high_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, 200);
	CHECK(high_fd >= 200);
	close(null_fd);
	CHECK(lseek(high_fd, 5, SEEK_SET) == 5);
	append_fd = open("appended", O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0600);
	CHECK(write(append_fd, "x", 1) == 1);
	dir_fd = open(".", O_RDONLY | O_DIRECTORY);
	null_fd = open("/dev/null", O_RDWR);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, socket_fds) &&
	      write(socket_fds[0], "on its way", 10) == 10);
}

static void verify_descriptors(void)
{
	char text[32] = "";
	struct stat st;

	CHECK(read(open_fd, text, 4) == 4 && !memcmp(text, "abcd", 4));
	CHECK(!(fcntl(open_fd, F_GETFD) & FD_CLOEXEC));
	CHECK_EQUAL(fcntl(open_fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK(read(high_fd, text, 3) == 3 && !memcmp(text, "567", 3));
	CHECK(fcntl(high_fd, F_GETFD) & FD_CLOEXEC);
	CHECK_EQUAL(fcntl(high_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK(fcntl(append_fd, F_GETFL) & O_APPEND);
	CHECK(write(append_fd, "y", 1) == 1);
	CHECK(!fstat(dir_fd, &st) && S_ISDIR(st.st_mode));
	CHECK(write(null_fd, "z", 1) == 1);
	/* What is on its way is the parent's: of no use here, but nothing else gets the numbers. */
	CHECK(read(socket_fds[0], text, 1) == -1 && errno == EBADF);
	CHECK(write(socket_fds[1], text, 1) == -1 && errno == EBADF);
	for (int i = 0; i < 2; i++) {
		int fd = open("/dev/null", O_RDONLY);

		CHECK(fd != socket_fds[0] && fd != socket_fds[1]);
		close(fd);
	}
	/* Nothing else is open but what the library keeps, far above. */
	for (int fd = 3; fd < 64; fd++)
		if (fd != open_fd && fd != append_fd && fd != dir_fd && fd != null_fd && fd != socket_fds[0] &&
		    fd != socket_fds[1])
			CHECK(fcntl(fd, F_GETFD) == -1);
}

/* ---- surroundings ---- */

static void build_surroundings(void)
{
	struct rlimit core = { 12345, 1234567 }, files = { 333, 444 }, stack;

	CHECK(!mkdir("a directory", 0700) || errno == EEXIST);
	CHECK(!chdir("a directory"));
	umask(0137);
	CHECK(!setrlimit(RLIMIT_CORE, &core));
	CHECK(!setrlimit(RLIMIT_NOFILE, &files));
	CHECK(!getrlimit(RLIMIT_STACK, &stack));
	CHECK(!setenv("MITOSIS_TEST_NEW", "set before prepare", 1));
	CHECK(!unsetenv("HOME"));
}

static void verify_surroundings(void)
{
	struct rlimit limit;
	char cwd[4096];
	mode_t mask = umask(0);

	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK(!strcmp(strrchr(cwd, '/'), "/a directory"));
	CHECK_EQUAL(mask, 0137);
	CHECK(!getrlimit(RLIMIT_CORE, &limit));
	CHECK_EQUAL(limit.rlim_cur, 12345);
	CHECK_EQUAL(limit.rlim_max, 1234567);
	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	CHECK_EQUAL(limit.rlim_cur, 333);
	CHECK_EQUAL(limit.rlim_max, 444);
	CHECK(!strcmp(getenv("MITOSIS_TEST_NEW"), "set before prepare"));
	CHECK(!getenv("HOME"));
	CHECK(!strcmp(state_argv[1], "surroundings"));
}

/* ---- floating point ---- */

static volatile double tiny = 1e-310, one = 1.0, three = 3.0;

static void build_fpu(void)
{
	fesetround(FE_UPWARD);
	/* mxcsr: flush to zero; x87: double precision */
	uint32_t mxcsr;
	uint16_t fcw;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	mxcsr |= 1u << 15;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(fcw));
	fcw = (uint16_t)((fcw & ~0x300) | 0x200);
	__asm__ volatile("fldcw %0" : : "m"(fcw));
}

static void verify_fpu(void)
{
	uint32_t mxcsr;
	uint16_t fcw;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(fcw));
	CHECK_EQUAL(fegetround(), FE_UPWARD);
	CHECK(mxcsr & 1u << 15);
	CHECK_EQUAL(fcw & 0xf00, 0xa00);
	CHECK(tiny * one == 0);
	/* Volatile: the compiler knows nothing of rounding modes. */
	volatile double up = one / three, down;

	fesetround(FE_DOWNWARD);
	down = one / three;
	CHECK(down < up);
}

/* ---- clocks ---- */

static struct timespec before_mono, before_real;

static void build_clock(void)
{
	clock_gettime(CLOCK_MONOTONIC, &before_mono);
	clock_gettime(CLOCK_REALTIME, &before_real);
}

static double since(const struct timespec *then, clockid_t clock, bool by_syscall)
{
	struct timespec now;

	if (by_syscall)
		syscall(SYS_clock_gettime, clock, &now);
	else
		clock_gettime(clock, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) * 1e-9;
}

static void verify_clock(void)
{
	for (int i = 0; i < 1000; i++) {
		double a = since(&before_mono, CLOCK_MONOTONIC, true), b = since(&before_mono, CLOCK_MONOTONIC, false);
		double c = since(&before_mono, CLOCK_MONOTONIC, true);

		/* The vDSO and the kernel agree, though the page behind it is this machine's. */
		CHECK(a <= b && b <= c && a >= 0 && c < 600);
	}
	CHECK(since(&before_real, CLOCK_REALTIME, false) >= 0);
	CHECK(time(NULL) >= before_real.tv_sec);
}

/* ---- a child that is itself prepared ---- */

static char *generations;

static void build_nested(void)
{
	generations = map_pages(1000);
	fill(generations, 1000 * PAGE, 1);
}

static int run_tool(const char *ref)
{
	const char *tool = getenv("MITOSIS_TEST_CHILD");
	int pid, status;

	CHECK(tool);
	pid = fork();
	if (!pid) {
		execl(tool, tool, ref, NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static void verify_nested(void)
{
	char ref[MITOSIS_REF_MAX];
	int parent = getpid(), ret;

	/* Generation 2 changes something, and leaves most untouched. */
	fill(generations + 500 * PAGE, 100 * PAGE, 2);
	CHECK(!madvise(generations + 600 * PAGE, 100 * PAGE, MADV_DONTNEED));
	ret = mitosis_prepare(NULL, ref);
	CHECK(ret >= 0);
	if (ret) {
		CHECK(state_has_threads() || getpid() != parent);
		CHECK_FILLED(generations, 500 * PAGE, 1);
		CHECK_FILLED(generations + 500 * PAGE, 100 * PAGE, 2);
		CHECK_ZERO(generations + 600 * PAGE, 100 * PAGE);
		CHECK_FILLED_FROM(generations + 700 * PAGE, 300 * PAGE, 1, 700 * PAGE);
		/* And a third one from here. */
		parent = getpid();
		fill(generations, 10 * PAGE, 3);
		ret = mitosis_prepare(NULL, ref);
		CHECK(ret >= 0);
		if (ret) {
			CHECK_FILLED(generations, 10 * PAGE, 3);
			CHECK_FILLED_FROM(generations + 10 * PAGE, 490 * PAGE, 1, 10 * PAGE);
			CHECK_FILLED(generations + 500 * PAGE, 100 * PAGE, 2);
			_exit(43);
		}
		CHECK_EQUAL(run_tool(ref), 43 << 8);
		_exit(42);
	}
	fill(generations, 1000 * PAGE, 9);
	CHECK_EQUAL(run_tool(ref), 42 << 8);
	CHECK_EQUAL(run_tool(ref), 42 << 8);
	CHECK(!mitosis_release(ref));
}

/* ---- functions that run in a child before it goes on ---- */

static int calls[2 * MITOSIS_AT_RESUME_MAX], call_count;

static void note_call(void *data)
{
	calls[call_count++] = *(int *)data;
	if (call_count == 1)	/* too late for this child, and there is one place left */
		CHECK(!mitosis_at_resume(note_call, data));
}

static void build_at_resume(void)
{
	static int numbers[MITOSIS_AT_RESUME_MAX];

	CHECK_EQUAL(mitosis_at_resume(NULL, numbers), -EINVAL);
	for (int i = 0; i < MITOSIS_AT_RESUME_MAX - 1; i++) {
		numbers[i] = i / 2;	/* each twice */
		CHECK(!mitosis_at_resume(note_call, &numbers[i - i % 2]));
	}
}

static void after_at_resume(void)
{
	CHECK_EQUAL(call_count, 0);
}

static void verify_at_resume(void)
{
	char ref[MITOSIS_REF_MAX];

	CHECK_EQUAL(call_count, MITOSIS_AT_RESUME_MAX - 1);
	for (int i = 0; i < call_count; i++)
		CHECK_EQUAL(calls[i], i / 2);
	CHECK_EQUAL(mitosis_at_resume(note_call, calls), -ENOMEM);
	/* In a parent nothing runs, were it a child once. */
	CHECK(!mitosis_prepare(NULL, ref));
	CHECK_EQUAL(call_count, MITOSIS_AT_RESUME_MAX - 1);
	CHECK(!mitosis_release(ref));
}

/* ---- confined, by promises that it cannot take back ---- */

static void build_confined(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = { 1, &allow };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
}

static void verify_confined(void)
{
	CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}

/* ---- several snapshots of one process, apart ---- */

static int rounds;
static char rounds_ref[MITOSIS_REF_MAX];

static void build_again(void)
{
	int ret;

	build_nested();
	rounds = 1;
	ret = mitosis_prepare(NULL, rounds_ref);
	CHECK(!ret || ret == 1);
	if (ret) {
		CHECK_EQUAL(rounds, 1);
		CHECK_FILLED(generations, 1000 * PAGE, 1);
		_exit(44);
	}
	rounds = 2;
	fill(generations, 1000 * PAGE, 4);
}

static void verify_again(void)
{
	CHECK_EQUAL(rounds, 2);
	CHECK_FILLED(generations, 1000 * PAGE, 4);
	CHECK_EQUAL(run_tool(rounds_ref), 44 << 8);
}

/* ---- signals and status, seen from outside ---- */

static void build_nothing(void)
{
}

static void verify_exec(void)
{
	fflush(stdout);
	execl("/bin/sh", "sh", "-c", "echo ok exec", NULL);
	FAIL("exec: %s", strerror(errno));
}

const struct state process_states[] = {
	{ "tls", "thread-local storage, and threads with their own",
	  build_tls, NULL, verify_tls },
	{ "identity", "names and numbers of the process and its thread",
	  build_identity, NULL, verify_identity },
	{ "stdio", "buffers of stdio, and the file behind them",
	  build_stdio, NULL, verify_stdio },
	{ "descriptors", "open files at their offsets; what cannot be had is closed",
	  build_descriptors, NULL, verify_descriptors },
	{ "surroundings", "directory, umask, limits, environment",
	  build_surroundings, NULL, verify_surroundings },
	{ "fpu", "rounding mode and other control bits of both floating-point units",
	  build_fpu, NULL, verify_fpu },
	{ "clock", "the vDSO's clocks",
	  build_clock, NULL, verify_clock },
	{ "nested", "a child that is itself prepared, and its child",
	  build_nested, NULL, verify_nested },
	{ "again", "two snapshots of one process",
	  build_again, NULL, verify_again },
	{ "at-resume", "functions that run in a child before it goes on",
	  build_at_resume, after_at_resume, verify_at_resume },
	{ "confined", "filters of system calls and privileges that the parent gave up",
	  build_confined, NULL, verify_confined },
	{ "exec", "a child that becomes another program",
	  build_nothing, NULL, verify_exec },
	{ 0 },
};
