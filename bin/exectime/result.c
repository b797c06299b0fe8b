// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* result.c - what phases tell, and how it is read: see exectime.h. */
#include <sys/mman.h>
#include <unistd.h>

#include "children.h"
#include "exectime/exectime.h"
#include "tool.h"

void result_tell(int fd, const struct result *r)
{
	if (write_exactly(fd, r, sizeof(*r)) ||
	    write_exactly(fd, r->times, r->count * sizeof(*r->times)))
		_exit(STATUS_FAILED);
	if (r->times)
		munmap(r->times, (r->count + 1) * sizeof(*r->times));
}

int result_read(int fd, struct result *r)
{
	if (read_exactly(fd, r, sizeof(*r)))
		return 1;
	if (r->magic != RESULT_MAGIC || r->phase >= PHASES) {
		tool_error("mitosis-child",
			   "the parent is no mitosis-exectime --serve of this version");
		return -1;
	}
	if (!r->wrong)
		return 0;
	tool_error(phase_names[r->phase], "wrong byte at 0x%llx: it is not what the parent wrote",
		   (unsigned long long)r->wrong);
	return -1;
}

int result_take(struct plan *p, const char *engine, uint64_t iter, int fd)
{
	struct result r;
	int err = result_read(fd, &r);
	bool wanted;

	if (err)
		return err;
	wanted = p && p->phases[r.phase];
	for (uint64_t i = 0; i < r.count; i++) {
		uint64_t ns;

		if (read_exactly(fd, &ns, sizeof(ns)))
			return 1;
		if (wanted)
			emit(p, engine, iter, &r, ns);
	}
	if (wanted && !r.work.each)
		emit(p, engine, iter, &r, r.exec_ns);
	return wanted ? record_error(p->out) : 0;
}
