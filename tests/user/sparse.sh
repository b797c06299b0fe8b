#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sparse.sh - 64 GiB of address space, 128 pages of content.
. "$(dirname "$0")/../lib.sh"
run_state sparse
