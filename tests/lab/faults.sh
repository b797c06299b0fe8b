#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Nodes that die: switched off from within and from without, and by a panic, which fails the run and
# shows its trace; a warning fails it too.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

lab_up --no-rdma -n 3

doing="powered off from within"
# What it printed just before might still be inside: it waits until that has arrived.
mkfifo go
lab exec node1 'echo before; read -r _; echo o >/proc/sysrq-trigger; exec tail -f /dev/null' <go >out 2>err &
pids+=("$!")
exec 8>go
await 30000 grep -qx before out
echo >&8
finish "${pids[-1]}" 30000
exec 8>&-
[ "$status" = 125 ] || fail "status $status: $(cat err)"
said err 'node1: powered off while its command ran'
expect 125 lab exec node1 -- true
said err 'node1: powered off'

doing="plug pulled"
expect 0 lab kill node2
node2_off() { lab status | awk -F '\t' '$2 == "node2" { print $3 }' | grep -qx off; }
await 10000 node2_off

doing="panic"
expect 125 lab exec node3 'echo c >/proc/sysrq-trigger'
said err 'node3: kernel: .*Kernel panic - not syncing: sysrq triggered crash'
said err '^node3| .*sysrq_handle_crash'
expect 0 lab console node3
said out 'Kernel panic'
expect 125 lab down
said err 'node3: 1 complaint'

doing="run: killed on purpose, a hang, a report"
expect 0 lab run --no-rdma --out kept node1:'echo alive' node2:'exec tail -f /dev/null' --kill node2
said out '^node1: alive'
said kept/node1/dmesg 'Linux version'
[ "$(cat kept/node1/status kept/node2/status)" = "0
powered off on request" ] || fail "statuses"

# a report as the kernel prints it, through its own log
expect 125 lab run --no-rdma -- sh -c 'echo "<4>WARNING: planted by a test" >/dev/kmsg'
said err 'node1: kernel: WARNING: planted by a test'
exit 0
