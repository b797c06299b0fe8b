#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# As docs-commands.sh, of the lines that start virtual machines.
tests_of_docs=$(dirname "$0")
command -v qemu-system-x86_64 >/dev/null || { echo "docs-lab: skipped: needs qemu-system-x86_64" >&2; exit 77; }
export docs_kind=lab MITOSIS_LAB_NAME=docs.$$
# shellcheck source=tests/docs-commands.sh
. "$tests_of_docs/docs-commands.sh"
