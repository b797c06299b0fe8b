// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* trace.c - the code of the tracepoints that trace.h declares: in one file, whoever uses them. */
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#include "trace.h"
