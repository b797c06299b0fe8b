#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Every tool has --help, --version and a message for a bad option; what --help says, options and
# columns, is in its man page and its completion; the man pages have no lint.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
top=$tests_dir/..
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$top/share/mitosis-exp/lab}
need_command mandoc
wrong=0

complain() {
	echo "$test_name: $*" >&2
	wrong=1
}

# The text of a man page, without overstriking.
render() { mandoc -T ascii "$1" | sed $'s/.\b//g'; }

# The long options that the help describes, not those that it only mentions.
options_of() { sed -n 's/^ *\(-., \)\{0,1\} *--\([a-z][a-z-]*\).*/\2/p' "$1" | sort -u; }

columns_of() { sed -n '/^Columns:/,/^$/s/^  \([a-z][a-z_0-9.]*\) .*/\1/p' "$1"; }

for tool in "$bin_dir"/mitosis-*; do
	if [ ! -x "$tool" ] || [ -d "$tool" ]; then
		continue
	fi
	name=${tool##*/}
	manual=$top/man/$name.1
	completion=$top/completions/$name
	for file in "$manual" "$completion"; do
		[ -s "$file" ] || complain "$name: no ${file#"$top/"}"
	done
	"$tool" --help >help 2>messages || complain "$name --help: exit status $?"
	[ -s messages ] && complain "$name --help writes to standard error"
	"$tool" --help >/dev/full 2>messages && complain "$name --help succeeds on a full disk"
	[ "$("$tool" --version | head -n 1 | cut -d ' ' -f 1-2)" = "$name (mitosis-exp" ] ||
		complain "$name --version is '$("$tool" --version)'"
	status=0
	"$tool" --no-such-option >out 2>messages </dev/null || status=$?
	[ "$status" = 2 ] || complain "$name: a bad option gives status $status"
	[ -s out ] && complain "$name: a bad option's message is on standard output"
	grep -q -- --no-such-option messages || complain "$name: the message does not name the bad option"
	if [ ! -s "$manual" ] || [ ! -s "$completion" ]; then
		continue
	fi
	render "$manual" >page
	[ -n "$(options_of help)" ] || complain "$name: no option in its help"
	for option in $(options_of help); do
		grep -Eq -- "--$option([^a-z-]|$)" page || complain "$name: --$option is not in the man page"
		grep -Eq -- "--$option([^a-z-]|$)" "$completion" || complain "$name: --$option is not completed"
	done
	for column in $(columns_of help); do
		grep -qw -- "$column" page || complain "$name: the column $column is not in the man page"
	done
	bash -n "$completion" || complain "${completion#"$top/"}"
done

for manual in "$top"/man/*.[1-8]; do
	# Whether the pages that are referred to are installed is another matter.
	mandoc -T lint "$manual" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' >messages
	[ -s messages ] && complain "lint: $(cat messages)"
done

# The page of the whole names each tool.
for tool in "$bin_dir"/mitosis-*; do
	if [ -x "$tool" ] && [ ! -d "$tool" ]; then
		grep -q "^\.It Xr ${tool##*/} 1\$" "$top/man/mitosis-exp.7" || complain "mitosis-exp(7) does not list ${tool##*/}"
	fi
done

# The module's page: what can be set, what is counted, what can be traced.
render "$top/man/mitosis.4" >page
parameters=$(sed -n 's/^PARAM([a-z]*, \([a-z_]*\),.*/\1/p' "$top/kmod/params.c")
counters=$(sed -n '/define MITOSIS_COUNTERS/,/^$/p' "$top/kmod/counters.h" | grep -o 'X([a-z_]*)' | sed 's/X(\(.*\))/\1/')
tracepoints=$(sed -n 's/^TRACE_EVENT(\([a-z_]*\),/\1/p' "$top/kmod/trace.h")
for list in "$parameters" "$counters" "$tracepoints"; do
	[ "$(wc -w <<<"$list")" -gt 5 ] || complain "the module's names are not found any more: '$list'"
	for name in $list; do
		grep -qw -- "$name" page || complain "mitosis(4) does not have $name"
	done
done

# Links between pages: in the source tree, and as they are installed.
# links DIRECTORY: complain of those of its pages that lead nowhere
links() {
	local page target
	while IFS=: read -r page target; do
		[ -e "$(dirname "$page")/${target%%#*}" ] || complain "${page#"$1/"}: $target is not there"
	done < <(cd / && find "$1" -name build -prune -o -name '*.md' -print0 | xargs -0 grep -oHE '\]\([^)#:]+(#[^)]*)?\)' |
		sed 's/:\](\(.*\))$/:\1/')
}
links "$top"
env -u MAKEFLAGS -u MAKELEVEL make -s -C "$build_dir" install-pages DESTDIR="$work_dir/root" docdir=/doc >messages 2>&1 ||
	fail "make install-pages: $(tail -n 3 messages)"
[ "$(grep -c '](' root/doc/README.md)" -gt 5 ] || complain "README.md: no links in it any more"
links "$work_dir/root"

[ "$wrong" = 0 ] || fail "see above"
