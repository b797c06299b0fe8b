#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 mitosis-exp maintainers
# version.sh - the version: from the file VERSION of a source package, or from configure.ac.
cd "$(dirname "$0")/.." || exit 1
if [ -s VERSION ]; then
	cat VERSION
else
	sed -n 's/^AC_INIT(\[[^]]*\], *\[\([^]]*\)\].*/\1/p' ../configure.ac
fi
