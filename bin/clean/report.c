// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * report.c - what the parts have found, and what became of it: see report.h.
 *
 * Where the user is asked there are two passes, and what is wrong in the first is so in the second,
 * too: each message is printed once.
 */
#include "clean/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { C_KIND, C_NAME, C_PID, C_USER, C_OUTCOME, C_REASON };
const struct record_column report_columns[REPORT_COLUMNS] = {
	[C_KIND]    = { "kind", RECORD_STRING,
			"child, container, snapshot, template, leftover, module" },
	[C_NAME]    = { "name", RECORD_STRING,
			"the child's program; a snapshot's label or address; else its name" },
	[C_PID]     = { "pid", RECORD_UINT,
			"its process: a child's supervisor, a snapshot's shadow" },
	[C_USER]    = { "user", RECORD_UINT, "user id that it belongs to" },
	[C_OUTCOME] = { "outcome", RECORD_STRING, "removed, left; found: it can be removed" },
	[C_REASON]  = { "reason", RECORD_STRING, "why it is left" },
};

static struct record_stream *out;
static bool looks;
static size_t count;
static int status;
static char **messages;
static size_t message_count;

int report_begin(bool only_looks, bool json, int argc, char **argv)
{
	looks = only_looks;
	count = 0;
	status = STATUS_OK;
	if (record_open(&out, stdout, json ? RECORD_JSON : RECORD_AUTO, report_columns,
			REPORT_COLUMNS, NULL, argc, argv))
		return STATUS_FAILED;
	record_header(out);
	return 0;
}

int report_end(void)
{
	if (record_close(out))
		status = STATUS_FAILED;
	return status;
}

bool report_looks(void)
{
	return looks;
}

size_t report_count(void)
{
	return count;
}

/* Was it printed before? */
static bool is_known(const char *text)
{
	char **list;

	for (size_t i = 0; i < message_count; i++)
		if (!strcmp(messages[i], text))
			return true;
	list = realloc(messages, (message_count + 1) * sizeof(*list));
	if (!list)
		return false;
	messages = list;
	list[message_count] = strdup(text);
	if (list[message_count])
		message_count++;
	return false;
}

static void complain(const char *object, const char *why)
{
	char text[1024];

	status = STATUS_FAILED;
	snprintf(text, sizeof(text), "%s: %s", object, why);
	if (!is_known(text))
		tool_error(NULL, "%s", text);
}

void report_object(const struct object *o, const char *why)
{
	char text[768];

	record_begin(out);
	record_string(out, C_KIND, o->kind);
	record_string(out, C_NAME, o->name);
	if (o->pid)
		record_uint(out, C_PID, (uint64_t)o->pid);
	record_uint(out, C_USER, o->user);
	record_string(out, C_OUTCOME, why ? "left" : looks ? "found" : "removed");
	record_string(out, C_REASON, why);
	record_end(out);
	if (why) {
		snprintf(text, sizeof(text), "%s: %s", o->kind, why);
		complain(o->name, text);
	} else {
		count++;
	}
}

void report_failed(const char *what, const char *why)
{
	complain(what, why);
}

void report_told(void)
{
	status = STATUS_FAILED;
}
