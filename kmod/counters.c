// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* counters.c - where the counters are kept. */
#include "counters.h"

atomic64_t mitosis_counters[MITOSIS_COUNTER_MAX];
