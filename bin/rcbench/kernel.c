// SPDX-License-Identifier: GPL-2.0-or-later
/* kernel.c - --space kernel. */
#include "kernel.h"

#include "point.h"
#include "tool.h"

int kernel_check(bool others)
{
	tool_error("--space kernel", "not here yet");
	return -1;
}

void *drive_kernel(void *data)
{
	worker_start(data);
	return worker_end(data);
}
