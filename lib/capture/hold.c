// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* hold.c - see hold.h. */
#include "capture/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "sys.h"

#define PATIENCE_S	2
#define SLOWEST		(128U << 20)	/* bytes a second */

int hold_open(int32_t ends[2])
{
	long err = sys(SYS_pipe2, ends, O_CLOEXEC);

	if (err < 0)
		ends[0] = ends[1] = -1;
	return (int)err;
}

void hold_await(int32_t ends[2], bool begun, uint64_t copy_bytes)
{
	struct timespec patience = { .tv_sec = PATIENCE_S + (int64_t)(copy_bytes / SLOWEST) };
	struct pollfd p = { .fd = ends[0], .events = POLLIN };

	if (ends[0] < 0)
		return;
	sys(SYS_close, ends[1]);
	/* What is left of the time the kernel writes back. */
	while (begun && sys(SYS_ppoll, &p, 1, &patience, 0, 8) == -EINTR)
		;
	sys(SYS_close, ends[0]);
	ends[0] = ends[1] = -1;
}
