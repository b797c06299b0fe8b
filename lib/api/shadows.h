/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* shadows.h - the shadows that this process has started: see prepare.c. */
#ifndef MITOSIS_SHADOWS_H
#define MITOSIS_SHADOWS_H

/*
 * Wait for one that is known to be ending, so that it does not stay a zombie; of others nothing is
 * done.
 */
void shadow_reap(int pid);

#endif
