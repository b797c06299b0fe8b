#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The experiments about lean containers: records of every point, and published values in the report's cells.
# shellcheck source-path=SCRIPTDIR source=../exp/exp.sh
. "$(dirname "$0")/../exp/exp.sh"
need_root
need_python
need_command gnuplot
need_namespaces -pmui
grep -q ' cgroup2 ' /proc/self/mounts || skip "there is no cgroup v2 here"
export MITOSIS_LEAN_DIR=$work_dir/lean
cleanups+=("$bin_dir/mitosis-leanprep clean --all --quiet")
chmod 755 "$work_dir"
# /home, /root, /srv and more are not a container's business.
expect 0 "$bin_dir/mitosis-leanprep" create probe --rootfs host
"$bin_dir/mitosis-leanrun" probe -- test -x "$bin_dir/mitosis-function" ||
	skip "containers with the host's root do not see the build directory"
expect 0 "$bin_dir/mitosis-leanprep" rm probe

# row WORD...: some row of the page's tables has cells with these words, in this order
row() {
	"$python" - "$@" <<-'PYTHON' || fail "no row with $*"
		import html, re, sys
		page = open("page.html", encoding="utf-8").read()
		rows = [[html.unescape(re.sub("<[^>]*>", "", cell)).replace("\u00a0", " ").strip()
		         for cell in re.findall("<td.*?</td>", row, re.S)] for row in re.findall("<tr>.*?</tr>", page, re.S)]
		def has(row):
		    cells = iter(row)
		    return all(word in cells for word in sys.argv[1:])
		sys.exit(not any(has(row) for row in rows))
	PYTHON
}
report() {
	expect 0 "$tool" report dir
	mv out page.html
	grep -q '<svg' page.html || fail "there is no figure: $(<err)"
}

doing="lean-start"
run 0 --set parallel=1,12 --set count=24 lean-start
[ "$(wc -l <dir/lean-start/records.tsv)" = 98 ] || fail "$(wc -l <dir/lean-start/records.tsv) lines of records"
report
for start in new pool; do
	row "$start" 1 start '1.2 ms'
	row "$start" 1 'containers per second' 820
	row "$start" 12 'containers per second' 5665
done

doing="lean-pause"
run 0 --set function=helloworld,json --set parallel=1,4 --set count=20 lean-pause
[ "$(wc -l <dir/lean-pause/records.tsv)" = 82 ] || fail "$(wc -l <dir/lean-pause/records.tsv) lines of records"
report
row helloworld 4 'containers per second' '80.3 k'
# The function is called in each: not even json takes as little as a thaw.
"$bin_dir/mitosis-stats" --by function --columns start_ns dir/lean-pause/records.tsv >stats
[ "$(awk -F '\t' '$1 == "json" { print ($7 > 1000000) }' stats)" = 1 ] || fail "$(<stats)"

doing="nothing is left"
expect 0 "$bin_dir/mitosis-leanprep" list
[ "$(column out name)" = "" ] || fail "templates are left: $(<out)"
exit 0
