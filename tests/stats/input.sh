#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck disable=SC1091,SC2154
# What is refused, and how it is said: malformed and empty streams, wrong usage, write errors.
. "$(dirname "$0")/common.sh"

# malformed LINE MESSAGE, stream on standard input
malformed() {
	cat >m.tsv
	run 1 m.tsv
	says "mitosis-stats: m.tsv:$1: $2"
	[ -s out ] && fail "output in spite of: $2"
	[ "$(wc -l <err)" -eq 1 ] || fail "more than one line of messages for: $2"
}

printf '# c\na\tb_ns\nx\t1\ny\n' | malformed 4 '1 field, but the header has 2'
printf 'a\tb_ns\nx\t1\t2\n' | malformed 2 '3 fields, but the header has 2'
printf 'a\tb_ns\nx\t1\n\n' | malformed 3 '1 field, but'
printf 'a\tb_ns\nx\tfast\n' | malformed 2 "column b_ns: 'fast' is not a number"
printf 'a\tb_ns\nx\t\n' | malformed 2 "column b_ns: '' is not a number"
for v in 0x10 1e 1e+ . - 1.2.3 ' 1' '1 ' inf 1,5 1e999 --1 1e5e5 12345678901234567890x; do
	printf 'b_ns\n1\n%s\n' "$v" | malformed 3 "column b_ns: '$v' is not a number"
done
printf 'a\ta\n1\t2\n' | malformed 1 "header: column 'a' appears twice"
printf 'a\t\n1\t2\n' | malformed 1 'header: column 2 has no name'
printf '# mitosis-exp 2 tool=x\na_ns\n1\n' | malformed 1 'format version 2 is newer'
printf '{"a_ns":1}\n{"a_ns":\n' | malformed 2 'not a JSON object'
printf '{"a_ns":1}\n[1]\n' | malformed 2 'not a JSON object'
printf '{"a_ns":1}\n\n' | malformed 2 'not a JSON object'
printf '{"a_ns":[1]}\n' | malformed 1 'a_ns: a record holds numbers and strings only'
printf '{"a_ns":"x"}\n' | malformed 1 "column a_ns: 'x' is not a number"
printf '{"a_ns":1,"a_ns":2}\n' | malformed 1 'not a JSON object'
printf '{"meta":{"mitosis-exp":2}}\n{"a_ns":1}\n' | malformed 1 'format version 2 is newer'

# Numbers in all their spellings; what needs rounding is rounded correctly.
printf 'b_ns\n1\n+2\n-3\n1.5\n.5\n4.\n1e3\n1E-2\n00017\n9007199254740993\n0.1234567890123456789012\nNaN\nNA\n' >n.tsv
run 0 --percentiles 50 n.tsv
[ "$(value n) $(value missing) $(value max)" = "11 2 9007199254740992" ] || fail "numbers"
printf '{"b_ns":18446744073709551615}\n{"b_ns":0.1}\n' >n.json
run 0 n.json
[ "$(value max) $(value min)" = "1.8446744073709552e+19 0.1" ] || fail "64-bit JSON integer"

# A byte order mark is no part of the first column's name, also where files are joined.
printf '\357\273\277b_ns\twss\n5\tx\n' >mark.tsv
run 0 --columns b_ns mark.tsv
[ "$(value n)" = 1 ] || fail "a byte order mark"
printf '\357\273\277# mitosis-exp 1 tool=x\nb_ns\n5\n' >mark.tsv
run 0 --columns b_ns mark.tsv
cat mark.tsv mark.tsv >marks.tsv
run 0 --columns b_ns marks.tsv
[ "$(value n)" = 2 ] || fail "byte order marks"
printf '\357\273\277{"b_ns":5}\n' >mark.json
run 0 --columns b_ns mark.json

# Empty in several ways
: >empty.tsv
run 1 empty.tsv
says 'mitosis-stats: empty.tsv: no records'
printf '# mitosis-exp 1 tool=x\na_ns\n' >empty.tsv
run 1 empty.tsv
says 'empty.tsv: no records'
run 1 n.tsv empty.tsv
says 'empty.tsv: no records'
"$stats" </dev/null >out 2>err && fail "empty standard input is not an error"
says 'mitosis-stats: standard input: no records'
printf '{"meta":{"mitosis-exp":1}}\n' >empty.json
run 1 empty.json
says 'empty.json: no records'
printf 'a\tb\n1\t2\n' >factors.tsv
run 1 factors.tsv
says 'no measured column'
run 1 --where b_ns=77 n.tsv
says '--where: no record matches'

# Names that do not exist, files that do not
printf 'a\tb_ns\nx\t1\ny\t2\n' >ok.tsv
for option in '--columns c' '--by c' '--where c=1'; do
	# shellcheck disable=SC2086
	run 1 $option ok.tsv
	says "${option% *}: no column 'c' in the records"
done
run 1 --baseline c=x ok.tsv
says "--baseline: no factor 'c' in the records (there are: a)"
run 1 --baseline a=z ok.tsv
says "--baseline: no level of a 'z' in the records (there are: x, y)"
run 1 absent.tsv
says 'mitosis-stats: absent.tsv: No such file or directory'
run 1 .
says 'mitosis-stats: .: Is a directory'

# A last line that may be cut off is read, with a warning.
printf 'a\tb_ns\nx\t1\ny\t2' >cut.tsv
run 0 cut.tsv
says 'cut.tsv: warning: the last line has no newline'
printf 'a\tb_ns\r\nx\t1\r\n' >dos.tsv
run 0 dos.tsv
[ "$(value column) $(value n)" = "b_ns 1" ] || fail "lines that end in CR LF"

# Wrong usage
usage() {
	message=$1
	shift
	run 2 "$@"
	says "$message"
	says "Try 'mitosis-stats --help'"
	[ -s out ] && fail "output in spite of wrong usage"
}
usage '--nonsense: no such option' --nonsense
usage '--by: needs a value' --by
usage "--columns: a name is empty" --columns a,, ok.tsv
usage "--percentiles: '101' is not" --percentiles 50,101 ok.tsv
usage "--percentiles: '1e1' is not" --percentiles 1e1 ok.tsv
usage "--where: 'x' is not" --where x ok.tsv
usage "--where: '=x' is not" --where =x ok.tsv
usage "--where: 'a<b' is not" --where 'a<b' ok.tsv
usage "--where: 'a<1,2' is not" --where 'a<1,2' ok.tsv
usage "--histogram: 'square' is not" --histogram square ok.tsv
usage "--baseline: 'a' is not" --baseline a ok.tsv
usage "--baseline: given twice" --baseline a=x --baseline a=y ok.tsv
usage "--compare: needs two files" --compare ok.tsv
usage "exclude one another" --compare --histogram log ok.tsv ok.tsv
usage "--by: b_ns: also in --columns" --by b_ns --columns b_ns ok.tsv

# Help and version
run 0 --help
for option in columns by where percentiles histogram baseline compare json help version; do
	grep -q -- "--$option" out || fail "--help does not name --$option"
done
run 0 --version
grep -q '^mitosis-stats (mitosis-exp [0-9]' out || fail "--version: $(cat out)"

# A full disk is an error, a closed pipe is none of our business.
if [ -w /dev/full ]; then
	"$stats" ok.tsv >/dev/full 2>err
	[ $? -eq 1 ] || fail "/dev/full: wrong status"
	says 'mitosis-stats: write error: No space left on device'
	"$stats" --help >/dev/full 2>err
	[ $? -eq 1 ] || fail "--help to /dev/full: wrong status"
fi
awk 'BEGIN { print "a\tb_ns"; for (i = 0; i < 20000; i++) print i "\t1" }' >many.tsv
"$stats" many.tsv 2>err | head -n 1 >out
[ -s err ] && { fail "a closed pipe is not silent:"; cat err >&2; }
(trap '' PIPE; "$stats" many.tsv 2>err; echo $? >status) | head -n 1 >out
[ -s err ] && { fail "a closed pipe with SIGPIPE ignored is not silent:"; cat err >&2; }
[ "$(cat status)" -eq 141 ] || fail "a closed pipe with SIGPIPE ignored: status $(cat status)"
exit "$failed"
