// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* process.c - a snapshot of a process that runs, whatever it is. */
#include "library.h"
#include "parent/parent.h"
#include "tool.h"

bool has_engine(const char *name)
{
	int err = name ? mitosis_engine_check(name) : 0;

	if (err)
		library_failed("--engine", err);
	return !err;
}

int prepare_process(int pid, const char *reference, const struct mitosis_prepare_args *prepare)
{
	char ref[MITOSIS_REF_MAX];
	int err = mitosis_prepare_pid(pid, prepare, ref);

	if (err) {
		library_failed("prepare", err);
		return STATUS_FAILED;
	}
	return hand_over(reference, ref) ? STATUS_FAILED : STATUS_OK;
}
