#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""views.py PARENT CHILD WARNING: are both the same, but for the descriptors that the warning names?"""
import re
import sys

parent, child, warning = (open(name).read() for name in sys.argv[1:])
named, unsure = set(), False
for numbers in re.findall(r"descriptor ((?:\d+, )*(?:\d+|\.\.\.)) ", warning):
    unsure |= "..." in numbers
    named |= {int(n) for n in re.findall(r"\d+", numbers)}


def look(text):
    view = {}
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        # What is waited for, under numbers that are not named.
        inner = re.findall(r" \[(.*?)\]", rest)
        rest = re.sub(r" \[.*?\]", "", rest)
        inner = sorted(re.sub(r"\s+", " ", i) for i in inner
                       if not (i.startswith("tfd:") and int(re.search(r"\d+", i)[0]) in named))
        view[int(number)] = rest, inner
    return view


before, after = look(parent), look(child)
# One that shares with a named number, of which not all fitted into the warning.
for number, (rest, _) in before.items():
    if unsure and int(re.search(r"same=(\d+)", rest)[1]) in named:
        named.add(number)
# What the library keeps in a child, above all that its parent had.
for number in [n for n in after if n > max(before, default=0)]:
    if "anon_inode:[userfaultfd]" in after[number][0] or re.search("cloexec=1 .* socket .* 1 5 0", after[number][0]):
        del after[number]
wrong = [f"{n}: {before.get(n)} became {after.get(n)}" for n in sorted(set(before) | set(after))
         if n not in named and before.get(n) != after.get(n)]
if wrong:
    sys.exit("\n".join(wrong) + "\n" + warning)
print(f"{len(before)} descriptors, {len(named & set(before))} of them named")
