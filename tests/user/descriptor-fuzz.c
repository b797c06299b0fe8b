// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * descriptor-fuzz.c - opens, copies, fills and closes random descriptors of all kinds, and shows what
 * it has; a child of it must show the same.
 *
 *	descriptor-fuzz SEED [THREADS]
 *
 * It writes its view into the file "view", prepares itself, and prints the reference; a child writes
 * its own to standard output. With MITOSIS_TEST_BY_PID somebody else takes the snapshot, and the line
 * that it waits for comes from who did: a child reads /dev/null.
 */
#include "mitosis.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#define FDS 256				/* no higher number is used */

static uint64_t state;

static unsigned int below(unsigned int n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(state >> 33) % n;
}

static void die(const char *what)
{
	fprintf(stderr, "descriptor-fuzz: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what it has ---- */

/* An open one, or -1. */
static int any(void)
{
	for (int tries = 0; tries < 200; tries++) {
		int fd = 3 + (int)below(FDS - 3);

		if (fcntl(fd, F_GETFD) >= 0)
			return fd;
	}
	return -1;
}

static bool is(int fd, const char *kind)
{
	char link[40], text[128];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return !strncmp(text, kind, strlen(kind));
}

static void new_file(void)
{
	char name[32], bytes[3000];
	int fd;

	snprintf(name, sizeof(name), "file %u", below(6));
	fd = open(name, O_RDWR | O_CREAT | (below(4) ? 0 : O_APPEND) | (below(4) ? 0 : O_CLOEXEC), 0600);
	memset(bytes, 'a' + (int)below(26), sizeof(bytes));
	if (fd >= 0 && below(2) && write(fd, bytes, below(sizeof(bytes))) < 0)
		die(name);
	if (fd >= 0 && !below(6))
		(void)!dup2(open(name, below(2) ? O_PATH : O_RDONLY), fd);
}

static void new_unnamed(void)
{
	int fd = below(2) ? memfd_create("fuzz", MFD_ALLOW_SEALING | (below(2) ? MFD_CLOEXEC : 0)) :
			    open("to be deleted", O_RDWR | O_CREAT | O_EXCL, 0640);

	if (fd < 0)
		die("a file without a name");
	unlink("to be deleted");
	if (ftruncate(fd, below(20000)) || pwrite(fd, "somewhere", 9, below(9000)) != 9)
		die("a file without a name");
	if (!below(3))
		fcntl(fd, F_ADD_SEALS, below(2) ? F_SEAL_GROW : F_SEAL_SHRINK | F_SEAL_SEAL);
}

static void new_pipe(void)
{
	char bytes[5000];
	int ends[2];

	if (pipe2(ends, (below(2) ? O_NONBLOCK : 0) | (below(2) ? O_CLOEXEC : 0)))
		die("pipe");
	memset(bytes, 'p', sizeof(bytes));
	if (!below(3) && fcntl(ends[0], F_SETPIPE_SZ, 4096 << below(4)) < 0)
		die("the size of a pipe");
	if (!below(2) && write(ends[1], bytes, 1 + below(4000)) < 0)
		die("a pipe");
	if (!below(5))
		close(ends[below(2)]);
}

static void new_pair(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int ends[2];

	if (socketpair(AF_UNIX, types[below(3)] | (below(2) ? SOCK_NONBLOCK : 0), 0, ends))
		die("socketpair");
	if (!below(5) && write(ends[0], "on its way", 10) != 10)
		die("a pair");
	if (!below(5))
		close(ends[below(2)]);
}

static void new_socket(void)
{
	int type = below(2) ? SOCK_STREAM : SOCK_DGRAM,
	    fd = socket(below(2) ? AF_INET : AF_INET6, type | (below(2) ? SOCK_NONBLOCK : 0), 0);
	const int one = 1;

	if (fd >= 0 && below(2))
		setsockopt(fd, SOL_SOCKET, below(2) ? SO_REUSEADDR : SO_KEEPALIVE, &one, sizeof(one));
}

static void new_timer(void)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	int fd = timerfd_create(clocks[below(3)], below(2) ? TFD_NONBLOCK : TFD_CLOEXEC);
	struct itimerspec spec = { .it_value.tv_sec = 3000, .it_interval.tv_sec = below(2) ? 500 : 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	switch (below(3)) {
	case 0:
		return;
	case 1:
		spec.it_value = (struct timespec){ 0, 1 };
		timerfd_settime(fd, 0, &spec, NULL);
		poll(&p, 1, 1000);
		return;
	}
	timerfd_settime(fd, 0, &spec, NULL);
}

static void new_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < 5; i++)
		sigaddset(&set, 40 + (int)below(20));
	if (signalfd(-1, &set, below(2) ? SFD_NONBLOCK : SFD_CLOEXEC) < 0)
		die("signalfd");
}

static void new_pty(void)
{
	struct winsize size = { (unsigned short)below(99), (unsigned short)below(99), 0, 0 };
	int fd = posix_openpt(O_RDWR | O_NOCTTY), zero = 0, one = 1, slave;
	struct termios modes;
	char name[64];

	if (fd < 0)
		return;
	ioctl(fd, TIOCSPTLCK, &zero);
	ptsname_r(fd, name, sizeof(name));
	slave = open(name, O_RDWR | O_NOCTTY | (below(2) ? O_NONBLOCK : 0));
	if (slave < 0 || tcgetattr(slave, &modes))
		die(name);
	modes.c_lflag ^= below(2) ? ECHO : ICANON;
	modes.c_cc[VMIN] = (cc_t)below(9);
	tcsetattr(slave, TCSANOW, &modes);
	ioctl(slave, TIOCSWINSZ, &size);
	if (!below(3))
		ioctl(fd, TIOCPKT, &one);
	if (!below(4))
		close(slave);
}

static void more(void)
{
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/urandom", "/", ".", "/proc/self" };
	struct epoll_event e = { .events = EPOLLIN | (below(2) ? EPOLLET : 0), .data.u64 = below(1000) };
	int fd = any(), other = any();
	char name[32];

	switch (below(21)) {
	case 0: case 1: new_file(); break;
	case 2: new_unnamed(); break;
	case 3: new_pipe(); break;
	case 4: new_pair(); break;
	case 5: new_socket(); break;
	case 6: new_timer(); break;
	case 7: new_signals(); break;
	case 8: new_pty(); break;
	case 9: (void)!open(names[below(6)], below(4) ? O_RDONLY : O_PATH | O_CLOEXEC); break;
	case 10: eventfd(below(1000), below(2) ? EFD_NONBLOCK : 0); break;
	case 11: epoll_create1(below(2) ? EPOLL_CLOEXEC : 0); break;
	case 12: inotify_init1(below(2) ? IN_NONBLOCK : IN_CLOEXEC); break;
	case 13: case 14:
		for (int i = 0; i < FDS && fd >= 0 && !is(fd, "anon_inode:[eventpoll]"); i++)
			fd = any();
		/* No circles. */
		if (!is(other, "anon_inode:[eventpoll]"))
			epoll_ctl(fd, below(5) ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, other, &e);
		break;
	case 15:
		for (int i = 0; i < FDS && fd >= 0 && !is(fd, "anon_inode:inotify"); i++)
			fd = any();
		snprintf(name, sizeof(name), "dir %u", below(4));
		mkdir(name, 0700);
		if (is(fd, "anon_inode:inotify") && below(3))
			inotify_add_watch(fd, name, 1u << below(12));
		else if (is(fd, "anon_inode:inotify"))
			inotify_rm_watch(fd, 1 + (int)below(5));
		break;
	case 16: if (fd >= 0) dup(fd); break;
	case 17: if (fd >= 0) dup3(fd, 3 + (int)below(FDS - 3), below(2) ? O_CLOEXEC : 0); break;
	case 18: if (fd >= 0) close(fd); break;
	case 19: if (fd >= 0) lseek(fd, below(4000), SEEK_SET); break;
	case 20: if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) ^ O_NONBLOCK); break;
	}
}

/* ---- its view ---- */

static FILE *out;

static void show_fdinfo(int fd, const char *const words[])
{
	char name[48], line[512];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; words[i]; i++) {
			/* Where it lies is another host's or an anonymous file's affair. */
			char *end = strstr(line, " pos:");

			if (strncmp(line, words[i], strlen(words[i])))
				continue;
			if (end)
				*end = '\0';
			end = strstr(line, " ino:");
			if (end && !strncmp(line, "inotify", 7)) {
				char *mask = strstr(end, " mask:"), *rest = mask ? strstr(mask, " ignored") : NULL;

				if (rest)
					*rest = '\0';
				if (mask)
					memmove(end, mask, strlen(mask) + 1);
			}
			fprintf(out, " [%s]", line);
		}
	}
	if (f)
		fclose(f);
}

static void show_bytes(int fd)
{
	unsigned long long hash = 5381;
	char bytes[4096], name[40];
	ssize_t n;
	int own;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	own = open(name, O_RDONLY | O_CLOEXEC);
	while (own >= 0 && (n = read(own, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++)
			hash = hash * 33 + (unsigned char)bytes[i];
	close(own);
	fprintf(out, " content=%llx", hash);
}

static void show_terminal(int fd)
{
	struct termios modes;
	struct winsize size;
	int packets = -1, number;

	if (tcgetattr(fd, &modes))
		return;
	ioctl(fd, TIOCGWINSZ, &size);
	ioctl(fd, TIOCGPKT, &packets);
	fprintf(out, " %s %x %x %x min=%d %dx%d", ioctl(fd, TIOCGPTN, &number) ? "slave" : "master",
		modes.c_iflag, modes.c_oflag, modes.c_lflag, modes.c_cc[VMIN], size.ws_row, size.ws_col);
	if (packets >= 0)
		fprintf(out, " packets=%d", packets);
}

static void show_socket(int fd)
{
	static const int options[] = { SO_DOMAIN, SO_TYPE, SO_ACCEPTCONN, SO_REUSEADDR, SO_KEEPALIVE, SO_SNDBUF };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		socklen_t length = sizeof(int);
		int value = -1;

		getsockopt(fd, SOL_SOCKET, options[i], &value, &length);
		fprintf(out, " %d", value);
	}
}

/* What is one file, by the first number of it. */
static int first_of(int fd, uint64_t inode)
{
	for (int i = 3; i < fd; i++) {
		struct stat st;

		if (!fstat(i, &st) && st.st_ino == inode && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
			return i;
	}
	return fd;
}

static void show(int fd)
{
	static const char *const words[] = {
		"eventfd-count:", "eventfd-semaphore:", "sigmask:", "tfd:", "inotify", "clockid:", "ticks:",
		"it_interval:", NULL,
	};
	int flags = fcntl(fd, F_GETFL), same = fd, bytes = 0, self = getpid();
	char link[40], text[256];
	struct stat st;
	ssize_t n;

	for (int i = 3; i < fd && same == fd; i++)
		if (fcntl(i, F_GETFD) >= 0 && !syscall(SYS_kcmp, self, self, KCMP_FILE, fd, i))
			same = i;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	fstat(fd, &st);
	/* The name of what has none, and numbers of kernel objects are others. */
	if (strchr(text, ':') && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		text[strcspn(text, ":")] = '\0';
	if (!strncmp(text, "/dev/pts/", 9) && strcmp(text, "/dev/pts/ptmx"))
		strcpy(text, "/dev/pts");
	if (S_ISREG(st.st_mode) && !st.st_nlink)
		strcpy(text, "without a name");
	if (!strncmp(text, "/proc/", 6))
		strcpy(text, "/proc");
	/* O_LARGEFILE, which the C library does not show, says nothing. */
	flags &= ~0100000;
	fprintf(out, "%d same=%d cloexec=%d flags=%o mode=%o %s", fd, same, fcntl(fd, F_GETFD), flags,
		st.st_mode & (S_ISFIFO(st.st_mode) ? S_IFMT : 0177777), text);
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		fprintf(out, " first=%d", first_of(fd, st.st_ino));
	if (S_ISFIFO(st.st_mode) && !ioctl(fd, FIONREAD, &bytes))
		fprintf(out, " bytes=%d room=%d", bytes, fcntl(fd, F_GETPIPE_SZ));
	if (!(flags & O_PATH) && !strncmp(text, "/dev/", 5) && S_ISCHR(st.st_mode))
		show_terminal(fd);
	if (S_ISREG(st.st_mode)) {
		fprintf(out, " at=%lld size=%lld seals=%x", (long long)lseek(fd, 0, SEEK_CUR), (long long)st.st_size,
			!st.st_nlink && strstr(text, "without") ? 0 : fcntl(fd, F_GET_SEALS));
		if (!st.st_nlink)
			fprintf(out, " permissions=%o", st.st_mode & 07777);
		if (!(flags & O_PATH))
			show_bytes(fd);
	}
	if (S_ISSOCK(st.st_mode))
		show_socket(fd);
	if (!(st.st_mode & S_IFMT))
		show_fdinfo(fd, words);
	fprintf(out, "\n");
}

static void show_all(void)
{
	for (int fd = 3; fd < FDS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			show(fd);
	fflush(out);
}

static void *rest(void *data)
{
	for (;;)
		pause();
	return data;
}

int main(int argc, char **argv)
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	bool by_pid = getenv("MITOSIS_TEST_BY_PID");
	char ref[MITOSIS_REF_MAX] = "goes on", c;
	int ret = 0, view;
	unsigned int steps;

	if (argc < 2)
		return 99;
	state = strtoull(argv[1], NULL, 10);
	close_range(3, ~0U, 0);
	for (int i = 1; argc > 2 && i < atoi(argv[2]); i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, rest, NULL))
			die("pthread_create");
	}
	steps = 20 + below(150);
	for (unsigned int i = 0; i < steps; i++)
		more();
	/* Out of the way. */
	close_range(FDS, ~0U, 0);
	view = open("view", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	out = fdopen(fcntl(view, F_DUPFD_CLOEXEC, FDS), "w");
	close(view);
	if (!out)
		die("view");
	show_all();
	fclose(out);
	out = stdout;
	args.engine = getenv("MITOSIS_TEST_ENGINE");
	if (by_pid) {
		printf("waiting\n");
		fflush(stdout);
		while ((ret = (int)read(0, &c, 1)) < 0 && errno == EINTR)
			;
		ret = !ret;
	} else {
		ret = mitosis_prepare(&args, ref);
	}
	if (ret < 0) {
		fprintf(stderr, "descriptor-fuzz: %s\n", strerror(-ret));
		return 1;
	}
	if (ret) {
		show_all();
		return 0;
	}
	printf("%s\n", ref);
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
