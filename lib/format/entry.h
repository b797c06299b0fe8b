/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * entry.h - what libmitosis has in a program for who makes a child of it.
 *
 * A program that prepares itself tells where that is. One that is prepared from outside is looked
 * through for it: the program, or a library that it has mapped, carries a note (elf(5)) of which
 * the description says how far from it the struct is.
 */
#ifndef MITOSIS_ENTRY_H
#define MITOSIS_ENTRY_H

#include "format/descriptor.h"

#define ENTRY_NOTE_NAME		"mitosis"	/* and its NUL */
#define ENTRY_NOTE_TYPE		1
#define ENTRY_VARIABLE		"MITOSIS_CHILD="
#define ENTRY_NUMBER_BYTES	10u		/* of the longest number */
/* By which a child of a snapshot that was taken from outside gets to .enter: SIGRTMAX. */
#define ENTRY_SIGNAL		64

struct child_entry {
	uint64_t self;			/* its address, by which it is told from what is none */
	uint64_t enter;			/* a handler of signals, for ENTRY_SIGNAL */
	uint64_t leave;			/* where such a handler returns to */
	uint32_t functions;		/* how many mitosis_at_resume() was told */
	/* Filled in by the restorer: */
	uint32_t number;		/* of the child; 0: it is none */
	/* for .enter: what the program had for that signal, and its thread for all of them */
	struct descriptor_action action;
	uint64_t mask;
};

#endif
