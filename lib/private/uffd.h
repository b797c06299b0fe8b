/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* uffd.h - can memory be fetched on demand here? */
#ifndef MITOSIS_UFFD_H
#define MITOSIS_UFFD_H

/* A userfaultfd with the events a pager needs, or -errno. */
int uffd_open(void);

#endif
