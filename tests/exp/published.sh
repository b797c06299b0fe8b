#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Each experiment is compared with published values of its own kind: it groups by all that they depend on,
# measures what they are of, and comes to places where they are. Values that nothing uses say why.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"

"$python" - "$MITOSIS_EXP_DIR" <<'END' || fail "experiments and published values do not belong together"
import argparse, fnmatch, os, re, sys
share = sys.argv[1]
sys.path[:0] = [os.path.join(share, part) for part in ("exp", "common")]
sys.dont_write_bytecode = True
import files, plot, records, sums, words

# May be about something else than the published values, as long as it measures none of their columns.
OTHER = {"lean-pause"}

wrong = []
used = set()


def stats(options):
    parser = argparse.ArgumentParser()
    for name in "--by", "--columns":
        parser.add_argument(name, default="")
    parser.add_argument("--where", action="append", default=[])
    known = parser.parse_args(options)
    return known.by.split(","), known.columns.split(","), known.where


def values(placeholder):
    """What a placeholder comes to, as the columns have it."""
    found = []
    for level in placeholder if isinstance(placeholder, list) else [placeholder]:
        found += [level["name"]] if isinstance(level, dict) else str(level).split(",")
    return {plot.alike(value) for value in found}


names = files.names(os.path.join(share, "experiments"))
assert len(names) > 25, names
for name in names:
    each = files.find(name, os.path.join(share, "experiments"))
    drawn = plot.build_parser("").parse_args(each.plot)
    if each.published != (drawn.published[0] if drawn.published else each.published):
        wrong.append(f"{name}: the figure is compared with {drawn.published}, the table with {each.published}")
    if not each.published:
        continue
    used.add(each.published)
    with open(os.path.join(share, "published", f"{each.published}.tsv"), encoding="utf-8") as file:
        stream, = records.read(file)
    keys = [column for column in stream.columns if not records.is_measured(column)]
    by, columns, where = stats(each.stats)
    if name in OTHER and not set(columns) & set(stream.columns):
        continue
    for key in keys:
        if key not in by:
            wrong.append(f"{name}: {each.published} depends on {key}, which the table is not by ({by})")
        theirs = {plot.alike(row[key]) for row in stream.dicts()}
        if key in each.placeholders and not theirs & values(each.placeholders[key]):
            wrong.append(f"{name}: {key}: published of {theirs}, and none of these is measured")
    if not set(columns) & set(stream.columns):
        wrong.append(f"{name}: {each.published} has none of {columns}")
    # What the hosts get is added up where the published rates are of all of them.
    if "machines" in keys and (drawn.sum != "at" or "at" not in by):
        wrong.append(f"{name}: {each.published} is of all machines: this has no sum of them")

with open(os.path.join(share, "experiments", "README.md"), encoding="utf-8") as file:
    readme = file.read().partition("Not here, and why")[2]
excused = re.findall(r"published/([\w*.-]+)", readme)
for path in sorted(os.listdir(os.path.join(share, "published"))):
    if path.removesuffix(".tsv") not in used and not any(fnmatch.fnmatch(path, each) for each in excused):
        wrong.append(f"{path}: no experiment is compared with it, and README.md does not say why")
print("\n".join(wrong))
sys.exit(bool(wrong))
END
exit 0
