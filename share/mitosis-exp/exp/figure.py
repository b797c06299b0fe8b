# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Draws a figure with gnuplot: lines over numbers, bars over names.

Ranges, ticks and the places of labels are decided here; gnuplot draws.
"""

import math
import os
import re
import shutil
import subprocess
import textwrap

import words
from problem import Problem, Skip

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#333333")
POINTS = (7, 5, 9, 11, 13, 4, 6, 8)     # gnuplot's filled shapes first
REFERENCE = "#8A8A8A"
FONT = "DejaVu Sans"
STACK = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
CHAR = 7.4          # pixels of a character, about, at the size of the labels
INK, MUTED, RULE = "#222222", "#666666", "#E4E4E4"
LIMIT = 60          # seconds for gnuplot


class Series:
    """`points` are (x, y, low, high); low and high may be None. X is a number, or a name."""

    def __init__(self, name, points, reference=False):
        self.name = name
        self.points = points
        self.reference = reference


class Figure:
    def __init__(self, title, subtitle, x, y, series, numeric):
        self.title = title
        self.subtitle = subtitle
        self.x = x                  # Axis
        self.y = y
        self.series = series
        self.numeric = numeric      # x is numbers: lines; else bars


# units

class Axis:
    def __init__(self, column, scale="auto"):
        self.column = column
        self.scale = scale
        self.unit = unit_of(column)
        self.name = column_name(column)

    def text(self, value):
        return human(value, self.unit)


def unit_of(column):
    if column in ("wss", "size", "bytes") or column.endswith("_bytes"):
        return "bytes"
    if column.endswith("_bytes_per_s") or column == "bytes_per_s":
        return "bytes_per_s"
    if column.endswith("per_s"):
        return "per_s"
    if column in ("touch",) or column.endswith("_percent"):
        return "percent"
    for unit in "ns", "us", "ms", "s":
        if column.endswith(f"_{unit}"):
            return unit
    return ""


NAMES = {"wss": "working set", "touch": "share of the working set that is touched",
         "size": "size of an operation", "threads": "threads", "parallel": "number at a time",
         "conns_per_s": "connections per second", "ops_per_s": "operations per second",
         "exec_ns": "execution", "life_ns": "start to end", "resume_ns": "start (resume)",
         "start_ns": "start", "cow_ns": "copy-on-write afterwards", "total_ns": "total",
         "outstanding": "operations under way", "containers_per_s": "containers per second",
         "children_per_s": "children per second", "execs_per_s": "executions per second",
         "touched_ns": "start to the last page", "pss_bytes": "memory of a child",
         "machines": "machines"}


def column_name(column):
    if column in NAMES:
        return NAMES[column]
    if column.endswith("per_s"):
        return column.removesuffix("_s").replace("_", " ") + " second"
    stem = re.sub(r"_(ns|us|ms|s|bytes|pages|faults|count|percent|ratio)$", "", column)
    return stem.replace("_", " ")


def trim(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def human(value, unit):
    if value == 0:
        return {"percent": "0 %"}.get(unit, "0")
    if unit in ("ns", "us", "ms", "s"):
        nanoseconds = value * {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[unit]
        for factor, name in (1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns"):
            if abs(nanoseconds) >= factor * 0.9999:
                return f"{trim(nanoseconds / factor)} {name}"
        return f"{trim(nanoseconds)} ns"
    if unit in ("bytes", "bytes_per_s"):
        for power, name in enumerate(("B", "KiB", "MiB", "GiB", "TiB")):
            if abs(value) < 1024 ** (power + 1) * 0.9999 or name == "TiB":
                tail = "/s" if unit == "bytes_per_s" else ""
                return f"{trim(value / 1024 ** power)} {name}{tail}"
    if unit == "percent":
        return f"{trim(value)} %"
    for factor, name in (1e9, " G"), (1e6, " M"), (1e4, " k"):
        if abs(value) >= factor * 0.9999:
            return f"{trim(value / (1e3 if name == ' k' else factor))}{name}"
    return trim(value)


# scales

class Scale:
    """The range of an axis and its ticks."""

    def __init__(self, axis, values, levels=None, pixels=None):
        self.axis = axis
        self.pixels = pixels        # about how long the axis is, so that labels do not touch
        low, high = min(values), max(values)
        wide = low > 0 and high / low >= (8 if levels else 15)
        self.log = wide and axis.unit != "percent" if axis.scale == "auto" else axis.scale == "log"
        if self.log and low <= 0:
            raise Problem(f"{axis.column}: {human(low, axis.unit)} has no place on a logarithmic "
                          "scale")
        if levels:
            self.by_levels(levels)
        elif self.log:
            self.logarithmic(low, high)
        else:
            self.linear(low, high)

    def by_levels(self, levels):
        """Ticks where something was measured, as far as their labels have room."""
        levels = sorted(levels)
        low, high = levels[0], levels[-1]
        if self.log:
            pad = (high / low) ** 0.03 if high > low else 1.5
            self.low, self.high = low / pad, high * pad
        else:
            pad = (high - low) * 0.03 or 1
            self.low, self.high = low - pad, high + pad
        self.ticks = levels
        step = 1
        while self.crowded(levels[::step]) and step < len(levels):
            step += 1
        self.ticks = levels[::step]

    def crowded(self, ticks):
        """Would their labels touch each other?"""
        ends = [(self.place(tick) * self.pixels, len(self.axis.text(tick)) * CHAR / 2)
                for tick in ticks]
        return any(left + half + CHAR > right - other
                   for (left, half), (right, other) in zip(ends, ends[1:]))

    def logarithmic(self, low, high):
        self.low, self.high = low / 1.4, high * 1.4
        base = 1024 if self.axis.unit.startswith("bytes") else 10
        first, last = (math.floor(math.log(value, base)) for value in (self.low, self.high))
        decades = math.log10(self.high / self.low)
        steps = (1,) if decades > 3.5 else (1, 3) if decades > 1.7 else (1, 2, 5)
        if base == 1024:
            steps = (1, 16, 256) if decades > 3 else (1, 4, 16, 64, 256)
        self.ticks = [step * float(base) ** power for power in range(first, last + 1)
                      for step in steps if self.low <= step * float(base) ** power <= self.high]
        if len(self.ticks) < 3:
            # Within less than a decade there are one or two powers of ten: even steps are better.
            step = self.step(self.low, self.high)
            self.ticks = [number * step for number in range(math.ceil(self.low / step),
                                                            math.floor(self.high / step) + 1)]

    def linear(self, low, high):
        low = min(0, low)
        high = high or 1
        step = self.step(low, high)
        self.low = math.floor(low / step) * step
        self.high = math.ceil(high * 1.02 / step) * step
        count = round((self.high - self.low) / step)
        self.ticks = [self.low + number * step for number in range(count + 1)]

    def step(self, low, high):
        """A round distance between ticks that makes about five of them from LOW to HIGH."""
        factor = self.factor(high)
        raw = ((high - low) or high) / factor / 5
        power = 10 ** math.floor(math.log10(raw))
        return factor * next(each * power for each in (1, 2, 2.5, 5, 10)
                             if each * power >= raw * 0.999)

    def factor(self, high):
        """The unit in which steps are round: for bytes the one that is shown (KiB, MiB)."""
        if self.axis.unit.startswith("bytes"):
            return 1024.0 ** max(0, math.floor(math.log(high, 1024)))
        return 1.0

    def place(self, value):
        """Where VALUE is on the axis, from 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def commands(self, letter):
        # A label is a format for the value.
        ticks = ", ".join(f"{quote(self.axis.text(tick).replace('%', '%%'))} {tick:.12g}"
                          for tick in self.ticks)
        return [f"set {letter}range [{self.low:.12g}:{self.high:.12g}]",
                f"set logscale {letter}" if self.log else f"unset logscale {letter}",
                f"set {letter}tics ({ticks})"]


# the script

def printable(text):
    return "".join(each if each.isprintable() else " " if each.isspace() else "?"
                   for each in str(text))


def quote(text):
    """A string for gnuplot, on one line. Braces and the like have no meaning in it (noenhanced).

    Backquotes are escaped: gnuplot runs what stands between them as a command, even in a string.
    """
    return '"' + re.sub(r'[\\"`]', r"\\\g<0>", printable(text)) + '"'


def script(figure, kind, width, height):
    """What gnuplot is to do; KIND is svg, png or term."""
    lines = terminal(kind, width, height)
    lines += ["set encoding utf8"]
    if kind == "term":
        lines += [f"set title {quote(figure.title)}"]
    else:
        lines += [
            f"set border 3 linecolor rgb '{MUTED}' linewidth 0.8",
            f"set tics nomirror out scale 0.6 textcolor rgb '{INK}'",
            f"set grid ytics linecolor rgb '{RULE}' linewidth 0.8 linetype 1",
            *heading(figure, width, height)[0]]
    lines += [f"set xlabel {quote(figure.x.name)} noenhanced",
              f"set ylabel {quote(figure.y.name)} noenhanced"]
    if figure.numeric:
        return "\n".join(lines + line_chart(figure, kind, width, height)) + "\n"
    return "\n".join(lines + bar_chart(figure, kind, width, height)) + "\n"


def heading(figure, width, height):
    """Labels for the title and the lines beneath it, and the height that they take."""
    lines = []
    down = 1.0
    for text, size, weight, colour in ((figure.title, 14, " Bold", INK),
                                       (figure.subtitle, 11, "", MUTED)):
        for part in textwrap.wrap(text, max(10, int((width - 24) / (size * 0.66)))):
            down += size + 5
            lines.append(f"set label {len(lines) + 1} {quote(part)} at screen {12 / width:.4f}, screen "
                         f"{1 - down / height:.4f} left font '{FONT}{weight},{size}' "
                         f"textcolor rgb '{colour}' noenhanced")
    return lines, down + 42


def key_rows(figure, width):
    """How many rows the names of the lines take; 0 if each name is at the end of its line."""
    longest = max(len(series.name) for series in figure.series)
    if figure.numeric and len(figure.series) <= 12 and longest * CHAR + 22 <= 0.4 * width:
        return 0
    if not figure.numeric and len(figure.series) == 1:
        return 0
    across = max(1, int(0.94 * width / (longest * CHAR + 42)))
    return math.ceil(len(figure.series) / across)


def height_for(figure, width, height):
    """HEIGHT, and room for the names of the lines if they do not fit beside them."""
    rows = key_rows(figure, width)
    return height + 17 * rows if rows > 1 or rows and figure.numeric else height


def terminal(kind, width, height):
    if kind == "term":
        return [f"set terminal dumb size {width},{height} noenhanced"
                + (" ansi" if os.isatty(1) else "")]
    if kind == "png":
        # Twice as large as SVG. Of fonts that is 1.5: here a size is in points, of which 72 are 96 pixels.
        return [f"set terminal pngcairo size {2 * width},{2 * height} font '{FONT},12' fontscale "
                "1.5 linewidth 2 pointscale 2 noenhanced background rgb 'white'"]
    return [f"set terminal svg size {width},{height} fixed font '{FONT},12' noenhanced "
            "background rgb 'white'"]


def all_values(figure):
    return [value for series in figure.series for point in series.points
            for value in point[1:] if value is not None]


def blocks(figure, position):
    """A block of data for each series."""
    lines = []
    for number, series in enumerate(figure.series):
        lines.append(f"$data{number} << EOD")
        for x, y, low, high in series.points:
            low, high = (y if low is None else low), (y if high is None else high)
            lines.append(f"{position(number, x):.12g} {y:.12g} {low:.12g} {high:.12g}")
        lines.append("EOD")
    return lines


def style(number, series, figure):
    if series.reference:
        before = sum(each.reference for each in figure.series[:number])
        return REFERENCE, (4, 6, 8, 10)[before % 4], " dashtype (6,4)"
    own = sum(not each.reference for each in figure.series[:number])
    return COLOURS[own % len(COLOURS)], POINTS[own % len(POINTS)], ""


def line_chart(figure, kind, width, height):
    labels = kind != "term" and not key_rows(figure, width)
    right = 0.03
    if labels:
        longest = max(len(series.name) for series in figure.series)
        right = (longest * CHAR + 22) / width
    across_all(figure)
    if figure.x.unit == "percent" and figure.y.scale == "auto":
        # So that one sees what is in proportion to the share that is touched.
        figure.y.scale = "linear"
    levels = {point[0] for series in figure.series for point in series.points}
    pixels = width * (0.88 - right) if kind != "term" else (width - 12) * CHAR
    x = Scale(figure.x, levels, levels, pixels)
    y = Scale(figure.y, all_values(figure))
    lines = x.commands("x") + y.commands("y")
    if kind == "term":
        lines += ["set key outside top left horizontal Left reverse noenhanced"]
    else:
        top = 1 - heading(figure, width, height)[1] / height
        bottom = (62 + 17 * key_rows(figure, width)) / height
        lines += [f"set rmargin at screen {1 - right:.4f}", f"set tmargin at screen {top:.4f}",
                  f"set bmargin at screen {bottom:.4f}"]
        if labels:
            lines += ["unset key", *end_labels(figure, x, y, (top - bottom) * height)]
        else:
            lines += [f"set key at screen 0.02, screen {6 / height:.4f} left bottom horizontal Left "
                      f"reverse noenhanced samplen 2 font '{FONT},11' width 1"]
    lines += blocks(figure, lambda _, value: value)
    plots = []
    for number, series in enumerate(figure.series):
        colour, point, dash = style(number, series, figure)
        title = "notitle" if labels else f"title {quote(series.name)}"
        if kind == "term":
            plots.append(f"$data{number} using 1:2 with linespoints {title}")
            continue
        if any(low is not None for _, _, low, _ in series.points):
            plots.append(f"$data{number} using 1:2:3:4 with yerrorbars linecolor rgb '{colour}' "
                         "linewidth 1.2 pointtype 0 notitle")
        plots.append(f"$data{number} using 1:2 with linespoints linecolor rgb '{colour}' "
                     f"linewidth 1.8 pointtype {point} pointsize 0.7{dash} {title}")
    return [*lines, "plot " + ", \\\n\t".join(plots)]


def across_all(figure):
    """Draw a single value at size 0 as a line from end to end: it does not depend on the size.

    It is that of a program that is started afresh, which has no working set.
    """
    levels = {point[0] for series in figure.series for point in series.points}
    if figure.x.unit != "bytes" or 0 not in levels or len(levels) < 3:
        return
    ends = min(levels - {0}), max(levels)
    for series in figure.series:
        if len(series.points) == 1 and series.points[0][0] == 0:
            series.points = [(end, *series.points[0][1:]) for end in ends]


def end_labels(figure, x, y, pixels):
    """The name of each line at its end, moved apart where ends are close together."""
    ends = []
    for number, series in enumerate(figure.series):
        last = max(series.points, key=lambda point: point[0])
        ends.append([x.place(last[0]), y.place(last[1]), number, series])
    ends.sort(key=lambda each: each[1])
    furthest = max(end[0] for end in ends)
    places = spread_out([end[1] for end in ends], 15 / pixels)
    lines = []
    for place, (across, _, number, series) in zip(places, ends):
        colour = style(number, series, figure)[0]
        across = 1 if across > furthest - 0.02 else across
        lines.append(f"set label {number + 10} {quote(series.name)} at graph {across:.4f}, graph "
                     f"{place:.4f} left offset char 1, 0 textcolor rgb '{colour}' "
                     f"font '{FONT},11' noenhanced")
    return lines


def spread_out(places, gap):
    """Ascending PLACES, moved as little as it takes to have GAP between them."""
    places = list(places)
    for _ in range(200):
        moved = False
        for number in range(1, len(places)):
            lack = gap - (places[number] - places[number - 1])
            if lack > 1e-4:
                places[number - 1] -= lack / 2
                places[number] += lack / 2
                moved = True
        if not moved:
            break
    return places


def bar_chart(figure, kind, width, height):
    names = list(dict.fromkeys(point[0] for series in figure.series for point in series.points))
    if figure.y.scale == "auto":
        figure.y.scale = "linear"       # bars are compared by their lengths, so they begin at zero
    y = Scale(figure.y, all_values(figure))
    several = len(figure.series)
    wide = 0.8 / several
    rows = y.commands("y")
    ticks = ", ".join(f"{quote(name.replace('%', '%%'))} {number}" for number, name in enumerate(names))
    crowded = kind != "term" and max(map(len, names)) * CHAR + 6 > 0.85 * width / len(names) \
        or sum(map(len, names)) > 90
    rows += [f"set xrange [-0.6:{len(names) - 0.4}]", "set xtics scale 0",
             f"set xtics ({ticks}){' rotate by 35 right' if crowded else ''}",
             f"set boxwidth {wide * 0.92:.4g}", "set style fill solid 0.85 noborder",
             "set errorbars small"]
    if several > 1 or kind == "term":
        where = "outside top left" if kind == "term" else "at graph 0, graph 1.0 left bottom"
        rows += [f"set key {where} horizontal Left reverse noenhanced samplen 1.5"]
    else:
        rows += ["unset key"]
    if kind != "term":
        room = heading(figure, width, height)[1] + 17 * key_rows(figure, width)
        rows += [f"set tmargin at screen {1 - room / height:.4f}"]

    def position(number, name):
        return names.index(name) + (number - (several - 1) / 2) * wide

    rows += blocks(figure, position)
    plots = []
    for number, series in enumerate(figure.series):
        colour = style(number, series, figure)[0]
        title = f"title {quote(series.name)}" if several > 1 or kind == "term" else "notitle"
        plots.append(f"$data{number} using 1:2 with boxes linecolor rgb '{colour}' {title}")
        if kind != "term" and any(low is not None for _, _, low, _ in series.points):
            plots.append(f"$data{number} using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 "
                         f"linecolor rgb '{INK}' linewidth 1 notitle")
    return [*rows, "plot " + ", \\\n\t".join(plots)]


# drawing

def missing():
    """What is missing for a picture, or None."""
    return None if shutil.which("gnuplot") else "gnuplot is missing (Debian package: gnuplot-nox)"


def draw(figure, kind, width, height):
    """The picture as bytes."""
    why = missing()
    if why:
        raise Skip(why)
    try:
        found = subprocess.run(["gnuplot", "-d"], input=script(figure, kind, width, height).encode(),
                               capture_output=True, timeout=LIMIT, check=False,
                               env={**os.environ, "GNUTERM": "unknown", "LC_ALL": "C.UTF-8"})
    except subprocess.TimeoutExpired:
        raise Problem(f"gnuplot: no picture within {LIMIT} s") from None
    complaints = found.stderr.decode(errors="replace").strip()
    if found.returncode or not found.stdout:
        raise Problem(f"gnuplot: {complaints or 'no picture'}")
    if kind != "svg":
        return found.stdout
    text = found.stdout.decode()
    text = text.replace(f'font-family="{FONT} Bold"', f'font-family="{STACK}" font-weight="bold"')
    text = text.replace(f'font-family="{FONT}"', f'font-family="{STACK}"')
    title = printable(f"{figure.title}. {figure.subtitle}")
    for mark, name in ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"):
        title = title.replace(mark, name)
    return re.sub(r"<title>.*?</title>", lambda _: f"<title>{title}</title>", text, count=1,
                  flags=re.DOTALL).encode()


def level(value):
    """A factor's value as a number, if it is one."""
    try:
        number = float(value)
    except ValueError:
        return words.size(value)
    return number if math.isfinite(number) else None
