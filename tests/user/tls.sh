#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tls.sh - thread-local storage, and threads with their own.
. "$(dirname "$0")/../lib.sh"
run_state tls
