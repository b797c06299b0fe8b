// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * enclosure.c - the namespaces that a child gets of its own, so that numbers mean what they meant.
 *
 * A process or thread can be given a certain number only where that is free: in a new namespace of
 * process ids, whose process 1 has to be there first, and with a /proc that shows it. Who may not
 * make one gets it in a user namespace.
 *
 *	supervisor ── helper		makes the namespaces, then the child, and ends
 *	    ├── init			process 1: mounts /proc, then waits for orphans
 *	    └── child			with its parent's number
 *
 * Only who has entered the namespaces can make processes in them, and the supervisor stays outside,
 * where whoever started it sees and signals it. So a helper does it; with CLONE_PARENT what it
 * makes is the supervisor's. Thus the supervisor hears of all that happens to the child as of any
 * other, and init has no part in it: it ends by the supervisor's hand when the child has ended, or
 * by the kernel's when the supervisor has. The kernel ends with it what is left in the namespace,
 * and the namespaces end with their last process. A parent that was process 1 itself has a child
 * that is: then that process is not made twice.
 *
 * A network is there already (network.c), and is entered first; the one of users that it belongs to
 * is the others', too.
 */
#include "restore/enclosure.h"
#include "private/namespaces.h"
#include "private/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pie/numbers.h"
#include "sys.h"

/* What the helper, or process 1, says: how far it has come. */
struct report {
	int32_t error;			/* 0: it is done, and the rest holds */
	int32_t pid;
	char kinds[16]; /* of namespaces that were refused; "": something else was */
	char what[64];			/* then */
};

static void tell(int fd, const struct report *r)
{
	if (send(fd, r, sizeof(*r), MSG_NOSIGNAL) != (ssize_t)sizeof(*r))
		_exit(125);
}

static __attribute__((noreturn)) void refuse(int fd, const char *kinds, const char *what, int err)
{
	struct report r = { .error = -err };

	strcpy(r.kinds, kinds);
	strcpy(r.what, what);
	tell(fd, &r);
	_exit(125);
}

/* False: whoever sends them has ended. */
static bool hear(int fd, struct report *r)
{
	ssize_t n;

	do {
		n = recv(fd, r, sizeof(*r), 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*r);
}

/* ---- process 1 ---- */

/* A user namespace may have one with no more than is set of the one that it sees. */
static int mount_proc(const char *at)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (!mount("proc", at, "proc", flags, NULL) ||
	    (errno == EPERM && !mount("proc", at, "proc", flags | MS_RDONLY, NULL)))
		return 0;
	return -errno;
}

/* The one at a child's root directory, where it has another than we. */
static int mount_proc_in(int root)
{
	char link[32], path[PATH_MAX + 8];
	struct statfs fs;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	n = readlink(link, path, PATH_MAX);
	if (n < 0)
		return -errno;
	strcpy(path + n, "/proc");
	return statfs(path, &fs) || fs.f_type != PROC_SUPER_MAGIC ? 0 : mount_proc(path);
}

/* What is mounted on the host is to be mounted here, but not the other way round. */
static int keep_mounts(void)
{
	if (!mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return 0;
	/* The root directory is no mount point: chroot(2). */
	return errno == EINVAL && !mount(NULL, "/proc", NULL, MS_SLAVE, NULL) ? 0 : -errno;
}

static void set_up(const struct enclosure *e, int fd)
{
	struct report done = { .pid = 1 };
	int err = keep_mounts();

	if (err)
		refuse(fd, "", "mounts of its own", -err);
	/* Before, since the name of the root directory is looked for in /proc. */
	err = e->root >= 0 ? mount_proc_in(e->root) : 0;
	if (!err)
		err = mount_proc("/proc");
	if (err)
		refuse(fd, "", "mounting /proc", -err);
	tell(fd, &done);
}

/*
 * Until the supervisor ends it, or ends itself. No signal from inside reaches it, and nobody there
 * may look into it.
 */
static __attribute__((noreturn)) void wait_for_orphans(const struct enclosure *e)
{
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGCHLD, SIG_IGN);
	if (chdir("/"))
		_exit(125);
	sys(SYS_close_range, 0, ~0U, 0);
	sys(SYS_munmap, e->spare, e->spare_bytes);
	for (;;)
		pause();
}

/* ---- the helper ---- */

bool enclosure_is_allowed(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return !sys(SYS_capget, &head, data) && data[0].effective & 1U << CAP_SYS_ADMIN;
}

int enclosure_map_user(unsigned int uid, unsigned int gid)
{
	char line[64];
	int err;

	snprintf(line, sizeof(line), "%u %u 1", uid, uid);
	err = textfile_write(AT_FDCWD, "/proc/self/uid_map", line);
	if (!err)
		err = textfile_write(AT_FDCWD, "/proc/self/setgroups", "deny");
	snprintf(line, sizeof(line), "%u %u 1", gid, gid);
	if (!err)
		err = textfile_write(AT_FDCWD, "/proc/self/gid_map", line);
	return err;
}

static void enter_user_namespace(int fd)
{
	const unsigned int uid = geteuid(), gid = getegid();
	int err;

	if (unshare(CLONE_NEWUSER))
		refuse(fd, "user", "", errno);
	err = enclosure_map_user(uid, gid);
	if (err)
		refuse(fd, "", "a user namespace", -err);
}

/* Before there is anybody in the namespace. */
static int move_clocks(const int64_t offset[DESCRIPTOR_CLOCKS])
{
	static const char *const names[DESCRIPTOR_CLOCKS] = { "monotonic", "boottime" };
	const int64_t second = 1000000000;
	char text[128], *at = text;

	for (int i = 0; i < DESCRIPTOR_CLOCKS; i++) {
		int64_t ns = (offset[i] % second + second) % second;

		at += sprintf(at, "%s %lld %lld\n", names[i],
			      (long long)((offset[i] - ns) / second), (long long)ns);
	}
	return textfile_write(AT_FDCWD, "/proc/self/timens_offsets", text);
}

/* A process of the supervisor's, which is its copy; tid 0: whichever number. */
static pid_t make(pid_t tid)
{
	struct clone_args a = { .flags = CLONE_PARENT };

	if (tid) {
		a.set_tid = (uint64_t)&tid;
		a.set_tid_size = 1;
	}
	return (pid_t)sys(SYS_clone3, &a, sizeof(a));
}

static pid_t number_of(const struct descriptor *d)
{
	const struct descriptor_thread *threads = descriptor_at(d, d->threads);

	return (pid_t)threads[0].tid;
}

/* From the next one, until it is killed, or nobody else has the other end. */
static __attribute__((noreturn)) void keep_number(const int pair[2], int fd)
{
	struct report none;

	close(pair[0]);
	close(fd);
	hear(pair[1], &none);
	_exit(0);
}

/* With a clock or network of its own alone: it never has its parent's number (start.c). */
static int make_other(pid_t number, int fd)
{
	struct report r = { 0 }, go;
	int pair[2];
	pid_t first;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		refuse(fd, "", "a pair of sockets", errno);
	tell(fd, &r);
	if (!hear(fd, &go))
		_exit(125);
	r.pid = make(0);
	if (!r.pid && getpid() == number)
		keep_number(pair, fd);
	if (r.pid == number) {
		first = r.pid;
		r.pid = make(0);
		if (r.pid)
			kill(first, SIGKILL);
	}
	if (!r.pid) {
		close(pair[0]);
		close(pair[1]);
		return ENCLOSURE_CHILD;
	}
	if (r.pid < 0)
		refuse(fd, "", "a process", -r.pid);
	tell(fd, &r);
	_exit(0);
}

/* Returns in the child alone. pair is between process 1 and us, fd leads to the supervisor. */
static int make_child(struct enclosure *e, const struct descriptor *d, int fd)
{
	struct report r = { 0 }, go;
	const pid_t number = number_of(d);
	int pair[2], err;
	pid_t first;

	if (e->network) {
		err = network_enter(e->network);
		if (err)
			refuse(fd, "", "entering its network", -err);
	} else if (e->user) {
		enter_user_namespace(fd);
	}
	if (e->clocks) {
		if (unshare(CLONE_NEWTIME))
			refuse(fd, "time", "", errno);
		err = move_clocks(e->offset);
		if (err)
			refuse(fd, "", "/proc/self/timens_offsets", -err);
	}
	if (!e->numbers)
		return make_other(number, fd);
	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		refuse(fd, "pid mnt", "", errno);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		refuse(fd, "", "a pair of sockets", errno);
	first = make(0);
	if (!first) {
		close(pair[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (number != 1)
			prctl(PR_SET_NAME, ENCLOSURE_INIT);
		set_up(e, pair[1]);
		/*
		 * If the supervisor was there to say it, then it was when we asked the kernel to
		 * end us with it.
		 */
		if (!hear(pair[1], &go))
			_exit(125);
		if (number != 1)
			wait_for_orphans(e);
		close(pair[1]);
		return ENCLOSURE_CHILD;
	}
	if (first < 0)
		refuse(fd, "", "a process", -first);
	close(pair[1]);
	r.pid = first;
	tell(fd, &r);
	if (!hear(pair[0], &r))
		_exit(125);
	tell(fd, &r);
	if (r.error || !hear(fd, &go))
		_exit(125);
	tell(pair[0], &go);
	r.pid = number == 1 ? first : make(number);
	if (!r.pid) {
		close(pair[0]);
		return ENCLOSURE_CHILD;
	}
	if (r.pid < 0)
		refuse(fd, "", "a process with its parent's number", -r.pid);
	tell(fd, &r);
	_exit(0);
}

/* ---- the supervisor ---- */

static void await_end(pid_t *pid)
{
	while (*pid && waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/* What follows a name in /proc/PID/status, and how many words; NULL: there is no such line. */
static const char *last_word(const char *status, const char *name, int *words)
{
	const char *line = strstr(status, name), *last = NULL;

	*words = 0;
	if (!line)
		return NULL;
	for (line += strlen(name); *line && *line != '\n'; line++)
		if (*line == '\t' && line[1] != '\n') {
			last = line + 1;
			(*words)++;
		}
	return last;
}

/* Is it a process of ours that has this number in a namespace below this one? */
static bool is_child(int pid, pid_t number)
{
	char path[40], status[4096];
	const char *parent, *inside;
	int fd, words, levels;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, status, sizeof(status) - 1);
	if (fd >= 0)
		close(fd);
	status[n > 0 ? n : 0] = '\0';
	parent = last_word(status, "\nPPid:", &words);
	inside = last_word(status, "\nNSpid:", &levels);
	return parent && atoi(parent) == getpid() && inside && levels > 1 &&
	       atoi(inside) == number;
}

/* One that its helper made and had not told of when it was killed; 0: there is none. */
static pid_t find_child(const struct enclosure *e)
{
	struct numbers list;
	int pid;

	if (numbers_open(&list, "/proc"))
		return 0;
	do {
		pid = numbers_next(&list);
	} while (pid >= 0 && (pid == e->init || !is_child(pid, e->number)));
	numbers_close(&list);
	return pid < 0 ? 0 : pid;
}

void enclosure_close(struct enclosure *e)
{
	const struct timespec soon = { .tv_nsec = 1000000 };
	pid_t child;

	if (!e->helper)
		return;
	close(e->helper_fd);
	/* Nobody makes a process any more. */
	kill(e->helper, SIGKILL);
	await_end(&e->helper);
	if (!e->init)
		return;
	/*
	 * The kernel ends all in the namespace with it, and it is not gone before they have been
	 * waited for, which for the child is our part.
	 */
	child = find_child(e);
	kill(e->init, SIGKILL);
	while (!waitpid(e->init, NULL, WNOHANG)) {
		if (child && waitpid(child, NULL, WNOHANG))
			child = 0;
		nanosleep(&soon, NULL);
	}
	e->init = 0;
}

static int explain(struct enclosure *e, const struct report *r)
{
	char problem[200];

	if (*r->kinds)
		snprintf(e->why, sizeof(e->why), "a namespace (%s): %s", r->kinds,
			 namespaces_problem(r->kinds, -r->error, problem, sizeof(problem), NULL));
	else
		snprintf(e->why, sizeof(e->why), "%s: %s", r->what, strerror(-r->error));
	return r->error;
}

static int await_report(struct enclosure *e, struct report *r)
{
	if (!hear(e->helper_fd, r)) {
		snprintf(e->why, sizeof(e->why), "the process that makes them was killed");
		return -ECHILD;
	}
	return r->error ? explain(e, r) : 0;
}

static bool is_one(const uint32_t *ids)
{
	return ids[0] == ids[1] && ids[0] == ids[2] && ids[0] == ids[3];
}

/* The number of a link such as pid:[4026531836]. */
static bool is_here(const char *kind)
{
	char path[48], here[64] = "", below[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	if (readlink(path, here, sizeof(here) - 1) < 0)
		return true;
	snprintf(path, sizeof(path), "/proc/self/ns/%s_for_children", kind);
	/* It has none yet that nobody is in. */
	return readlink(path, below, sizeof(below) - 1) >= 0 && !strcmp(here, below);
}

int enclosure_look_ahead(struct enclosure *e, const struct descriptor *d)
{
	const struct descriptor_thread *threads = descriptor_at(d, d->threads);
	const struct descriptor_credentials *c = &d->credentials;
	FILE *f = fopen("/proc/sys/kernel/pid_max", "re");
	unsigned int most = 0, highest = 0;

	if (f && fscanf(f, "%u", &most) != 1)
		most = 0;
	if (f)
		fclose(f);
	for (uint32_t i = 0; e->numbers && i < d->threads.count; i++)
		if (threads[i].tid > highest)
			highest = threads[i].tid;
	if (!is_here("pid")) {
		/* The helper would be that one's process 1, with which all end. */
		snprintf(e->why, sizeof(e->why),
			 "this process itself is not in the namespace of its children, as with "
			 "unshare -p without -f");
		return -EINVAL;
	}
	if (most && highest >= most) {
		snprintf(e->why, sizeof(e->why),
			 "%u is too high a number here: sysctl kernel.pid_max is %u", highest,
			 most);
		return -ERANGE;
	}
	e->user = !enclosure_is_allowed();
	if (e->user && c->permitted) {
		snprintf(e->why, sizeof(e->why),
			 "without CAP_SYS_ADMIN that takes a user namespace, in which its other "
			 "capabilities are worth nothing");
		return -EPERM;
	}
	if (e->user && (!is_one(c->uid) || !is_one(c->gid) || c->uid[0] != geteuid() ||
			c->gid[0] != getegid())) {
		snprintf(e->why, sizeof(e->why),
			 "without CAP_SYS_ADMIN a child has one user and group, and its parent has several");
		return -EPERM;
	}
	return 0;
}

int enclosure_open(struct enclosure *e, const struct descriptor *d)
{
	struct report r;
	int pair[2], err = enclosure_look_ahead(e, d);

	if (!err && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		snprintf(e->why, sizeof(e->why), "a pair of sockets: %s", strerror(-err));
	}
	if (err)
		return err;
	e->number = number_of(d);
	e->helper = fork();
	if (!e->helper) {
		close(pair[0]);
		err = make_child(e, d, pair[1]);
		close(pair[1]);
		return err;
	}
	close(pair[1]);
	e->helper_fd = pair[0];
	if (e->helper < 0) {
		err = -errno;
		snprintf(e->why, sizeof(e->why), "a process: %s", strerror(-err));
		e->helper = 0;
		close(pair[0]);
		return err;
	}
	/* Process 1, and that it is ready; or that no more is needed. */
	err = await_report(e, &r);
	if (!err && e->numbers) {
		e->init = r.pid;
		err = await_report(e, &r);
	}
	if (err)
		enclosure_close(e);
	return err;
}

pid_t enclosure_fork(struct enclosure *e)
{
	struct report r = { 0 };
	int err = 0;

	if (send(e->helper_fd, &r, sizeof(r), MSG_NOSIGNAL) != (ssize_t)sizeof(r))
		err = -errno;
	if (!err)
		err = await_report(e, &r);
	if (err) {
		enclosure_close(e);
		return err;
	}
	close(e->helper_fd);
	await_end(&e->helper);
	if (e->init == r.pid)
		e->init = 0;
	return r.pid;
}

/* ---- the child ---- */

int enclosure_reopen(int fd, int flags)
{
	char link[32], path[PATH_MAX];
	struct stat have, found;
	int here, again = -1;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return fd;
	path[n] = '\0';
	here = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0)
		return fd;
	if (!fstat(fd, &have) && !fstat(here, &found) && have.st_dev == found.st_dev &&
	    have.st_ino == found.st_ino) {
		/* With no flag that it had not: a program may ask for them. */
		snprintf(link, sizeof(link), "/proc/self/fd/%d", here);
		again = open(link, flags | O_CLOEXEC);
	}
	close(here);
	return again < 0 ? fd : again;
}
