# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Reads the result lines of the published programs, which are prose, as records."""

import re

import records

_NUMBER = r"([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)"
_HOST = re.compile(r"^@(\S+?):?\s+")
_UNITS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
_UNIT = r"\s*(ns|us|µs|ms|s)\b"

# (pattern, what its groups are); a time is a number and its unit
LINES = (
    (re.compile(rf"\[([^\]]+)-prepare\]\s*duration:\s*{_NUMBER}{_UNIT}"), ("name", "prepare_ns")),
    (re.compile(rf"\[([^\]]+)-execution\]\s*duration:\s*{_NUMBER}{_UNIT}"), ("name", "exec_ns")),
    (re.compile(rf"\[([^\]]+)\]\s*Throughput:\s*{_NUMBER}\s*containers/sec,\s*"
                rf"latency\s*{_NUMBER}{_UNIT}"), ("name", "containers_per_s", "latency_ns")),
    (re.compile(rf"\[([^\]]+)\]\s*Run time\s*=\s*{_NUMBER}{_UNIT}"), ("name", "run_ns")),
    (re.compile(rf"()Prepare time\s*=\s*{_NUMBER}{_UNIT}"), ("name", "prepare_ns")),
    (re.compile(rf"^(.*?)\s*\bthpt\s*:\s*{_NUMBER}"), ("name", "ops_per_s")),
)
COLUMNS = ("name", "prepare_ns", "exec_ns", "run_ns", "latency_ns", "containers_per_s", "ops_per_s")


def number(text):
    value = float(text)
    return str(int(value)) if value.is_integer() else f"{value:.9g}"


def parse(line):
    """The record of a line as {column: text}, or None if it is no result."""
    for pattern, names in LINES:
        match = pattern.search(line)
        if not match:
            continue
        groups = list(match.groups())
        row = {"name": groups.pop(0).strip() or "-"}
        for name in names[1:]:
            value = groups.pop(0)
            row[name] = (number(f"{float(value) * _UNITS[groups.pop(0)]:.12g}")
                         if name.endswith("_ns") else number(value))
        return row
    return None


def read(lines):
    """One stream of all results in LINES, each with the host that its line bears (@HOST)."""
    stream = records.Stream({"tool": "published", "engine": "-"}, ["host", *COLUMNS, "iter"])
    seen = {}
    for line in lines:
        host = _HOST.match(line)
        row = parse(line[host.end():] if host else line)
        if row is None:
            continue
        row["host"] = host[1] if host else "-"
        key = (row["host"], row["name"], tuple(row))
        row["iter"] = str(seen.setdefault(key, 0))
        seen[key] += 1
        stream.rows.append([row.get(name, records.ABSENT) for name in stream.columns])
    return stream
