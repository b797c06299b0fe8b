/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* packages.h - which packages this host's distribution offers, under Debian's names. */
#ifndef CHECK_PACKAGES_H
#define CHECK_PACKAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Is there such a package in the lists of apt or dnf? */
bool package_is_offered(const char *name);

/*
 * The one command that installs those of the packages that are offered; "" if there is none or
 * nothing knows how. left: the names of the others, separated by blanks; may be NULL. A package
 * that is a kernel (linux-image-amd64) becomes the one of this distribution.
 */
void package_command(const char *const names[], size_t n, char *command, size_t room, char *left,
		     size_t left_room);

/* For one package. */
const char *package_remedy(const char *name, char *command, size_t room);

#endif
