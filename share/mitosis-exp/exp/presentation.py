# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What a run prints when an experiment is over: its records; on a terminal what they come to."""

import os
import subprocess
import sys

import records
from commandline import out


def show(path, experiment, tools):
    """PATH: the records."""
    if not sys.stdout.isatty():
        with open(path, encoding="utf-8") as file:
            out(file.read())
        return
    out(f"\n{experiment.title}\n")
    if experiment.table:
        out(table(path, experiment.table))
        return
    subprocess.run([os.path.join(tools, "mitosis-stats"), "--percentiles", "50,90",
                    *experiment.stats, path], check=False)


def table(path, columns):
    """Some columns of the records, aligned."""
    with open(path, encoding="utf-8") as file:
        rows = [columns, *([row.get(name, records.ABSENT) for name in columns]
                           for stream in records.read(file) for row in stream.dicts())]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    return "".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() + "\n"
                   for row in rows)
