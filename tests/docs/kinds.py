#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""kinds.py - what mitosis-child(1) says of each kind of state is what the code does.

	kinds.py TOP BUILD [--write]

lib/state/kinds.tsv is the list. The page's table is made of it (--write puts it there); and the other way round the
code is looked through: every file of lib/state and every setting has a row, every loss that the library can name is in
one and no row claims another, every test that a row names is there. 0: all agree.
"""
import pathlib
import re
import subprocess
import sys

top, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
page = top / "man/mitosis-child.1"
begin, end = '.\\" kinds.tsv: begin', '.\\" kinds.tsv: end'
wrong = []

rows = []
for line in (top / "lib/state/kinds.tsv").read_text().splitlines():
    if line and not line.startswith("#"):
        fields = line.split("\t")
        if len(fields) != 5:
            sys.exit(f"kinds.tsv: {len(fields)} fields: {line}")
        rows.append(fields)
for kind, child, where, said, tests in rows:
    if child not in ("carried", "carried, or named", "carried, or refused", "carried, or not", "named", "not"):
        wrong.append(f"{kind}: '{child}'")
    if child.startswith("not") and not said:
        wrong.append(f"{kind}: no reason why no process could have it right")
    if "named" in child and not said:
        wrong.append(f"{kind}: what is said of it?")

# The sources: files, settings, losses.
files = {str(p.relative_to(top / "lib/state")) for p in (top / "lib/state").rglob("*.c")} - {"state.c"}
settings = re.findall(r"^\tSETTING\((\w+), (\w+), \w+, (?:\\\n\t\t)?\"(.*)\"\)", (top / "lib/state/settings.h").read_text(), re.M)
words = {word for row in rows for word in row[2].split()}
for name in files - words:
    wrong.append(f"{name} is in no row")
for name, _, _ in settings:
    if name not in words:
        wrong.append(f"the setting {name} is in no row")
for word in words - files - {name for name, _, _ in settings}:
    wrong.append(f"there is no {word}")

losses = [(f"settings.h: {name}", said) for name, _, said in settings]
for path in (top / "lib").rglob("*.c"):
    for argument in re.findall(r"losses_add\((?:[^,\"]+),\s*(\"(?:[^\"\\]|\\.)*\"|[^,\"]*)", path.read_text()):
        if argument.startswith('"'):
            losses.append((path.name, argument.strip('"')))
        elif path.name != "losses.c" and argument != "all[i].said":
            wrong.append(f"{path.name}: a loss whose text is not there to be read: {argument}")
fragments = [f.strip() for row in rows if "named" in row[1] for f in row[3].split(";")]
for place, text in losses:
    if not any(text.startswith(f) for f in fragments):
        wrong.append(f"{place}: in no row: {text}")
for f in fragments:
    if not any(text.startswith(f) for _, text in losses):
        wrong.append(f"nothing says: {f}")
for name, when, said in settings:
    row = next((r for r in rows if name in r[2].split()), None)
    if row and (row[1] == "named") != (when == "NEVER"):
        wrong.append(f"{name} is {when} in settings.h, and '{row[1]}' in its row")

# Tests: states of the two programs, or scripts.
states = {line.split()[0] for line in subprocess.run([build / "tests/user/state"], capture_output=True, text=True,
                                                     check=True).stdout.splitlines()}
settable = set(subprocess.run([build / "tests/user/everything"], capture_output=True, text=True,
                              check=True).stdout.split())
script = (top / "tests/user/everything.sh").read_text()
for kind, child, _, _, tests in rows:
    for test in tests.split():
        what = test.partition("everything:")[2]
        if what and what not in settable:
            wrong.append(f"{kind}: everything cannot set {what}")
        elif what and not re.search(rf"\b{what}\b", script):
            wrong.append(f"{kind}: everything.sh does not try {what}")
        elif not what and test not in states and not (top / f"tests/user/{test}.sh").exists():
            wrong.append(f"{kind}: no test {test}")


def escape(text):
    return text.replace("\\", "\\\\").replace("-", "\\-")


def readable(text):
    """What a warning begins with, without what stands for numbers."""
    return re.sub(r" *%s *", " ... ", text).strip().removeprefix("... ")


table = [begin, ".Bl -tag -width Ds"]
for kind, child, _, said, _ in rows:
    table.append(f".It {escape(kind)}")
    text = child[0].upper() + child[1:]
    if said and "named" in child:
        table.append(f"{text}:")
        quotes = [f".Dq {escape(readable(f.strip()))}" for f in said.split(";")]
        table += [q + " ;" for q in quotes[:-1]] + [quotes[-1] + " ."]
    elif said:
        table.append(f"{text}: {escape(said)}.")
    else:
        table.append(f"{text}.")
table += [".El", end]
old = page.read_text()
new = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: "\n".join(table), old, flags=re.S)
if "--write" in sys.argv:
    page.write_text(new)
elif old != new:
    wrong.append("the table in mitosis-child(1) is another: tests/docs/kinds.py . build --write")
for line in wrong:
    print(f"kinds: {line}")
sys.exit(bool(wrong))
