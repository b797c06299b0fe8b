# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Record streams: reading what the tools print, TSV or JSON Lines, and writing one of many."""

import json
import os
import re
import shlex

FORMAT = "# mitosis-exp 1"
ABSENT = "NA"
_MEASURED = re.compile(r"(.*_)?(bytes|pages|faults)|.*_(ns|us|ms|s|count|percent|ratio)")
_META = re.compile(r"(\w+)=(\S*)")
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}


class Stream:
    """One header and its rows; `meta` is what the comment line says. JSON Lines may come without: then
    the stream is BARE, and that its lines are records is only what they look like."""

    def __init__(self, meta, columns, bare=False):
        self.meta = meta
        self.columns = columns
        self.bare = bare
        self.rows = []          # lists of text, in the order of the columns

    def dicts(self):
        return [dict(zip(self.columns, row)) for row in self.rows]


def is_measured(column):
    """Is it a measured column, and not a factor? By its name, as mitosis-stats decides."""
    return _MEASURED.fullmatch(column) is not None


def parse_meta(line):
    head, equals, args = line.removeprefix(FORMAT).partition(" args=")
    meta = dict(_META.findall(head))
    meta["args"] = args if equals else ""
    return meta


def unescape(text):
    return re.sub(r"\\[tnr\\]", lambda match: _ESCAPES[match[0]], text) if "\\" in text else text


def escape(text):
    return (str(text).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
            .replace("\r", "\\r"))


def quoted(words):
    """Arguments for the comment line, quoted for a shell, on one line, as the tools in C do it."""
    return " ".join(map(_quoted, words))


def _quoted(word):
    if word.isprintable():
        return shlex.quote(word)

    def escaped(char):
        if char in "\\'":
            return f"\\{char}"
        return char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in os.fsencode(char))

    return "$'" + "".join(map(escaped, word)) + "'"


def cells(line):
    values = [unescape(cell) for cell in line.split("\t")]
    if values[0].startswith("\\#"):
        values[0] = values[0][1:]
    return values


class Malformed(Exception):
    """A stream that cannot be read; the text says in which line."""


def read(lines, start=1):
    """The streams in LINES. What comes before the first one belongs to none, nor does what is no object
    after JSON Lines that came without a header. START is the first line's number in messages."""
    found = []
    stream = None
    for number, line in enumerate(lines, start):
        # Editors and spreadsheets of other systems begin a file with a byte order mark.
        line = line.rstrip("\r\n").removeprefix("\ufeff")
        if line.startswith(FORMAT):
            stream = Stream(parse_meta(line), None)
            found.append(stream)
        elif line.startswith('{"meta"'):
            meta = load(line, number).get("meta", {})
            stream = Stream({key: value for key, value in meta.items() if key != "format"}, [])
            stream.json = True
            found.append(stream)
        elif (stream is None or stream.bare) and is_record(line):
            if stream is None:
                stream = Stream({}, [], bare=True)
                stream.json = True
                found.append(stream)
            add_object(stream, json.loads(line))
        elif stream is None or stream.bare or not line or line.startswith("#"):
            continue
        elif getattr(stream, "json", False):
            add_object(stream, load(line, number))
        elif stream.columns is None:
            stream.columns = cells(line)
        else:
            row = cells(line)
            if len(row) != len(stream.columns):
                raise Malformed(f"line {number}: {len(row)} columns instead of "
                                f"{len(stream.columns)}")
            stream.rows.append(row)
    return [each for each in found if each.columns]


def load(line, number):
    try:
        value = json.loads(line)
    except ValueError as error:
        raise Malformed(f"line {number}: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(f"line {number}: not an object")
    return value


def is_record(line):
    """Whether it is an object as one of JSON Lines' records: of numbers and strings only."""
    if not line.startswith("{"):
        return False
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return bool(value) and not any(isinstance(each, (dict, list)) for each in value.values())


def add_object(stream, row):
    for name in row:
        if name not in stream.columns:
            stream.columns.append(name)
            for earlier in stream.rows:
                earlier.append(ABSENT)
    stream.rows.append([ABSENT if row.get(name) is None else str(row.get(name))
                        for name in stream.columns])


class Union:
    """One stream of many: the columns of all of them, NA where one has no such column."""

    def __init__(self):
        self.columns = []
        self.rows = []          # dicts

    def add(self, stream, factors):
        """FACTORS are columns that the stream may lack: its host, what was swept."""
        names = [*stream.columns, *(name for name in factors if name not in stream.columns)]
        for name in names:
            if name not in self.columns:
                self.columns.append(name)
        for row in stream.dicts():
            self.rows.append({**factors, **row})

    def text(self, meta):
        head = " ".join(f"{key}={value}" for key, value in meta.items() if key != "args")
        lines = [f"{FORMAT} {head} args={meta.get('args', '')}", "\t".join(self.columns)]
        for row in self.rows:
            line = "\t".join(escape(row.get(name, ABSENT)) for name in self.columns)
            lines.append("\\" + line if line.startswith("#") else line)
        return "\n".join(lines) + "\n"
