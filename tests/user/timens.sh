#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# timens.sh - a parent whose clocks are ahead of this host's, as those of another machine are: its children see its
# clocks, so that a point of time that it has noted comes when it should.
. "$(dirname "$0")/../lib.sh"
need_python
need_root
need_namespaces -T --fork --monotonic 600

cat >program.py <<'END'
"""Waits for a point of time of its clock; tells how far its clocks have come, in whole hours and seconds."""
import os
import select
import time


def clocks():
    return time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)


begin = clocks()
end = begin[0] + 2
os.write(1, b"parent\n")
while os.path.exists("hold"):
    select.select([], [], [], 0.01)     # time.sleep() waits for a point of time
since = [round((b - a) / 3600) for a, b in zip(begin, clocks())]
os.write(1, f"hours {since[0]} {since[1]}\n".encode())
while time.monotonic() < end:
    time.sleep(0.01)
os.write(1, b"the time has come\n")
os.read(0, 1)
while True:
    time.sleep(1)
END

# take OFFSET OFFSET: a parent whose clocks are so many seconds ahead
take() {
	touch hold
	launch_parent /dev/null unshare -T --fork --kill-child --monotonic "$1" --boottime "$2" "$python" "$work_dir/program.py"
	await 10000 has_line parent.out '^parent$'
	"$parent_tool" --pid "$(real_child "$parent")" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
	rm hold
}
# hours M B [OPTION]...: a child, whose clocks have gone so far
hours() {
	local expected="hours $1 $2"
	shift 2
	doing="$*"
	start_child child "$@" "$ref"
	await 10000 has_line child.out '^hours'
	has_line child.out "^$expected\$" || fail "$(cat child.out)"
}
end() {
	kill "$child"
	finish "$child" 10000
	expect_status 143
}

take 7200 14400
hours 0 0
await 10000 has_line child.out '^the time has come$'
no_line child.err 'clocks\|time)' || fail "$(cat child.err)"
end
hours 0 0 --clock same --tids new
await 10000 has_line child.out '^the time has come$'
no_line child.err 'clocks' || fail "$(cat child.err)"
end
hours 0 0 --tids same --mode eager
end
hours -2 -4 --clock host
said child.err 'its clocks that count from the start of a machine are 14400 seconds behind its parent.s (--clock host)'
no_line child.out '^the time has come$' || fail "before its time"
end
doing="--strict"
expect 125 "$child_tool" --strict --clock host "$ref"
said err 'refused.*14400 seconds behind'
expect 2 "$child_tool" --clock some "$ref"
said err 'some: neither same, host nor auto'
doing="without namespaces"
expect 125 unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_time_namespaces; exec "$@"' sh "$child_tool" --clock same "$ref"
said err 'it cannot have its parent.s clocks (--clock same): .*sysctl user.max_time_namespaces is 0'
doing="of another user"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
background child.out child.err "${nobody[@]}" "$child_tool" --tids new "$ref"
child=$!
pids+=("$child")
await 10000 has_line child.out '^hours -2 -4$'
said child.err 'behind its parent.s (without CAP_SYS_ADMIN, that takes --clock same)'
end
forget_parent
doing=

# One that is behind: a child may not be taken back, but its clocks are.
take -60 0
hours 0 0
no_line child.err 'clocks' || fail "$(cat child.err)"
end
forget_parent
