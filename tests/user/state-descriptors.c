// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-descriptors.c - watches of inotify and pseudo-terminals, as the parent left them. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* ---- inotify ---- */

static int watching_fd, watching_copy, unwatching_fd, dir_watch, file_watch, once_watch, name_watch;

static void make_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && !close(fd));
}

static int new_watch(const char *name, uint32_t mask)
{
	int number = inotify_add_watch(watching_fd, name, mask);

	if (number < 0)
		FAIL("%s: %s", name, strerror(errno));
	return number;
}

/* Some numbers were given back meanwhile, and one watch was changed. */
static void build_inotify(void)
{
	char events[4096];
	union {
		struct file_handle header;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} handle = { .header = { .handle_bytes = MAX_HANDLE_SZ } };
	int mount;

	CHECK(!mkdir("watched", 0700) && !mkdir("watched/below it", 0700));
	make_file("watched/file");
	make_file("watched/other");
	make_file("watched/once");
	if (name_to_handle_at(AT_FDCWD, "watched/file", &handle.header, &mount, 0) && errno == EOPNOTSUPP)
		skipped("this file system has no handles by which a watched file could be found");
	CHECK(!symlink("nowhere", "watched/name"));
	watching_fd = inotify_init1(IN_NONBLOCK);
	CHECK(watching_fd >= 0);
	for (int i = 0; i < 40; i++)
		CHECK(!inotify_rm_watch(watching_fd, new_watch("watched/other", IN_OPEN)));
	file_watch = new_watch("watched/file", IN_OPEN);
	CHECK(!inotify_rm_watch(watching_fd, new_watch("watched/other", IN_OPEN)));
	dir_watch = new_watch("watched/below it", IN_CREATE | IN_DELETE | IN_ONLYDIR);
	once_watch = new_watch("watched/once", IN_ATTRIB | IN_ONESHOT);
	name_watch = new_watch("watched/name", IN_ATTRIB | IN_DONT_FOLLOW);
	CHECK(new_watch("watched/file", IN_MODIFY | IN_MASK_ADD) == file_watch);
	while (read(watching_fd, events, sizeof(events)) > 0)
		;
	watching_copy = fcntl(watching_fd, F_DUPFD_CLOEXEC, 60);
	unwatching_fd = inotify_init1(IN_CLOEXEC);
	CHECK(watching_copy == 60 && unwatching_fd >= 0);
}

static void after_inotify(void)
{
	CHECK(!inotify_rm_watch(watching_fd, file_watch) && inotify_add_watch(unwatching_fd, ".", IN_CREATE) == 1);
}

static void expect_event(int number, uint32_t mask, const char *name)
{
	union {
		struct inotify_event event;
		char bytes[sizeof(struct inotify_event) + 64];
	} e;
	ssize_t n = read(watching_copy, &e, sizeof(e.event) + (*name ? 16 : 0));

	CHECK_EQUAL(n, sizeof(e.event) + (*name ? 16 : 0));
	CHECK_EQUAL(e.event.wd, number);
	CHECK_EQUAL(e.event.mask, mask);
	CHECK(!*name || !strcmp(e.event.name, name));
}

static void verify_inotify(void)
{
	char byte[64];
	int fd;

	CHECK(fcntl(watching_fd, F_GETFL) & O_NONBLOCK && fcntl(watching_copy, F_GETFD) & FD_CLOEXEC);
	CHECK(read(watching_fd, byte, sizeof(byte)) == -1 && errno == EAGAIN);
	fd = open("watched/file", O_WRONLY);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && !close(fd));
	expect_event(file_watch, IN_OPEN, "");
	expect_event(file_watch, IN_MODIFY, "");
	make_file("watched/below it/child's");
	expect_event(dir_watch, IN_CREATE, "child's");
	CHECK(!unlink("watched/below it/child's"));
	expect_event(dir_watch, IN_DELETE, "child's");
	CHECK(!chmod("watched/once", 0640));
	expect_event(once_watch, IN_ATTRIB, "");
	expect_event(once_watch, IN_IGNORED, "");
	CHECK(!fchownat(AT_FDCWD, "watched/name", getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
	expect_event(name_watch, IN_ATTRIB, "");
	CHECK(read(watching_fd, byte, sizeof(byte)) == -1 && errno == EAGAIN);
	/* Of two that are equal it makes one. */
	CHECK(!inotify_rm_watch(watching_fd, dir_watch));
	expect_event(dir_watch, IN_IGNORED, "");
	CHECK(!(fcntl(unwatching_fd, F_GETFL) & O_NONBLOCK) && fcntl(unwatching_fd, F_GETFD) & FD_CLOEXEC);
	CHECK_EQUAL(inotify_add_watch(unwatching_fd, "watched", IN_CREATE), 1);
	make_file("watched/more");
	CHECK(read(unwatching_fd, byte, sizeof(byte)) > 0 && !unlink("watched/more"));
}

/* A file that is gone, and events that were not read. */
static void build_inotify_lost(void)
{
	CHECK(!mkdir("watched", 0700));
	make_file("gone");
	watching_fd = inotify_init1(IN_NONBLOCK);
	CHECK(watching_fd >= 0);
	file_watch = new_watch("gone", IN_OPEN);
	CHECK(open("gone", O_RDONLY) >= 0 && !unlink("gone"));
	dir_watch = new_watch("watched", IN_CREATE);
	make_file("watched/before");
	watching_copy = dup(watching_fd);
}

static void after_inotify_lost(void)
{
	char events[4096];

	CHECK(read(watching_fd, events, sizeof(events)) > 0);
}

static void verify_inotify_lost(void)
{
	char byte;

	CHECK(read(watching_fd, &byte, 1) == -1 && errno == EAGAIN);
	make_file("watched/child's");
	expect_event(dir_watch, IN_CREATE, "child's");
	CHECK(!unlink("watched/child's"));
}

/* ---- pseudo-terminals ---- */

static int master_fd, slave_fd, slave_copy, second_fd, left_master, new_master;

static int new_pty(bool unlocked)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY), free = 0;

	if (fd < 0)
		skipped("there are no pseudo-terminals");
	CHECK(!unlocked || !ioctl(fd, TIOCSPTLCK, &free));
	return fd;
}

static int slave_of(int master, int flags)
{
	char name[64];

	CHECK(!ptsname_r(master, name, sizeof(name)));
	return open(name, flags | O_NOCTTY);
}

static void build_ptys(void)
{
	const struct winsize size = { 33, 77, 5, 6 };
	struct termios modes;
	const int yes = 1;

	left_master = new_pty(true);
	CHECK(!close(slave_of(left_master, O_RDWR)));
	new_master = new_pty(false);
	master_fd = new_pty(true);
	slave_fd = slave_of(master_fd, O_RDWR);
	second_fd = slave_of(master_fd, O_RDONLY | O_NONBLOCK);
	CHECK(slave_fd >= 0 && second_fd >= 0);
	slave_copy = fcntl(slave_fd, F_DUPFD_CLOEXEC, 70);
	CHECK(!tcgetattr(slave_fd, &modes));
	cfmakeraw(&modes);
	modes.c_cc[VINTR] = 'x';
	modes.c_cc[VMIN] = 3;
	modes.c_iflag |= IXON;
	CHECK(!cfsetospeed(&modes, B9600) && !tcsetattr(slave_fd, TCSANOW, &modes));
	CHECK(!ioctl(slave_fd, TIOCSWINSZ, &size));
	CHECK(!ioctl(master_fd, TIOCPKT, &yes) && !fcntl(master_fd, F_SETFL, O_RDWR | O_NONBLOCK));
	/* One side of each: nobody else opens another of that. */
	CHECK(!ioctl(slave_copy, TIOCEXCL) && !ioctl(left_master, TIOCEXCL));
}

static bool is_exclusive(int fd)
{
	int is = -1;

	CHECK(!ioctl(fd, TIOCGEXCL, &is));
	return is;
}

static void after_ptys(void)
{
	const struct winsize other = { 1, 2, 3, 4 };
	struct termios modes;

	CHECK(!tcgetattr(slave_fd, &modes));
	modes.c_lflag |= ICANON | ECHO;
	CHECK(!tcsetattr(slave_fd, TCSANOW, &modes) && !ioctl(master_fd, TIOCSWINSZ, &other));
}

static void verify_ptys(void)
{
	struct termios modes;
	struct winsize size;
	int packets = 0, locked = 0;
	char text[16];
	ssize_t bytes;

	CHECK(!tcgetattr(slave_copy, &modes) && !ioctl(slave_copy, TIOCGWINSZ, &size));
	CHECK(!(modes.c_lflag & (ICANON | ECHO | ISIG)) && !(modes.c_oflag & OPOST) && modes.c_iflag & IXON);
	CHECK(modes.c_cc[VINTR] == 'x' && modes.c_cc[VMIN] == 3 && cfgetospeed(&modes) == B9600);
	CHECK(size.ws_row == 33 && size.ws_col == 77 && size.ws_xpixel == 5 && size.ws_ypixel == 6);
	CHECK(is_exclusive(slave_fd) && !is_exclusive(master_fd) && is_exclusive(left_master));
	CHECK(!ioctl(master_fd, TIOCGPKT, &packets) && packets);
	CHECK(fcntl(master_fd, F_GETFL) & O_NONBLOCK && !(fcntl(slave_fd, F_GETFL) & O_NONBLOCK));
	CHECK((fcntl(second_fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_RDONLY | O_NONBLOCK));
	CHECK(fcntl(slave_copy, F_GETFD) & FD_CLOEXEC);
	while (read(master_fd, text, sizeof(text)) > 0)
		;	/* of packet mode: what was set */
	CHECK(write(slave_fd, "up", 2) == 2);
	CHECK(poll(&(struct pollfd){ .fd = master_fd, .events = POLLIN }, 1, 20000) == 1);
	CHECK(read(master_fd, text, sizeof(text)) == 3 && !memcmp(text, "\0up", 3));
	CHECK(write(master_fd, "down", 4) == 4);
	CHECK(read(slave_copy, text, sizeof(text)) == 4 && !memcmp(text, "down", 4));
	CHECK(write(master_fd, "again", 5) == 5);
	CHECK(poll(&(struct pollfd){ .fd = second_fd, .events = POLLIN }, 1, 20000) == 1);
	CHECK(read(second_fd, text, sizeof(text)) == 5);
	CHECK(read(left_master, text, sizeof(text)) == -1 && errno == EIO);
	CHECK(!ioctl(new_master, TIOCGPTLCK, &locked) && locked);
	CHECK(slave_of(new_master, O_RDWR) == -1 && errno == EIO);
	locked = 0;
	CHECK(!ioctl(new_master, TIOCSPTLCK, &locked) && slave_of(new_master, O_RDWR) >= 0);
	CHECK(!close(slave_fd) && !close(slave_copy) && !close(second_fd));
	/*
	 * In packet mode a change of state may come first. The other side is gone a moment later
	 * if somebody just looked at it by way of /proc.
	 */
	do
		bytes = read(master_fd, text, sizeof(text));
	while (bytes > 0 ||
	       (bytes == -1 && errno == EAGAIN &&
		poll(&(struct pollfd){ .fd = master_fd, .events = POLLIN }, 1, 20000) == 1));
	CHECK(bytes == -1 && errno == EIO);
}

/* ---- locks on what is no regular file ---- */

static int locked_fds[7];

static void build_odd_locks(void)
{
	int pair[2], pipes[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && !pipe(pipes));
	locked_fds[0] = pair[0];
	locked_fds[1] = pipes[1];
	locked_fds[2] = socket(AF_INET, SOCK_STREAM, 0);
	locked_fds[3] = memfd_create("locked", 0);
	locked_fds[4] = slave_of(new_pty(true), O_RDWR);
	/* These two are the same in a child. */
	locked_fds[5] = open("/dev/zero", O_RDONLY);
	locked_fds[6] = open(".", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 7; i++)
		CHECK(locked_fds[i] >= 0 && !flock(locked_fds[i], LOCK_EX | LOCK_NB));
}

static void verify_odd_locks(void)
{
	for (int i = 0; i < 5; i++)
		CHECK(!flock(locked_fds[i], LOCK_EX | LOCK_NB));
	for (int i = 5; i < 7; i++)
		CHECK(flock(locked_fds[i], LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
}

/* Something is on its way in one; the other side of another one is a process's of its own. */
static void build_ptys_lost(void)
{
	master_fd = new_pty(true);
	slave_fd = slave_of(master_fd, O_RDWR);
	CHECK(slave_fd >= 0 && write(slave_fd, "lost", 4) == 4 && !flock(slave_fd, LOCK_EX));
	CHECK(poll(&(struct pollfd){ .fd = master_fd, .events = POLLIN }, 1, 20000) == 1);
	left_master = new_pty(true);
	second_fd = slave_of(left_master, O_RDWR);
	CHECK(second_fd >= 0);
	fork_keeping(second_fd);
	CHECK(!close(second_fd));
}

static void after_ptys_lost(void)
{
	char text[16];

	CHECK(read(master_fd, text, sizeof(text)) == 4);
}

static void verify_ptys_lost(void)
{
	char text[16];

	CHECK(write(slave_fd, "kept", 4) == 4);
	CHECK(read(master_fd, text, sizeof(text)) == 4 && !memcmp(text, "kept", 4));
	CHECK(read(left_master, text, sizeof(text)) == -1 && errno == EIO);
}

/* ---- the process's own terminal ---- */

static int tty_fd, high_fd;
static volatile sig_atomic_t resized;

static void note_resize(int signo)
{
	resized = 1;
}

static void build_terminal(void)
{
	struct termios modes;

	CHECK(!tcgetattr(0, &modes) && signal(SIGWINCH, note_resize) != SIG_ERR);
	modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	modes.c_cc[VMIN] = 7;
	modes.c_cc[VQUIT] = 'q';
	CHECK(!tcsetattr(0, TCSANOW, &modes));
	tty_fd = open("/dev/tty", O_RDWR | O_NONBLOCK);
	high_fd = fcntl(0, F_DUPFD_CLOEXEC, 200);
	CHECK(tty_fd >= 0 && high_fd == 200);
}

static void after_terminal(void)
{
	struct termios modes;

	CHECK(!tcgetattr(0, &modes));
	modes.c_lflag |= ICANON | ECHO;
	CHECK(!tcsetattr(0, TCSANOW, &modes));
}

static void verify_terminal(void)
{
	struct stat standard, high;
	struct termios modes;

	CHECK(!tcgetattr(0, &modes) && modes.c_lflag & ISIG && !(modes.c_lflag & (ICANON | ECHO)));
	CHECK(modes.c_cc[VMIN] == 7 && modes.c_cc[VQUIT] == 'q');
	CHECK(isatty(tty_fd) && fcntl(tty_fd, F_GETFL) & O_NONBLOCK);
	CHECK(!fstat(0, &standard) && !fstat(high_fd, &high) && standard.st_rdev == high.st_rdev);
	CHECK(fcntl(high_fd, F_GETFD) & FD_CLOEXEC && write(high_fd, "here\n", 5) == 5);
	for (int i = 0; i < 5000 && !resized; i++)
		usleep(1000);
	CHECK(resized);
	while (!access("stay", F_OK))
		usleep(1000);
}

const struct state descriptor_states[] = {
	{ "inotify", "files that are watched, under numbers with gaps",
	  build_inotify, after_inotify, verify_inotify },
	{ "inotify-lost", "a watched file that is gone, and events that were not read",
	  build_inotify_lost, after_inotify_lost, verify_inotify_lost },
	{ "ptys", "pseudo-terminals with both sides here, one that was left and one that nobody had yet",
	  build_ptys, after_ptys, verify_ptys },
	{ "odd-locks", "locks on sockets, pipes, directories and the like, which the parent has",
	  build_odd_locks, NULL, verify_odd_locks },
	{ "ptys-lost", "pseudo-terminals with something on its way, and with a side elsewhere",
	  build_ptys_lost, after_ptys_lost, verify_ptys_lost },
	{ "tty", "the terminal that the process has, in the modes that it has set",
	  build_terminal, after_terminal, verify_terminal },
	{ 0 },
};
