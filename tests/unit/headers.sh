#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The headers that are installed: in C and in C++, of any standard that compilers are asked for, with what
# cautious projects have compilers warn of, each as the only and the first one that is included.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
need_command cc
headers=$(realpath "$tests_dir/../lib/include")
ioctl=$(realpath "$tests_dir/../kmod")

cat >use.c <<'END'
#include "mitosis.h"

int use(char *ref);
int use(char *ref)
{
	struct mitosis_prepare_args prepare = MITOSIS_PREPARE_ARGS_INIT;
	struct mitosis_resume_args resume = MITOSIS_RESUME_ARGS_INIT;

	prepare.label = "label";
	resume.flags = MITOSIS_RESUME_STRICT;
	if (prepare.size != sizeof(prepare) || resume.size != sizeof(resume) || resume.mode != MITOSIS_MODE_AUTO)
		return -1;
	return mitosis_prepare(&prepare, ref) ? mitosis_resume(ref, &resume) : mitosis_release(ref);
}
END
cat >ioctl.c <<'END'
#include "mitosis_ioctl.h"

int use(void);
int use(void) { return 0; }
END
warnings="-Wall -Wextra -Wpedantic -Wmissing-field-initializers -Wundef -Wconversion -Wsign-conversion -Werror"
compiled=0
# compile COMPILER LANGUAGE STANDARD...
compile() {
	local compiler=$1 language=$2 standard name
	command -v "$compiler" >/dev/null || return 0
	shift 2
	for standard; do
		for name in use ioctl; do
			doing="$compiler -std=$standard, $name.c"
			# shellcheck disable=SC2086 # words
			"$compiler" -x "$language" -std="$standard" $warnings -I"$headers" -I"$ioctl" -c -o "$name.o" "$name.c" \
				>out 2>&1 || fail "$(head -n 20 out)"
			compiled=$((compiled + 1))
		done
	done
}
for compiler in cc clang; do
	compile "$compiler" c c99 c11 c17 gnu17
done
for compiler in c++ clang++; do
	compile "$compiler" c++ c++11 c++17 c++20
done
# A C compiler is what this was built with.
[ "$compiled" -ge 8 ] || fail "only $compiled were compiled"
exit 0
