#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What a sweep holds in memory: a lab's nodes are made for it, as far as this host goes; what fits nowhere
# is left out, and named on standard error and in the report.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
export PATH=$bin_dir:$PATH

doing="what fits nowhere"
run 0 --set wss=1M,64T --set count=2 --set engine=user prepare resume
said err 'prepare: point 2 wss=64T: skipped: wss=64T needs 128 TiB of memory on localhost and 192 MiB for its system; there are [0-9.]* [GM]iB$'
said err 'resume: point 2 wss=64T: skipped: wss=64T needs 128 TiB of memory'		# parent and child
[ "$(column dir/prepare/records.tsv wss | sort -u)" = 1048576 ] || fail "not what fits: $(cat err)"
said dir/prepare/resolved/0002.toml '^memory = 140737488355328$'
if command -v gnuplot >/dev/null; then
	expect 0 env LC_ALL=C.UTF-8 "$tool" report dir
	LC_ALL=C.UTF-8 said out '<p class=note>64.TiB: skipped: wss=64T needs 128 TiB of memory on localhost'
fi
run 77 --set wss=64T --set engine=user resume
said err 'resume: skipped: it needs 128 TiB'

doing="of whom"			# all of a stage and what stays of earlier ones, by host; a list's largest
cat >some.toml <<'END2'
[[template.pass]]
host = "a"
cmd = "exec sleep 60"
memory = "${wss}"
background = true
[[template.pass]]
host = "a"
order = 1
cmd = "true"
memory = "${wss} * ${n}"
[[template.pass]]
host = "b"
order = 2
cmd = "true"
memory = "1M,1T..2T"
[[template.pass]]
host = "b"
order = 3
cmd = "true"
memory = 1024
[template.placeholder]
wss = "1M"
n = 2
END2
"$python" - "$MITOSIS_EXP_DIR" <<'END2' || fail "not what is needed"
import sys
sys.path[:0] = [f"{sys.argv[1]}/exp", f"{sys.argv[1]}/common"]
sys.dont_write_bytecode = True
import files, launchers

each = files.load("some.toml")
each.place({}, ["a", "b"])
point, = each.points({})
assert point.memory() == {"a": 3 << 20, "b": 2 << 40}, point.memory()
assert files.most_memory([point]) == (2 << 40) + files.SYSTEM
assert files.most_memory([]) == 0
assert each.lacking(point, {"a": {"memory_bytes": "1073741824"}, "b": {"memory_bytes": ""}}) is None
assert each.lacking(point, {"a": {"memory_bytes": str((3 << 20) + files.SYSTEM)}}) is None
why = each.lacking(point, {"a": {"memory_bytes": str((3 << 20) + files.SYSTEM - 1)}})
assert why.startswith("it needs 3 MiB of memory on a and"), why
each.local_only = True          # all of them are one machine
assert "2 TiB of memory" in each.lacking(point, {"a": {"memory_bytes": "1073741824"}})

G, M = 1 << 30, 1 << 20
for wanted, nodes, free, made in (
        (0, 2, 64 * G, G), (G // 2, 2, 64 * G, G), (G, 2, 64 * G, G + 256 * M),
        (G + files.SYSTEM, 2, 64 * G, G + 512 * M), (8 * G, 2, 8 * G, 3 * G + 768 * M),
        (8 * G, 4, 8 * G, G + 768 * M), (8 * G, 8, 2 * G, G)):
    found = launchers.node_memory(wanted, nodes, free)
    assert found == made, (wanted, nodes, free, found)
free = launchers.free_memory()
assert 0 < free < 1 << 50, free
END2
for bad in '1M * x:x is neither' '1M * 1M:a product of two sizes' '\* 2:nothing is neither'; do
	sed "s/^memory = \"1M,.*/memory = \"${bad%:*}\"/" some.toml >bad.toml
	expect 1 "$tool" run -n -L local bad.toml
	said err "bad.toml: pass 3 (pass3): memory: .*: ${bad#*:}"
done

doing="experiments of the package"	# each whose memory a placeholder decides says what it holds
"$python" - "$MITOSIS_EXP_DIR" <<'END2' || fail "see above"
import os, sys
sys.path[:0] = [f"{sys.argv[1]}/exp", f"{sys.argv[1]}/common"]
sys.dont_write_bytecode = True
import files

for name in files.names(f"{sys.argv[1]}/experiments"):
    each = files.find(name, f"{sys.argv[1]}/experiments")
    for part in each.passes:
        assert "${wss}" not in part.cmd or "${wss}" in part.memory, f"{name}: {part.name} has no memory"
END2

doing="a lab's nodes"			# a mitosis-lab that keeps what it was asked for, and whose nodes are this host
mkdir tools
cp "$tool" tools/
cat >tools/mitosis-lab <<'END2'
#!/bin/sh
echo "$*" >>asked
[ "$1" = run ] && echo up && exec cat
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
END2
chmod +x tools/mitosis-lab
for sizes in 1M:1024M 1M,768M:1280M 1M..1G:1536M; do
	rm -rf dir asked
	expect 0 tools/mitosis-exp run -o dir --lab 1 --lab-option --memory=3G --set wss="${sizes%:*}" \
		--set count=1 --set engine=local fork
	# An option that the user gives comes later, and wins.
	[ "$(sed -n 's/^run .* -n 1 \(.*\) -- .*/\1/p' asked)" = "--memory=${sizes#*:} --memory=3G" ] ||
		fail "wss ${sizes%:*}: $(cat asked)"
done
exit 0
