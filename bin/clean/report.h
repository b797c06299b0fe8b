/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * report.h - what the parts of mitosis-clean have found, and what became of it: one record per
 * object.
 */
#ifndef CLEAN_REPORT_H
#define CLEAN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "record.h"

struct object {
	const char *kind, *name;
	pid_t pid;		/* 0: no process */
	uid_t user;
};

#define REPORT_COLUMNS	6
extern const struct record_column report_columns[REPORT_COLUMNS];

/* A pass through what there is: it looks only, or removes. 0, or STATUS_FAILED, no message. */
int report_begin(bool looks, bool json, int argc, char **argv);
/* STATUS_OK, or STATUS_FAILED if something is left, or could not be looked at or written. */
int report_end(void);

bool report_looks(void);
/* Objects of the last pass that were removed, or that could be. */
size_t report_count(void);

/*
 * What became of an object. why NULL: it is gone, or can be removed if the pass looks only; else
 * why it is left.
 */
void report_object(const struct object *o, const char *why);
/* It cannot be known whether anything is left. */
void report_failed(const char *what, const char *why);
/* The same, and somebody else has said why. */
void report_told(void);

#endif
