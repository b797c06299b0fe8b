#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The page of a run: whole, well-formed, with figures and data, and what failed or was left out is said.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
need_command gnuplot

cat >bad.toml <<'END'
[experiment]
title = "Bad <one>"
[[template.pass]]
host = "a&b"
cmd = "echo '<script>' >&2; exit 5"
END
cat >without.toml <<'END'
[experiment]
needs = ["no-such-program"]
[[template.pass]]
host = "a"
cmd = "true"
END
cat >table.toml <<'END'
[experiment]
table = ["at", "name", "odd"]
[[template.pass]]
host = "a&b"
cmd = "echo '[shown <as> it is-prepare] duration: 1 ms'"
END
run 1 -k --set count=8 --set wss=1M,4M prepare bad.toml without.toml table.toml
expect 0 "$tool" report dir
mv out page.html
"$python" - dir/prepare/records.tsv <<'END' || fail "the page is not what it should be"
import base64, html.parser, re, sys

page = open("page.html", encoding="utf-8").read()

class Check(html.parser.HTMLParser):
    VOID = {"meta", "link", "br", "img", "hr"}

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.words = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in "href", "src", "xlink:href":
            if name in attributes:
                self.links.append(attributes[name])

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        self.words += data.replace("\u00a0", " ")

check = Check()
check.feed(page)
assert not check.open, check.open
assert len(check.ids) == len(set(check.ids)), check.ids
assert "script" not in re.findall(r"<(\w+)", page)
for link in check.links:
    assert link.startswith("data:") or link[0] == "#" and link[1:] in check.ids, link[:60]
data = [link for link in check.links if link.startswith("data:")]
assert base64.b64decode(data[0].partition(",")[2]) == open(sys.argv[1], "rb").read()
assert page.count("<svg") == 2 and page.count("class=\"wide\"") == page.count("class=\"narrow\"") == 1
for wanted in ("Prepare against the working set", "Bad <one>", "exit status 5", "no-such-program is not there",
               "4 MiB", "648 µs", "730 µs", "The hardware differs", "shown <as> it is", "failed", "skipped"):
    assert wanted in check.words, wanted
END

doing="published values beside their own place, and sums"
# What one host gets per interval, with threads of its own beside it.
cat >rates <<'END'
#!/bin/sh
echo "# mitosis-exp 1 tool=mitosis-rcbench version=1 host=h kernel=k engine=- args=-"
printf 'threads\tdevices\tthread\tconns_per_s\ttotal_ns\n'
for rate in 10 20 30; do
	printf '%s\t%s\t0\t1\tNA\n%s\t%s\tall\t%s\tNA\n' $1 $2 $1 $2 $((rate * $3))
done
END
chmod +x rates
# experiment FILE PUBLISHED BY PLOT: over one and all devices of one host, or over machines
experiment() {
	cat >"$1" <<END
[experiment]
published = "$2"
stats = ["--by", "$3", "--where", "thread=all", "--columns", "conns_per_s"]
plot = ["--x", "threads", "--y", "conns_per_s", "--where", "thread=all", "--by", $4]
[[template.pass]]
role = "parent"
cmd = "true"
[[template.pass]]
role = "child"
take = "\${machines}"
cmd = "$PWD/rates \${threads} 1 \$([ \$MITOSIS_EXP_HOST = c ] && echo 2 || echo 1)"
[template.placeholder]
$5
END
}
number='threads = [1, 2]
machines = 1
[[template.placeholder.number]]
name = "one"
value = "1"
[[template.placeholder.number]]
name = "all"
value = "2"'
experiment right.toml rc-two-nics threads,number '"number"' "$number"
experiment by-other.toml rc-two-nics threads,devices,at '"devices"' "$number"
experiment machines.toml rc-machines machines,threads,at '"at", "--sum", "at"' $'machines = [1, 2, 3]\nthreads = 2'
run 0 -k --hosts parent=a,child=b,c right.toml by-other.toml machines.toml
expect 0 "$tool" report dir
mv out page.html
"$python" - <<'END' || fail "published values stand at the wrong place"
import html, re

page = open("page.html", encoding="utf-8").read()

def section(name):
    return re.search(f'<section id="{name}">.*?</section>', page, re.S)[0]

def table(name):
    """The rows of its first table, each by the header's words."""
    found = re.search("<table>.*?</table>", section(name), re.S)[0]
    rows = [[html.unescape(cell) for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in re.findall("<tr>(.*?)</tr>", found, re.S)]
    return [dict(zip(rows[0], row)) for row in rows[1:]]

rate = "connections per second, median"
rows = table("right")
assert sorted((row["number"], row["threads"], row["published"]) for row in rows) == [
    ("all", "1", "173"), ("all", "2", "352"), ("one", "1", ""), ("one", "2", "")], rows
assert "all, threads\u00a012: 845" in html.unescape(section("right"))
# Its rows do not say over which of the devices they are: nothing was published for them.
rows = table("by-other")
assert rows and not any("published" in row for row in rows), rows
assert "all, threads\u00a01: 173" in html.unescape(section("by-other"))
rows = table("machines")
assert [(row["machines"], row["at"], row[rate], row["published"]) for row in rows] == [
    ("1", "sum", "20", "397"), ("2", "b", "20", ""), ("2", "c", "40", ""),
    ("2", "sum", "60", "409")], rows
assert "4, threads" in html.unescape(section("machines")).replace("machines\u00a0", "")
END

doing="without gnuplot"
mkdir path
ln -s "$python" path/python3
expect 0 env PATH="$PWD/path" "$python" "$tool" report dir
[ "$(grep -c . err)" = 1 ] || fail "not said once: $(cat err)"
said err '^mitosis-exp: no figures: gnuplot is missing (Debian package: gnuplot-nox)$'
said out '<p class=note>There are no figures on this page: gnuplot is missing (Debian package: gnuplot-nox)\.'
[ "$(grep -c '<p class=note>No figure: gnuplot is missing' out)" = 3 ] || fail "not in the place of each"
silent out '<svg'
grep -o '<td[^>]*>[^<]*</td>' page.html >with
grep -o '<td[^>]*>[^<]*</td>' out >without
cmp -s with without || fail "the tables are others: $(diff with without | head -n 5)"
run 0 table.toml		# which has none anyway
expect 0 env PATH="$PWD/path" "$python" "$tool" report dir
[ ! -s err ] || fail "says: $(cat err)"

printf '[experiment]\npublished = "odd"\n[[template.pass]]\nrole = "a"\ncmd = "echo Prepare time = 1 ms"\n' >odd.toml
run 0 odd.toml
expect 1 "$tool" report dir
said err '^mitosis-exp: published: odd: no such series'

mkdir empty && cd empty || exit 99
expect 1 "$tool" report
said err 'no run in it'
expect 1 "$tool" report /nowhere
said err '/nowhere/run.json: No such file'
exit 0
