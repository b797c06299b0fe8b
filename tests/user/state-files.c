// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-files.c - open files and what hangs on them, as the parent left it. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int open_new(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		FAIL("%s: %s", name, strerror(errno));
	CHECK(write(fd, "0123456789abcdef", 16) == 16);
	return fd;
}

/* ---- locks ---- */

static struct flock whole_file(short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET };
}

static int flock_fd, flock_copy, posix_fd, ofd_fd, many_fd, free_fd;

static void build_locks(void)
{
	struct flock write = whole_file(F_WRLCK), read = whole_file(F_RDLCK), none = whole_file(F_UNLCK);

	flock_fd = open_new("by flock");
	flock_copy = dup(flock_fd);
	CHECK(!flock(flock_fd, LOCK_EX));
	posix_fd = open_new("by posix");
	CHECK(!fcntl(posix_fd, F_SETLK, &write));
	ofd_fd = open_new("by ofd");
	CHECK(!fcntl(ofd_fd, F_OFD_SETLK, &read));
	/* More of them than a page of text can name, and of all kinds. */
	many_fd = open_new("by all");
	CHECK(!flock(many_fd, LOCK_SH));
	for (int i = 0; i < 200; i++) {
		struct flock byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3 * i, .l_len = 1 };

		CHECK(!fcntl(many_fd, F_SETLK, &byte));
		byte.l_start++;
		CHECK(!fcntl(many_fd, F_OFD_SETLK, &byte));
	}
	/* What was given back in time is no loss. */
	free_fd = open_new("not locked");
	CHECK(!flock(free_fd, LOCK_EX) && !flock(free_fd, LOCK_UN));
	CHECK(!fcntl(free_fd, F_SETLK, &write) && !fcntl(free_fd, F_SETLK, &none));
}

/* What the parent gives back after the instant, it had. */
static void give_back(void)
{
	struct flock none = whole_file(F_UNLCK);

	for (int i = 0; i < 5; i++) {
		int fd = (int[]){ flock_fd, posix_fd, ofd_fd, many_fd, free_fd }[i];

		CHECK(!fcntl(fd, F_SETLK, &none) && !fcntl(fd, F_OFD_SETLK, &none) && !flock(fd, LOCK_UN));
	}
}

static void verify_locks(void)
{
	char c;

	CHECK(pread(flock_copy, &c, 1, 3) == 1 && c == '3');
	CHECK(pread(posix_fd, &c, 1, 4) == 1 && c == '4');
	CHECK(pread(ofd_fd, &c, 1, 5) == 1 && c == '5');
	CHECK(pread(free_fd, &c, 1, 6) == 1 && c == '6');
}

/* ---- leases ---- */

static int lease_read_fd, lease_write_fd;
static char *leased_memory, *leased_memory_read;

static void lease(int fd, int type)
{
	if (fcntl(fd, F_SETLEASE, type) < 0)
		skipped("this file system gives no leases");
}

static void build_leased(void)
{
	int fd = open_new("leased for reading");

	CHECK(!close(fd));
	lease_read_fd = open("leased for reading", O_RDONLY);
	lease(lease_read_fd, F_RDLCK);
	leased_memory_read = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, lease_read_fd, 0);
	CHECK(leased_memory_read != MAP_FAILED);
	lease_write_fd = open_new("leased for writing");
	lease(lease_write_fd, F_WRLCK);
	leased_memory = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, lease_write_fd, 0);
	CHECK(leased_memory != MAP_FAILED);
}

static void verify_leased(void)
{
	char c;

	CHECK(leased_memory[7] == '7' && leased_memory_read[8] == '8');
	CHECK(pread(lease_read_fd, &c, 1, 3) == 1 && c == '3');
	CHECK(pread(lease_write_fd, &c, 1, 3) == -1 && errno == EBADF);
}

/* ---- a file that another one replaces ---- */

static char *replaced;

static void write_aged(const char *name, char byte)
{
	const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	char page[PAGE];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(page, byte, sizeof(page));
	CHECK(fd >= 0 && write(fd, page, sizeof(page)) == sizeof(page) && !futimens(fd, old) && !close(fd));
}

static void build_replaced(void)
{
	int fd;

	write_aged("replaced", 'a');
	fd = open("replaced", O_RDONLY);
	replaced = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(replaced != MAP_FAILED && !close(fd));
	CHECK(replaced[100] == 'a');
}

static void after_replaced(void)
{
	write_aged("other", 'b');
	CHECK(!rename("other", "replaced"));
}

static void verify_replaced(void)
{
	CHECK(replaced[100] == 'a' && replaced[PAGE - 1] == 'a');
}

/* ---- many open files ---- */

#define MANY 3000u
static int many_fds[MANY], many_copies[MANY];
static unsigned int many_count;

static void build_many(void)
{
	struct rlimit limit;

	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	many_count = limit.rlim_max < 2 * MANY + 100 ? ((unsigned int)limit.rlim_max - 100) / 2 : MANY;
	CHECK(!close(open_new("many")));
	for (unsigned int i = 0; i < many_count; i++) {
		many_fds[i] = open("many", O_RDONLY);
		CHECK(many_fds[i] >= 0 && lseek(many_fds[i], i, SEEK_SET) == i);
	}
	/* In another order, so that it is not by chance right. */
	for (unsigned int i = 0; i < many_count; i++)
		many_copies[many_count - 1 - i] = dup(many_fds[many_count - 1 - i]);
}

static void verify_many(void)
{
	for (unsigned int i = 0; i < many_count; i++) {
		CHECK_EQUAL(lseek(many_fds[i], 0, SEEK_CUR), i);
		CHECK_EQUAL(lseek(many_fds[i], 1000000 + i, SEEK_SET), 1000000 + i);
	}
	for (unsigned int i = 0; i < many_count; i++)
		CHECK_EQUAL(lseek(many_copies[i], 0, SEEK_CUR), 1000000 + i);
}

/* ---- descriptors that somebody else makes, who has the same ones ---- */

#define LATE 900
static int late_fds[LATE], *late_go;

/* A process with the same descriptors: of the files that wait in the socket it makes one after the other, at once. */
static void make_descriptors(int socket)
{
	for (int i = 0; i < LATE; i++) {
		char byte, control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { &byte, 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

		while (!__atomic_load_n(late_go, __ATOMIC_RELAXED))
			sched_yield();
		if (recvmsg(socket, &m, 0) != 1)
			_exit(1);
	}
	_exit(0);
}

static int late_helper;

static void build_late(void)
{
	int pair[2], first;

	CHECK(!close(open_new("late")));
	late_go = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(late_go != MAP_FAILED && !socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	first = open("late", O_RDONLY);
	for (int i = 0; i < LATE; i++) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { (char *)"x", 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		int fd = open("late", O_RDONLY);

		CHECK(fd >= 0 && lseek(fd, 7, SEEK_SET) == 7);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		if (sendmsg(pair[0], &m, MSG_DONTWAIT) != 1) {
			close(fd);
			break;
		}
		close(fd);
	}
	late_fds[0] = first;
	late_helper = (int)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	CHECK(late_helper >= 0);
	if (!late_helper) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		make_descriptors(pair[1]);
	}
	__atomic_store_n(late_go, 1, __ATOMIC_RELAXED);
	/* Shared memory cannot be in a snapshot. */
	CHECK(!munmap(late_go, PAGE));
}

static void after_late(void)
{
	kill(late_helper, SIGKILL);
	waitpid(late_helper, NULL, 0);
}

static void verify_late(void)
{
	for (int fd = late_fds[0] + 1; fd < 1024; fd++) {
		struct stat st;
		char c;

		if (fstat(fd, &st)) {
			CHECK_EQUAL(errno, EBADF);
		} else if (S_ISREG(st.st_mode) && read(fd, &c, 1) >= 0) {
			/* A position that nobody knows is not 0. */
			CHECK_EQUAL(c, '7');
		}
	}
}

/* ---- counters, timers, signals, and who waits for them ---- */

static int counter_fd, counter_copy, semaphore_fd, empty_fd;

/* From Linux 6.5 on. */
static bool tells_semaphores(void)
{
	char name[40], text[1024] = "";
	int fd = eventfd(0, 0), info;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = open(name, O_RDONLY);
	CHECK(read(info, text, sizeof(text) - 1) > 0 && !close(info) && !close(fd));
	return strstr(text, "eventfd-semaphore:");
}

static void build_eventfds(void)
{
	counter_fd = eventfd(0, EFD_NONBLOCK);
	CHECK(!eventfd_write(counter_fd, 0x123456789abcULL));
	counter_copy = fcntl(counter_fd, F_DUPFD_CLOEXEC, 100);
	semaphore_fd = eventfd(3, (tells_semaphores() ? EFD_SEMAPHORE : 0) | EFD_CLOEXEC);
	empty_fd = eventfd(0, EFD_NONBLOCK);
}

/* They are the parent's as well: what it does now is not of the instant. */
static void after_eventfds(void)
{
	CHECK(!eventfd_write(counter_fd, 1) && !eventfd_write(empty_fd, 5) && !eventfd_write(semaphore_fd, 7));
}

static void verify_eventfds(void)
{
	eventfd_t value;

	CHECK(fcntl(counter_fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(counter_copy, F_GETFD) & FD_CLOEXEC);
	CHECK(!eventfd_read(counter_copy, &value));
	CHECK_EQUAL(value, 0x123456789abcULL);
	CHECK(eventfd_read(counter_fd, &value) == -1 && errno == EAGAIN);
	CHECK(!eventfd_write(counter_fd, 2) && !eventfd_read(counter_copy, &value) && value == 2);
	CHECK(!(fcntl(semaphore_fd, F_GETFL) & O_NONBLOCK) && fcntl(semaphore_fd, F_GETFD) & FD_CLOEXEC);
	for (int i = 0; tells_semaphores() && i < 3; i++)
		CHECK(!eventfd_read(semaphore_fd, &value) && value == 1);
	if (!tells_semaphores())
		CHECK(!eventfd_read(semaphore_fd, &value) && value == 3);
	CHECK(!fcntl(semaphore_fd, F_SETFL, O_NONBLOCK));
	CHECK(eventfd_read(semaphore_fd, &value) == -1 && errno == EAGAIN);
	CHECK(eventfd_read(empty_fd, &value) == -1 && errno == EAGAIN);
}

static int left_fd, off_fd, rung_fd, periodic_fd, absolute_fd;
static struct timespec absolute_time;

static void set_timer(int fd, int flags, long value_ms, long interval_ms)
{
	struct itimerspec spec = {
		.it_value = { value_ms / 1000, value_ms % 1000 * 1000000 },
		.it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 },
	};

	CHECK(!timerfd_settime(fd, flags, &spec, NULL));
}

static void await_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, 20000) == 1 && p.revents == POLLIN);
}

static void build_timerfds(void)
{
	left_fd = timerfd_create(CLOCK_MONOTONIC, 0);
	set_timer(left_fd, 0, 1000000, 7000);
	off_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	rung_fd = timerfd_create(CLOCK_BOOTTIME, 0);
	set_timer(rung_fd, 0, 1, 0);
	await_readable(rung_fd);
	periodic_fd = timerfd_create(CLOCK_MONOTONIC, 0);
	set_timer(periodic_fd, 0, 1, 2000000);
	await_readable(periodic_fd);
	absolute_fd = timerfd_create(CLOCK_MONOTONIC, 0);
	clock_gettime(CLOCK_MONOTONIC, &absolute_time);
	absolute_time.tv_sec += 2000;
	set_timer(absolute_fd, TFD_TIMER_ABSTIME, absolute_time.tv_sec * 1000 + absolute_time.tv_nsec / 1000000, 0);
}

static void after_timerfds(void)
{
	uint64_t ticks;

	CHECK(read(rung_fd, &ticks, 8) == 8 && read(periodic_fd, &ticks, 8) == 8);
	set_timer(left_fd, 0, 5, 5);
	set_timer(off_fd, 0, 5, 5);
}

static void verify_timerfds(void)
{
	struct itimerspec spec;
	struct timespec now;
	uint64_t ticks;
	double left;

	CHECK(!timerfd_gettime(left_fd, &spec));
	CHECK(spec.it_value.tv_sec > 900 && spec.it_value.tv_sec <= 1000 && spec.it_interval.tv_sec == 7);
	CHECK(!timerfd_gettime(off_fd, &spec));
	CHECK(!spec.it_value.tv_sec && !spec.it_value.tv_nsec && !spec.it_interval.tv_sec);
	CHECK(fcntl(off_fd, F_GETFL) & O_NONBLOCK && fcntl(off_fd, F_GETFD) & FD_CLOEXEC);
	CHECK(read(off_fd, &ticks, 8) == -1 && errno == EAGAIN);
	await_readable(rung_fd);
	CHECK(read(rung_fd, &ticks, 8) == 8 && ticks == 1);
	await_readable(periodic_fd);
	CHECK(read(periodic_fd, &ticks, 8) == 8 && ticks == 1);
	CHECK(!timerfd_gettime(periodic_fd, &spec));
	CHECK(spec.it_value.tv_sec > 1900 && spec.it_interval.tv_sec == 2000);
	/* Not what was left of it: when it rings is a time. */
	CHECK(!timerfd_gettime(absolute_fd, &spec) && !clock_gettime(CLOCK_MONOTONIC, &now));
	left = (double)(absolute_time.tv_sec - now.tv_sec) + (double)(absolute_time.tv_nsec - now.tv_nsec) * 1e-9 -
	       (double)spec.it_value.tv_sec - (double)spec.it_value.tv_nsec * 1e-9;
	CHECK(left < 0.05 && left > -0.05);
}

static int signal_fd;

static void build_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMAX);
	CHECK(!sigprocmask(SIG_BLOCK, &set, NULL));
	signal_fd = signalfd(-1, &set, SFD_NONBLOCK);
	CHECK(signal_fd >= 0);
}

static void verify_signalfd(void)
{
	struct signalfd_siginfo info;

	CHECK(read(signal_fd, &info, sizeof(info)) == -1 && errno == EAGAIN);
	for (int i = 0; i < 2; i++) {
		kill(getpid(), i ? SIGRTMAX : SIGUSR2);
		CHECK(read(signal_fd, &info, sizeof(info)) == sizeof(info));
		CHECK_EQUAL(info.ssi_signo, i ? SIGRTMAX : SIGUSR2);
	}
}

static int epoll_fd, copied_epoll, inner_fd, ready_fd, pipe_fds[2];

static void add_to(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e));
}

static void build_epoll(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	inner_fd = epoll_create1(0);
	empty_fd = eventfd(0, EFD_NONBLOCK);
	ready_fd = eventfd(4, 0);
	CHECK(!pipe(pipe_fds));
	add_to(epoll_fd, empty_fd, EPOLLIN | EPOLLET, 0x1122334455667788ULL);
	add_to(epoll_fd, pipe_fds[0], EPOLLIN, 2);
	add_to(epoll_fd, inner_fd, EPOLLIN, 3);
	add_to(inner_fd, ready_fd, EPOLLIN | EPOLLONESHOT, 4);
	copied_epoll = fcntl(epoll_fd, F_DUPFD, 100);
	CHECK(copied_epoll >= 100);
}

static void after_epoll(void)
{
	struct epoll_event e = { 0 };

	CHECK(!epoll_ctl(epoll_fd, EPOLL_CTL_DEL, empty_fd, NULL) && !epoll_ctl(epoll_fd, EPOLL_CTL_MOD, pipe_fds[0], &e));
	CHECK(write(pipe_fds[1], "x", 1) == 1);
}

static void verify_epoll(void)
{
	struct epoll_event e[4];

	CHECK(fcntl(epoll_fd, F_GETFD) & FD_CLOEXEC && !(fcntl(inner_fd, F_GETFD) & FD_CLOEXEC));
	CHECK(epoll_wait(epoll_fd, e, 4, 0) == 1 && e[0].data.u64 == 3 && e[0].events == EPOLLIN);
	CHECK(epoll_wait(inner_fd, e, 4, 0) == 1 && e[0].data.u64 == 4);
	CHECK(epoll_wait(inner_fd, e, 4, 0) == 0);
	CHECK(!eventfd_write(empty_fd, 1));
	CHECK(epoll_wait(epoll_fd, e, 4, 0) == 1 && e[0].data.u64 == 0x1122334455667788ULL);
	CHECK(epoll_wait(epoll_fd, e, 4, 0) == 0);
	CHECK(write(pipe_fds[1], "x", 1) == 1);
	CHECK(epoll_wait(copied_epoll, e, 4, 0) == 1 && e[0].data.u64 == 2 && e[0].events == EPOLLIN);
}

/* ---- pipes with both ends here ---- */

static int full_fds[2], copied_fds[2], many_pipes[20][2];
static char pipe_bytes[65536];

static void build_pipes(void)
{
	CHECK(!pipe(pipe_fds) && write(pipe_fds[1], "hello, ", 7) == 7 && write(pipe_fds[1], "child", 5) == 5);
	CHECK(!pipe2(full_fds, O_NONBLOCK | O_CLOEXEC));
	CHECK(fcntl(full_fds[1], F_SETPIPE_SZ, 131072) == 131072);
	fill(pipe_bytes, sizeof(pipe_bytes), 5);
	CHECK(write(full_fds[1], pipe_bytes, sizeof(pipe_bytes)) == sizeof(pipe_bytes));
	CHECK(!pipe(copied_fds));
	CHECK(dup2(copied_fds[1], 150) == 150 && !close(copied_fds[1]));
	for (int i = 0; i < 20; i++)
		CHECK(!pipe(many_pipes[i]) && write(many_pipes[i][1], &i, sizeof(i)) == sizeof(i));
}

static void after_pipes(void)
{
	char text[16];

	CHECK(read(pipe_fds[0], text, 16) == 12 && !memcmp(text, "hello, child", 12));
	CHECK(read(full_fds[0], pipe_bytes, sizeof(pipe_bytes)) == sizeof(pipe_bytes));
	CHECK(write(150, "the parent's", 12) == 12);
	for (int i = 0, got; i < 20; i++)
		CHECK(read(many_pipes[i][0], &got, sizeof(got)) == sizeof(got) && got == i);
}

static void verify_pipes(void)
{
	char text[16];

	CHECK(read(pipe_fds[0], text, 16) == 12 && !memcmp(text, "hello, child", 12));
	CHECK(!(fcntl(pipe_fds[0], F_GETFL) & O_NONBLOCK) && !(fcntl(pipe_fds[1], F_GETFD) & FD_CLOEXEC));
	CHECK(fcntl(full_fds[0], F_GETFL) & O_NONBLOCK && fcntl(full_fds[1], F_GETFD) & FD_CLOEXEC);
	CHECK_EQUAL(fcntl(full_fds[0], F_GETPIPE_SZ), 131072);
	memset(pipe_bytes, 0, sizeof(pipe_bytes));
	CHECK(read(full_fds[0], pipe_bytes, sizeof(pipe_bytes)) == sizeof(pipe_bytes));
	CHECK_FILLED(pipe_bytes, sizeof(pipe_bytes), 5);
	CHECK(read(full_fds[0], text, 1) == -1 && errno == EAGAIN);
	CHECK(fcntl(copied_fds[1], F_GETFD) == -1 || copied_fds[1] == many_pipes[0][0]);
	CHECK(write(150, "z", 1) == 1 && read(copied_fds[0], text, 16) == 1 && text[0] == 'z');
	for (int i = 0, got; i < 20; i++)
		CHECK(read(many_pipes[i][0], &got, sizeof(got)) == sizeof(got) && got == i);
	/* Nobody else writes to it. */
	CHECK(!close(pipe_fds[1]) && read(pipe_fds[0], text, 1) == 0);
}

static int stream_fds[2], packet_fds[2], shut_fds[2], full_pair[2];

/* Does this kernel tell what unix sockets are connected to? (CONFIG_UNIX_DIAG) */
static bool tells_peers(void)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} request = {
		.h = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.r = { .sdiag_family = AF_UNIX, .udiag_states = ~0U },
	};
	struct nlmsghdr answer[512];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool tells = fd >= 0 && send(fd, &request, sizeof(request), 0) == sizeof(request) &&
		     recv(fd, answer, sizeof(answer), 0) > 0 && answer[0].nlmsg_type == SOCK_DIAG_BY_FAMILY;

	close(fd);
	return tells;
}

static void build_socketpairs(void)
{
	const int bytes = 20000;
	const struct timeval wait = { 0, 50000 };

	/* Of a machine that has none, nothing would be told. */
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, stream_fds));
	if (!tells_peers())
		skipped("this kernel does not tell what a unix socket is connected to");
	CHECK(!setsockopt(stream_fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packet_fds));
	CHECK(!setsockopt(packet_fds[1], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, shut_fds));
	CHECK(!shutdown(shut_fds[0], SHUT_WR));
}

static void after_socketpairs(void)
{
	CHECK(write(stream_fds[0], "x", 1) == 1);
}

static void verify_socketpairs(void)
{
	socklen_t length = sizeof(int);
	char text[16];
	int bytes;

	CHECK(read(stream_fds[1], text, 16) == -1 && errno == EAGAIN);
	CHECK(write(stream_fds[0], "to 1", 4) == 4 && read(stream_fds[1], text, 16) == 4 && !memcmp(text, "to 1", 4));
	CHECK(write(stream_fds[1], "to 0", 4) == 4 && read(stream_fds[0], text, 16) == 4 && !memcmp(text, "to 0", 4));
	CHECK(fcntl(stream_fds[1], F_GETFD) & FD_CLOEXEC && !(fcntl(packet_fds[1], F_GETFD) & FD_CLOEXEC));
	CHECK(!getsockopt(stream_fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, &length) && bytes == 40000);
	CHECK(write(packet_fds[0], "one", 3) == 3 && write(packet_fds[0], "two", 3) == 3);
	CHECK(read(packet_fds[1], text, 16) == 3 && read(packet_fds[1], text, 16) == 3);
	CHECK(read(packet_fds[1], text, 16) == -1 && errno == EAGAIN);
	CHECK(read(shut_fds[1], text, 16) == 0 && write(shut_fds[1], "x", 1) == 1 && read(shut_fds[0], text, 16) == 1);
	CHECK(send(shut_fds[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
}

static void build_full_pair(void)
{
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, full_pair) && write(full_pair[0], "on its way", 10) == 10);
}

static void after_full_pair(void)
{
	char text[16];

	CHECK(read(full_pair[1], text, 16) == 10);
}

static void verify_full_pair(void)
{
	char c;

	CHECK(read(full_pair[1], &c, 1) == -1 && errno == EBADF);
	CHECK(write(full_pair[0], &c, 1) == -1 && errno == EBADF);
}

static int shared_pipe[2], shared_pair[2], shared_counter, shared_helper;

static void build_shared_pipe(void)
{
	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, shared_pair));
	CHECK(!pipe(shared_pipe) && (shared_counter = eventfd(0, 0)) >= 0);
	shared_helper = fork();
	if (!shared_helper) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	CHECK(!pipe(pipe_fds));
}

static void verify_shared_pipe(void)
{
	CHECK(write(shared_pipe[1], "x", 1) == -1 && errno == EBADF);
	CHECK(write(shared_pair[1], "x", 1) == -1 && errno == EBADF);
	CHECK(eventfd_write(shared_counter, 1) == -1 && errno == EBADF);
	CHECK(write(pipe_fds[1], "x", 1) == 1);
}

const struct state file_states[] = {
	{ "eventfds", "counters and semaphores that are files",
	  build_eventfds, after_eventfds, verify_eventfds },
	{ "timerfds", "timers that are files: running, off, rung, and set to a time",
	  build_timerfds, after_timerfds, verify_timerfds },
	{ "signalfd", "signals that are read from a file",
	  build_signalfd, NULL, verify_signalfd },
	{ "epoll", "who waits for many files",
	  build_epoll, after_epoll, verify_epoll },
	{ "pipes", "pipes with both ends here, and what is in them",
	  build_pipes, after_pipes, verify_pipes },
	{ "socketpairs", "unix sockets that are connected to each other",
	  build_socketpairs, after_socketpairs, verify_socketpairs },
	{ "full-pair", "the same with something on its way",
	  build_full_pair, after_full_pair, verify_full_pair },
	{ "shared-pipe", "a pipe and a counter that a process of the parent's has, too",
	  build_shared_pipe, NULL, verify_shared_pipe },
	{ "locks", "locks of all kinds on open files, given back as soon as there is a snapshot",
	  build_locks, give_back, verify_locks },
	{ "leased", "leases on files, open and mapped",
	  build_leased, NULL, verify_leased },
	{ "replaced-file", "a mapped file that another one of the same size and time replaces",
	  build_replaced, after_replaced, verify_replaced },
	{ "many-files", "thousands of descriptors, two for each file",
	  build_many, NULL, verify_many },
	{ "late", "descriptors that another process with the same ones makes meanwhile",
	  build_late, after_late, verify_late },
	{ 0 },
};
