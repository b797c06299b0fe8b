// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * escape.c - tries to get out of the container that it runs in, in every way that it knows.
 *
 *	escape PID	PID: of a process outside, as the host counts
 *
 * Prints what succeeded and should not have. Exit status: 0 nothing did, 1 something did.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int wrong, tried;

static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("WRONG: ");
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	wrong++;
}

/* It must fail, with one of the two errors (the second may be 0). */
static void must_fail(const char *what, long ret, int first, int second)
{
	int err = errno;

	tried++;
	if (ret >= 0)
		complain("%s succeeded", what);
	else if (err != first && err != second)
		complain("%s: %s, where %s was expected", what, strerrorname_np(err), strerrorname_np(first));
}

/* It must fail; how does not matter. */
static void must_not(const char *what, long ret)
{
	tried++;
	if (ret >= 0)
		complain("%s succeeded", what);
}

static int open_for(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd;
}

static void descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	if (!d) {
		complain("/proc/self/fd cannot be read");
		return;
	}
	while ((e = readdir(d)) != NULL) {
		int fd = atoi(e->d_name);

		tried++;
		if (e->d_name[0] != '.' && fd > 2 && fd != dirfd(d))
			complain("descriptor %d has leaked", fd);
	}
	closedir(d);
}

static void file_systems(void)
{
	char path[64];
	struct stat here, above;

	must_not("a file in the root", open_for("/escaped", O_WRONLY | O_CREAT));
	must_not("a file in /dev", open_for("/dev/escaped", O_WRONLY | O_CREAT));
	must_not("a file in /proc", open_for("/proc/escaped", O_WRONLY | O_CREAT));
	must_not("chmod of /dev/null", chmod("/dev/null", 0));
	if (open_for("/tmp/mine", O_WRONLY | O_CREAT) < 0)
		complain("/tmp cannot be written to");
	must_fail("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL), EPERM, 0);
	must_fail("mount with a sixth argument",
		  syscall(SYS_mount, "tmpfs", "/tmp", "tmpfs", 0, NULL, 0x0123456789abcdefUL), EPERM, 0);
	must_fail("bind mount", mount("/proc", "/tmp", NULL, MS_BIND, NULL), EPERM, 0);
	must_fail("remounting the root", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM, 0);
	must_fail("remounting /proc", mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM, 0);
	must_fail("unmounting /proc", umount2("/proc", MNT_DETACH), EPERM, 0);
	must_fail("unmounting /dev", umount2("/dev", MNT_DETACH), EPERM, 0);
	must_fail("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"), EPERM, 0);
	must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1), EPERM, 0);
	must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0), EPERM, 0);
	must_fail("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0), EPERM, 0);
	must_fail("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0), EPERM, 0);
	mkdir("/tmp/jail", 0700);
	must_fail("chroot", chroot("/tmp/jail"), EPERM, 0);
	must_fail("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0), EPERM, 0);
	if (!stat("/", &here) && !stat("/../../..", &above) && (here.st_ino != above.st_ino || here.st_dev != above.st_dev))
		complain("there is something above the root");
	for (int fd = 0; fd < 3; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d/..", fd);
		must_not("a directory by way of a standard stream", open_for(path, O_RDONLY | O_DIRECTORY));
	}
	must_not("the host's root by way of process 1", getpid() == 1 ? -1 : open_for("/proc/1/root", O_RDONLY | O_DIRECTORY));
	must_not("the host's program by way of process 1", getpid() == 1 ? -1 : open_for("/proc/1/exe", O_RDONLY));
	must_not("the host's directory by way of process 1", getpid() == 1 ? -1 : open_for("/proc/1/cwd", O_RDONLY | O_DIRECTORY));
}

static void devices(void)
{
	static const char *const absent[] = { "mem", "kmem", "port", "kmsg", "sda", "vda", "loop0", "fuse", "kvm", "net/tun", "uinput" };
	char path[64];

	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		snprintf(path, sizeof(path), "/dev/%s", absent[i]);
		must_not(path, access(path, F_OK));
	}
	must_fail("mknod of a disk", mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)), EPERM, 0);
	must_fail("mknod of memory", mknod("/tmp/memory", S_IFCHR | 0600, makedev(1, 1)), EPERM, 0);
	must_fail("ioperm", syscall(SYS_ioperm, 0x80, 1, 1), EPERM, 0);
	must_fail("iopl", syscall(SYS_iopl, 3), EPERM, 0);
}

static void kernel(void)
{
	static const char *const files[] = {
		"/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
		"/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/panic",
		"/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/self/oom_score_adj", "/proc/self/attr/current",
	};
	static const char *const masked[] = { "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/kmsg" };
	unsigned char stack[4096];
	int fd;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		must_not(files[i], open_for(files[i], O_WRONLY));
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++) {
		tried++;
		fd = open(masked[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && read(fd, stack, sizeof(stack)) > 0)
			complain("%s can be read", masked[i]);
		if (fd >= 0)
			close(fd);
	}
	must_not("/sys", access("/sys/kernel", F_OK));
	must_fail("sethostname", sethostname("escaped", 7), EPERM, 0);
	must_fail("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL), EPERM, 0);
	must_fail("init_module", syscall(SYS_init_module, stack, sizeof(stack), ""), EPERM, 0);
	must_fail("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM, 0);
	must_fail("syslog", syscall(SYS_syslog, 3, stack, sizeof(stack)), EPERM, 0);
	must_fail("bpf", syscall(SYS_bpf, 0, NULL, 0), EPERM, 0);
	must_fail("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), EPERM, 0);
	must_fail("keyctl", syscall(SYS_keyctl, 0, 0, 0), EPERM, 0);
	must_fail("add_key", syscall(SYS_add_key, "user", "escape", "x", 1, -2), EPERM, 0);
	must_fail("userfaultfd", syscall(SYS_userfaultfd, 0), EPERM, 0);
	must_fail("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL), EPERM, 0);
	must_fail("swapon", syscall(SYS_swapon, "/tmp/mine", 0), EPERM, 0);
	must_fail("settimeofday", syscall(SYS_settimeofday, NULL, NULL), EPERM, 0);
	must_fail("a system call from the future", syscall(9999), ENOSYS, 0);
	must_fail("a socket for packets", socket(AF_PACKET, SOCK_RAW, 0), ENOSYS, EPERM);
	must_fail("a socket to the hypervisor", socket(AF_VSOCK, SOCK_STREAM, 0), ENOSYS, EPERM);
	must_fail("the same with an upper half", syscall(SYS_socket, AF_VSOCK | 1UL << 32, SOCK_STREAM, 0), ENOSYS, EPERM);
}

/* The old entry of 32-bit programs, mount(2) there. */
static long old_entry(void)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(21L), "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L) : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static void namespaces(void)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} kinds[] = {
		{ "user", CLONE_NEWUSER }, { "mount", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET },
		{ "cgroup", CLONE_NEWCGROUP },
	};
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long ret;
	int fd;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		must_fail(kinds[i].name, unshare((int)kinds[i].flag), EPERM, 0);
		ret = syscall(SYS_clone, kinds[i].flag | SIGCHLD, NULL, NULL, NULL, 0);
		if (!ret)
			_exit(0);
		must_fail(kinds[i].name, ret, ENOSYS, EPERM);
	}
	ret = syscall(SYS_clone3, &args, sizeof(args));
	if (!ret)
		_exit(0);
	must_fail("clone3", ret, ENOSYS, 0);
	fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	must_fail("setns", setns(fd, 0), EPERM, 0);
	tried++;
	ret = old_entry();
	if (ret != -ENOSYS)
		complain("the entry of 32-bit programs answers mount with %ld", ret);
}

static void others(pid_t outside)
{
	char byte, path[64];
	struct iovec here = { &byte, 1 }, there = { (void *)0x400000, 1 };

	must_fail("kill outside", kill(outside, SIGKILL), ESRCH, 0);
	must_fail("signal 0 outside", kill(outside, 0), ESRCH, 0);
	must_fail("killing a process group outside", kill(-outside, SIGKILL), ESRCH, 0);
	must_fail("tgkill outside", syscall(SYS_tgkill, outside, outside, SIGKILL), ESRCH, 0);
	must_fail("ptrace of a process outside", ptrace(PTRACE_ATTACH, outside, 0, 0), ESRCH, EPERM);
	must_fail("ptrace seize of a process outside", ptrace(PTRACE_SEIZE, outside, 0, 0), ESRCH, EPERM);
	must_fail("reading memory outside", process_vm_readv(outside, &here, 1, &there, 1, 0), ESRCH, EPERM);
	must_fail("pidfd_open of a process outside", syscall(SYS_pidfd_open, outside, 0), ESRCH, EINVAL);
	snprintf(path, sizeof(path), "/proc/%d", (int)outside);
	must_not("/proc of a process outside", access(path, F_OK));
	must_not("the priority of a process outside", setpriority(PRIO_PROCESS, (id_t)outside, 19));
	if (getpid() != 1) {
		must_fail("ptrace of process 1", ptrace(PTRACE_ATTACH, 1, 0, 0), EPERM, 0);
		must_not("memory of process 1", open_for("/proc/1/mem", O_RDONLY));
		must_not("environment of process 1", open_for("/proc/1/environ", O_RDONLY));
		must_not("maps of process 1", open_for("/proc/1/maps", O_RDONLY));
		must_fail("reading memory of process 1", process_vm_readv(1, &here, 1, &there, 1, 0), EPERM, 0);
	}
}

static uint64_t status_field(const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t value = ~0ULL;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtoull(line + strlen(key) + 1, NULL, 16);
	if (f)
		fclose(f);
	return value;
}

/* argv[2]: the capabilities that there may be, a mask */
static void rights(uint64_t allowed)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct all[2] = { { ~0U, ~0U, 0 }, { ~0U, ~0U, 0 } };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		tried++;
		if (status_field(sets[i]) & ~allowed)
			complain("%s is %llx", sets[i], (unsigned long long)status_field(sets[i]));
	}
	tried += 2;
	if (status_field("NoNewPrivs") != 1)
		complain("no_new_privs is not set");
	if (status_field("Seccomp") != 2)
		complain("there is no system call filter");
	must_fail("more capabilities", syscall(SYS_capset, &header, all), EPERM, 0);
	must_not("an ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) ? -1 : 0);
	must_not("taking back no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) ? -1 : 0);
	if (geteuid())
		must_fail("becoming root", setuid(0), EPERM, 0);
	else if (!(allowed & 1ULL << CAP_SETUID))
		must_fail("becoming somebody else", setuid(12345), EPERM, EINVAL);
}

static void terminal(void)
{
	char c = 'x';

	for (int fd = 0; fd < 3; fd++) {
		must_fail("TIOCSTI", ioctl(fd, TIOCSTI, &c), EPERM, 0);
		must_fail("TIOCSTI with an upper half", syscall(SYS_ioctl, fd, TIOCSTI | 1UL << 32, &c), EPERM, 0);
		must_fail("TIOCLINUX", ioctl(fd, 0x541c, &c), EPERM, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: escape PID [CAPABILITIES]\n");
		return 2;
	}
	descriptors();
	file_systems();
	devices();
	kernel();
	namespaces();
	others((pid_t)atoi(argv[1]));
	rights(argc > 2 ? strtoull(argv[2], NULL, 16) : 0);
	terminal();
	if (wrong)
		return 1;
	printf("%d attempts failed, as they should\n", tried);
	return 0;
}
