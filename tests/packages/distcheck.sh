#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# make distcheck: what "make dist" makes is built beside its sources, which are read-only, tested, installed,
# removed and cleaned, and nothing is left.

# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$(dirname "$0")/packages.sh"

make_tarball
# Whether it works is asked, not how fast.
build_make -j"$(nproc)" distcheck DISTCHECK_CONFIGURE_FLAGS="CFLAGS=-O0"
exit 0
