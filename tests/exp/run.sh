#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Runs on this host: order, readiness, failures, limits, signals, resumed sweeps; and nothing is left.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"

doing="orders"
cat >order.toml <<'END'
[template]
[[template.pass]]
name = "late"
host = ["a", "b"]
order = 9
cmd = "cat early.${n} >&2; echo late >>log; echo 'hello ${n}' $MITOSIS_EXP_HOST"
[[template.pass]]
name = "early"
host = "a"
order = 2
loop = 2
cmd = "mkdir early.${n}.d && { echo early >>log; echo x >early.${n}; }; true"
[template.placeholder]
n = [1, 2]
END
run 0 order.toml
[ "$(tr '\n' ' ' <log)" = "early late late early late late " ] || fail "the order is $(tr '\n' ' ' <log)"
[ "$(cat dir/order/raw/0002/late.b.out)" = "hello 2 b" ] || fail "$(cat dir/order/raw/0002/late.b.out)"
[ "$(cat dir/order/raw/0002/late.a.err)" = x ] || fail "no standard error"
cmp -s order.toml dir/order/experiment.toml || fail "the file is not kept"
expect 0 "$tool" run -n -L local dir/order/resolved/0002.toml
said out "a: mkdir early.2.d.*-loop=1"

doing="records"
cat >records.toml <<'END'
[template]
[[template.pass]]
role = "parent"
cmd = "mitosis-prepare --wss ${wss} --count 2 --engine ${engine}"
[[template.pass]]
role = "old"
cmd = "echo 'Prepare time = ${wss} ms'"
[template.placeholder]
wss = ["1", "4K"]
engine = "local"
END
sed 's/"1", "4K"/"64K", "128K"/; s/= \${wss} ms/= 2.5 ms/' records.toml >r.toml
run 0 r.toml
[ "$(column out wss | tr '\n' ' ')" = "65536 65536 64K 131072 131072 128K " ] || fail "$(cat out)"
[ "$(column out prepare_ns | sed -n 3p)" = 2500000 ] || fail "$(cat out)"
[ "$(column out pass | sort -u | tr '\n' ' ')" = "old parent " ] || fail "$(cat out)"
cmp -s out dir/r/records.tsv || fail "standard output is not the stream that is kept"
"$bin_dir/mitosis-stats" out >/dev/null || fail "mitosis-stats does not read it"
said dir/r/state.json "\"kernel\": \"$(uname -r)\""

# A column that begins later, as one of a field that is not always there.
printf '%s\n' '{"meta":{"tool":"x"}}' '{"how":"a","t_ns":1}' '{"how":"b","u_ns":3,"t_ns":2}' '{"how":"c"}' >json
echo '[[pass]]
cmd = "cat json"' >later.toml
run 0 --hosts a later.toml
[ "$(column out how | tr '\n' ' ') $(column out t_ns | tr '\n' ' ') $(column out u_ns | tr '\n' ' ')" = "a b c  1 2 NA  NA 3 NA " ] ||
	fail "$(cat out)"

# The same without a header, among what else the command says.
{
	echo 'begun {"how":"no"}'
	sed 1d json
	printf '%s\n' '' '{' '{"nested":{"t_ns":1}}' '[1]' 'done'
} >bare
echo '[[pass]]
cmd = "cat bare"' >bare.toml
run 0 --hosts a bare.toml
[ "$(column out how | tr '\n' ' ') $(column out t_ns | tr '\n' ' ') $(column out u_ns | tr '\n' ' ')" = "a b c  1 2 NA  NA 3 NA " ] ||
	fail "$(cat out)"

doing="readiness"
cat >ready.toml <<'END'
[[pass]]
name = "file"
host = "a"
cmd = "while ! [ -e go ]; do sleep 0.01; done; echo y >made; exec sleep 987651"
ready = { file = "made" }
background = true
[[pass]]
name = "go"
host = "a"
cmd = "touch go"
[[pass]]
name = "port"
host = "a"
order = 1
cmd = "exec python3 -c 'import socket, time; s = socket.create_server((\"127.0.0.1\", PORT)); time.sleep(987652)'"
ready = { port = "PORT" }
background = true
[[pass]]
name = "line"
host = "a"
order = 2
cmd = "echo key mitosis://host:1/12345678-1234-1234-1234-123456789012; exec sleep 987653"
ready = { line = "^key (.*)", set = "key" }
background = true
[[pass]]
name = "last"
host = "a"
order = 3
cmd = "test -e made && python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", PORT))' && echo '${key}' | tr : + | tee got"
END
free_port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s/PORT/$free_port/" ready.toml
run 0 ready.toml
said got '^mitosis+//host+1/12345678-1234'
grep -rq 12345678-1234-1234 dir/ready/raw/0001/line.a.out && fail "a key is in a file"
said dir/ready/raw/0001/line.a.out 'mitosis://host:1/\*\*\*'
for each in 987651 987652 987653; do
	nobody_has "$each" || fail "a server is left: $each"
done

# fails PATTERN CMD [KEYS]: with another pass that would run for long
fails() {
	printf '[[pass]]\nname = "slow"\nhost = "b"\ncmd = "sleep 987654"\n[[pass]]\nname = "bad"\nhost = "c"\ncmd = %s\n%s\n' \
		"'''$2'''" "${3:-}" >bad.toml
	run 1 bad.toml
	said err "$1"
	nobody_has 987654 || fail "another pass still runs"
}
doing="failures"
fails 'bad on c: exit status 3: ' 'echo some word >&2; exit 3'
said err '^  c| some word'
said dir/bad/state.json '"outcome": "failed"'
fails 'bad on c: killed by SIGKILL' 'kill -KILL $$'
fails 'bad on c: exit status 127' 'no-such-command-anywhere'
fails 'bad on c: exit status 125' 'true' 'path = "no/such/directory"'
fails 'bad on c: still running after 0.3 s' 'sleep 987655' 'timeout = "300ms"'
fails 'bad on c: ended before it was ready' 'true' 'ready = { line = "x" }'
fails 'bad on c: not ready after 0.3 s' 'sleep 987655' 'ready = { file = "never", timeout = "0.3s" }'
nobody_has 987655 || fail "it still runs"

doing="a process that does not want to go"
fails 'bad on c: still running' "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 987656\" & sleep 987656; sleep 987656" 'timeout = "500ms"'
nobody_has 987656 || fail "it is left: $(with_word 987656)"

doing="set-up and clean-up"
cat >setup.toml <<'END'
[template]
[[template.setup]]
host = "a"
cmd = "echo set-up >>order; sleep 987657"
ready = { file = "order" }
background = true
[[template.pass]]
host = "a"
cmd = "echo pass ${n} >>order; exit ${n}"
[[template.cleanup]]
host = "a"
cmd = "echo clean-up >>order"
[template.placeholder]
n = [0, 77, 4]
END
run 1 setup.toml
[ "$(tr '\n' ' ' <order)" = "set-up pass 0 pass 77 pass 4 clean-up " ] || fail "$(cat order)"
said err 'point 2 n=77: skipped'
said err 'point 3 n=4: '
nobody_has 987657 || fail "what set-up started is left"
run 77 --set n=77 setup.toml
sed 's/clean-up >>order/unclean >\&2; exit 6/' setup.toml >unclean.toml
run 1 --set n=0 unclean.toml
said err 'clean-up: cleanup1 on a: exit status 6'
said err '  a| unclean'

doing="what cannot be ended"
# A process that is seen and does not end; and time passes quickly meanwhile.
mkdir stuck
cat >stuck/grep <<END
#!/bin/sh
case \$* in
*-lzxF\ MITOSIS_EXP_RUN=*) echo /proc/999999999/environ ;;
*) exec $(command -v grep) "\$@" ;;
esac
END
cat >stuck/date <<END
#!/bin/sh
echo \$((\$($(command -v date) +%s) * 1000))
END
chmod +x stuck/*
echo '[[pass]]
cmd = "true"' >stuck.toml
PATH=$PWD/stuck:$PATH run 1 --hosts a stuck.toml
said err 'cannot be ended: process 999999999$'

doing="needs"
expect 77 env PATH=/usr/bin:/bin "$tool" run -L local -o dir2 --set n=0 --quick <(sed 's/^\[template\]/[experiment]\nneeds = ["no-such-program"]\n[template]/' setup.toml)
said err 'no-such-program is not there on a'

doing="too few hosts"
cat >few.toml <<'END'
[experiment]
table = ["at", "name"]
[[template.pass]]
role = "all"
take = "${n}"
cmd = "echo 'Prepare time = 1 ms'"
[template.placeholder]
n = [1, 2, 3]
END
run 0 --hosts n1,n2 few.toml
said err 'point 3 n=3: skipped: not so many hosts for all: there are 2'
[ "$(column out at | tr '\n' ' ')" = "n1 n1 n2 " ] || fail "$(cat out)"
run 77 --hosts n1 --set n=8,9 few.toml
[ "$(grep -c 'not so many hosts' err)" = 2 ] || fail "the same reason is told again: $(cat err)"

doing="an interrupted sweep"
cat >sweep.toml <<'END'
[template]
[[template.pass]]
host = "a"
cmd = "echo ${n} >>swept; [ -e hurry ] || [ ${n} != 2 ] || sleep 987658; echo 'Prepare time = ${n} ms'"
[template.placeholder]
n = [1, 2, 3]
END
for signal in INT TERM; do
	rm -rf swept hurry dir
	background int.out int.err env --default-signal=INT "$tool" run -L local -o dir sweep.toml
	pids+=("$!")
	runner=$!
	await 20000 somebody_has 987658
	kill "-$signal" "$runner"
	finish "$runner" 30000
	[ "$status" = $((128 + $(kill -l "$signal"))) ] || fail "status $status after $signal"
	said int.err "ended by SIG$signal"
	nobody_has 987658 || fail "it still runs after $signal"
done
[ "$(column dir/sweep/records.tsv prepare_ns)" = 1000000 ] || fail "what was measured is lost"
touch hurry
sed 's/1, 2, 3/7/' sweep.toml >changed && mv changed sweep.toml	# the run has its own copy
expect 0 "$tool" run --resume dir
[ "$(tr '\n' ' ' <swept)" = "1 2 2 3 " ] || fail "the points are $(tr '\n' ' ' <swept)"
[ "$(column out prepare_ns | tr '\n' ' ')" = "1000000 2000000 3000000 " ] || fail "$(cat out)"
expect 0 "$tool" run --resume dir
said err 'all points are done'

doing="a run that is continued elsewhere"
mkdir -p work/place elsewhere
touch work/may.1
cat >work/one.toml <<'END'
[template]
[[template.pass]]
host = "a"
cmd = "test -e may.${n} && echo one >>place/done"
[template.placeholder]
n = [1, 2]
END
printf '[[pass]]\nhost = "a"\npath = "place"\ncmd = "echo two >>done"\n' >work/two.toml
expect 1 env -C work "$tool" run -L local -o dir one.toml two.toml
said err 'point 2 n=2'
rm work/one.toml work/two.toml		# the second has not begun, and yet the run has it
touch work/may.2
cp -a work moved
expect 0 env -C elsewhere "$tool" run --resume ../work/dir
said err "the run goes on in $work_dir/work\$"
said err "results in $work_dir/work/dir\$"
[ "$(tr '\n' ' ' <work/place/done)" = "one one two " ] || fail "the passes were $(tr '\n' ' ' <work/place/done)"
rm -r work
expect 2 env -C elsewhere "$tool" run --resume ../moved/dir
said err "the run was begun in $work_dir/work: No such file or directory; --project DIR"
[ "$(tr '\n' ' ' <moved/place/done)" = "one " ] || fail "passes were run: $(tr '\n' ' ' <moved/place/done)"
expect 0 env -C elsewhere "$tool" run --resume ../moved/dir --project ../moved
[ "$(tr '\n' ' ' <moved/place/done)" = "one one two " ] || fail "the passes were $(tr '\n' ' ' <moved/place/done)"
# Where nothing depends on it, nobody has to name a directory: with ssh they are the login's.
sed -i 's/"launcher": "local"/"launcher": "ssh"/' moved/dir/run.json
expect 0 env -C elsewhere "$tool" run -n --resume ../moved/dir
said out 'launcher ssh'
expect 2 "$tool" run --resume moved/dir --lab-option=--no-rdma
said err '--resume: --lab-option: the run keeps the options'
expect 2 "$tool" run --resume moved/dir prepare
said err 'knows its experiments'

doing="a runner that is killed"
rm -f hurry
rm -rf dir
background kill.out kill.err "$tool" run -L local -o dir --set n=2 sweep.toml
pids+=("$!")
runner=$!
await 20000 somebody_has 987658
kill -KILL "$runner"
await 20000 nobody_has 987658

doing="a limit of weeks"
printf '[[pass]]\nhost = "a"\ncmd = "true"\ntimeout = "9999h"\n' >weeks.toml
run 0 weeks.toml

doing="copies"
mkdir -p from/deep && echo text >from/deep/file
cat >copy.toml <<'END'
[[sync]]
source = "from"
targets = ["n1:to/there", "n1:to/", "n2"]
[[pass]]
host = "n1"
cmd = "cat to/there/deep/file to/from/deep/file; echo '{{}}'; exec sleep 987659"
ready = { line = "{}" }
background = true
[[pass]]
host = "n2"
cmd = "cat from/deep/file"
END
for project in . some/where; do
	run 0 --project "$project" copy.toml
	[ "$(tr '\n' ' ' <dir/copy/raw/0001/pass1.n1.out)" = "text text {} " ] || fail "not copied: $(cat dir/copy/raw/0001/*)"
	[ "$(<dir/copy/raw/0001/pass2.n2.out)" = text ] || fail "not copied with its own name"
	[ "$(<"$project/to/there/deep/file")" = text ] || fail "the copy is not in the project"
done
[ "$(<from/deep/file)" = text ] || fail "a copy to its own place"
rm -r to some
cp dir/copy/resolved/0001.toml again.toml
run 0 again.toml
[ "$(tr '\n' ' ' <dir/again/raw/0001/pass1.n1.out)" = "text text {} " ] || fail "the point by itself: $(cat dir/again/raw/0001/*)"
chmod 600 from/deep/file && touch to/blocked
sed 's,n1:to/there,n1:to/blocked/it,' copy.toml >blocked.toml
run 1 blocked.toml
said err 'blocked: n1: cannot copy from to to/blocked/it: .*blocked'
sed 's,"from","never",' copy.toml >never.toml
run 1 never.toml
said err 'never: never: cannot be copied: No such file'

doing="a full disk, an unwritable place"
status=0
"$tool" run -o full r.toml >/dev/full 2>err </dev/null || status=$?
[ "$status" = 1 ] || fail "a full disk gives status $status"
said err 'write error'
expect 1 "$tool" run -o /proc/none r.toml
said err '/proc/none'
expect 1 "$tool" run -o dir r.toml
said err 'dir: File exists'
exit 0
