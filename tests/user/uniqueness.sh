#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# uniqueness.sh - what children of one snapshot draw at random differs, in PID namespaces of their own, too.
. "$(dirname "$0")/../lib.sh"
need_python
export PYTHON_MODULE=$tests_dir/../share/mitosis-exp/python PYTHONDONTWRITEBYTECODE=1
LIBCRYPTO=$("$python" -c 'import _hashlib, sys
sys.stdout.writelines(sorted({l.split()[-1] + "\n" for l in open("/proc/self/maps") if "/libcrypto" in l}))')
export LIBCRYPTO
[ -n "$LIBCRYPTO" ] || skip "the interpreter's OpenSSL is not a library of its own"

# A process by another one, which is the first of a PID namespace: as containers have it.
first='"$@"; exit $?'
enter=(unshare -pf --mount-proc --kill-child)
reason=$(why_not -p -f --mount-proc)
if [ -n "$reason" ]; then
	enter=(unshare -Urpf --mount-proc --kill-child)
	need_namespaces -U -r -p -f --mount-proc
fi

# draw NAME COMMAND...: a child by that command; its lines in NAME.drawn
draw() {
	local name=$1
	shift
	background "$name.out" "$name.err" "$@"
	pids+=("$!")
	finish "$!" 20000
	[ "$status" = 0 ] || fail "$name: status $status: $(tail -n 3 "$name.out" "$name.err")"
	grep -v '^pid ' "$name.out" | sort >"$name.drawn"
	[ -s "$name.drawn" ] || fail "$name: nothing drawn: $(tail -n 3 "$name.err")"
}
# differ WAY...: no two of what children have drawn are the same, and all of these were drawn
differ() {
	local kind
	[ -z "$(sort ./*.drawn | uniq -d)" ] || fail "the same in two children: $(sort ./*.drawn | uniq -d)"
	# What is drawn stands in the table of mitosis-uniqueness(7).
	for kind in $(cut -d ' ' -f 1 ./*.drawn | sort -u); do
		grep -qxF "$kind" "$tests_dir/../man/mitosis-uniqueness.7" || fail "$kind is not in the page"
	done
	for kind; do
		[ "$(grep -c "^$kind " ./*.drawn | grep -vc ':0$')" = 3 ] || fail "$kind was not drawn by all"
	done
	rm -f ./*.drawn
}

doing="parent and children would have the same id"
start_parent "${enter[@]}" sh -c "$first" sh "$python" "$tests_dir/user/draws.py" library
for number in 1 2 3; do
	draw "child$number" "${enter[@]}" "$child_tool" "$ref"
	[ "$(head -n 1 "child$number.out")" = "pid 3" ] || fail "not the next id: $(head -n 1 "child$number.out")"
done
differ getrandom openssl uuid4
end_parent
expect_status 0

doing="the same, fetched at once"
start_parent "${enter[@]}" sh -c "$first" sh "$python" "$tests_dir/user/draws.py" library
for number in 1 2 3; do
	draw "child$number" "${enter[@]}" "$child_tool" --mode eager "$ref"
	[ "$(head -n 1 "child$number.out")" = "pid 3" ] || fail "not the next id: $(head -n 1 "child$number.out")"
done
differ openssl
end_parent
expect_status 0

# The child would be the first process of its namespace, with which all others end: another one stays.
doing="the parent is the first process of its namespace, and so would be the child"
start_parent "${enter[@]}" "$python" "$tests_dir/user/draws.py" library
for number in 1 2 3; do
	draw "child$number" "${enter[@]/-pf/-p}" "$child_tool" "$ref"
	[ "$(head -n 1 "child$number.out")" = "pid 2" ] || fail "not the next id: $(head -n 1 "child$number.out")"
done
differ openssl
end_parent
expect_status 0

declare -A hooked=([hooks]=mine)
for way in module hooks; do
	doing="the Python module ($way)"
	start_parent "$python" "$tests_dir/user/draws.py" "$way"
	for number in 1 2 3; do
		draw "child$number" "$child_tool" "$ref"
	done
	differ random ssl uuid1 node numpy ${hooked[$way]:-}
	end_parent
	expect_status 0
done

# To what knows a fork by its process id alone, and is told the same one always.
doing="OpenSSL notices nothing by itself"
command -v cc >/dev/null || exit 0
cat >same.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t getpid(void)
{
	Dl_info info;

	if (dladdr(__builtin_return_address(0), &info) && info.dli_fname && strstr(info.dli_fname, "/libcrypto"))
		return 4711;
	return (pid_t)syscall(SYS_getpid);
}
END
cc -shared -fPIC -O -o same.so same.c 2>cc.err || broken "cc"
for way in library module; do
	start_parent env LD_PRELOAD="$work_dir/same.so" "$python" "$tests_dir/user/draws.py" "$way"
	for number in 1 2; do
		draw "child$number" "$child_tool" "$ref"
	done
	same=$(grep -h '^openssl ' ./*.drawn | sort | uniq -d)
	if [ "$way" = library ]; then
		[ -n "$same" ] || fail "it does: this does not test what it shall any more"
	else
		[ -z "$same" ] || fail "the Python module has not told it: $same"
	fi
	rm -f ./*.drawn
	end_parent
	expect_status 0
done
