// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* rm.c - mitosis-leanprep rm. */
#include <unistd.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

static int remove_one(const char *name)
{
	char path[PATH_MAX], why[WHY_MAX];
	int lock, err;

	/* An incomplete one, too: list shows it. */
	if (!lean_name_is_good(name) || access(lean_state_path(path, name, NULL), F_OK)) {
		tool_error(name, "no such template (mitosis-leanprep list shows them)");
		return STATUS_FAILED;
	}
	lock = lock_alone(name);
	if (lock < 0)
		return STATUS_FAILED;
	err = template_destroy(name, why);
	if (err)
		tool_error(name, "%s", why);
	lean_unlock(name, lock, !err);
	return err ? STATUS_FAILED : 0;
}

int verb_rm(const struct options *o, const char **arguments)
{
	int status = 0;

	(void)o;
	while (!status && *arguments)
		status = remove_one(*arguments++);
	return status;
}
