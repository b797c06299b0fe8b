# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Writes a record stream while it is measured: TSV, JSON Lines, or a table on a terminal.

The same formats as those of the tools in C (lib/common/record.h), from one table of columns.
"""

import json
import os
import sys

import commandline
import engine
import figure
import records

LEAST = {"text": 8, "number": 6, "bytes": 5, "ns": 7}       # widths in the table


class Column:
    def __init__(self, name, kind, about):
        self.name = name
        self.kind = kind            # text, number, bytes, ns
        self.about = about


def describe(columns):
    """What --help says of COLUMNS."""
    width = max(len(each.name) for each in columns)
    return "Columns:\n" + "".join(f"  {each.name:{width}}  {each.about}\n" for each in columns)


def meta(tool, version, engine_name, argv):
    return {"tool": tool, "version": version, "host": os.uname().nodename,
            "kernel": os.uname().release, "engine": engine_name,
            "args": records.quoted(engine.mask(each) for each in argv)}


class Writer:
    """Header and meta are written with the first record: who fails before prints nothing."""

    def __init__(self, columns, about, as_json=False, header=False):
        """HEADER is for JSON Lines, whose readers take each line for a record unless it is asked for."""
        self.columns = columns
        self.about = about          # what meta() gives
        self.header = header
        self.kind = "json" if as_json else "table" if sys.stdout.isatty() else "tsv"
        self.widths = [max(len(each.name), LEAST[each.kind]) for each in columns]
        self.begun = False

    def head(self):
        names = [each.name for each in self.columns]
        if self.kind == "table":
            return self.aligned(names)
        if self.kind == "json" and not self.header:
            return ""
        if self.kind == "json":
            number = int(records.FORMAT.rpartition(" ")[2])
            return json.dumps({"meta": {"mitosis-exp": number, **self.about}}) + "\n"
        facts = " ".join(f"{key}={value}" for key, value in self.about.items())
        return f"{records.FORMAT} {facts}\n" + "\t".join(names) + "\n"

    def aligned(self, cells):
        parts = []
        for number, (column, cell) in enumerate(zip(self.columns, cells)):
            # Rows are written as they come: a cell that does not fit widens its column from now on.
            self.widths[number] = max(self.widths[number], len(cell))
            width = self.widths[number]
            parts.append(f"{cell:{width}}" if column.kind == "text" else f"{cell:>{width}}")
        return "  ".join(parts).rstrip() + "\n"

    def row(self, **values):
        text = "" if self.begun else self.head()
        self.begun = True
        cells = [values.get(each.name) for each in self.columns]
        if self.kind == "json":
            text += json.dumps(dict(zip((each.name for each in self.columns), cells))) + "\n"
        elif self.kind == "table":
            text += self.aligned([self.shown(*each) for each in zip(self.columns, cells)])
        else:
            line = "\t".join(records.ABSENT if cell is None else records.escape(cell)
                             for cell in cells)
            text += ("\\" if line.startswith("#") else "") + line + "\n"
        commandline.out(text)

    @staticmethod
    def shown(column, cell):
        if cell is None:
            return "-"
        if column.kind in ("bytes", "ns"):
            return figure.human(cell, column.kind)
        return "".join(each if each.isprintable() else "?" for each in str(cell))
