// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * lab.c - probes of mitosis-check: what mitosis-lab needs. `mitosis-lab check` knows that and is
 * asked once; here is decided what helps.
 */
#include "item.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "children.h"
#include "packages.h"
#include "run.h"

enum { NAME, STATE, DETAIL, PACKAGES, FIELDS };

static struct row {
	char *fields[FIELDS];
} rows[16];

static size_t row_count;
static bool asked;
static int lab_status;

static void ask(void)
{
	char check[] = "check", path[4096], *text, *line;
	char *argv[] = { path, check, NULL };

	if (asked)
		return;
	asked = true;
	snprintf(path, sizeof(path), "%s", sibling_path("mitosis-lab"));
	/* The rows point into it as long as the process lives. */
	text = run_program(argv, false, &lab_status);
	while (text && (line = strsep(&text, "\n")) && row_count < sizeof(rows) / sizeof(rows[0])) {
		struct row *row = &rows[row_count];
		int n = 0;

		while (n < FIELDS && line)
			row->fields[n++] = strsep(&line, "\t");
		row_count += n == FIELDS && row->fields[NAME][0] != '#' &&
			     strcmp(row->fields[NAME], "item");
	}
}

static const struct row *find_row(const char *name)
{
	ask();
	for (size_t i = 0; i < row_count; i++)
		if (!strcmp(rows[i].fields[NAME], name))
			return &rows[i];
	return NULL;
}

static enum state state_of(const struct row *row)
{
	return !strcmp(row->fields[STATE], "ok") ? STATE_OK :
	       !strcmp(row->fields[STATE], "limited") ? STATE_LIMITED : STATE_NO;
}

void probe_lab_part(struct item *item)
{
	const struct row *row = find_row(item->name);

	if (!row) {
		item_set(item, STATE_NO, "mitosis-lab does not tell: see lab");
		return;
	}
	item_set(item, state_of(row), "%s", row->fields[DETAIL]);
	if (item->state == STATE_OK)
		return;
	if (strcmp(row->fields[PACKAGES], "-"))
		item_remedy(item, "see lab");
	else if (!strcmp(item->name, "lab-network") && access("/dev/net/tun", F_OK) &&
		 module_is_available("tun"))
		item_remedy(item, "%smodprobe tun", item_sudo());
}

/* What is missing, whether a lab needs it or can do without, and one command for all of it. */
void probe_lab(struct item *item)
{
	char command[256], left[128], missing[200] = "";
	const char *names[64];
	enum state worst = STATE_OK;
	size_t n = 0;

	ask();
	if (!row_count) {
		if (lab_status == 127)
			item_set(item, STATE_NO, "cannot run: %s and python3 are not both here",
				 sibling_path("mitosis-lab"));
		else
			item_set(item, STATE_NO,
				 "cannot run: mitosis-lab check failed with status %d", lab_status);
		return;
	}
	for (size_t i = 0; i < row_count; i++) {
		enum state state = state_of(&rows[i]);
		char *list = rows[i].fields[PACKAGES], *name;

		if (state == STATE_OK)
			continue;
		worst = state > worst ? state : worst;
		snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), "%s%s",
			 *missing ? ", " : "", rows[i].fields[NAME]);
		if (!strcmp(list, "-"))
			continue;
		while ((name = strsep(&list, " ")) && n < sizeof(names) / sizeof(names[0]))
			names[n++] = name;
	}
	if (worst == STATE_OK)
		item_set(item, STATE_OK, "can run");
	else
		item_set(item, worst, "%s: see %s",
			 worst == STATE_NO ? "cannot run" : "can run, but not all of it", missing);
	package_command(names, n, command, sizeof(command), left, sizeof(left));
	if (*command || *left)
		item_remedy(item, "%s%s%s%s", command, *command && *left ? "; " : "",
			    *left ? "not offered to this host: " : "", left);
}
