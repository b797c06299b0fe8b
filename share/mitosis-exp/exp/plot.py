# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The command line of mitosis-plot, and the way from records to a figure."""

import argparse
import os
import re
import shutil
import subprocess
import sys

import commandline
import figure
import records
import streams
import sums
from context import Context
from problem import FAILED, USAGE, Problem, reason

TOOL = "mitosis-plot"
SIZE_MIN, SIZE_MAX = (20, 10), 10000
SIZES = {"svg": (760, 440), "png": (760, 440)}
# What is drawn if nobody says: the first of these that the records have.
MEASURED = ("prepare_ns", "resume_ns", "start_ns", "conns_per_s", "ops_per_s", "total_ns",
            "exec_ns")
EACH_PHASE = ("total_ns", "exec_ns")    # before these, where there are phases: each of them has it
ACROSS = ("wss", "size", "touch", "threads", "parallel", "outstanding", "machines", "depth", "rate",
          "window")
FILES_SHOWN = 4     # in a message
CHARTED = {"svg": "svg", "png": "png", "txt": "term"}


class Parser(commandline.Parser):
    tool = TOOL


def build_parser(version):
    parser = Parser(prog=TOOL, allow_abbrev=False, usage=f"{TOOL} [OPTIONS] [FILE...]",
                    description="Draws record streams, and the statistics that mitosis-stats makes "
                                "of them: medians with their confidence intervals.",
                    epilog="Example: mitosis-prepare --wss 1M..16M --engine user,local | "
                           "mitosis-plot --published prepare >prepare.svg")
    add = parser.add_argument
    add("-x", "--x", metavar="COLUMN", help="what goes across (the first factor of numbers)")
    add("-y", "--y", metavar="COLUMN[,COLUMN...]", help="what was measured")
    add("--by", metavar="COLUMN[,COLUMN...]", help="a line for each value of these factors (all)")
    add("--where", action="append", default=[], metavar="CONDITION",
        help="only records for which it holds, as with mitosis-stats")
    add("--sum", metavar="COLUMN",
        help="also the sum of the rates over this factor, as its value `sum'; needs --x and --by")
    add("--published", action="append", default=[], metavar="NAME",
        help="a published series as a reference; NAME or `list'")
    add("-f", "--format", choices=("svg", "png", "term"),
        help="by the name of the output; a terminal gets text, all else SVG")
    add("-o", "--output", metavar="FILE", help="instead of standard output")
    add("--size", metavar="WIDTHxHEIGHT", help="in pixels, of text in characters (760x440)")
    add("--title", metavar="TEXT", help="the title")
    add("--scale-x", choices=("auto", "log", "linear"), default="auto", help="how x is divided")
    add("--scale-y", choices=("auto", "log", "linear"), default="auto", help="how y is divided")
    add("--error", choices=("interval", "range", "none"), default="interval",
        help="error bars: 95%% interval of the median, least to greatest")
    add("--script", action="store_true", help="print what gnuplot would get")
    add("-V", "--version", action="version", version=f"{TOOL} (mitosis-exp {version})")
    add("files", nargs="*", metavar="FILE", help=argparse.SUPPRESS)
    return parser


# reading

def read_files(paths):
    """The records of all files, and what to call them in messages."""
    text = ""
    names = []
    for path in paths or ["-"]:
        name = "standard input" if path == "-" else path
        names.append(name)
        try:
            if path == "-":
                part = sys.stdin.read()
            else:
                with open(path, encoding="utf-8") as file:
                    part = file.read()
        except OSError as error:
            raise Problem(f"{name}: {reason(error)}") from None
        except UnicodeDecodeError:
            raise Problem(f"{name}: not a record stream") from None
        text += with_meta(part if part.endswith("\n") or not part else part + "\n", name)
    return text, ", ".join(names[:FILES_SHOWN]) + (", ..." if len(names) > FILES_SHOWN else "")


def with_meta(part, name):
    """What a file holds, with the first line of a stream put before it where it has none, as
    mitosis-stats does not demand it either."""
    found = re.findall(r'^(?:# mitosis-exp |\{"meta": *\{"mitosis-exp": *)(\d+)', part, re.MULTILINE)
    ours = int(records.FORMAT.rpartition(" ")[2])
    for version in map(int, found):
        if version > ours:
            raise Problem(f"{name}: format version {version} is newer than this program")
    own = ""
    if not found:
        first = next((line for line in part.splitlines() if line and not line.startswith("#")), "")
        own = f'{{"meta": {{"mitosis-exp": {ours}}}}}\n' if first.startswith("{") \
            else f"{records.FORMAT}\n"
    try:
        records.read((own + part).splitlines(), 0 if own else 1)
    except records.Malformed as error:
        raise Problem(f"{name}: {error}") from None
    return own + part


def streams_of(text, what):
    try:
        found = records.read(text.splitlines())
    except records.Malformed as error:
        raise Problem(f"{what}: {error}") from None
    if not any(stream.rows for stream in found):
        raise Problem(f"{what}: no records in it")
    return found


def is_statistics(stream):
    return "column" in stream.columns and "n" in stream.columns


def is_comparison(stream):
    """Is it the output of mitosis-stats --compare?"""
    return "column" in stream.columns and "old_n" in stream.columns


def statistics(text, what, options, tools):
    """Rows of mitosis-stats: those in TEXT, or those that it makes of the samples in TEXT."""
    found = streams_of(text, what)
    kinds = {is_statistics(stream) for stream in found}
    if any(map(is_comparison, found)):
        raise Problem(f"{what}: a comparison of two files, which is not drawn: only samples and medians")
    if kinds == {True, False}:
        raise Problem(f"{what}: both samples and statistics")
    if kinds == {False}:
        argv = [os.path.join(tools, "mitosis-stats"), "--percentiles", "50", *options]
        try:
            done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        except OSError as error:
            raise Problem(f"{argv[0]}: {reason(error)}") from None
        if done.returncode:
            told = [line.removeprefix("mitosis-stats: ") for line in done.stderr.splitlines()]
            error = next((line for line in told if not line.startswith("warning: ")), "failed")
            raise Problem(error.removesuffix("; say which with --columns"),
                          USAGE if done.returncode == USAGE else FAILED)
        found = streams_of(done.stdout, what)
    elif options:
        raise Problem("--where: these are statistics already; give it to mitosis-stats", USAGE)
    rows = []
    factors = []
    for stream in found:
        if "p50" not in stream.columns:
            raise Problem(f"{what}: these statistics have no median (p50)")
        factors += [name for name in stream.columns[:stream.columns.index("column")]
                    if name not in factors]
        rows += stream.dicts()
    return factors, rows


def number(text):
    value = None if text in (None, records.ABSENT) else figure.level(text)
    return value


# choosing

def listed(text):
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


class Chooser:
    """Finds out what goes across, what up, and what tells the lines apart."""

    def __init__(self, args, factors, rows):
        self.args = args
        measured = list(dict.fromkeys(row["column"] for row in rows
                                      if number(row["p50"]) is not None))
        if not measured:
            raise Problem("nothing was measured in these records")
        self.factors = [*factors, "column"]
        self.ys = listed(args.y) or [self.find_y(rows, measured)]
        for name in self.ys:
            if name not in measured:
                raise Problem(f"--y: {name}: not measured here (there are: {', '.join(measured)})")
        self.rows = [row for row in rows if row["column"] in self.ys
                     and number(row["p50"]) is not None]
        varying = [name for name in self.factors
                   if len({row.get(name) for row in self.rows}) > 1]
        self.x = self.find_x(varying)
        self.by = self.find_by(varying)

    def find_y(self, rows, measured):
        """What is there for most of what goes across, or of the phases: not what one of them alone has."""
        across = self.known("--x", self.args.x) if self.args.x else "phase"
        wanted = (*EACH_PHASE, *MEASURED) if "phase" in self.factors else MEASURED
        names = [name for name in wanted if name in measured] or measured[:1]
        return max(names, key=lambda name: len({row.get(across) for row in rows if row["column"] == name
                                                and number(row["p50"]) is not None}))

    def find_x(self, varying):
        if self.args.x:
            return self.known("--x", self.args.x)
        numeric = [name for name in varying
                   if all(number(row.get(name)) is not None for row in self.rows)]
        for name in (*ACROSS, *numeric, *reversed(varying)):
            if name in varying:
                return name
        return next((name for name in ACROSS if name in self.factors), self.factors[0])

    def find_by(self, varying):
        if self.args.by is not None:
            names = [self.known("--by", name) for name in listed(self.args.by)]
            if "column" in varying and "column" not in names:
                names.append("column")
        else:
            names = varying
        return [name for name in names if name != self.x]

    def known(self, option, name):
        if name not in self.factors:
            raise Problem(f"{option}: {name}: no such factor (there are: "
                          f"{', '.join(self.factors)})")
        return name

    def numeric(self):
        return self.x != "column" and all(number(row.get(self.x)) is not None for row in self.rows)


def spread(row, kind):
    names = {"interval": ("median_low", "median_high"), "range": ("min", "max")}.get(kind)
    if names is None:
        return None, None
    low, high = (number(row.get(name)) for name in names)
    return (low, high) if low is not None and high is not None else (None, None)


def shown(name, value):
    if name == "column":
        return figure.column_name(value)
    if figure.unit_of(name) == "bytes" and number(value) is not None:
        return figure.human(number(value), "bytes")
    return value


def make_series(chosen, varying_only, kind, numeric, reference=None):
    """A Series for each combination of what tells lines apart."""
    several = [name for name in chosen.by if not varying_only or
               len({row.get(name) for row in chosen.rows}) > 1]
    table = {}
    for row in chosen.rows:
        values = [shown(name, row.get(name, records.ABSENT)) for name in several]
        # A number alone would not say what it is: its factor's name goes before it.
        words_of = [f"{name} {value}" if number(value) is not None else value
                    for name, value in zip(several, values)]
        name = ", ".join(words_of) or (reference or figure.column_name(chosen.ys[0]))
        if reference and several:
            name = f"{reference}, {name}"
        x = number(row[chosen.x]) if numeric else shown(chosen.x, row.get(chosen.x))
        points = table.setdefault(name, {})
        if x in points:
            others = [each for each in chosen.factors if each not in (*several, chosen.x)
                      and len({row.get(each) for row in chosen.rows}) > 1]
            raise Problem(f"several values of {chosen.ys[0]} at {chosen.x} = {row.get(chosen.x)}: "
                          "tell them apart with --by or --where"
                          + (f" ({', '.join(others)})" if others else ""))
        points[x] = (x, number(row["p50"]), *spread(row, kind))
    made = []
    for name, points in table.items():
        ordered = sorted(points.values()) if numeric else list(points.values())
        made.append(figure.Series(name, ordered, reference is not None))
    return made


# published values

def published_names(context):
    return sorted(name.removesuffix(".tsv") for name in os.listdir(context.published)
                  if name.endswith(".tsv"))


def published(name, args, chosen, numeric, context):
    if name not in published_names(context):
        raise Problem(f"--published: {name}: no such series (there are: "
                      f"{', '.join(published_names(context))})")
    path = os.path.join(context.published, f"{name}.tsv")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    factors, rows = statistics(text, path, [], context.tools)
    factors = [key for key in factors if key != "engine"]      # is in the name anyway
    ys = [each for each in chosen.ys if any(row["column"] == each for row in rows)]
    if not ys:
        there = ", ".join(dict.fromkeys(row["column"] for row in rows))
        raise Problem(f"--published: {name} has no {', '.join(chosen.ys)} (it has: {there})")
    if chosen.x != "column" and chosen.x not in factors:
        raise Problem(f"--published: {name} has no {chosen.x}")
    rows = [row for row in rows if is_like(row, factors, chosen)]
    if not any(row["column"] in ys for row in rows):
        return []
    wanted = argparse.Namespace(x=chosen.x, y=",".join(ys), by=None)
    theirs = Chooser(wanted, factors, rows)
    # A published line's name says all that it is about, but what is the same in all of ours.
    theirs.by = [key for key in (*factors, "column") if key != theirs.x and (
        key in theirs.by or key in factors and (key in chosen.by or levels_of(key, chosen) is None))]
    meta = streams_of(text, path)[0].meta
    label = "published" if meta.get("engine") == "mitosis" else f"published, {meta.get('engine')}"
    return make_series(theirs, False, args.error, numeric, label)


def levels_of(key, chosen):
    """The values of a factor in our records, or None if some do not say."""
    return {alike(row[key]) for row in chosen.rows} if all(key in row for row in chosen.rows) \
        else None


def alike(value):
    """A value for comparison: 64M and 67108864 are the same."""
    return value if number(value) is None else number(value)


def is_like(row, factors, chosen):
    """Is a published row about what was measured, as far as our records say? The factor that goes
    across is not looked at here: clip() does that."""
    known = {key: levels_of(key, chosen) for key in factors if key != chosen.x}
    return all(levels is None or alike(row[key]) in levels for key, levels in known.items())


def published_conditions(name, context):
    """The comment in the file: where these values come from."""
    path = os.path.join(context.published, f"{name}.tsv")
    with open(path, encoding="utf-8") as file:
        lines = [line[2:].strip() for line in file if line.startswith("# ")
                 and not line.startswith(records.FORMAT)]
    return " ".join(lines)


# main

def with_sums(args, text, raw):
    if not args.x or args.by is None:
        raise Problem("--sum: sums of what? It needs --x and --by", USAGE)
    if not raw:
        raise Problem("--sum: these are statistics already, which cannot be added up", USAGE)
    for name in listed(args.y):
        if not sums.is_rate(name):
            raise Problem(f"--sum: {name} is no rate (per_s): only rates are added up", USAGE)
    return sums.add(text, args.sum, [args.x, *listed(args.by), *sums.names_in(args.where)])


def build(args, context, text, what):
    """The Figure that the options and the records give."""
    options = [f"--where={condition}" for condition in args.where]
    raw = not all(is_statistics(stream) for stream in streams_of(text, what))
    if args.sum:
        text = with_sums(args, text, raw)
    factors, rows = statistics(text, what, options, context.tools)
    if raw and (args.by is not None or args.x):
        # Samples that differ only in other factors than those asked for go into one median.
        first = Chooser(args, factors, rows)
        names = [name for name in dict.fromkeys([first.x, *first.by]) if name != "column"]
        if args.by is not None:
            factors, rows = statistics(text, what, [*options, f"--by={','.join(names)}"],
                                       context.tools)
    chosen = Chooser(args, factors, rows)
    numeric = chosen.numeric()
    series = make_series(chosen, not args.by, args.error, numeric)
    for name in args.published:
        references = clip(published(name, args, chosen, numeric, context), series, numeric)
        if not references:
            context.say(f"{name}: nothing was published for what was measured here")
        series += references
    measured = ", ".join(figure.column_name(name) for name in chosen.ys)
    across = figure.Axis(chosen.x, args.scale_x)
    if chosen.x == "column":
        across.name = ""
    up = figure.Axis(chosen.ys[0], args.scale_y)
    units = {figure.unit_of(name) for name in chosen.ys}
    if len(units) > 1:
        raise Problem(f"--y: {', '.join(chosen.ys)}: not of one unit")
    if len(chosen.ys) > 1:
        up.name = "time" if units & {"ns", "us", "ms", "s"} else measured
    what = measured if len(chosen.ys) <= 3 else up.name
    title = args.title or (f"{what[:1].upper()}{what[1:]}"
                           + (f" against {across.name}" if across.name else ""))
    beneath = subtitle(chosen, args, any(each.reference for each in series))
    return figure.Figure(title, beneath, across, up, series, numeric)


def clip(references, series, numeric):
    """The references, without points where nothing was measured to compare them with."""
    places = [point[0] for each in series for point in each.points]
    for each in references:
        each.points = [point for point in each.points if
                       (min(places) <= point[0] <= max(places) if numeric else point[0] in places)]
    return [each for each in references if each.points]


def subtitle(chosen, args, reference):
    counts = sorted({int(row["n"]) for row in chosen.rows})
    if counts[-1] == 1:
        text = "single samples"
    else:
        text = f"medians of {counts[0]}" + (f" to {counts[-1]}" if counts[0] < counts[-1] else "") \
            + " samples"
        has = any(spread(row, args.error)[0] is not None for row in chosen.rows)
        if has:
            text += {"interval": ", error bars: 95 % interval of the median",
                     "range": ", error bars: least to greatest"}[args.error]
    return text + ("; published values: other hardware" if reference else "")


def parse_size(text, kind):
    if text is None:
        if kind == "term":
            size = shutil.get_terminal_size((80, 24))
            return size.columns - 1, max(12, min(size.lines - 2, 30))
        return SIZES[kind]
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if not match:
        raise Problem(f"--size: {text}: expected WIDTHxHEIGHT, such as 760x440", USAGE)
    size = int(match[1]), int(match[2])
    if any(not low <= each <= SIZE_MAX for low, each in zip(SIZE_MIN, size)):
        least, most = "x".join(map(str, SIZE_MIN)), f"{SIZE_MAX}x{SIZE_MAX}"
        raise Problem(f"--size: {text}: not from {least} to {most}", USAGE)
    return size


def choose_format(args):
    if args.format:
        return args.format
    if args.output:
        ending = args.output.rpartition(".")[2]
        if ending not in CHARTED:
            raise Problem(f"--output: {args.output}: what format is this? Say --format", USAGE)
        return CHARTED[ending]
    return "term" if os.isatty(1) else "svg"


def write(picture, path):
    try:
        if path is None:
            sys.stdout.buffer.write(picture)
            sys.stdout.buffer.flush()
        else:
            with open(path, "wb") as file:
                file.write(picture)
    except BrokenPipeError:
        raise
    except OSError as error:
        if path is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise Problem(f"{path or 'write error'}: {reason(error)}") from None


def work(args, context):
    if "list" in args.published:
        for name in published_names(context):
            commandline.out(f"{name}\t{published_conditions(name, context)}\n")
        return 0
    kind = choose_format(args)
    width, height = parse_size(args.size, kind)
    made = build(args, context, *read_files(args.files))
    if args.size is None and kind != "term":
        height = figure.height_for(made, width, height)
    if args.script:
        commandline.out(figure.script(made, kind, width, height))
        return 0
    write(figure.draw(made, kind, width, height), args.output)
    return 0


def main(argv, version, here, share):
    streams.keep()
    context = Context(TOOL, version, here, share)
    try:
        return work(build_parser(version).parse_args(argv), context)
    except Problem as problem:
        context.say(problem)
        return problem.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
