#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Ten children of one snapshot on one node: each page crosses the wire once and is held once; with
# --private each of them fetches and holds its own. The counters of the module, those of the parent's
# RDMA device, and the children's smaps say so.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
children=10

# In the node: all children at once, until they have read everything and as many pages have come as
# is expected; then what they hold, summed over their mappings of the module's file.
cat >children.sh <<'SCRIPT'
set -u
tool=$1 ref=$2 limit=$3 count=$4 expected=$5
shift 5
read_pages() { awk '$1 == "read_pages" { print $2 }' /sys/kernel/debug/mitosis/counters; }
dir=$(mktemp -d) && cd "$dir" && mkfifo hold || exit 99
expected=$((expected + $(read_pages)))
pids=()
for ((i = 0; i < count; i++)); do
	"$tool" "$@" "$ref" <hold >"$i.out" 2>"$i.err" &
	pids+=($!)
done
exec 9>hold
end=$((SECONDS + limit))
until [ "$(cat ./*.out | grep -c '^checked')" = "$count" ] && [ "$(read_pages)" -ge "$expected" ]; do
	((SECONDS < end)) || {
		echo "not within $limit s: $(cat ./*.out | grep -c '^checked') children, $(read_pages) of $expected pages" >&2
		cat ./*.out ./*.err >&2
		exit 1
	}
	sleep 0.2
done
for file in ./*.out; do
	cat "/proc/$(sed -n 's/^checked //p' "$file")/smaps" || exit 1
done | awk '/^[0-9a-f]+-[0-9a-f]+ / { ours = $6 ~ /mitosis:/ }
	ours && $1 ~ /^(Rss|Pss|Anonymous):$/ { sum[$1] += $2 }
	END { print "shown", sum["Rss:"] - sum["Anonymous:"], "held", sum["Pss:"] - sum["Anonymous:"] }'
exec 9>&-
for ((i = 0; i < count; i++)); do
	wait "${pids[i]}" || { echo "child $i: status $?: $(cat $i.out $i.err)" >&2; exit 1; }
	grep -qx 'ok shared' "$i.out" || { echo "child $i: $(cat $i.out)" >&2; exit 1; }
done
cd / && rm -rf "$dir"
SCRIPT

# What the parent's device has sent: a page is one packet, or more with a small MTU.
sent_packets() {
	expect 0 lab exec node1 'cat /sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts'
	cat out
}

# run_children COUNT PAGES OPTION...: read_pages must grow by PAGES; leaves $sent, $shown, $held
run_children() {
	local count=$1 pages=$2 before read
	shift 2
	read_counters
	before=$(counter node2 read_pages)
	sent=$(sent_packets)
	expect 0 lab exec --timeout 150 node2 -- bash "$work_dir/children.sh" "$child_tool" "$ref" $((100 * patience)) \
		"$count" "$pages" --timeout $((10 * patience))s "$@"
	read -r _ shown _ held <out
	sent=$(($(sent_packets) - sent))
	read_counters
	read=$(($(counter node2 read_pages) - before))
	[ "$read" = "$pages" ] || fail "$count children: $read pages read instead of $pages"
	((sent >= pages)) || fail "$count children: the parent's device sent $sent packets for $pages pages"
	# Every child shows all areas: 8 MiB.
	((shown >= count * 8192)) || fail "$count children show $shown KiB"
}

# As the device counts them, used or not.
regions_of() {
	expect 0 lab exec "$1" 'rdma resource show'
	sed -n 's/.*: rxe0: .* mr \([0-9]*\).*/\1/p' out
}
few_regions() { [ "$(regions_of node1)" -lt 20 ]; }

for version in "${versions[@]}"; do
	build_module "$version"
	doing=$version
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=$((10000 * patience))
	remote_state shared
	# The pages of the areas. The few others came with the descriptor.
	pages=2048
	doing="$version, one child"
	run_children 1 $pages
	doing="$version, siblings"
	run_children $children $pages
	((sent < 2 * pages)) || fail "the parent's device sent $sent packets for $pages pages"
	((held < shown / children * 5 / 4)) || fail "children that show $shown KiB hold $held KiB"
	doing="$version, private siblings"
	run_children $children $((children * pages)) --private
	((held > shown * 4 / 5)) || fail "children that show $shown KiB hold $held KiB"
	end_remote_state
	doing="$version, regions kept ready"
	kept=$(regions_of node1)
	((kept >= 256)) || fail "$kept regions are kept"
	expect 0 lab exec node1 'echo 3 >/sys/module/mitosis/parameters/regions'
	remote_state shared
	end_remote_state
	await 30000 few_regions
	doing="$version, put back"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
