// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * everything.c - all that a process can learn about itself, in a parent and in its child.
 *
 *	everything WHAT...	sets each WHAT to what it usually is not, looks at everything, prepares, prints the
 *				reference, and waits for the end of standard input. A child looks at everything again,
 *				prints a line for each difference, and "ok everything".
 *	everything		lists what can be set
 *
 * The list of what is looked at is that of the kernel's own interfaces (proc(5), prctl(2) and others), not of what the
 * library knows of. Numbers that every process has for itself (its own, times, sizes) are left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mitosis.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif

/* ---- looking ---- */

#define FACTS_MAX 4096
static struct fact {
	char name[64], value[448];
} facts[2][FACTS_MAX];
static int fact_count[2], now;
static char buffer[1 << 20];

static void fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fact(const char *name, const char *format, ...)
{
	struct fact *f = &facts[now][fact_count[now]];
	va_list ap;

	if (fact_count[now] == FACTS_MAX)
		abort();
	fact_count[now]++;
	snprintf(f->name, sizeof(f->name), "%s", name);
	va_start(ap, format);
	vsnprintf(f->value, sizeof(f->value), format, ap);
	va_end(ap);
}

static const char *content(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0)
		return NULL;
	while (have < sizeof(buffer) - 1 && (n = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	buffer[have] = '\0';
	return n < 0 ? NULL : buffer;
}

/* What changes by itself, or belongs to each process: in the order of /proc/PID/status. */
static const char *const own_lines[] = {
	"State", "Tgid", "Ngid", "Pid", "PPid", "FDSize", "NStgid", "NSpid", "NSpgid", "NSsid", "VmPeak", "VmSize",
	"VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE", "VmSwap",
	"SigQ", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
};

static void look_at_status(void)
{
	char *line, *rest = NULL;

	if (!content("/proc/self/status"))
		abort();
	for (line = strtok_r(buffer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strchr(line, ':'), name[64];
		bool own = false;

		*colon = '\0';
		for (size_t i = 0; i < sizeof(own_lines) / sizeof(own_lines[0]); i++)
			own |= !strcmp(line, own_lines[i]);
		snprintf(name, sizeof(name), "status:%.50s", line);
		if (!own)
			fact(name, "%s", colon + 1);
	}
}

static void look_at_stat(void)
{
	/* Numbers as in proc(5). */
	static const int which[] = { 7, 18, 19, 20, 26, 27, 28, 38, 40, 41, 45, 46, 47, 48, 49, 50, 51 };
	char *field, *rest = NULL;
	int i = 2;

	if (!content("/proc/self/stat"))
		abort();
	for (field = strtok_r(strrchr(buffer, ')'), " ", &rest); field; field = strtok_r(NULL, " ", &rest), i++)
		for (size_t k = 0; k < sizeof(which) / sizeof(which[0]); k++) {
			char name[32];

			snprintf(name, sizeof(name), "stat:%d", i);
			if (which[k] == i)
				fact(name, "%s", field);
		}
}

static void look_at_files(void)
{
	static const char *const names[] = {
		"attr/current", "attr/exec", "attr/fscreate", "attr/keycreate", "attr/sockcreate", "autogroup", "auxv",
		"cgroup", "cmdline", "comm", "coredump_filter", "cpuset", "environ", "limits", "loginuid", "oom_score_adj",
		"personality", "projid_map", "gid_map", "sessionid", "setgroups", "timens_offsets", "timers",
		"timerslack_ns", "uid_map",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], text[400];
		const char *all;
		uint64_t sum = 0;

		snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		all = content(path);
		if (!all) {
			fact(path + 11, "%s", strerror(errno));
			continue;
		}
		/* Its own process, whose number is another. */
		if (!strcmp(names[i], "timers"))
			for (char *p = buffer; (p = strstr(p, "/pid.")); *p++ = 'N') {
				size_t digits = strspn(p += 5, "0123456789");

				memmove(p + 1, p + digits, strlen(p + digits) + 1);
			}
		if (!strcmp(names[i], "limits")) {
			char *line, *rest = NULL;

			for (line = strtok_r(buffer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
				char name[64];

				snprintf(name, sizeof(name), "limits:%.25s", line);
				fact(name, "%.399s", line + 26);
			}
			continue;
		}
		/* Those with NULs and long ones by a sum. */
		for (size_t k = 0; k < sizeof(text) * 100; k++)
			sum = sum * 31 + (uint8_t)all[k];
		snprintf(text, sizeof(text), "%.390s", all);
		if (!strcmp(names[i], "auxv") || !strcmp(names[i], "environ") || !strcmp(names[i], "cmdline"))
			snprintf(text, sizeof(text), "%llx", (unsigned long long)sum);
		fact(names[i], "%s", text);
		memset(buffer, 0, sizeof(text) * 100);
	}
}

static void look_at_links(void)
{
	static const char *const names[] = {
		"cwd", "exe", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/pid_for_children", "ns/time",
		"ns/time_for_children", "ns/user", "ns/uts",
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], to[400] = "";

		snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		if (readlink(path, to, sizeof(to) - 1) < 0)
			snprintf(to, sizeof(to), "%s", strerror(errno));
		fact(names[i], "%s", to);
	}
	if (!stat("/", &st))
		fact("root", "%llu %llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	if (!stat(".", &st))
		fact("directory", "%llu %llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

static void look_at_prctl(void)
{
	static const struct {
		int option;
		const char *name;
		bool by_pointer;
	} all[] = {
		{ PR_GET_PDEATHSIG, "PR_GET_PDEATHSIG", true }, { PR_GET_DUMPABLE, "PR_GET_DUMPABLE", false },
		{ PR_GET_KEEPCAPS, "PR_GET_KEEPCAPS", false }, { PR_GET_TIMING, "PR_GET_TIMING", false },
		{ PR_GET_SECCOMP, "PR_GET_SECCOMP", false }, { PR_GET_TSC, "PR_GET_TSC", true },
		{ PR_GET_SECUREBITS, "PR_GET_SECUREBITS", false }, { PR_GET_TIMERSLACK, "PR_GET_TIMERSLACK", false },
		{ PR_MCE_KILL_GET, "PR_MCE_KILL_GET", false }, { PR_GET_CHILD_SUBREAPER, "PR_GET_CHILD_SUBREAPER", true },
		{ PR_GET_NO_NEW_PRIVS, "PR_GET_NO_NEW_PRIVS", false }, { PR_GET_THP_DISABLE, "PR_GET_THP_DISABLE", false },
		{ PR_GET_TAGGED_ADDR_CTRL, "PR_GET_TAGGED_ADDR_CTRL", false },
		{ PR_GET_IO_FLUSHER, "PR_GET_IO_FLUSHER", false }, { PR_GET_MDWE, "PR_GET_MDWE", false },
		{ PR_GET_MEMORY_MERGE, "PR_GET_MEMORY_MERGE", false },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int word = 0, ret = prctl(all[i].option, all[i].by_pointer ? (long)&word : 0, 0, 0, 0);

		fact(all[i].name, "%d", ret < 0 ? -errno : all[i].by_pointer ? word : ret);
	}
	for (int i = 0; i < 3; i++) {
		char name[40];

		snprintf(name, sizeof(name), "PR_GET_SPECULATION_CTRL:%d", i);
		fact(name, "%d", prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0));
	}
}

static void look_at_scheduling(void)
{
	uint32_t attributes[14] = { 0 };
	unsigned long nodes[16] = { 0 };
	cpu_set_t cpus;
	int mode = -1;
	long ret;

	syscall(SYS_sched_getattr, 0, attributes, sizeof(attributes), 0);
	fact("sched_getattr", "policy %u flags %u nice %d priority %u period %u util %u %u", attributes[1], attributes[2],
	     (int)attributes[4], attributes[5], attributes[10], attributes[12], attributes[13]);
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	fact("affinity", "%d: %lx", CPU_COUNT(&cpus), cpus.__bits[0]);
	fact("ioprio_get", "%ld", syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0));
	ret = syscall(SYS_get_mempolicy, &mode, nodes, 1024, 0, 0);
	fact("get_mempolicy", "%ld %d %lx", ret, mode, nodes[0]);
	fact("membarrier", "%ld", syscall(SYS_membarrier, 1 << 9, 0, 0));
	fact("membarrier:private", "%ld", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	for (int i = 0; i < 3; i++) {
		struct itimerval t;
		char name[20];

		snprintf(name, sizeof(name), "itimer:%d", i);
		getitimer(i, &t);
		fact(name, "%ld.%ld", t.it_interval.tv_sec, t.it_interval.tv_usec);
	}
}

static void look_at_the_rest(void)
{
	static const int rings[] = { KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING };
	static const char *const ring_names[] = { "thread keyring", "process keyring", "session keyring" };
	siginfo_t info;
	stack_t stack;
	mode_t mask = umask(0);
	DIR *dir;
	struct dirent *e;
	void *robust = NULL;
	size_t length = 0;

	umask(mask);
	fact("umask", "%o", mask);
	fact("fsuid", "%d %d", setfsuid(-1), setfsgid(-1));
	for (int i = 0; i < 3; i++)
		fact(ring_names[i], "%ld", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, rings[i], 0));
	fact("children", "%d", waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ? errno : 0);
	fact("session leader", "%d", getsid(0) == getpid());
	sigaltstack(NULL, &stack);
	fact("sigaltstack", "%p %zu %d", stack.ss_sp, stack.ss_size, stack.ss_flags);
	syscall(SYS_get_robust_list, 0, &robust, &length);
	fact("robust list", "%p %zu", robust, length);
	for (int i = 1; i <= 64; i++) {
		struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } a;
		char name[20];

		if (syscall(SYS_rt_sigaction, i, NULL, &a, 8))
			continue;
		snprintf(name, sizeof(name), "signal:%d", i);
		fact(name, "%p %lx %llx", a.handler, a.flags, (unsigned long long)a.mask);
	}
	dir = opendir("/proc/self/fd");
	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name);
		struct f_owner_ex owner = { 0 };
		char name[40], to[300] = "";

		if (*e->d_name == '.' || fd == dirfd(dir) || fd < 3 || fd > 63)
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		if (readlink(name, to, sizeof(to) - 1) < 0)
			continue;
		fcntl(fd, F_GETOWN_EX, &owner);
		snprintf(name, sizeof(name), "fd:%d", fd);
		fact(name, "%s %x %x position %lld owner %d %d signal %d", to, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL),
		     (long long)lseek(fd, 0, SEEK_CUR), owner.type, owner.pid == getpid(), fcntl(fd, F_GETSIG));
	}
	if (dir)
		closedir(dir);
}

/* Flags of areas that are how this child was made: its pager, and that memory is not accounted. */
static const char *const made_flags[] = { "um", "nr", "dc", "mr", "mw", "me", "ms", "ac", "gd", "sf", "de" };

static void look_at_areas(void)
{
	char *line, *rest = NULL, area[40] = "", perms[8] = "";

	if (!content("/proc/self/smaps"))
		abort();
	for (line = strtok_r(buffer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned long start, end;
		char kept[128] = "", name[80], *flag, *others = NULL;

		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) == 3) {
			snprintf(area, sizeof(area), "%lx", start);
			continue;
		}
		if (strncmp(line, "VmFlags:", 8))
			continue;
		for (flag = strtok_r(line + 8, " ", &others); flag; flag = strtok_r(NULL, " ", &others)) {
			bool made = false;

			for (size_t i = 0; i < sizeof(made_flags) / sizeof(made_flags[0]); i++)
				made |= !strcmp(flag, made_flags[i]);
			if (!made)
				strcat(strcat(kept, " "), flag);
		}
		snprintf(name, sizeof(name), "area:%s", area);
		fact(name, "%s%s", perms, kept);
	}
}

static void look(int when)
{
	now = when;
	look_at_status();
	look_at_stat();
	look_at_files();
	look_at_links();
	look_at_prctl();
	look_at_scheduling();
	look_at_the_rest();
	look_at_areas();
}

static const struct fact *find(int when, const char *name)
{
	for (int i = 0; i < fact_count[when]; i++)
		if (!strcmp(facts[when][i].name, name))
			return &facts[when][i];
	return NULL;
}

/* An area may come in pieces, and another before it: of areas only those of the parent count. */
static void compare(void)
{
	for (int i = 0; i < fact_count[0]; i++) {
		const struct fact *was = &facts[0][i], *is = find(1, was->name);

		if (!is)
			printf("%s: %s, now nothing\n", was->name, was->value);
		else if (strcmp(was->value, is->value))
			printf("%s: %s, now %s\n", was->name, was->value, is->value);
	}
	for (int i = 0; i < fact_count[1]; i++)
		if (strncmp(facts[1][i].name, "area:", 5) && !find(0, facts[1][i].name))
			printf("%s: nothing, now %s\n", facts[1][i].name, facts[1][i].value);
}

/* ---- setting ---- */

static void check(bool condition, const char *what)
{
	if (condition)
		return;
	printf("cannot set %s: %s\n", what, strerror(errno));
	exit(errno == EPERM || errno == EINVAL || errno == ENOSYS || errno == ENODEV || errno == ENXIO ? 77 : 99);
}

#define CHECK(condition) check(condition, __func__ + 4)

static void set_nice(void) { CHECK(!setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 3)); }

static void set_policy(int policy, int priority)
{
	struct sched_param p = { .sched_priority = priority };

	CHECK(!sched_setscheduler(0, policy, &p));
}

static void set_batch(void) { set_policy(SCHED_BATCH, 0); }
static void set_idle(void) { set_policy(SCHED_IDLE, 0); }
static void set_fifo(void) { set_policy(SCHED_FIFO, 3); }
static void set_reset(void) { set_policy(SCHED_RR | SCHED_RESET_ON_FORK, 2); }
static void set_ioprio(void) { CHECK(!syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(2, 6))); }
static void set_slack(void) { CHECK(!prctl(PR_SET_TIMERSLACK, 123456)); }
static void set_personality(void) { CHECK(personality(ADDR_NO_RANDOMIZE | UNAME26 | READ_IMPLIES_EXEC) >= 0); }
static void set_subreaper(void) { CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1)); }
static void set_pdeath(void) { CHECK(!prctl(PR_SET_PDEATHSIG, SIGUSR1)); }
static void set_thp(void) { CHECK(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }
static void set_mce(void) { CHECK(!prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0)); }
static void set_flusher(void) { CHECK(!prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0)); }
static void set_merge(void) { CHECK(!prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)); }
static void set_mdwe(void) { CHECK(!prctl(PR_SET_MDWE, 1, 0, 0, 0)); }
static void set_mdwe_alone(void) { CHECK(!prctl(PR_SET_MDWE, 3, 0, 0, 0)); }
static void set_bypass(void) { CHECK(!prctl(PR_SET_SPECULATION_CTRL, 0, PR_SPEC_DISABLE, 0, 0)); }
static void set_branch(void) { CHECK(!prctl(PR_SET_SPECULATION_CTRL, 1, PR_SPEC_DISABLE, 0, 0)); }
static void set_umask(void) { umask(0137); }
static void set_undumpable(void) { CHECK(!prctl(PR_SET_DUMPABLE, 0)); }
static void set_promise(void) { CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
static void set_noroot(void) { CHECK(!prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP)); }
static void set_keepcaps(void) { CHECK(!prctl(PR_SET_KEEPCAPS, 1)); }

static void set_affinity(void)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (CPU_COUNT(&cpus) < 2)
		exit(77);
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	CHECK(!sched_setaffinity(0, sizeof(cpus), &cpus));
}

static void set_mempolicy(void)
{
	unsigned long node = 1;

	CHECK(!syscall(SYS_set_mempolicy, MPOL_BIND, &node, 64));
}

static void set_mbind(void)
{
	unsigned long node = 1;
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(!syscall(SYS_mbind, p, 1 << 20, MPOL_BIND, &node, 64, 0));
}

/* Near who touches it first: as all memory of a process without a policy is. */
static void set_mlocal(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(!syscall(SYS_mbind, p, 1 << 20, MPOL_LOCAL, NULL, 0, 0));
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void set_oom(void) { write_to("/proc/self/oom_score_adj", "321"); }
static void set_corefilter(void) { write_to("/proc/self/coredump_filter", "0x1f"); }

static void set_barriers(void)
{
	CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
}

static void set_timer(void)
{
	struct itimerspec far = { { 0, 0 }, { 3600, 0 } };
	timer_t t;

	CHECK(!timer_create(CLOCK_MONOTONIC, NULL, &t) && !timer_settime(t, 0, &far, NULL));
}

static void set_children(void)
{
	int pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void set_lock(void)
{
	void *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(!mlock(p, 1 << 16));
}

static void set_session(void)
{
	if (getsid(0) != getpid())
		CHECK(setsid() >= 0);
}

static void set_keyring(void) { CHECK(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) > 0); }

static void set_key(void)
{
	CHECK(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) > 0);
	CHECK(syscall(SYS_add_key, "user", "mitosis-test", "x", 1, KEY_SPEC_SESSION_KEYRING) > 0);
}

static void set_limits(void)
{
	struct rlimit l;

	for (int i = 0; i < 16; i++) {
		if (i == RLIMIT_AS || i == RLIMIT_STACK)
			continue;
		CHECK(!getrlimit(i, &l));
		if (l.rlim_max == RLIM_INFINITY)
			l.rlim_max = 3ULL << 30;
		l.rlim_max -= l.rlim_max > 1000 ? 10 : 0;
		l.rlim_cur = l.rlim_max - (l.rlim_max > 1000 ? 10 : 0);
		CHECK(!setrlimit(i, &l));
	}
}

static void set_user(void)
{
	const gid_t groups[] = { 7, 100, 65534 };

	CHECK(!setgroups(3, groups) && !setresgid(1234, 1235, 1236) && !setresuid(2234, 2235, 2236));
	CHECK(!prctl(PR_SET_DUMPABLE, 1));
}

static void change_capabilities(uint64_t lost, uint32_t inheritable)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	CHECK(!syscall(SYS_capget, &h, d));
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= ~(uint32_t)(lost >> 32 * i);
		d[i].effective &= d[i].permitted;
		d[i].inheritable = i ? 0 : inheritable & d[i].permitted;
	}
	CHECK(!syscall(SYS_capset, &h, d));
	CHECK(!prctl(PR_SET_DUMPABLE, 1));
}

static void set_keptuser(void)
{
	/* Another user with some of root's capabilities, one of them for what it executes, too. */
	CHECK(!prctl(PR_SET_KEEPCAPS, 1) && !setresuid(2234, 2234, 2234) && !prctl(PR_SET_KEEPCAPS, 0));
	change_capabilities(~(1ULL << CAP_NET_RAW | 1ULL << CAP_CHOWN | 1ULL << CAP_NET_ADMIN), 1u << CAP_NET_RAW);
	CHECK(!prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
}

static void set_nocaps(void) { change_capabilities(~0ULL, 0); }
static void set_fewcaps(void) { change_capabilities(1ULL << CAP_SYS_ADMIN | 1ULL << CAP_NET_ADMIN, 1u << CAP_CHOWN); }

static void set_bounded(void)
{
	CHECK(!prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) && !prctl(PR_CAPBSET_DROP, CAP_MKNOD));
}

static void set_effective(void)
{
	CHECK(!setresgid(-1, 1235, -1) && !setresuid(-1, 2235, -1) && !prctl(PR_SET_DUMPABLE, 1));
}

static void set_advice(void)
{
	static const int advice[] = { MADV_DONTDUMP, MADV_RANDOM, MADV_SEQUENTIAL, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE };
	const size_t n = sizeof(advice) / sizeof(advice[0]), each = 1 << 16;
	char *p = mmap(NULL, n * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, n * each);
	for (size_t i = 0; i < n; i++)
		CHECK(!madvise(p + i * each, each, advice[i]));
}

static int own_file(int owner)
{
	struct f_owner_ex o = { F_OWNER_PID, owner };
	int fd = open("/etc/passwd", O_RDONLY);

	CHECK(fd >= 0 && !fcntl(fd, F_SETOWN_EX, &o) && !fcntl(fd, F_SETSIG, SIGUSR2));
	return fd;
}

static void set_owner(void) { CHECK(dup(own_file(getpid())) >= 0); }
static void set_owner_other(void) { own_file(getppid()); }

static const struct {
	const char *name;
	void (*set)(void);
} all[] = {
#define SET(name) { #name, set_##name }
	SET(nice), SET(batch), SET(idle), SET(fifo), SET(reset), SET(ioprio), SET(slack), SET(personality),
	SET(subreaper), SET(pdeath), SET(thp), SET(mce), SET(flusher), SET(merge), SET(mdwe), SET(mdwe_alone),
	SET(bypass), SET(branch), SET(umask), SET(undumpable), SET(promise), SET(noroot), SET(keepcaps), SET(affinity),
	SET(mempolicy), SET(mbind), SET(mlocal), SET(oom), SET(corefilter), SET(barriers), SET(timer), SET(children),
	SET(lock), SET(session), SET(keyring), SET(key), SET(limits), SET(user), SET(keptuser), SET(nocaps), SET(fewcaps),
	SET(bounded), SET(effective), SET(advice), SET(owner), SET(owner_other),
};

static void print_log(enum mitosis_log_level level, const char *text, void *data)
{
	if (level <= MITOSIS_LOG_WARNING)
		fprintf(stderr, "everything: %s\n", text);
}

int main(int argc, char **argv)
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	char ref[MITOSIS_REF_MAX], c;
	int ret;

	args.listen = getenv("MITOSIS_TEST_LISTEN");
	args.engine = getenv("MITOSIS_TEST_ENGINE");
	mitosis_set_logger(print_log, NULL);
	for (size_t k = 0; argc < 2 && k < sizeof(all) / sizeof(all[0]); k++)
		printf("%s\n", all[k].name);
	if (argc < 2)
		return 0;
	for (int i = 1; i < argc; i++) {
		bool known = !strcmp(argv[i], "nothing");

		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			if (strcmp(argv[i], all[k].name))
				continue;
			all[k].set();
			known = true;
		}
		if (!known)
			return 99;
	}
	/* What looking needs of memory is there before. */
	look(1);
	fact_count[1] = 0;
	memset(facts[0], 1, sizeof(facts[0]));
	look(0);
	ret = mitosis_prepare(&args, ref);
	if (ret < 0) {
		printf("mitosis_prepare: %s\n", strerror(-ret));
		return 1;
	}
	if (ret) {
		look(1);
		compare();
		printf("ok everything\n");
		return 0;
	}
	printf("%s\n", ref);
	fflush(stdout);
	while (read(0, &c, 1) > 0 || errno == EINTR)
		errno = 0;
	return 0;
}
