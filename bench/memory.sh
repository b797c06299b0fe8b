#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What a shadow, a pager and a child that touches a tenth of 1 GiB cost in memory.
. "$(dirname "$0")/lib.sh"

# A child that touches a tenth of its gigabyte and waits; its pages and its pager's are counted.
cat > "$scratch/tenth.py" <<'PY'
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None)
size = 1 << 30
m = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
base = ctypes.addressof(ctypes.c_char.from_buffer(m))
libc.madvise(ctypes.c_void_p(base), ctypes.c_size_t(size), 15)	# MADV_NOHUGEPAGE
for at in range(0, size, 4096):
    m[at] = 1
parent = os.getpid()
os.kill(parent, 10)
if os.getpid() != parent:
    for at in range(0, size // 10, 4096):
        assert m[at] == 1
    print("touched", flush=True)
sys.stdin.read()
PY
kib() { awk -v f="$2:" '$1 == f {print $2}' "/proc/$1/$3"; }
mkfifo "$scratch/hold"
mitosis-parent --on USR1 --reference "$scratch/ref" -- python3 "$scratch/tenth.py" < "$scratch/hold" &
parent=$!
exec 9> "$scratch/hold"
until [ -s "$scratch/ref" ]; do kill -0 $parent; done
ref=$(cat "$scratch/ref")
shadow=$(mitosis-ls | awk -F'\t' '/^#/ {next} !c {for (i = 1; i <= NF; i++) if ($i ~ /^shadow/) c = i; next} {print $c}' | tail -n 1)
printf '\nmemory\n'
printf '  %-52s %9d KiB   (goal < 1024)\n' "shadow: its own, beyond what it shares with the parent" \
	"$(kib "$shadow" Private_Dirty smaps_rollup)"
mkfifo "$scratch/hold2"
mitosis-child --quiet --tids new --no-push "$ref" < "$scratch/hold2" > "$scratch/out" &
child=$!
exec 8> "$scratch/hold2"
until grep -q touched "$scratch/out"; do kill -0 $child; done
real=$(cat /proc/$child/task/$child/children)
printf '  %-52s %9d KiB   (goal < 4096)\n' "pager: private memory" "$(kib $child Private_Dirty smaps_rollup)"
awk -v k="$(kib "${real% }" Anonymous smaps_rollup)" 'BEGIN {
	printf "  %-52s %9d KiB   %.1f %% of 1 GiB (goal <= 12 %%)\n", "child that touched 10 % of 1 GiB, push off", k, k / 10485.76
}'
exec 9>&- 8>&-
wait $child $parent || true
