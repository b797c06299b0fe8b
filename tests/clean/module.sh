#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-clean with the kernel module: a copy that a child made of itself and that outlived it is found by
# the memory that it shows, and ended; then nothing uses the module, and it is unloaded.
# shellcheck source-path=SCRIPTDIR source=../kernel/kernel.sh
. "$(dirname "$0")/../kernel/kernel.sh"
need_kernels
version=${versions[0]}
build_module "$version"
lab_up -n 1 --kernel "$version"
# shellcheck disable=SC2034 # for kernel.sh
nodes=node1
load_module timeout_ms=10000

cat >orphan.py <<'END'
import mmap, os, signal, time
memory = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
parent = os.getpid()
os.kill(os.getppid(), signal.SIGUSR1)
while os.getpid() == parent:
    time.sleep(0.02)
if os.fork():
    os._exit(0)
os.setsid()
for number in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), number)
open("orphan.pid", "w").write(str(os.getpid()))
while True:
    signal.pause()
END
# In the node: all of it, then clean twice.
cat >inside.sh <<END
set -e
cd "$work_dir"
export PATH=$bin_dir:\$PATH
END
cat >>inside.sh <<'END'
mitosis-parent --on USR1 --engine kernel --listen 10.77.0.1 --reference ref -- /usr/bin/python3 orphan.py </dev/null >parent.log 2>&1 &
for ((i = 0; i < 600; i++)); do [ -s ref ] && break; sleep 0.1; done
[ -s ref ] || { cat parent.log; exit 1; }
mitosis-child --tids new "$(cat ref)" </dev/null
for ((i = 0; i < 600; i++)); do [ -s orphan.pid ] && break; sleep 0.1; done
orphan=$(cat orphan.pid)
[ "$(cat /sys/module/mitosis/refcnt)" -gt 0 ] || { echo "nothing uses the module" >&2; exit 1; }
mitosis-clean --dry-run --module
mitosis-clean --yes --module
if [ -e "/proc/$orphan" ]; then echo "the copy runs" >&2; exit 1; fi
if [ -e /sys/module/mitosis ]; then echo "the module is there" >&2; exit 1; fi
echo again
mitosis-clean --yes --module
END
expect 0 lab exec --timeout 300 node1 -- bash "$work_dir/inside.sh"
lines() { grep -c "^$1	.*	$2	" out; }
for outcome in found removed; do
	[ "$(lines child $outcome)" = 1 ] && [ "$(lines snapshot $outcome)" = 1 ] && [ "$(lines module $outcome)" = 1 ] ||
		fail "not one child, one snapshot and the module $outcome: $(cat out)"
done
[ "$(sed -n '/^again/,$p' out | grep -vc '^#')" = 2 ] || fail "the second time: $(sed -n '/^again/,$p' out)"
exit 0
