/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * references.h - snapshots of parents elsewhere: the references among a measuring tool's arguments.
 */
#ifndef MEASURE_REFERENCES_H
#define MEASURE_REFERENCES_H

/* "kernel" or "user": how a reference says that its snapshot is reached. */
const char *reference_engine(const char *ref);

/*
 * The references among the arguments, and for "-" those among the lines of standard input: a list
 * that ends in NULL, or NULL with an exit status after a message. They are keys, so argv is
 * overwritten.
 */
char **references_read(const char **given, int argc, char **argv, int *status);
void references_free(char **refs);

/* --serve: 0, or -1: nobody would ever learn it (the reason is told at exit). */
int reference_print(const char *ref);

#endif
