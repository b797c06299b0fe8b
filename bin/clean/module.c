// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* module.c - unloads the kernel module. */
#include "clean/clean.h"
#include "clean/report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

#define PATIENCE_NS	10000000000u	/* for connections and files of what has just ended */

int clean_module(void)
{
	const struct object o = { .kind = "module", .name = "mitosis" };
	uint64_t until = clock_now_ns() + PATIENCE_NS;
	char why[96];
	FILE *f;

	if (access("/sys/module/mitosis", F_OK))
		return 0;
	if (report_looks()) {
		report_object(&o, NULL);
		return 0;
	}
	while (syscall(SYS_delete_module, "mitosis", O_NONBLOCK)) {
		int users = 0;

		if (errno == ENOENT)
			break;
		if ((errno == EWOULDBLOCK || errno == EBUSY) && clock_now_ns() < until) {
			poll(NULL, 0, 20);
			continue;
		}
		f = fopen("/sys/module/mitosis/refcnt", "re");
		if (errno == EWOULDBLOCK && f && fscanf(f, "%d", &users) == 1)
			snprintf(why, sizeof(why), "in use: %d reference%s to it", users,
				 users == 1 ? "" : "s");
		else
			snprintf(why, sizeof(why), "%s", strerror(errno));
		if (f)
			fclose(f);
		report_object(&o, why);
		return 0;
	}
	report_object(&o, NULL);
	return 0;
}
