#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# ./bootstrap: which packages it takes to be there, and what it reports of the tests. With dpkg's records of a made-up
# machine, and a make that only says what became of tests.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
need_command dpkg-query

mkdir -p tree/build tree/tests tools records/info
cp "$tests_dir/../bootstrap" tree || broken "cp"
touch tree/configure.ac tree/build/config.status
echo "TESTS += tests/one.sh tests/two.sh" >tree/tests/Makemodule.am
touch -d '+1 minute' tree/configure
export DPKG_ADMINDIR=$PWD/records VERDICTS=$PWD/verdicts
native=$(dpkg --print-architecture)
# An ordinary user's: what is missing is named, and nothing is installed.
tool() {
	cat >"tools/$1"
	chmod 755 "tools/$1"
}
tool id <<<'#!/bin/sh
echo 1000'
tool apt-get <<<'#!/bin/sh
echo "apt-get was called" >&2
exit 1'
# VERDICTS: lines of a verdict, a test and what it said
tool make <<'END'
#!/bin/sh
for word; do
	case $word in
	tests-together) echo tests/one.sh ;;
	tests-alone) echo tests/two.sh ;;
	TESTS=?*) tests=${word#TESTS=} ;;
	esac
done
status=0
for test in ${tests-}; do
	read -r verdict said <<-LINE
		$(sed -n "s|^$test ||p" "$VERDICTS")
	LINE
	log=build/${test%.sh}
	mkdir -p "${log%/*}"
	echo ":global-test-result: $verdict" >"$log.trs"
	printf '%s\n%s %s (exit status: 77)\n' "$said" "$verdict" "$test" >"$log.log"
	[ "$verdict" != FAIL ] || status=2
done
exit $status
END
PATH=$PWD/tools:$PATH

# record NAME ARCHITECTURE [STATUS [FIELD]]
record() {
	printf 'Package: %s\nStatus: %s\nArchitecture: %s\nMulti-Arch: same\nVersion: 1\nMaintainer: x <x@x>\nDescription: x\n%s\n' \
		"$1" "${3:-install ok installed}" "$2" "${4:+$4$'\n'}"
}
# records NAME...: all that bootstrap wants, but for these
records() {
	local package
	for package in $wanted; do
		case " $* " in *" $package "*) ;; *) record "$package" "$native" ;; esac
	done
}
lacks() {
	expect 1 tree/bootstrap check
	said err "^sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends $1'\$"
	! grep -q "apt-get was called" err || fail "something is installed"
}

doing="nothing is there"
: >records/status
expect 1 tree/bootstrap check
wanted=$(sed -n "s/^sudo sh -c '.*--no-install-recommends \\(.*\\)'\$/\\1/p" err)
for package in pkg-config gcc git build-essential; do
	[[ " $wanted " == *" $package "* ]] || fail "$package is not named: $(cat err)"
done

doing="all is there"
printf '%s\n' "tests/one.sh PASS" "tests/two.sh PASS" >verdicts
records >records/status
expect 0 tree/bootstrap check
[ "$(tail -n 1 out)" = "2 passed, 0 failed, 0 skipped" ] || fail "$(cat out)"

doing="a package that another one provides, one that is held, one of two architectures"
foreign=i386
[ "$native" != i386 ] || foreign=amd64
{
	records pkg-config make gcc
	record pkgconf "$native" "" 'Provides: pkg-config (= 1.8.1-1), another'
	record make "$native" "hold ok installed"
	record gcc "$native"
	record gcc "$foreign"
} >records/status
expect 0 tree/bootstrap check

doing="only the configuration is left, another architecture, another name"
{
	records make gcc git
	record make "$native" "deinstall ok config-files"
	record gcc "$foreign"
	record git-lfs "$native" "" "Provides: libgit"
} >records/status
lacks "gcc make git"

doing="what was skipped is told"
records >records/status
printf '%s\n' "tests/one.sh SKIP one: skipped: needs a moon" "tests/two.sh PASS" >verdicts
expect 0 tree/bootstrap check
[ "$(tail -n 2 out)" = "skipped: tests/one.sh: needs a moon
1 passed, 0 failed, 1 skipped" ] || fail "$(cat out)"

doing="some tests"
expect 0 tree/bootstrap check tests/one.sh
[ "$(cat out)" = "skipped: tests/one.sh: needs a moon
0 passed, 0 failed, 1 skipped" ] || fail "$(cat out)"
expect 2 tree/bootstrap check tests/three.sh
said err '^bootstrap: tests/three.sh: no such test$'
expect 2 tree/bootstrap run tests/one.sh

doing="all were skipped, or one failed"
printf '%s\n' "tests/one.sh SKIP needs a moon" "tests/two.sh SKIP needs a moon" >verdicts
expect 1 tree/bootstrap check
printf '%s\n' "tests/one.sh SKIP needs a moon" "tests/two.sh FAIL it is broken" >verdicts
expect 1 tree/bootstrap check
said out '^it is broken$'
[ "$(tail -n 1 out)" = "0 passed, 1 failed, 1 skipped" ] || fail "$(cat out)"
exit 0
