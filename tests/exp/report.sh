#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
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
        self.words += data

check = Check()
check.feed(page)
assert not check.open, check.open
assert len(check.ids) == len(set(check.ids)), check.ids
assert "script" not in re.findall(r"<(\w+)", page)
for link in check.links:
    assert link.startswith("data:") or link[0] == "#" and link[1:] in check.ids, link[:60]
data = [link for link in check.links if link.startswith("data:")]
assert base64.b64decode(data[0].partition(",")[2]) == open(sys.argv[1], "rb").read()
assert page.count("<svg") == 1
for wanted in ("Prepare against the working set", "Bad <one>", "exit status 5", "no-such-program is not there",
               "4 MiB", "648 µs", "730 µs", "The hardware differs", "shown <as> it is", "failed", "skipped"):
    assert wanted in check.words, wanted
END
mkdir empty && cd empty || exit 99
expect 1 "$tool" report
said err 'no run in it'
expect 1 "$tool" report /nowhere
said err '/nowhere/run.json: No such file'
exit 0
