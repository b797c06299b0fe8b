# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Adds up the rates of several hosts, or of another factor's levels: a total beside what each got.

The n-th samples of all levels make the n-th sample of the sum: hosts that began at the same time
print a record per interval, and the n-th records are about the same interval. So the sum has
samples, a median and its confidence interval as any other group has.
"""

import re

import records
from problem import Problem

LEVEL = "sum"
_NAME = re.compile(r"\s*(\w+)")


def is_rate(column):
    return column.endswith("per_s")


def names_in(conditions):
    """The columns in conditions as mitosis-stats --where has them."""
    return [match[1] for match in map(_NAME.match, conditions) if match]


def levels(text, factor):
    """The values of FACTOR in these records."""
    return list(dict.fromkeys(row[factor] for stream in records.read(text.splitlines())
                              for row in stream.dicts() if factor in row))


def add(text, factor, names):
    """TEXT with records of sums after it, whose FACTOR is `sum'. There is a sum for each
    combination of the values of NAMES."""
    streams = records.read(text.splitlines())
    if not any(factor in stream.columns for stream in streams):
        raise Problem(f"--sum: {factor}: no such factor in the records")
    for stream in streams:
        made = records.Union()
        made.columns = list(stream.columns)
        made.rows = sums_of(stream, factor, names)
        if made.rows:
            text += made.text(stream.meta)
    return text


def sums_of(stream, factor, names):
    names = [name for name in names if name in stream.columns and name != factor]
    groups = {}
    for row in stream.dicts():
        group = groups.setdefault(tuple(row[name] for name in names), {})
        for column in filter(is_rate, stream.columns):
            if row[column] != records.ABSENT:
                group.setdefault(column, {}).setdefault(row.get(factor), []).append(
                    float(row[column]))
    made = []
    for values, rates in groups.items():
        for column, by_level in rates.items():
            for samples in zip(*by_level.values()):
                made.append({**dict(zip(names, values)), factor: LEVEL,
                             column: f"{sum(samples):.12g}"})
    return made
