#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Figures: what is in them, of samples and of statistics, in each format; what cannot be drawn is said.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
need_command gnuplot

{
	echo "# mitosis-exp 1 tool=mitosis-prepare version=1 host=h kernel=k engine=- args=-"
	printf 'engine\twss\titer\tprepare_ns\tcow_ns\tbytes\n'
	for wss in 1048576 16777216 1073741824; do
		for iter in 0 1 2 3 4 5 6 7; do
			printf 'user\t%s\t%s\t%s\t5000\t1\n' $wss $iter $((wss / 10 + iter * 1000))
			printf 'local\t%s\t%s\t%s\tNA\t1\n' $wss $iter $((wss / 20 + iter * 1000))
		done
	done
} >p.tsv

doing=samples
expect 0 "$plot" --script p.tsv
said out '"1 MiB" 1048576, "16 MiB" 16777216, "1 GiB" 1073741824'
said out '"10 ms" 10000000'
said out 'set logscale x'
said out 'set logscale y'
said out '"user"'
said out '"local"'
said out "^1048576 108357 104857 111857$"
said out 'yerrorbars'
said out 'medians of 8 samples, error bars: 95 % interval of the median'
expect 0 "$plot" --script --error none --where engine=user --title 'A {title} "of" mine' p.tsv
silent out yerrorbars
silent out '"local"'
said out 'A {title} \\"of\\" mine'
expect 0 "$plot" --script --by '' p.tsv		# both engines pooled
said out 'medians of 16 samples'
expect 0 "$plot" --script -x engine --where wss=1M p.tsv
said out 'with boxes'
expect 0 "$plot" --script -y prepare_ns,cow_ns --where engine=user p.tsv
said out '"copy-on-write afterwards"'
expect 0 "$plot" --script --scale-x linear --scale-y linear p.tsv
said out 'unset logscale x'

doing=statistics
"$bin_dir/mitosis-stats" p.tsv >s.tsv || broken "mitosis-stats"
"$bin_dir/mitosis-stats" --json p.tsv >s.json || broken "mitosis-stats"
expect 0 "$plot" --script p.tsv && cp out of-samples
expect 0 "$plot" --script s.tsv
cmp -s out of-samples || fail "statistics give another figure: $(diff out of-samples | head -n 5)"
expect 0 "$plot" --script s.json
cmp -s out of-samples || fail "JSON Lines give another figure: $(diff out of-samples | head -n 5)"

"$bin_dir/mitosis-stats" --json --header p.tsv >whole.json || broken "mitosis-stats"
head -n 1 whole.json | grep -q '^{"meta"' || fail "no header"
expect 0 "$plot" --script whole.json
cmp -s out of-samples || fail "JSON Lines with a header give another figure: $(diff out of-samples | head -n 5)"

doing="without the comment"
sed 1d p.tsv >bare.tsv
expect 0 "$plot" --script bare.tsv
cmp -s out of-samples || fail "without the comment another figure: $(diff out of-samples | head -n 5)"
expect 0 "$plot" --script bare.tsv p.tsv
said out 'medians of 16 samples'

doing=published
expect 0 "$plot" --script --published prepare p.tsv
said out '"published"'
said out '^1048576 648000 '
expect 0 "$plot" --published list
said out '^prepare	.*ConnectX'
cut -f 1 out >names
# What is known to be of another place is no reference; what is not said of ours is in the line's name.
{
	echo "# mitosis-exp 1 tool=mitosis-rcbench version=1 host=h kernel=k engine=- args=-"
	printf 'number\tthreads\tthread\tat\tconns_per_s\n'
	for threads in 1 2; do
		printf 'one\t%s\tall\tn1\t50\n' $threads
		for at in n1 n2 n3; do
			printf 'all\t%s\tall\t%s\t100\n' $threads $at
			printf 'all\t%s\tall\t%s\t200\n' $threads $at
			printf 'all\t%s\t0\t%s\t7\n' $threads $at
		done
		printf 'all\t%s\tall\tn1\t999\n' $threads
	done
} >hosts.tsv
expect 0 "$plot" --script -x threads --by number --where thread=all --published rc-two-nics hosts.tsv
said out '"published, all"'
said out '^1 173 '
expect 0 "$plot" --script -x threads --by number --where thread=all --where number=one --published rc-two-nics hosts.tsv
silent out published,
said err 'nothing was published for what was measured here'
expect 0 "$plot" --script -x threads --by at --where thread=all --where number=all --published rc-machines hosts.tsv
said out '"published, machines 8"'

doing=sums
expect 0 "$plot" --script -x threads --by at --sum at --where thread=all --where number=all hosts.tsv
said out '"sum"'
said out '^1 450 '		# 300 and 600, and no third sample of all three
said out '^1 150 '		# n2, n3
expect 0 "$plot" --script -x threads --by '' --sum at --where at=sum --where thread=all --where number=all hosts.tsv
[ "$(grep -c '^[$]data' out)" = 1 ] || fail "more than the sum: $(cat out)"
while read -r name; do
	expect 0 "$bin_dir/mitosis-stats" "$MITOSIS_EXP_DIR/published/$name.tsv"
done <names

doing=formats
for format in svg png term; do
	expect 0 "$plot" -f $format --published prepare p.tsv
	mv out "figure.$format"
done
"$python" - <<'END' || fail "not a well-formed picture"
import struct
import xml.etree.ElementTree as tree

root = tree.parse("figure.svg").getroot()
assert root.tag.endswith("svg"), root.tag
texts = {"".join(each.itertext()).strip() for each in root.iter() if each.tag.endswith("text")}
for wanted in "user", "local", "published", "16 MiB", "working set":
    assert wanted in texts, (wanted, texts)
data = open("figure.png", "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == (1520, 880)
END
said figure.term 'working set'
expect 0 "$plot" -o by-name.png --size 400x300 p.tsv
[ "$(head -c 4 by-name.png | tail -c 3)" = PNG ] || fail "the name does not decide"

doing="what is drawn where nobody says"
{
	echo "# mitosis-exp 1 tool=mitosis-exectime version=1 host=h kernel=k engine=- args=-"
	printf 'phase\tengine\titer\tprepare_ns\tresume_ns\texec_ns\n'
	for iter in 0 1 2; do
		printf 'cold\tuser\t%s\tNA\tNA\t4\nprepare\tuser\t%s\t3\tNA\tNA\nchild\tuser\t%s\tNA\t2\t5\n' $iter $iter $iter
	done
} >phases.tsv
expect 0 "$plot" --script -x phase phases.tsv
said out '^set ylabel "execution"'
said out 'set xtics ("cold" 0, "child" 1)'
expect 0 "$plot" --script --where phase=prepare phases.tsv
said out '^set ylabel "prepare"'
sed 's/exec_ns/total_ns/' phases.tsv >total.tsv
expect 0 "$plot" --script total.tsv
said out '^set ylabel "total"'
sed 's/^phase/step/' phases.tsv >steps.tsv
expect 0 "$plot" --script --where step=child steps.tsv
said out '^set ylabel "start (resume)"'

doing="letters of a PNG"		# whole, apart from those of the next line, and none at the edge
if "$python" -c 'import PIL' 2>/dev/null; then
	for size in 760x440 1200x600; do
		for x in 'wss --published prepare' 'engine --where wss=16M'; do
			# shellcheck disable=SC2086
			expect 0 "$plot" -o letters.png --size $size --title 'gjpqy {Qg} (gjpqy)' -x $x p.tsv
			"$python" - "$size" <<'END' || fail "-x $x --size $size: see above"
import sys
from PIL import Image, ImageOps

picture = ImageOps.invert(Image.open("letters.png").convert("L"))
width, height = picture.size
assert f"{width // 2}x{height // 2}" == sys.argv[1], picture.size
left, top, right, bottom = picture.getbbox()
assert left >= 4 and top >= 4 and right <= width - 4 and bottom <= height - 4, picture.getbbox()
# The rows of the heading that have ink, in groups: the title, with the depth of a descender, and what
# stands beneath it.
rows = [picture.crop((0, row, width, row + 1)).getbbox() is not None for row in range(height // 4)]
groups, begun = [], None
for row, ink in enumerate([*rows, False]):
    if ink and begun is None:
        begun = row
    elif not ink and begun is not None:
        groups.append((begun, row))
        begun = None
title, beneath = groups[:2]
assert 26 <= title[1] - title[0] <= 40, f"the title takes rows {title}: of {groups}"
assert beneath[0] - title[1] >= 2 and 18 <= beneath[1] - beneath[0] <= 32, groups
END
		done
	done
fi

doing="commands in the data"		# what gnuplot would run stays text, wherever it stands
nasty='`touch ran`'
sed "s/^user/u\\\\\\\\$nasty/; s/^local/\"; system('touch ran')/; s/prepare_ns/${nasty}_ns/" p.tsv >nasty.tsv
"$bin_dir/mitosis-stats" nasty.tsv | sed 's/system/\x00&/' >nasty-s.tsv || broken "mitosis-stats"
for input in nasty.tsv nasty-s.tsv; do
	for format in svg png term; do
		for x in wss engine; do
			expect 0 "$plot" -f $format -x $x -y "${nasty}_ns" --title "$nasty"$'\n\xff' $input
			[ ! -e ran ] || fail "a command in $input was run: -f $format -x $x"
			[ $input$format$x != nasty.tsvsvgwss ] || mv out nasty.svg
		done
	done
done
"$python" - <<'END' || fail "the names are not as they were given"
import xml.etree.ElementTree as tree
texts = {"".join(each.itertext()) for each in tree.parse("nasty.svg").iter() if each.tag.endswith("text")}
for wanted in "`touch ran`", "u\\`touch ran`", "\"; system('touch ran')":
    assert any(wanted in text for text in texts), (wanted, texts)
END

doing="what cannot be"
# refuse STATUS PATTERN WORD...
refuse() {
	local wanted=$1 pattern=$2
	shift 2
	expect "$wanted" "$plot" "$@"
	said err "$pattern"
	[ ! -s out ] || fail "refused, and yet output: $*"
}
refuse 1 'odd: not measured here (there are: prepare_ns' -y odd p.tsv
refuse 1 'odd: no such factor' -x odd p.tsv
refuse 1 'no such series (there are: .*prepare' --published odd p.tsv
refuse 1 'rc-threads has no prepare_ns' --published rc-threads p.tsv
refuse 2 'needs --x and --by' --sum at hosts.tsv
refuse 2 'prepare_ns is no rate' --sum engine -x wss --by '' -y prepare_ns p.tsv
refuse 2 'cannot be added up' --sum engine -x wss --by '' s.tsv
refuse 1 'odd: no such factor' --sum odd -x threads --by '' hosts.tsv
refuse 1 'not of one unit' -y prepare_ns,bytes p.tsv
refuse 1 'tell them apart' --by '' s.tsv
refuse 2 'give it to mitosis-stats' --where engine=user s.tsv
refuse 1 'both samples and statistics' p.tsv s.tsv
refuse 1 'no-such: No such file' no-such
refuse 1 '^mitosis-plot: /dev/null: no records' /dev/null
refuse 2 'expected WIDTHxHEIGHT' --size 3 p.tsv
refuse 2 '--size: 1x1: not from 20x10 to 10000x10000' --size 1x1 p.tsv
refuse 2 "^mitosis-plot: --where: 'bad' is not" --where bad p.tsv
refuse 1 "^mitosis-plot: --where: no column 'odd'" --where odd=1 p.tsv
sed '1s/exp 1/exp 2/' p.tsv >newer.tsv
refuse 1 '^mitosis-plot: newer.tsv: format version 2 is newer' p.tsv newer.tsv
printf 'wss\tprepare_ns\n1\n' >short.tsv
refuse 1 '^mitosis-plot: short.tsv: line 2: 1 columns instead of 2' p.tsv short.tsv
"$bin_dir/mitosis-stats" --compare p.tsv p.tsv >compared.tsv 2>/dev/null || broken "mitosis-stats"
refuse 1 'compared.tsv: a comparison of two files, which is not drawn' compared.tsv
printf 'a\tb\n1\t2\n' >nothing.tsv
refuse 1 'no measured column: no name ends in a unit$' nothing.tsv
refuse 2 'what format' -o figure.odd p.tsv
status=0
"$plot" p.tsv >/dev/full 2>err || status=$?
[ "$status" = 1 ] || fail "a full disk gives status $status"
expect 1 closed 1 "$plot" p.tsv
said err '^mitosis-plot: write error: Bad file descriptor$'
expect 1 closed 0 "$plot"
said err '^mitosis-plot: standard input: Bad file descriptor$'
expect 2 closed 2 "$plot" --odd		# nobody is told
mkdir path
ln -s "$(command -v python3)" path/
expect 77 env PATH="$PWD/path" "$python" "$plot" p.tsv
said err 'gnuplot-nox'
exit 0
