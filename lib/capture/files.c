// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * files.c - open files at the instant, of this process or of another one, with nothing but system
 * calls: what is open is shared with the copy, and is somewhere else, or empty, or unlocked a
 * moment later.
 */
#include "capture/capture.h"
#include "capture/fdinfo.h"
#include "pie/numbers.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* A line that only files of some kind have is kept, for the file of that kind in state/files/. */
static void keep_line(struct capture *c, struct capture_position *p, const char *line,
		      uint32_t bytes)
{
	char *to = (char *)c->texts + c->texts_used;

	if (p->text == CAPTURE_TEXT_LOST)
		return;
	if (bytes + 2 > CAPTURE_TEXTS - c->texts_used) {
		c->texts_used = p->text ? p->text : c->texts_used;
		p->text = CAPTURE_TEXT_LOST;
		return;
	}
	if (!p->text)
		p->text = c->texts_used;
	memcpy(to, line, bytes);
	to[bytes] = '\n';
	c->texts_used += bytes + 1;
}

static void note_line(struct capture *c, struct capture_position *p, const char *line,
		      uint32_t bytes)
{
	if (!fdinfo_is_common(line))
		keep_line(c, p, line, bytes);
	else
		p->locks |= fdinfo_lock(line);
}

/*
 * /proc/self/fdinfo/NAME has lines of some 60 bytes; any number of them, where there are many
 * locks.
 */
static int note_fdinfo(struct capture *c, struct capture_position *p, long fdinfo, const char *name)
{
	long fd = sys(SYS_openat, fdinfo, name, O_RDONLY | O_CLOEXEC), n;
	uint32_t used = 0;
	char text[2048];

	if (fd < 0) {
		/* Another process with the same descriptors has closed it since. */
		p->text = CAPTURE_TEXT_LOST;
		return fd == -ENOENT ? 0 : (int)fd;
	}
	while ((n = sys(SYS_read, fd, text + used, sizeof(text) - used)) > 0) {
		uint32_t begin = 0;

		used += (uint32_t)n;
		for (uint32_t i = 0; i < used; i++) {
			if (text[i] != '\n')
				continue;
			text[i] = '\0';
			note_line(c, p, text + begin, i - begin);
			begin = i + 1;
		}
		used -= begin;
		memmove(text, text + begin, used);
		if (used == sizeof(text)) {
			/* No kernel writes such a line. */
			p->text = CAPTURE_TEXT_LOST;
			used = 0;
		}
	}
	sys(SYS_close, fd);
	if (p->text && p->text != CAPTURE_TEXT_LOST)
		((char *)c->texts)[c->texts_used++] = '\0';
	return (int)n;
}

/* A descriptor of ours for one of the process's: the same where it is this one. */
static int borrow(int pidfd, int fd)
{
	return pidfd < 0 ? fd : (int)sys(SYS_pidfd_getfd, pidfd, fd, 0);
}

static void give_back(int pidfd, int fd)
{
	if (pidfd >= 0)
		sys(SYS_close, fd);
}

/*
 * What is in a pipe the parent may have read a moment later. An empty one is that, as far as it is
 * known then. ours: our descriptor for fd.
 */
static void note_pipe(struct capture *c, int fd, int ours, uint64_t inode, int bytes)
{
	struct capture_pipe *p;
	long flags;

	for (p = c->pipes; p < c->pipes + c->pipe_count && p->inode != inode; p++)
		;
	if (p == c->pipes + CAPTURE_PIPES_MAX) {
		c->pipes_lost = 1;
		return;
	}
	if (p == c->pipes + c->pipe_count) {
		*p = (struct capture_pipe){
			.inode = inode, .bytes = (uint32_t)bytes, .fd = -1, .copy_fd = -1
		};
		c->pipe_count++;
	}
	flags = sys(SYS_fcntl, ours, F_GETFL) & O_ACCMODE;
	p->ends |= flags == O_RDONLY ? 1 : flags == O_WRONLY ? 2 : 3;
	if (flags != O_WRONLY)
		p->fd = fd;
}

static int socket_option(int ours, int option)
{
	socklen_t length = sizeof(int);
	int value;

	return sys(SYS_getsockopt, ours, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

/* 0: it has none, or one that is too long, and is none of those that are carried. */
static uint8_t socket_address(int ours, long call, char address[CAPTURE_ADDRESS_MAX])
{
	socklen_t length = CAPTURE_ADDRESS_MAX;

	if (sys(call, ours, address, &length) < 0 || length > CAPTURE_ADDRESS_MAX)
		return 0;
	return (uint8_t)length;
}

/* A connection that has ended keeps the number of its port, which is no name that it was given. */
static bool has_ended(int ours)
{
	struct pollfd p = { .fd = ours, .events = POLLRDHUP };
	const struct timespec now = { 0, 0 };

	return sys(SYS_ppoll, &p, 1, &now, 0, 0) == 1 && p.revents & POLLRDHUP;
}

/* A stream that is on its way up or down is a connection, too, though it has no peer's address. */
static uint8_t is_connection(int ours, int domain, int type, char peer[CAPTURE_ADDRESS_MAX],
			     uint8_t *peer_bytes)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	*peer_bytes = 0;
	memset(&info, 0, sizeof(info));
	if (domain != AF_UNIX && type == SOCK_STREAM &&
	    sys(SYS_getsockopt, ours, IPPROTO_TCP, TCP_INFO, &info, &length) >= 0 &&
	    info.tcpi_state)
		return info.tcpi_state != 7 /* TCP_CLOSE */ ? CAPTURE_CONNECTED :
		       has_ended(ours) ? CAPTURE_ENDED : 0;
	*peer_bytes = socket_address(ours, SYS_getpeername, peer);
	return *peer_bytes ? CAPTURE_CONNECTED : 0;
}

static void note_socket(struct capture *c, struct capture_position *p, int ours, bool waiting)
{
	struct {
		struct capture_socket s;
		char addresses[2 * CAPTURE_ADDRESS_MAX];
	} note = {
		.s.listens = socket_option(ours, SO_ACCEPTCONN) == 1,
		.s.waiting = waiting,
	};
	int domain = socket_option(ours, SO_DOMAIN), type = socket_option(ours, SO_TYPE);
	char peer[CAPTURE_ADDRESS_MAX];
	uint32_t bytes = sizeof(note.s);

	if (!note.s.listens)
		note.s.connected = is_connection(ours, domain, type, peer, &note.s.peer_bytes);
	if (note.s.connected && (type == SOCK_STREAM || type == SOCK_SEQPACKET)) {
		note.s.peer_bytes = 0;
	} else {
		note.s.name_bytes = socket_address(ours, SYS_getsockname, note.addresses);
		memcpy(note.addresses + note.s.name_bytes, peer, note.s.peer_bytes);
		bytes += note.s.name_bytes + (uint32_t)note.s.peer_bytes;
	}
	if (bytes > CAPTURE_TEXTS - c->texts_used) {
		p->text = CAPTURE_TEXT_LOST;
		return;
	}
	p->text = c->texts_used;
	memcpy((char *)c->texts + c->texts_used, &note, bytes);
	c->texts_used += bytes;
}

static void note_waiting(struct capture *c, int ours, uint64_t inode)
{
	if (socket_option(ours, SO_DOMAIN) != AF_UNIX)
		return;
	if (c->socket_count == CAPTURE_PIPES_MAX)
		c->sockets_lost = 1;
	else
		c->sockets[c->socket_count++] = inode;
}

static bool terminal_has(int ours, unsigned long question)
{
	int value = 0;

	return sys(SYS_ioctl, ours, question, &value) >= 0 && value;
}

static void note_terminal(struct capture *c, struct capture_position *p, int ours,
			  struct capture_terminal *t)
{
	struct pollfd other = { .fd = ours };
	const struct timespec now = { 0, 0 };
	struct winsize size = { 0 };
	int bytes;

	t->flags = CAPTURE_TERMINAL |
		   (terminal_has(ours, TIOCGPKT) ? CAPTURE_TERMINAL_PACKETS : 0) |
		   (terminal_has(ours, TIOCGPTLCK) ? CAPTURE_TERMINAL_LOCKED : 0) |
		   (terminal_has(ours, TIOCGEXCL) ? CAPTURE_TERMINAL_EXCLUSIVE : 0);
	if (sys(SYS_ppoll, &other, 1, &now, 0, 0) == 1 && other.revents & POLLHUP)
		t->flags |= CAPTURE_TERMINAL_LEFT;
	if (sys(SYS_ioctl, ours, FIONREAD, &bytes) >= 0 && bytes > 0)
		t->unread = (uint32_t)bytes;
	if (sys(SYS_ioctl, ours, TIOCGWINSZ, &size) >= 0) {
		t->rows = size.ws_row;
		t->columns = size.ws_col;
		t->width = size.ws_xpixel;
		t->height = size.ws_ypixel;
	}
	if (sizeof(*t) > CAPTURE_TEXTS - c->texts_used) {
		p->text = CAPTURE_TEXT_LOST;
		return;
	}
	p->text = c->texts_used;
	memcpy((char *)c->texts + c->texts_used, t, sizeof(*t));
	c->texts_used += (uint32_t)sizeof(*t);
}

static bool is_ring(int ours)
{
	static const char ring[] = "anon_inode:[io_uring]";
	char name[40] = "/proc/self/fd/", link[sizeof(ring)], digits[12];
	size_t n = 0, length = strlen(name);

	do
		digits[n++] = (char)('0' + ours % 10);
	while (ours /= 10);
	while (n)
		name[length++] = digits[--n];
	name[length] = '\0';
	return sys(SYS_readlinkat, AT_FDCWD, name, link, sizeof(link)) == sizeof(ring) - 1 &&
	       !memcmp(link, ring, sizeof(ring) - 1);
}

/* 0 or -errno; sockets and terminals have a place among the positions. */
static int note_stream(struct capture *c, int fd, int ours)
{
	struct capture_position *p = (struct capture_position *)c->positions + c->position_count;
	struct capture_terminal terminal = { 0 };
	struct stat st;
	bool is_terminal;
	int bytes;

	if (sys(SYS_fstat, ours, &st) < 0)
		return 0;
	if (!(st.st_mode & S_IFMT) && is_ring(ours)) {
		/* It is looked at with the memory that the copy shares. */
		c->rings |= CAPTURE_RINGS;
		c->has_nameless = 1;
	}
	is_terminal = S_ISCHR(st.st_mode) && sys(SYS_ioctl, ours, TCGETS2, terminal.modes) >= 0;
	if (!is_terminal && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return 0;
	if (sys(SYS_ioctl, ours, FIONREAD, &bytes) < 0)
		bytes = 0;
	if (S_ISFIFO(st.st_mode)) {
		if (bytes > 0)
			note_pipe(c, fd, ours, st.st_ino, bytes);
		return 0;
	}
	if (S_ISSOCK(st.st_mode) && bytes > 0)
		note_waiting(c, ours, st.st_ino);
	if (c->position_count == CAPTURE_FDS_MAX)
		return -ENFILE;
	*p = (struct capture_position){ .fd = (uint32_t)fd };
	c->position_count++;
	if (is_terminal)
		note_terminal(c, p, ours, &terminal);
	else
		note_socket(c, p, ours, bytes > 0);
	return 0;
}

/* The bytes stay in the pipe that they are in: tee(2). */
static void copy_pipe(struct capture_pipe *p, int pidfd)
{
	int ours = borrow(pidfd, p->fd), ends[2];
	long n;

	if (ours < 0)
		return;
	if (sys(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) >= 0) {
		sys(SYS_fcntl, ends[1], F_SETPIPE_SZ, sys(SYS_fcntl, ours, F_GETPIPE_SZ));
		n = sys(SYS_tee, ours, ends[1], p->bytes, SPLICE_F_NONBLOCK);
		sys(SYS_close, ends[1]);
		if (n == (long)p->bytes)
			p->copy_fd = ends[0];
		else
			sys(SYS_close, ends[0]);
	}
	give_back(pidfd, ours);
}

static int bytes_unread(int ours)
{
	int bytes;

	return sys(SYS_ioctl, ours, FIONREAD, &bytes) < 0 ? 0 : bytes;
}

/* As if fdinfo had told: "unread:	48". */
static void note_unread(struct capture *c, struct capture_position *p, int bytes)
{
	char line[24] = "unread:\t", *end = line + sizeof(line);
	uint32_t length = sizeof("unread:\t") - 1;

	for (int n = bytes; n; n /= 10)
		*--end = (char)('0' + n % 10);
	memmove(line + length, end, (size_t)(line + sizeof(line) - end));
	keep_line(c, p, line, length + (uint32_t)(line + sizeof(line) - end));
}

static int note_file(struct capture *c, int pidfd, long fdinfo, const char *name, int fd)
{
	struct capture_position *p = (struct capture_position *)c->positions + c->position_count;
	int ours = borrow(pidfd, fd);
	struct stat st;
	long position;
	int err = 0, unread = 0;

	/*
	 * Of another process's it may be none, where that has just been closed by a process that
	 * shares them.
	 */
	if (ours < 0)
		return ours == -EBADF ? 0 : ours;
	/* What cannot be sought in has no position; a directory has. */
	position = sys(SYS_lseek, ours, 0, SEEK_CUR);
	if (position == -ESPIPE)
		err = note_stream(c, fd, ours);
	else if (sys(SYS_fstat, ours, &st))
		;	/* as of a file server that has gone: what it is the shadow will find */
	else if (S_ISREG(st.st_mode) && !st.st_nlink)
		c->has_nameless = 1;
	else if (position >= 0 && !(st.st_mode & S_IFMT))
		unread = bytes_unread(ours);
	give_back(pidfd, ours);
	if (position < 0)
		return err;
	if (c->position_count == CAPTURE_FDS_MAX)
		return -ENFILE;
	*p = (struct capture_position){ .fd = (uint32_t)fd, .position = (uint64_t)position };
	c->position_count++;
	if (unread)
		note_unread(c, p, unread);
	return note_fdinfo(c, p, fdinfo, name);
}

static int note_files(struct capture *c, int pidfd, struct numbers *list, long fdinfo)
{
	int fd, err = 0;

	while (!err && (fd = numbers_next(list)) >= 0)
		if (pidfd >= 0 || (fd != list->fd && fd != fdinfo))
			err = note_file(c, pidfd, fdinfo, list->name, fd);
	if (err || list->err)
		return err ? err : list->err;
	for (uint32_t i = 0; i < c->pipe_count; i++)
		if (c->pipes[i].ends == 3)
			copy_pipe(&c->pipes[i], pidfd);
	return 0;
}

int capture_files(struct capture *c, const char *proc, int pidfd, void *room)
{
	const size_t length = strlen(proc);
	struct numbers list;
	char path[64];
	long fdinfo;
	int err;

	c->positions = room;
	c->position_count = 0;
	c->texts = (char *)room + CAPTURE_FDS_MAX * sizeof(struct capture_position);
	c->texts_used = 1;	/* offset 0 is "" */
	c->pipe_count = 0;
	c->pipes_lost = 0;
	c->socket_count = 0;
	c->sockets_lost = 0;
	c->has_nameless = 0;
	c->rings = 0;
	if (length > sizeof(path) - sizeof("/fdinfo"))
		return -ENAMETOOLONG;
	memcpy(path, proc, length);
	memcpy(path + length, "/fd", sizeof("/fd"));
	err = numbers_open(&list, path);
	if (err)
		return err;
	memcpy(path + length, "/fdinfo", sizeof("/fdinfo"));
	fdinfo = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fdinfo < 0 ? (int)fdinfo : note_files(c, pidfd, &list, fdinfo);
	numbers_close(&list);
	if (fdinfo >= 0)
		sys(SYS_close, fdinfo);
	return err;
}
