#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The baseline CRIU on a kernel that it knows: children are restored and every byte of theirs is compared; a
# wrong byte and a restore that fails are noticed; nothing is left, also of a tool that is interrupted or killed.
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
criu=$(PATH=$PATH:/usr/sbin:/sbin command -v criu) || skip "needs criu"

# What stands for criu: this file in a directory of its own, since the tools look in PATH first.
mkdir wrong failing slow
cat >wrong/criu <<END
#!/bin/bash
# One byte of the images, in the middle of what they hold, is another one.
if [ "\$1" = restore ]; then
	pages=\$3/pages-1.img
	printf '\\377' | dd of="\$pages" bs=1 seek=\$((\$(stat -c %s "\$pages") / 2 + 6)) conv=notrunc status=none
fi
exec $criu "\$@"
END
cat >failing/criu <<END
#!/bin/bash
[ "\$1" != restore ] || rm "\$3"/core-*.img
exec $criu "\$@"
END
cat >slow/criu <<END
#!/bin/bash
[ "\$1" != restore ] || { : >/tmp/restoring; while [ -e /tmp/restoring ]; do sleep 0.05; done; }
exec $criu "\$@"
END
chmod +x {wrong,failing,slow}/criu

cat >inside.sh <<'END'
bin=$1
# fail TEXT...: what the last command said goes with it
fail() { echo "$*: $(cat out err 2>/dev/null)" >&2; exit 1; }
expect() { local wanted=$1 status=0; shift; "$@" >out 2>err || status=$?; [ "$status" = "$wanted" ] || fail "status $status: $*"; }
column() { awk -F'\t' -v name="$1" '/^#/ { next } !c { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' out; }
await() { local i; for ((i = 0; i < 1200; i++)); do "$@" && return; sleep 0.1; done; fail "in vain: $*"; }
nothing_left() { ! ls -d /dev/shm/mitosis-* /tmp/images/* /tmp/copies/* 2>/dev/null && ! pgrep -f 'mitosis-(resume|exectime|prepare) |criu (dump|restore)'; }
nothing() { nothing_left >left && return; ps ax >>left; echo "left behind: $(cat left)" >&2; exit 1; }
work=$PWD
mkdir /tmp/here /tmp/images /tmp/copies && cd /tmp/here || exit 1

# Skipped, not failed.
criu check >out 2>err || { echo "criu check: $(tail -n 1 err)" >&2; exit 77; }

expect 0 "$bin/mitosis-resume" --engine criu,user --wss 1M,4M --touch 100 --count 2 --warmup 0
cat out
[ "$(column engine | sort | uniq -c | tr -s ' \n' ' ')" = " 4 criu 4 user " ] || fail "records"
# CRIU gives a child another clock: these times are only right if that is taken back.
awk -F'\t' '/^#/ || $1 == "engine" { next } !($6 > 0 && $6 < $10 && $10 < $7) { exit 1 }' out || fail "not resumed, touched, ended"
nothing

expect 0 "$bin/mitosis-resume" --engine criu --wss 1M --count 1 --warmup 0 --images /tmp/images --copy-to /tmp/copies
[ "$(column copy_ns)" -gt 0 ] && [ "$(column image_bytes)" -gt 1048576 ] || fail "copy"
nothing

expect 0 "$bin/mitosis-exectime" --engine criu --wss 1M --pattern random --access write --count 1
cat out
[ "$(column phase | tr '\n' ' ')" = "cold warm fork child child2 " ] || fail "phases"
[ "$(column resume_ns | grep -c '^[1-9]')" = 1 ] || fail "resume_ns"
expect 0 "$bin/mitosis-prepare" --engine criu --wss 1M --count 1 --warmup 0
[ "$(column bytes)" -gt 1048576 ] || fail "images"
nothing

for tool in "resume:--touch=100 --warmup=0" exectime:--phase=child; do
	PATH=$work/wrong:$PATH expect 1 "$bin/mitosis-${tool%:*}" ${tool#*:} --engine criu --wss 2M --count 1
	grep -q 'wrong byte at 0x' err || fail "$tool: a wrong byte"
	PATH=$work/failing:$PATH expect 1 "$bin/mitosis-${tool%:*}" ${tool#*:} --engine criu --wss 1M --count 1
	[ "$(grep -c . err)" = 1 ] && grep -q 'criu restore: Error' err || fail "$tool: a restore that fails"
	nothing
done

expect 1 "$bin/mitosis-resume" --engine criu --wss 64G
grep -q '^mitosis-resume: /dev/shm: .* free, the images take 64.*: name another directory' err || fail "no room"
expect 1 "$bin/mitosis-resume" --engine criu --images /nowhere
grep -q '^mitosis-resume: /nowhere: No such file' err || fail "no directory"
nothing

# Ctrl-C, and worse, while criu runs: it ends by itself, and then its images go.
for signal in INT KILL; do
	PATH=$work/slow:$PATH setsid env --default-signal=INT "$bin/mitosis-resume" --engine criu --wss 1M --count 1000 >out 2>err &
	tool=$!
	await test -e /tmp/restoring
	# A terminal signals all of the job.
	if [ "$signal" = INT ]; then kill -INT "-$tool"; else kill -KILL "$tool"; fi
	wait "$tool" && fail "status 0 after SIG$signal"
	ls -d /dev/shm/mitosis-* >/dev/null || fail "criu lost its images"
	rm /tmp/restoring
	await nothing_left >/dev/null
done
END
lab_up --no-rdma
status=0
lab exec --timeout 300 node1 -- bash -c "cd '$PWD' && exec bash inside.sh '$bin_dir'" >out 2>err || status=$?
[ "$status" != 77 ] || skip "$(tail -n 1 err)"
[ "$status" = 0 ] || fail "status $status: $(cat err)"
exit 0
