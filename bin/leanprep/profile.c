// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * profile.c - the system calls that containers may make.
 *
 * The list is that of the default profile of Docker and Podman (moby profiles/seccomp/default.json,
 * containers-common seccomp.json) for x86-64 and a container without added capabilities, less what
 * only makes sense with one. As in Podman's, what is refused on purpose fails with EPERM, and what
 * is not known with ENOSYS, so that programs fall back to what they did before.
 *
 * Compiled when a template is made, since that takes longer than starting a container.
 */
#include "prep.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

static const char *const allowed[] = {
	"accept", "accept4", "access", "adjtimex", "alarm", "arch_prctl", "bind", "brk", "capget",
	"capset", "chdir", "chmod", "chown", "clock_adjtime", "clock_getres", "clock_gettime",
	"clock_nanosleep", "close", "close_range", "connect", "copy_file_range", "creat", "dup",
	"dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old",
	"epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2",
	"execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64",
	"fallocate", "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown",
	"fchownat", "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork",
	"fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futex",
	"futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "futimesat", "get_robust_list",
	"get_thread_area", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "geteuid",
	"getgid", "getgroups", "getitimer", "getpeername", "getpgid", "getpgrp", "getpid",
	"getppid", "getpriority", "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage",
	"getsid", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid", "getxattr",
	"inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel",
	"io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit", "ioctl",
	"ioprio_get", "ioprio_set", "kill", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "lchown", "lgetxattr", "link", "linkat", "listen", "listxattr",
	"llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "madvise", "map_shadow_stack",
	"membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir", "mkdirat", "mknod",
	"mknodat", "mlock", "mlock2", "mlockall", "mmap", "modify_ldt", "mprotect", "mq_getsetattr",
	"mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "msgctl",
	"msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap",
	"name_to_handle_at", "nanosleep", "newfstatat", "open", "openat", "openat2", "pause",
	"pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free",
	"pkey_mprotect", "poll", "ppoll", "prctl", "pread64", "preadv", "preadv2", "prlimit64",
	"process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6", "ptrace",
	"pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
	"recvfrom", "recvmmsg", "recvmsg", "remap_file_pages", "removexattr", "rename", "renameat",
	"renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending",
	"rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
	"sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
	"sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam",
	"sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop",
	"semtimedop", "sendfile", "sendmmsg", "sendmsg", "sendto", "set_robust_list",
	"set_thread_area", "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups",
	"setitimer", "setpgid", "setpriority", "setregid", "setresgid", "setresuid", "setreuid",
	"setrlimit", "setsid", "setsockopt", "setuid", "setxattr", "shmat", "shmctl", "shmdt",
	"shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4", "socketpair", "splice",
	"stat", "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs",
	"sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun",
	"timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime", "timerfd_settime",
	"times", "tkill", "truncate", "umask", "uname", "unlink", "unlinkat", "utime", "utimensat",
	"utimes", "vfork", "wait4", "waitid", "write", "writev",
};

static const char *const refused[] = {
	"acct", "add_key", "bpf", "chroot", "clock_settime", "delete_module", "fanotify_init",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
	"kexec_load", "keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount",
	"mount_setattr", "move_mount", "move_pages", "open_by_handle_at", "open_tree",
	"perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "quotactl",
	"quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname",
	"setns", "settimeofday", "swapoff", "swapon", "sysfs", "syslog", "umount2", "unshare",
	"uselib", "userfaultfd", "ustat", "vhangup", "vmsplice",
};

static int rule(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int count,
		struct scmp_arg_cmp arg)
{
	int number = seccomp_syscall_resolve_name(name);

	/*
	 * Unknown to this libseccomp, or not a system call of this processor: not allowed then
	 * either.
	 */
	return number < 0 ? 0 : seccomp_rule_add(filter, action, number, count, arg);
}

static int add_rules(scmp_filter_ctx filter)
{
	static const int personalities[] = { 0x0, 0x0008, 0x20000, 0x20008 };
	/* No raw packets, and no protocols that need more of the host than its network. */
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	const uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	const struct scmp_arg_cmp none = { 0 };
	int err = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = rule(filter, SCMP_ACT_ALLOW, allowed[i], 0, none);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && !err; i++)
		err = rule(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0, none);
	/*
	 * clone3 stays unknown: its flags are in memory, where no filter sees them; C libraries use
	 * clone then.
	 */
	if (!err)
		err = rule(filter, SCMP_ACT_ALLOW, "clone", 1,
			   SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]) && !err; i++)
		err = rule(filter, SCMP_ACT_ALLOW, "personality", 1,
			   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)personalities[i], 0));
	if (!err)
		err = rule(filter, SCMP_ACT_ALLOW, "personality", 1,
			   SCMP_A0(SCMP_CMP_EQ, 0xffffffff, 0));
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !err; i++)
		err = rule(filter, SCMP_ACT_ALLOW, "socket", 1,
			   SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, (scmp_datum_t)families[i]));
	return err;
}

int profile_write(const char *name)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	char path[PATH_MAX];
	int fd, err = -ENOMEM;

	if (filter) {
		/*
		 * Programs of another word size are refused, not killed. A tree of comparisons, not
		 * a list.
		 */
		err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
		if (!err)
			err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		if (!err)
			err = add_rules(filter);
	}
	if (err) {
		tool_error("libseccomp", "the system call filter cannot be made: %s",
			   strerror(-err));
		seccomp_release(filter);
		return -1;
	}
	fd = open(lean_run_path(path, name, "seccomp"),
		  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	seccomp_release(filter);
	if (err)
		tool_error(path, "%s", strerror(-err));
	return err ? -1 : 0;
}
