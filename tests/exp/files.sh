#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Experiment files: both published dialects, placeholders, sweeps, hosts; what is wrong in them is named.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"

doing="template"
cat >sweep.toml <<'END'
[global]
user = "somebody"
global_configs = "-common"
[template]
[[template.pass]]
role = "parent"
path = "sub"
cmd = "serve ${size} ${@incr}"
[[template.pass]]
role = "child"
order = 7
loop = 2
cmd = "ask ${@parent} ${size} ${times} ${@incr} ${nested}"
[template.placeholder]
size = ["1M", "2M"]
times = [1, 2, 3]
nested = "<${times}>"
END
expect 0 "$tool" run -n --launcher ssh --hosts 'parent=n1,child=n[2-3]' sweep.toml
[ "$(grep -c '^  point' out)" = 6 ] || fail "two and three values give $(grep -c '^  point' out) points"
said out '^    0 n1: serve 1M 1 -common in sub '
said out '^    1 n3: ask n1 2M 3 2 <3> -common -loop=1 '
[ "$(grep -c ': ask' out)" = 24 ] || fail "not each host and copy: $(grep -c ': ask' out)"
expect 0 "$tool" run -n -L local --hosts 'parent=n1,child=n[2-3]' --set size=8M --set times=4 -b n3 sweep.toml
[ "$(grep -c '^  point' out)" = 1 ] || fail "values that were set are not swept any more"
said out 'n2: ask 127.0.0.1 8M 4 1 <4>'
silent out n3
expect 0 "$tool" run -n -L local --hosts 'parent=n1,child=n2' --limit 1 sweep.toml
silent out ask

doing="run file, first dialect"
cat >first.toml <<'END'
pwd = "secret"
[placeholder]
what = "x"
[[pass]]
host = ["n1", "n2"]
cmd = "one ${what}"
[[pass]]
host = "n3"
order = 3
cmd = "awk '{ print }'"
END
expect 0 "$tool" run -n -L local first.toml
said out '^    0 n2: one x'
said out "^    1 n3: awk '{ print }'"

doing="run file, second dialect"
cat >second.toml <<'END'
global_configs = "-a -b"
null = ["n2"]
[placeholder]
what = "x"
[[sync]]
source = "some"
targets = ["n1:there/other", "n2"]
[[pass]]
host = "n1"
cmd = "one {} ${what} '{{}}'"
[[pass]]
host = "n2"
cmd = "two"
END
expect 0 "$tool" run -n -L local second.toml
said out 'copy some to n1:there/other n2:some$'
said out "^    0 n1: one -a -b x '{}'"
said out '^    1 n2: two '
expect 0 "$tool" run -n -L ssh --project /some/where -b n1 second.toml
said out 'copy some to n2:/some/where/some$'
sed -i 's/two/two {/' second.toml
expect 1 "$tool" run -n -L local second.toml
said err 'second.toml: pass 2.*single brace'

cat >copies.toml <<'END'
[[sync]]
source = "a/some/"
targets = ["n1", "n2:there/", "n3:there//other"]
[[pass]]
host = "n1"
cmd = "one '{{x}}'"
END
expect 0 "$tool" run -n -L ssh copies.toml
said out 'copy a/some/ to n1:a/some n2:there/some n3:there/other$'

doing="hosts of a file, and no launcher"
# by_itself PATTERN OPTION...: refused as long as nobody says how hosts are reached, and then with one line
by_itself() {
	local pattern=$1
	shift
	expect 2 "$tool" run -o never "$@"
	said err "$pattern: how are they reached? Say --launcher ssh"
	[ "$(wc -l <err)" = 1 ] && [ ! -e never ] || fail "$(cat err)"
	expect 2 "$tool" run -n "$@"
	expect 0 "$tool" run -n -L ssh "$@"
	expect 0 "$tool" run -n -L local "$@"
}
by_itself 'first.toml: n1, n2, n3' first.toml
by_itself 'first.toml: n3' first.toml -b n1,n2
sed 's/host = "n1"/host = "localhost"/; s/"n1", //' copies.toml >far.toml
by_itself 'far.toml: n2, n3' far.toml
by_itself '^mitosis-exp: --hosts: n1, n2' --hosts 'parent=n1,child=n2' sweep.toml
by_itself 'n1, n2, n3, n4, n5, n6, n7, n8 and 3 more' --hosts 'n[1-11]' sweep.toml
printf '[[pass]]\nhost = ["%s", "LOCALHOST", "::1"]\ncmd = "one x"\n' "$(hostname)" >here.toml
expect 0 "$tool" run -n here.toml
said out "^    0 LOCALHOST: one x"
expect 0 "$tool" run -n --hosts 'parent=localhost,child=127.0.0.1' sweep.toml

doing="all hosts, and some"
cat >all.toml <<'END'
[[template.pass]]
role = "all"
cmd = "everywhere"
[[template.pass]]
role = "child"
take = "${n}"
order = 1
cmd = "take ${@incr}"
[template.placeholder]
n = [1, 2, 9]
END
sed 's/role = "child"/role = "all"/' all.toml >only.toml
expect 0 "$tool" run -n -L local --hosts 'child=n[1-3]' all.toml
[ "$(grep -c ' n[1-3]: everywhere' out)" = 9 ] && [ "$(grep -c ': take' out)" = 3 ] || fail "$(cat out)"
expect 0 "$tool" run -n -L local --hosts 'parent=n1,child=n[2-3]' all.toml only.toml
[ "$(sed -n '/^only/,$p' out | grep -c ' n[1-3]: everywhere')" = 9 ] || fail "$(cat out)"
expect 1 "$tool" run -n -L local --hosts 'child=n1' --set n=0 all.toml
said err 'take: 0: not a number from 1'

doing="the module"
printf '[experiment]\nmodule = true\n[[template.pass]]\nrole = "one"\ncmd = "x"\n' >module.toml
expect 0 "$tool" run -n -L local --hosts 'one=n[1-2]' --set module=/some/where.ko module.toml
[ "$(grep -c 'case /some/where.ko in' out)" = 2 ] || fail "$(cat out)"

doing="what is wrong"
# wrong PATTERN TEXT [STATUS]: a file with this in it
wrong() {
	printf '%s\n' "$2" >wrong.toml
	expect "${3:-1}" "$tool" run -n -L local wrong.toml
	said err "$1"
	[ "$(wc -l <err)" -le 1 ] || fail "more than one message: $(cat err)"
	[ ! -s out ] || fail "a wrong file, and yet output"
}
wrong 'wrong.toml: .*line 1' '[[pass'
wrong 'neither \[template\] nor' 'a = 1'
wrong 'no cmd' '[[pass]]'
wrong 'order: .x. is not a number' "$(printf '[[pass]]\ncmd = "x"\norder = "x"')"
wrong 'cmd: 1 is not a string' "$(printf '[[pass]]\ncmd = 1')"
wrong "cmd: \['a'\] is not a string" "$(printf '[[pass]]\ncmd = ["a"]')"
wrong 'host: \[1\] is not a string or a list of strings' "$(printf '[[pass]]\ncmd = "x"\nhost = [1]')"
for key in global placeholder; do
	wrong "wrong.toml: $key: 3 is not a table" "$(printf '%s = 3\n[[pass]]\ncmd = "x"' $key)"
done
for key in sync setup; do
	wrong "wrong.toml: $key: 3 is not a list of tables" "$(printf '%s = 3\n[[pass]]\ncmd = "x"' $key)"
done
wrong 'wrong.toml: pass: 3 is not' 'pass = 3'
wrong "null: 'n1' is not a list of strings" "$(printf 'null = "n1"\n[[pass]]\ncmd = "x"')"
wrong "user: 1 is not a string" "$(printf '[global]\nuser = 1\n[[template.pass]]\ncmd = "x"')"
wrong 'needs: \[1\] is not a list of strings' "$(printf '[experiment]\nneeds = [1]\n[[pass]]\ncmd = "x"')"
wrong 'odd: unknown key' "$(printf '[[pass]]\ncmd = "x"\nodd = 1')"
wrong 'unknown placeholder \${nobody}' "$(printf '[[pass]]\ncmd = "${nobody}"')"
wrong 'refer to each other' "$(printf '[placeholder]\na = "${b}"\nb = "${a}"\n[[pass]]\ncmd = "${a}"')"
wrong 'name one of port, file and line' "$(printf '[[pass]]\ncmd = "x"\nready = { }')"
for port in 0 99999 -1 '"x"' '"${p}"'; do
	wrong 'ready.port: .*: not a number from 1 to 65535' "$(printf '[[pass]]\ncmd = "x"\nready = { port = %s }\n[placeholder]\np = "x"' "$port")"
done
wrong 'line: .*: ' "$(printf '[[pass]]\ncmd = "x"\nready = { line = "(" }')"
for word in soon 1min; do
	wrong "timeout: $word: not a duration" "$(printf '[[pass]]\ncmd = "x"\ntimeout = "%s"' $word)" 2
done
printf '[[pass]]\nhost = "a"\ncmd = "x"\ntimeout = "5ns"\nready = { port = 1, timeout = "1.5m" }\n' >times.toml
expect 0 "$tool" run -n -L local times.toml
wrong 'loop: 0' "$(printf '[[pass]]\ncmd = "x"\nloop = 0')"
wrong 'either role or host' "$(printf '[[pass]]\ncmd = "x"\nrole = "a"\nhost = "b"')"
wrong 'sync: targets: n1:..: not HOST' "$(printf '[[sync]]\nsource = "x"\ntargets = "n1:.."\n[[pass]]\ncmd = "x"')"
wrong 'sync: targets: :x: not HOST' "$(printf '[[sync]]\nsource = "x"\ntargets = ":x"\n[[pass]]\ncmd = "x"')"
wrong 'all: odd: not one of' "$(printf '[experiment]\nall = "odd"\n[[template.pass]]\nrole = "a"\ncmd = "x"')"
wrong 'compare: to what' "$(printf '[experiment]\ncompare = ["--by", "wss"]\n[[template.pass]]\nrole = "a"\ncmd = "x"')"
wrong 'experiment: odd' "$(printf '[experiment]\nodd = 1\n[[template.pass]]\nrole = "a"\ncmd = "x"')"

# refuse PATTERN WORD...: wrong usage
refuse() {
	local pattern=$1
	shift
	expect 2 "$tool" "$@"
	said err "$pattern"
}
refuse 'no VERB'
refuse 'which experiment' run
refuse 'expected NAME=VALUE' run -n --set x sweep.toml
refuse 'odd: no such placeholder' run -n --set odd=1 sweep.toml
refuse 'n\[3-2\]' run -n --hosts 'n[3-2]' sweep.toml
refuse '^mitosis-exp: --hosts: n\[1-100000000\]: more than 65536 hosts' run -n --hosts 'n[1-100000000]' sweep.toml
refuse '^mitosis-exp: --limit: 0: not a number' run -n --limit 0 sweep.toml
refuse '^mitosis-exp: --lab: x: not a number' run -n --lab x sweep.toml
refuse '^mitosis-exp: --exclude: n4: no host of this run (there are: localhost, n1, n2, n3)' run -n -L ssh --hosts 'n[1-3]' -b n2,n4 sweep.toml
refuse '^mitosis-exp: --exclude: n4: no host' run -n -L ssh -b n4 first.toml
refuse 'not a host' run -n --hosts parent=-oProxyCommand sweep.toml
refuse 'which hosts' run -n --launcher ssh sweep.toml
refuse 'not with --launcher ssh' run -n --launcher ssh --lab 2 sweep.toml
expect 0 "$tool" run -n --lab 2 --lab-option --kernel=6.12 --lab-option=--no-rdma sweep.toml
refuse '^mitosis-exp: --lab-option: only with --lab' run -n --lab-option --kernel=6.12 sweep.toml
refuse 'argument --lab-option: expected one argument' run -n --lab 2 sweep.toml --lab-option
expect 1 "$tool" run -n -L local --hosts parent=a,odd=b sweep.toml
said err 'odd: sweep has no such role'
expect 0 "$tool" run prepare --quick -n fork --set count=1 -- resume
[ "$(sed -n 's/, launcher local$//; s/^\([a-z]*\): .*/\1/p' out | tr '\n' ' ')" = "prepare fork resume " ] || fail "$(cat out)"
refuse 'unrecognized arguments: --odd$' run prepare --odd fork
expect 0 "$tool" list prepare --json fork
[ "$(wc -l <out)" = 2 ] || fail "$(cat out)"
expect 1 "$tool" run no-such-one
said err 'no-such-one: no such experiment'
expect 1 "$tool" run no-such.toml
said err 'no-such.toml: No such file'

doing="a placeholder that is used and not listed"
cat >given.toml <<'END'
[[template.pass]]
role = "parent"
cmd = "serve ${parent_gid}"
[[template.pass]]
role = "child"
order = 1
path = "${where}"
cmd = "ask ${parent_host} ${size}"
ready = { port = "${port}" }
[template.placeholder]
size = ["1M", "${unit}"]
END
expect 1 "$tool" run -n --hosts a,b -L local given.toml
said err 'unknown placeholder ${parent_gid} (there are: size); --set parent_gid=VALUE gives it a value'
expect 0 "$tool" run -n -L local --hosts a,b --set parent_gid=fe80::1,fe80::2 --set parent_host=val01 --set where=here \
	--set port=1234 --set unit=3M given.toml
[ "$(grep -c '^  point' out)" = 4 ] || fail "it is swept, too: $(cat out)"
said out ' a: serve fe80::1 '
said out ' b: ask val01 3M in here '
refuse 'parent_gidd: no such placeholder in given' run -n --set parent_gidd=1 given.toml
expect 0 "$tool" list "$PWD/given.toml"
said out '^--set parent_gid=  (the file has no value for it)$'
# In several files each gets what is its own.
expect 0 "$tool" run -n -L local --hosts a,b --set parent_gid=0 --set parent_host=h --set where=w --set port=1 --set unit=1M \
	--set times=2 given.toml sweep.toml

doing="a byte order mark"
printf '\357\273\277[[pass]]\ncmd = "x"\n' >mark.toml
expect 0 "$tool" run -n mark.toml
printf '\357\273\277# mitosis-exp 1 tool=x engine=-\nwss\texec_ns\n1\t2\n2\t3\n' >mark.tsv
expect 0 "$plot" --x wss --y exec_ns mark.tsv

doing="a role that one of several files lacks"
printf '[[template.pass]]\nrole = "builder"\ncmd = "make"\n' >build.toml
expect 0 "$tool" run -n -L local --hosts 'builder=n9,parent=n1,child=n2' build.toml sweep.toml
said out '^    0 n9: make'
said out '^    0 n1: serve'
said err '^mitosis-exp: --hosts: builder: not for sweep, which has no such role$'
said err '^mitosis-exp: --hosts: parent: not for build, which has no such role$'
refuse 'odd: no such role in build, sweep (there are: builder, child, parent)' run -n -L local --hosts 'odd=n9,parent=n1' \
	build.toml sweep.toml

doing="a closed stream"
for word in list --help --version; do
	expect 1 closed 1 "$tool" $word
	said err '^mitosis-exp: write error: Bad file descriptor$'
done
expect 1 closed 0 "$tool" import
said err '^mitosis-exp: standard input: Bad file descriptor$'
expect 2 closed 2 "$tool" --odd

doing="those of the package"
expect 0 "$tool" list
cut -d ' ' -f 1 out >names
[ "$(wc -l <names)" -ge 10 ] || fail "only $(cat names)"
mapfile -t names <names
expect 0 "$tool" list "${names[@]}"
[ "$(grep -c '^file: ' out)" = "${#names[@]}" ] || fail "$(cat out)"
expect 0 "$tool" run -n all
[ "$(grep -c 'launcher local$' out)" = "$((${#names[@]} - 2))" ] || fail "$(cat out)"
silent out mitosis-clean		# it would remove what is in use here
expect 0 "$tool" run -n --lab 2 all
[ "$(grep 'launcher lab$' out | cut -d : -f 1 | head -n 1)" = set-up ] || fail "set-up is not the first: $(cat out)"
[ "$(grep 'launcher lab$' out | cut -d : -f 1 | tail -n 1)" = clean-up ] || fail "clean-up is not the last: $(cat out)"
for name in "${names[@]}"; do
	grep -q "^|.*\`$name\`" "$MITOSIS_EXP_DIR/experiments/README.md" || fail "$name is not in experiments/README.md"
done
expect 0 "$tool" run -n -v --quick --launcher ssh --hosts 'n[1-3]' all
expect 0 "$tool" list --json
[ "$("$python" -c 'import json, sys; print(len([json.loads(line)["title"] for line in sys.stdin]))' <out)" = "$(wc -l <names)" ] ||
	fail "not JSON Lines: $(head -n 2 out)"

doing="published result lines"
cat >old.txt <<'END'
@val01 Prepare time = 1.5 ms
@val01 something else
[hello-prepare] duration: 0.8 ms
[hello-execution] duration: 12 us
@val02: [hello] Throughput: 820 containers/sec, latency 1.2 ms
[random cow start] Run time = 5.5 ms
worker 3 thpt : 197.5
END
expect 0 "$tool" import old.txt
mv out old.tsv
[ "$(column old.tsv prepare_ns | tr '\n' ' ')" = "1500000 800000 NA NA NA NA " ] || fail "$(cat old.tsv)"
[ "$(column old.tsv exec_ns | sed -n 3p)" = 12000 ] && [ "$(column old.tsv run_ns | sed -n 5p)" = 5500000 ] || fail "$(cat old.tsv)"
[ "$(column old.tsv host | tr '\n' ' ')" = "val01 - - val02 - - " ] || fail "$(cat old.tsv)"
[ "$(column old.tsv ops_per_s | tail -n 1)" = 197.5 ] && [ "$(column old.tsv containers_per_s | sed -n 4p)" = 820 ] || fail "$(cat old.tsv)"
"$bin_dir/mitosis-stats" --by name old.tsv >stats.tsv || fail "mitosis-stats does not take it"
cp old.txt $'two\nlines'
expect 0 "$tool" import $'two\nlines'
eval "set -- $(sed -n '1s/.* args=//p' out)"
[ "$*" = $'import two\nlines' ] || fail "$(cat out)"
"$bin_dir/mitosis-stats" --by name out >stats.tsv || fail "mitosis-stats does not take a name of two lines"
expect 1 "$tool" import sweep.toml
exit 0
