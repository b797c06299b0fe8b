/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* preload.h - how mitosis-parent --on talks to the object it preloads: by environment. */
#ifndef MITOSIS_PRELOAD_H
#define MITOSIS_PRELOAD_H

#define PRELOAD_NAME		"mitosis-preload.so"
#define PRELOAD_PID		"MITOSIS_PRELOAD_PID"
#define PRELOAD_SIGNAL		"MITOSIS_PRELOAD_SIGNAL"
#define PRELOAD_REFERENCE	"MITOSIS_PRELOAD_REFERENCE"
#define PRELOAD_LISTEN		"MITOSIS_PRELOAD_LISTEN"
#define PRELOAD_ENGINE		"MITOSIS_PRELOAD_ENGINE"
#define PRELOAD_LABEL		"MITOSIS_PRELOAD_LABEL"
#define PRELOAD_LIFETIME	"MITOSIS_PRELOAD_LIFETIME"

#endif
