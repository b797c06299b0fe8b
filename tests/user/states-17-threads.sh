#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# states-17-threads.sh - every state in a program of 17 threads.
# shellcheck source-path=SCRIPTDIR source=companions.sh
. "$(dirname "$0")/companions.sh"
with_threads 17
