// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * filter.c - the system call filter of containers, installed once per spawner.
 *
 * Installing a filter costs the kernel more than all else in a container's start: it is checked,
 * translated and run on trial for each system call. Filters are inherited, so the spawner installs
 * it for itself. What it still has to do itself, or between clone and exec on behalf of a
 * container, it may do by a secret 64-bit number in the sixth argument, which the kernel does not
 * read for these calls. A container cannot know it: the filter cannot be read back without
 * CAP_SYS_ADMIN in the host's user namespace, and the memory that held the number is gone with
 * exec. Even with it, these calls would fail for want of a capability.
 *
 * TIOCSTI and TIOCLINUX put characters into a terminal's input, as if the user had typed them.
 */
#include "lean.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

int filter_read(const char *name, struct sock_fprog *program)
{
	char path[PATH_MAX];
	struct stat st;
	int fd = open(lean_run_path(path, name, "seccomp"), O_RDONLY | O_CLOEXEC);

	program->filter = NULL;
	if (fd < 0 && errno != ENOENT) {
		tool_error(path, "%s", strerror(errno));
		return -1;
	}
	if (fd >= 0 && !fstat(fd, &st) && st.st_size > 0 &&
	    !(st.st_size % (off_t)sizeof(struct sock_filter)) &&
	    st.st_size / (off_t)sizeof(struct sock_filter) <= BPF_MAXINSNS) {
		program->filter = malloc((size_t)st.st_size);
		program->len = (unsigned short)(st.st_size / (off_t)sizeof(struct sock_filter));
		if (program->filter &&
		    read(fd, program->filter, (size_t)st.st_size) != st.st_size) {
			free(program->filter);
			program->filter = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	if (program->filter)
		return 0;
	tool_error(path, "no system call filter: run mitosis-leanprep create %s again", name);
	return -1;
}

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOW(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]))
#define HIGH(n) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]) + 4)
/* Jumps are relative: to the instruction after the next `yes` or `no` ones. */
#define IF(value, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define RETURN(action)	BPF_STMT(BPF_RET | BPF_K, (uint32_t)(action))

int filter_install(const struct sock_fprog *profile, uint64_t secret)
{
	/*
	 * Goes before the profile. Arguments are looked at for these system calls only: what
	 * depends on the number alone is answered from the kernel's own table.
	 */
	const struct sock_filter before[] = {
		[0] = LOAD(nr),
		[1] = IF(SYS_ioctl, 12 - 2, 0),
		[2] = IF(SYS_mount, 7 - 3, 0),
		[3] = IF(SYS_umount2, 7 - 4, 0),
		[4] = IF(SYS_pivot_root, 7 - 5, 0),
		[5] = IF(SYS_sethostname, 7 - 6, 0),
		[6] = IF(SYS_clone3, 0, 16 - 7),
		[7] = LOW(5),
		[8] = IF((uint32_t)secret, 0, 16 - 9),
		[9] = HIGH(5),
		[10] = IF((uint32_t)(secret >> 32), 0, 16 - 11),
		[11] = RETURN(SECCOMP_RET_ALLOW),
		[12] = LOW(1),
		[13] = IF(TIOCSTI, 15 - 14, 0),
		[14] = IF(0x541c /* TIOCLINUX */, 0, 16 - 15),
		[15] = RETURN(SECCOMP_RET_ERRNO | EPERM),
		/* [16]: the profile */
	};
	size_t length = sizeof(before) / sizeof(before[0]) + profile->len;
	struct sock_fprog all = { .len = (unsigned short)length };
	int err = 0;

	all.filter = calloc(length, sizeof(*all.filter));
	if (!all.filter || length > BPF_MAXINSNS) {
		free(all.filter);
		tool_error("system call filter", "%s", strerror(ENOMEM));
		return -1;
	}
	memcpy(all.filter, before, sizeof(before));
	memcpy(all.filter + sizeof(before) / sizeof(before[0]), profile->filter,
	       profile->len * sizeof(*all.filter));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &all)) {
		tool_error("system call filter", "%s", strerror(errno));
		err = -1;
	}
	/* The secret is not left lying about for a copy of this process. */
	explicit_bzero(all.filter, length * sizeof(*all.filter));
	free(all.filter);
	return err;
}
