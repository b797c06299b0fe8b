// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * restore.c - probes of mitosis-check: what processes need to be rebuilt and kept apart, and the
 * host's identity.
 */
#include "item.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity.h"
#include "namespaces.h"

#define DESCRIPTORS_ENOUGH	256u

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

void probe_privileges(struct item *item)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	static const struct { unsigned int number; const char *name, *gives; } caps[] = {
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "userfaultfd" },
		{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", "/proc/PID/exe of a child" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "namespaces" },
		{ CAP_SETUID, "CAP_SETUID", "a child's user" },
		{ CAP_SETGID, "CAP_SETGID", "its groups" },
		{ CAP_SYS_CHROOT, "CAP_SYS_CHROOT", "its root directory" },
		{ CAP_SYS_NICE, "CAP_SYS_NICE", "its priority" },
		{ CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", "its higher limits" },
	};
	char have[256] = "", lack[512] = "";

	syscall(SYS_capget, &header, data);
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		if (data[caps[i].number / 32].effective & 1u << caps[i].number % 32)
			snprintf(have + strlen(have), sizeof(have) - strlen(have), "%s%s",
				 *have ? " " : "", caps[i].name);
		else
			snprintf(lack + strlen(lack), sizeof(lack) - strlen(lack), "%s%s (%s)",
				 *lack ? ", " : "", caps[i].name, caps[i].gives);
	}
	if (!*lack)
		item_set(item, STATE_OK, "uid %u with %s", geteuid(), have);
	else
		item_set(item, STATE_LIMITED, "uid %u without %s", geteuid(), lack);
}

/* A snapshot is read from there, and a child is set up by it. */
void probe_proc(struct item *item)
{
	static const char *const files[] = {
		"/proc/self/task",  "/proc/self/fd",	 "/proc/self/maps",
		"/proc/self/smaps", "/proc/self/status",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!access(files[i], R_OK))
			continue;
		item_set(item, STATE_NO, "%s: %s", files[i], strerror(errno));
		item_remedy(item, "%smount -t proc proc /proc", item_sudo());
		return;
	}
	item_set(item, STATE_OK, "/proc is mounted");
}

/* In a process of its own, that may lose its vDSO: 0 or an errno. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn());
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

/* As the restorer does it: take the vDSO away, map it again at the same place. */
static int map_vdso_again(void)
{
	unsigned long first = 0, last = 0, start, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
			continue;
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			return EPROTO;
		first = first ? first : start;
		last = end;
	}
	if (!first)
		return ENOENT;
	if (munmap((void *)first, last - first))
		return errno;
	return -identity_map_vdso(first);
}

void probe_vdso_map(struct item *item)
{
	int err = in_child(map_vdso_again);

	if (!err) {
		item_set(item, STATE_OK, "the vDSO can be moved to where the parent had it");
		return;
	}
	if (err == ENOENT) {
		item_set(item, STATE_LIMITED,
			 "this kernel gives no vDSO: only children of such hosts can run here");
		item_remedy(item, "boot without vdso=0");
		return;
	}
	item_set(item, STATE_NO, "arch_prctl(ARCH_MAP_VDSO_64): %s", strerror(err));
	item_remedy(item, "a kernel with CONFIG_CHECKPOINT_RESTORE=y");
}

void probe_mm_map(struct item *item)
{
	unsigned int size = 0;

	if (!prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) && size) {
		item_set(item, STATE_OK,
			 "heap, arguments and environment of a child can be set (prctl PR_SET_MM_MAP)");
		return;
	}
	item_set(item, STATE_NO, "prctl(PR_SET_MM_MAP): %s", strerror(errno));
	item_remedy(item, "a kernel with CONFIG_CHECKPOINT_RESTORE=y");
}

void probe_loopback(struct item *item)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(a);

	/* The connection is complete at once, or it never will be. */
	if (server < 0 || client < 0 || bind(server, (struct sockaddr *)&a, length) ||
	    listen(server, 1) || getsockname(server, (struct sockaddr *)&a, &length) ||
	    (connect(client, (struct sockaddr *)&a, length) && errno != EINPROGRESS)) {
		item_set(item, STATE_NO, "127.0.0.1: %s", strerror(errno));
		item_remedy(item, "%sip link set lo up", item_sudo());
	} else {
		item_set(item, STATE_OK, "TCP over 127.0.0.1");
	}
	if (server >= 0)
		close(server);
	if (client >= 0)
		close(client);
}

/* A child has its parent's descriptors, and until it runs some of its own above these. */
void probe_descriptors(struct item *item)
{
	struct rlimit limit = { 0 };

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= DESCRIPTORS_ENOUGH) {
		item_set(item, STATE_OK, "%llu may be open, and with ulimit -n %llu",
			 (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
		return;
	}
	item_set(item, STATE_LIMITED,
		 "%llu may be open at most: children need those of their parents and some more",
		 (unsigned long long)limit.rlim_max);
	item_remedy(item, "as root: ulimit -Hn 4096; or LimitNOFILE= of the service");
}

static int unshare_user(void)
{
	return unshare(CLONE_NEWUSER) ? errno : 0;
}

/* Lean containers and the lab's network need one where there is no root. */
void probe_user_namespaces(struct item *item)
{
	int err = in_child(unshare_user);
	char why[256];
	const char *knob;

	if (!err) {
		item_set(item, STATE_OK, "%s may make one", geteuid() ? "this user" : "root");
		return;
	}
	item_set(item, STATE_LIMITED, "%s",
		 namespaces_problem("user", err, why, sizeof(why), &knob));
	if (*knob)
		item_remedy(item, "%ssysctl %s", item_sudo(), knob);
}

void probe_cpu(struct item *item)
{
	uint32_t hash;
	uint64_t states;
	unsigned int count = identity_processor(&hash, &states);

	item_set(item, STATE_OK,
		 "identity %08x: %u features that programs choose code by, xcr0 0x%llx", hash,
		 count, (unsigned long long)states);
}

void probe_vdso(struct item *item)
{
	struct utsname host;
	uint32_t hash;
	uint64_t bytes = identity_vdso(&hash);

	uname(&host);
	if (!bytes)
		item_set(item, STATE_OK, "identity none: this kernel has no vDSO");
	else
		item_set(item, STATE_OK, "identity %08x: %llu KiB, Linux %s", hash,
			 (unsigned long long)bytes >> 10, host.release);
}
