// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * spawn.c - starts a container: one clone3(2), and what has to be done between it and exec.
 *
 * With a program the new process shares the spawner's memory until exec, as with vfork(2): nothing
 * is copied, which is most of what starting a process costs. So container() and what it calls must
 * not allocate, lock or print; it says what failed by leaving it in *s. Nobody else is in its
 * namespaces at that time who could reach the shared memory. A function instead of a program runs
 * in a copy.
 *
 * The order of the steps matters:
 *	mounts, host name	need capabilities
 *	descriptors		after the mounts: the terminal comes from a mount
 *	user			gives up the capabilities of another user than root
 *	capabilities		the rest
 *	death signal		is cleared by a change of user; then a look at whether the spawner
 *				lives, which may have ended before. Only then being traced: by
 *				whom would a container be let go otherwise?
 */
#include "lean.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "sys.h"

static __attribute__((noreturn)) void give_up(struct lean_spawn *s, const char *what, long err)
{
	s->error = (int)-err;
	s->failed = what;
	for (;;)
		sys(SYS_exit_group, 127);
}

static void mount_or(struct lean_spawn *s, const char *source, const char *target, const char *type,
		     unsigned long flags, const char *options)
{
	long err = sys(SYS_mount, source, target, type, flags, options, s->inside->secret);

	if (err)
		give_up(s, target, err);
}

/*
 * A root that can be written to: an overlay whose upper layer is a tmpfs of this container. The
 * scratch file system stays reachable for the overlay only.
 */
static void writable_root(struct lean_spawn *s)
{
	long err;

	mount_or(s, "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, s->inside->tmp_options);
	if (sys(SYS_mkdirat, AT_FDCWD, "/tmp/upper", 0755) ||
	    sys(SYS_mkdirat, AT_FDCWD, "/tmp/work", 0755) ||
	    sys(SYS_mkdirat, AT_FDCWD, "/tmp/root", 0755))
		give_up(s, "/tmp", -EIO);
	mount_or(s, "overlay", "/tmp/root", "overlay", MS_NOSUID | MS_NODEV,
		 s->inside->user_ns ? "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work,userxattr"
				    : "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work");
	/* An overlay shows one file system: what is mounted into the root gets one of its own. */
	for (size_t i = 0; i < s->inside->part_count; i++) {
		const struct lean_part *part = &s->inside->parts[i];

		if (sys(SYS_mkdirat, AT_FDCWD, part->upper, 0755) ||
		    sys(SYS_mkdirat, AT_FDCWD, part->work, 0755))
			give_up(s, "/tmp", -EIO);
		mount_or(s, "overlay", part->target, "overlay", MS_NOSUID | MS_NODEV,
			 part->options);
	}
	mount_or(s, "/dev", "/tmp/root/dev", NULL, MS_BIND | MS_REC, NULL);
	/*
	 * A user namespace may mount /proc only where one can be seen whole: the template's stays
	 * beneath.
	 */
	if (s->inside->user_ns)
		mount_or(s, "/proc", "/tmp/root/proc", NULL, MS_BIND | MS_REC, NULL);
	sys(SYS_chdir, "/tmp/root");
	err = sys(SYS_pivot_root, ".", ".", 0, 0, 0, s->inside->secret);
	if (!err)
		err = sys(SYS_umount2, ".", MNT_DETACH, 0, 0, 0, s->inside->secret);
	if (err)
		give_up(s, "the writable root", err);
	sys(SYS_chdir, "/");
}

static void mount_all(struct lean_spawn *s)
{
	const struct lean_inside *in = s->inside;

	if (in->t->writable)
		writable_root(s);
	else
		mount_or(s, "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, in->tmp_options);
	/* Read-only as a whole: /proc/sys, /proc/irq and the like belong to the host. */
	mount_or(s, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
	for (size_t i = 0; i < in->masked_files.count; i++)
		mount_or(s, "/dev/null", in->masked_files.at[i], NULL, MS_BIND, NULL);
	for (size_t i = 0; i < in->masked_directories.count; i++)
		mount_or(s, "/dev/pts", in->masked_directories.at[i], NULL, MS_BIND, NULL);
	if (s->terminals)
		mount_or(s, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
			 "newinstance,ptmxmode=0666,mode=0620");
}

static void loopback_up(struct lean_spawn *s)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	long fd = sys(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	err = fd < 0 ? fd : sys(SYS_ioctl, fd, SIOCSIFFLAGS, &lo);
	if (err)
		give_up(s, "the loopback interface", err);
	sys(SYS_close, fd);
}

static void place_descriptors(struct lean_spawn *s)
{
	long err = 0;

	for (int i = 0; i < 3; i++)
		if (s->stdio[i] != i && err >= 0)
			err = sys(SYS_dup3, s->stdio[i], i, 0);
	if (err >= 0 && s->extra == 3)
		err = sys(SYS_fcntl, 3, F_SETFD, 0);
	else if (err >= 0 && s->extra >= 0)
		err = sys(SYS_dup3, s->extra, 3, 0);
	if (err >= 0)
		err = sys(SYS_close_range, s->extra >= 0 ? 4 : 3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (err < 0)
		give_up(s, "descriptors", err);
}

static void give_up_rights(struct lean_spawn *s)
{
	const struct lean_template *t = s->inside->t;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct pollfd spawner = { .fd = s->spawner, .events = POLLIN };
	const struct timespec at_once = { 0, 0 };
	long err = 0;

	/* A user namespace of one user has no other users or groups to change to. */
	if (!s->inside->user_ns) {
		err = sys(SYS_setgroups, 0, NULL);
		if (!err)
			err = sys(SYS_setresgid, t->gid, t->gid, t->gid);
		if (!err)
			err = sys(SYS_setresuid, t->uid, t->uid, t->uid);
		if (err)
			give_up(s, "user and group", err);
	}
	if (!t->uid) {
		data[0].permitted = data[0].effective = (uint32_t)t->caps;
		data[1].permitted = data[1].effective = (uint32_t)(t->caps >> 32);
	}
	err = sys(SYS_capset, &header, data);
	if (err)
		give_up(s, "capabilities", err);
	err = sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	if (err)
		give_up(s, "death signal", err);
	err = sys(SYS_ppoll, &spawner, 1, &at_once, 0, 8);
	if (err)
		give_up(s, "the spawner has ended", err < 0 ? err : -ESRCH);
}

void lean_exec(struct lean_spawn *s)
{
	uint64_t none = 0;
	long err;

	sys(SYS_umask, 022);
	err = sys(SYS_chdir, s->directory);
	if (err) {
		s->error = (int)-err;
		s->failed = s->directory;
		return;
	}
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
	err = sys(SYS_execve, s->path, s->argv, s->envp);
	s->error = (int)-err;
	s->failed = s->path;
}

static __attribute__((noreturn)) void container(struct lean_spawn *s)
{
	const struct lean_template *t = s->inside->t;
	long err;

	s->at[LEAN_CLONED] = clock_now_ns();
	mount_all(s);
	s->at[LEAN_MOUNTED] = clock_now_ns();
	err = sys(SYS_sethostname, t->hostname, strlen(t->hostname), 0, 0, 0, s->inside->secret);
	if (err)
		give_up(s, "host name", err);
	if (t->no_network)
		loopback_up(s);
	if (!s->main) {
		/* Without a controlling terminal, so that none can be fed input through it. */
		sys(SYS_setsid);
		place_descriptors(s);
	}
	give_up_rights(s);
	err = s->hold ? sys(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL) : 0;
	if (err)
		give_up(s, "being traced", err);
	s->at[LEAN_CONFINED] = clock_now_ns();
	if (s->main)
		s->main(s);
	else
		lean_exec(s);
	for (;;)
		sys(SYS_exit_group, 127);
}

/*
 * A function of its own, with a frame of its own: the container runs on this stack until its exec,
 * and must not change what is in the caller's frame.
 */
static __attribute__((noinline)) long start(struct clone_args *a, struct lean_spawn *s)
{
	long pid = sys(SYS_clone3, a, sizeof(*a), 0, 0, 0, s->inside->secret);

	if (!pid)
		container(s);
	return pid;
}

/*
 * A pidfd of this process, opened again in a copy of the one that had it; its number is above those
 * that a container uses.
 */
static int own_pidfd(void)
{
	static int fd = -1;
	static pid_t whose;
	int low;

	if (fd >= 0 && whose == getpid())
		return fd;
	whose = getpid();
	low = (int)syscall(SYS_pidfd_open, whose, 0);
	fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 10);
	/* EINVAL: the limit of open files is below that number. */
	if (low >= 0 && fd < 0 && errno == EINVAL)
		errno = EMFILE;
	if (low >= 0)
		close(low);
	return fd;
}

pid_t lean_spawn(struct lean_spawn *s)
{
	struct clone_args a = {
		.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	sigset_t all, old;
	long pid;

	if (!s->main)
		a.flags |= CLONE_VM | CLONE_VFORK;
	if (s->inside->t->no_network)
		a.flags |= CLONE_NEWNET;
	if (s->cgroup >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)s->cgroup;
	}
	s->spawner = own_pidfd();
	if (s->spawner < 0)
		return -errno;
	s->failed = NULL;
	s->error = 0;
	/* No handler of ours may run in the container. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = start(&a, s);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return (pid_t)pid;
}
