/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registers.h - not yet for this processor: see contract.h. */
#include "contract.h"
