/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* trace.h - not yet for this processor: see contract.h. */
#include "contract.h"
