# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""`mitosis-exp report`: one HTML page of a run, with everything in it."""

import argparse
import base64
import collections
import html
import os
import re
import subprocess

import figure
import plot
import records
import results
import sums
from commandline import out
from problem import Problem, Skip

ELSEWHERE = 12      # at most so many published values are told that belong to none of the rows
DRAWINGS = {"wide": plot.SIZES["svg"], "narrow": (380, 340)}     # for a wide window and a narrow one
INTERVAL = "95 % interval"
SHOWN = 40          # rows of a table; all of them are in the attached data

_TERM = re.compile(r"(\S+(?: \S+)*) {2,}(\S.*)")

_STYLE = """
:root { color-scheme: light; --ink: #1d1f21; --soft: #63676b; --rule: #dfe2e5; --tint: #f5f6f7;
  --link: #0a5a94; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, "DejaVu Sans", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: .95rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: .5rem 0;
  max-width: 46rem; }
dt { font-weight: 600; } dd { margin: 0; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
nav ol { padding: 0; margin: 1.25rem 0; list-style: none; columns: 20rem; column-gap: 2rem; }
nav li { break-inside: avoid; padding: .15rem 0; }
a { color: var(--link); text-underline-offset: .15em; }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; height: auto; max-width: 760px; }
figure svg.narrow { display: none; }
/* A shadow where there is more to the left or right. */
.scroll { overflow-x: auto; margin: .5rem 0; background:
  linear-gradient(to right, #fff 40%, #fff0) left / 3rem 100% no-repeat local,
  linear-gradient(to left, #fff 40%, #fff0) right / 3rem 100% no-repeat local,
  linear-gradient(to right, #0003, #0000) left / .75rem 100% no-repeat scroll,
  linear-gradient(to left, #0003, #0000) right / .75rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem 1.25rem .3rem 0; border-bottom: 1px solid var(--rule);
  white-space: nowrap; vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: normal; }
table.hosts td:nth-child(3) { min-width: 8rem; }
td.number, th.number { text-align: right; }
table.words { width: 100%; }
table.words td { white-space: normal; overflow-wrap: break-word; min-width: 5rem; }
table.words td:nth-child(n+4) { min-width: 11rem; }
.mark { display: inline-block; padding: 0 .5em; border-radius: .25em; font-size: .8rem;
  border: 1px solid var(--rule); background: var(--tint); }
.mark.failed, .mark.interrupted { border-color: #b3261e; color: #b3261e; background: #fff; }
.note { border-left: 3px solid var(--rule); padding-left: .75rem; }
@media (max-width: 34rem) { body { padding: 1.25rem 1rem 3rem; font-size: 15px; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; }
  table { font-size: .8rem; } th, td { padding-right: .7rem; }
  td:not(.number) { white-space: normal; min-width: 2.5rem; } table.words td:nth-child(n+4) {
  min-width: 8rem; } dl { gap: .15rem .75rem; }
  figure svg.wide { display: none; } figure svg.narrow { display: block; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav, .attached { display: none; }
  h2 { margin-top: 1.5rem; break-after: avoid; } h3 { break-after: avoid; }
  figure, tr, .head { break-inside: avoid; } p { orphans: 3; widows: 3; }
  .scroll { overflow: visible; background: none; } .scroll + p { break-before: avoid; }
  figure svg.wide { display: block; max-width: 150mm; } figure svg.narrow { display: none; }
  table { font-size: 8.5pt; }
  th, td { white-space: normal; padding-right: .75rem; } a { color: inherit; } }
"""


def text(value):
    return html.escape(str(value))


def table(header, rows, numbers=(), kind=""):
    """NUMBERS are the indices of columns that are aligned to the right."""
    def cell(kind, number, value):
        return f"<{kind}{' class=number' if number in numbers else ''}>{value}</{kind}>"

    head = "".join(cell("th", number, text(name)) for number, name in enumerate(header))
    body = "".join("<tr>" + "".join(cell("td", number, value) for number, value in enumerate(row))
                   + "</tr>\n" for row in rows)
    named = f" class={kind}" if kind else ""
    return (f"<div class=scroll><table{named}><thead><tr>{head}</tr></thead>\n<tbody>\n{body}"
            "</tbody></table></div>\n")


# hosts

def hosts_table(hosts):
    rows = []
    for name, facts in hosts.items():
        memory = figure.human(float(facts["memory_bytes"]), "bytes") \
            if facts.get("memory_bytes") else ""
        rows.append([text(name), text(facts.get("kernel", "")), text(facts.get("processor", "")),
                     text(facts.get("processors", "")), text(unbroken(memory)),
                     text(facts.get("rdma", "") or "none"), text(facts.get("mitosis", ""))])
    return table(["host", "kernel", "processor", "processors", "memory", "RDMA", "mitosis-exp"],
                 rows, {3, 4}, "hosts")


def common_hosts(states):
    """All hosts, if each was the same in all experiments; else None."""
    hosts = {}
    for state in states:
        for name, facts in state["hosts"].items():
            if hosts.setdefault(name, facts) != facts:
                return None
    return hosts


# parts of an experiment

def points_text(state):
    outcomes = [entry["outcome"] for entry in state["points"].values()]
    parts = [f"{outcomes.count(each)} {each}" for each in ("done", "skipped", "failed",
                                                           "interrupted") if each in outcomes]
    seconds = sum(entry["seconds"] for entry in state["points"].values())
    return f"{len(outcomes)} point{'s'[:len(outcomes) != 1]}: {', '.join(parts) or 'none'}" \
           f", {seconds:.0f} s"


def worst(state):
    outcomes = {entry["outcome"] for entry in state["points"].values()}
    for each in "failed", "interrupted":
        if each in outcomes:
            return each
    return "skipped" if "done" not in outcomes else ""


def reasons(state):
    """Why points were left out or failed, and which, unless the reason holds for all there are."""
    found = {}
    for entry in state["points"].values():
        if entry["reason"]:
            label = ", ".join(shown_key(key, value) for key, value in entry["values"].items())
            found.setdefault((entry["reason"], entry["outcome"]), []).append(label)
    if state.get("why") and not any(state["why"].endswith(reason) for reason, _ in found):
        found[state["why"], ""] = []
    page = ""
    for (reason, outcome), labels in found.items():
        if 0 < len(labels) < len(state["points"]):
            more = f"; and {len(labels) - ELSEWHERE} more" if len(labels) > ELSEWHERE else ""
            reason = f"{'; '.join(labels[:ELSEWHERE])}{more}: {outcome}: {reason}"
        page += f"<p class=note>{text(reason)}</p>\n"
    return page


def statistics(text, options, context):
    """Rows of mitosis-stats, with the arguments that the experiment names."""
    argv = [os.path.join(context.tools, "mitosis-stats"), "--percentiles", "50,90", *options]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(done.stderr.strip())
    return records.read(done.stdout.splitlines())[0]


def options_of(words):
    """--by and --where among options for mitosis-stats."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--by", default="")
    parser.add_argument("--where", action="append", default=[])
    return parser.parse_known_args(words)[0]


def summed_over(state, text):
    """The factor over which rates are added up, or None: it is only done for several levels."""
    factor = plot.build_parser("").parse_args(state["plot"]).sum
    return factor if factor and len(sums.levels(text, factor)) > 1 else None


def summary(stream, reference, summed):
    """What was measured, and beside it what was published for the same place."""
    at = stream.columns.index("column")
    found = [row for row in stream.dicts() if row["p50"] != records.ABSENT]
    if summed:
        found = with_parts(found, stream.columns[:at], summed)
    factors = [name for name in stream.columns[:at] if len({row[name] for row in found}) > 1
               or name in ("wss", "threads", "engine")]
    published = [reference.find(row) if reference else None for row in found]
    kept = shown_rows(found, published, summed)
    several = len({row["column"] for row in found}) > 1
    header = [*factors, *(["measured"] if several else []),
              "median" if several or not found else
              f"{figure.column_name(found[0]['column'])}, median",
              *(["published"] if any(published) else []), INTERVAL, "n", "p90"]
    rows = []
    for number in kept:
        row = found[number]
        unit = figure.unit_of(row["column"])

        def value(name, unit=unit, row=row):
            number = plot.number(row.get(name))
            return "" if number is None else unbroken(figure.human(number, unit))

        low, high = value("median_low"), value("median_high")
        cells = [unbroken(plot.shown(name, row[name])) for name in factors]
        if several:
            cells.append(figure.column_name(row["column"]))
        cells.append(value("p50"))
        if any(published):
            cells.append(published[number] or "")
        cells += [f"{low} – {high}" if low else "–", row["n"], value("p90")]
        rows.append([text(cell) for cell in cells])
    page = intervals_table(header, rows, len(factors) + several)
    if len(found) > len(kept):
        page += f"<p class=soft>and {len(found) - len(kept)} more rows: see the records</p>\n"
    return page


def intervals_table(header, rows, start):
    """A table of numbers from column START on, without a column of intervals if there is none."""
    at = header.index(INTERVAL)
    few = any(row[at] == "–" for row in rows)
    none = all(row[at] == "–" for row in rows)
    if none:
        header = header[:at] + header[at + 1:]
        rows = [row[:at] + row[at + 1:] for row in rows]
    page = table(header, rows, set(range(start, len(header))))
    if few:
        page += f"<p class=soft>{'Too' if none else '–: too'} few samples for an interval of the " \
                "median</p>\n"
    return page


def shown_ratio(value):
    return "< 0.001" if 0 < value < 0.001 else figure.trim(value)


def unbroken(value):
    """VALUE with a space that keeps a number and its unit on one line."""
    return value.replace(" ", "\u00a0")


def with_parts(rows, factors, summed):
    """ROWS in an order in which each sum follows its parts. Of a sum that has one part only the sum
    is kept, since both say the same."""
    def place(row):
        return tuple(row[name] for name in factors if name != summed)

    places = list(dict.fromkeys(map(place, rows)))
    sizes = collections.Counter((place(row), row["column"]) for row in rows)
    return [row for row in sorted(rows, key=lambda row: places.index(place(row)))
            if row[summed] == sums.LEVEL or sizes[place(row), row["column"]] != 2
            or not sums.is_rate(row["column"])]


def shown_rows(rows, published, summed):
    """The numbers of the rows that are shown. If they are too many, those stay first for which
    something was published, then sums."""
    def is_sum(number):
        return summed is not None and rows[number][summed] == sums.LEVEL

    wanted = sorted(range(len(rows)), key=lambda number: (
        published[number] is None, not is_sum(number), number))
    return sorted(wanted[:SHOWN])


def records_table(path, columns):
    """Records that are not measurements, as they are."""
    with open(path, encoding="utf-8") as file:
        rows = [row for stream in records.read(file) for row in stream.dicts()]

    def cell(value):
        return "" if value in (None, records.ABSENT) else text(value)

    page = table(columns, [[cell(row.get(name)) for name in columns] for row in rows[:SHOWN]],
                 kind="words")
    if len(rows) > SHOWN:
        page += f"<p class=soft>and {len(rows) - SHOWN} more rows: see the records</p>\n"
    return page


def comparison(samples, state, context):
    """A table of ratios, if the experiment has something that it is compared with."""
    if not state.get("compare"):
        return ""
    stream = statistics(samples, state["compare"], context)
    factors = stream.columns[:stream.columns.index("column")]
    shown = [name for name in factors
             if len({row[factors.index(name)] for row in stream.rows}) > 1]
    several = len({row["column"] for row in stream.dicts()}) > 1
    rows = []
    for row in stream.dicts():
        if row["ratio"] == records.ABSENT:
            continue
        unit = figure.unit_of(row["column"])
        low, high = plot.number(row["ratio_low"]), plot.number(row["ratio_high"])
        rows.append([*(text(unbroken(plot.shown(name, row[name]))) for name in shown),
                     *([text(figure.column_name(row["column"]))] if several else []),
                     text(shown_ratio(plot.number(row["ratio"]))),
                     text(unbroken(figure.human(plot.number(row["median"]), unit))),
                     text(unbroken(figure.human(plot.number(row["base_median"]), unit))),
                     text("–" if low is None else f"{shown_ratio(low)} – {shown_ratio(high)}")])
    if not rows:
        return ""
    base = state["compare"][state["compare"].index("--baseline") + 1]
    head = f"Ratios to {base.replace('=', ' ')}"
    if not several:
        head += f": {figure.column_name(stream.dicts()[0]['column'])}"
    return f"<h3>{text(head)}</h3>\n" + intervals_table(
        [*shown, *(["measured"] if several else []), "ratio", "median",
         f"of {base.partition('=')[2]}", INTERVAL], rows, len(shown) + several)


class Reference:
    """The published values that belong to the rows of a table."""

    def __init__(self, name, context, summed=None):
        if name not in plot.published_names(context):
            raise Problem(f"published: {name}: no such series (mitosis-plot --published list shows "
                          "them)")
        with open(os.path.join(context.published, f"{name}.tsv"), encoding="utf-8") as file:
            streams = records.read(file)
        theirs = streams[0].meta["engine"]
        self.engines = ("user", "kernel") if theirs == "mitosis" else (theirs,)
        self.summed = summed        # the factor over which the published rates are totals
        self.rows = [row for stream in streams for row in stream.dicts()]
        self.keys = [name for name in streams[0].columns if not records.is_measured(name)]
        self.used = set()
        self.columns = set()

    def find(self, row):
        """What was published for ROW, or None. All that the published value depends on has to be in
        ROW, and the same."""
        column = row["column"]
        self.columns.add(column)
        if row.get("engine", self.engines[0]) not in self.engines:
            return None
        if self.summed and sums.is_rate(column) and row.get(self.summed) != sums.LEVEL:
            return None
        for number, each in enumerate(self.rows):
            if each.get(column, records.ABSENT) != records.ABSENT and all(
                    key in row and plot.alike(each[key]) == plot.alike(row[key])
                    for key in self.keys):
                self.used.add((number, column))
                return self.value(each, column)
        return None

    @staticmethod
    def value(row, column):
        return unbroken(figure.human(float(row[column]), figure.unit_of(column)))

    def elsewhere(self):
        """The published values that belong to none of the rows, in words."""
        columns = [name for name in self.rows[0] if name in self.columns and name not in self.keys]
        found = []
        for number, each in enumerate(self.rows):
            values = [self.value(each, column)
                      + (f" ({figure.column_name(column)})" if len(columns) > 1 else "")
                      for column in columns if each[column] != records.ABSENT
                      and (number, column) not in self.used]
            if values:
                place = ", ".join(shown_key(key, each[key]) for key in self.keys)
                found.append(f"{place}: {' and '.join(values)}")
        return found


def shown_key(key, value):
    value = plot.shown(key, value)
    if figure.unit_of(key) == "bytes":
        return unbroken(value)
    return value if plot.number(value) is None else f"{key}\u00a0{value}"


def picture(samples, state, context):
    """The experiment's figure as SVG."""
    args = plot.build_parser("").parse_args(state["plot"])
    made = plot.build(args, context, samples, state["name"])
    return "<figure>" + "".join(
        drawing(made, kind, f"{state['name']}-{kind}-") for kind in DRAWINGS) + "</figure>\n"


def drawing(made, kind, own):
    width, height = DRAWINGS[kind]
    drawn = figure.draw(made, "svg", width, figure.height_for(made, width, height)).decode()
    drawn = drawn[drawn.index("<svg"):].replace("<svg", f"<svg class=\"{kind}\"", 1)
    # Several pictures on one page: names of the parts of each must be its own.
    for name in ("id='", 'id="', "href='#", 'href="#', "url(#"):
        drawn = drawn.replace(name, name + own)
    return drawn


def attached(path, name):
    with open(path, "rb") as file:
        data = base64.b64encode(file.read()).decode()
    return (f"<p class=attached><a download=\"{text(name)}\" "
            f"href=\"data:text/tab-separated-values;base64,{data}\">{text(name)}</a> "
            "<span class=soft>all records of this experiment</span></p>\n")


def measured(samples, state, context):
    """The tables: what was measured, with sums and published values, and ratios."""
    summed = summed_over(state, samples)
    reference = Reference(state["published"], context, summed) if state["published"] else None
    whole = samples
    if summed:
        options = options_of(state["stats"])
        whole = sums.add(samples, summed, [*options.by.split(","), *sums.names_in(options.where)])
    page = summary(statistics(whole, state["stats"], context), reference, summed)
    page += comparison(samples, state, context)
    if reference:
        elsewhere = reference.elsewhere()
        if elsewhere:
            more = f"; and {len(elsewhere) - ELSEWHERE} more" if len(elsewhere) > ELSEWHERE else ""
            page += "<p class=soft>Published for what was not measured here: " \
                    f"{text('; '.join(elsewhere[:ELSEWHERE]) + more)}.</p>\n"
        origin = plot.published_conditions(state["published"], context)
        page += f"<p class=soft>Published: {text(origin)} " \
                "The hardware differs: compare shapes, not numbers.</p>\n"
    return page


def experiment(directory, state, own_hosts, context):
    name = state["name"]
    mark = worst(state)
    page = f"<section id=\"{text(name)}\">\n<div class=head>\n<h2>{text(state['title'])}"
    page += f" <span class=\"mark {mark}\">{mark}</span></h2>\n" if mark else "</h2>\n"
    where = f" on {', '.join(state['hosts'])}" if state["hosts"] else ""
    page += f"<p class=soft>{text(name)}, {text(state.get('launcher', '') + where)}, " \
            f"{text(shown_time(state['started']))}; {text(points_text(state))}</p>\n"
    page += "".join(about(part) for part in state["description"].split("\n\n"))
    page += reasons(state)
    path = os.path.join(directory, "records.tsv")
    if os.path.exists(path) and state.get("table"):
        page += "</div>\n" + records_table(path, state["table"]) + attached(path, f"{name}.tsv")
    elif has_figure(directory, state):
        with open(path, encoding="utf-8") as file:
            samples = file.read()
        try:
            page += picture(samples, state, context)
        except Skip as skip:        # for all of them the same, of which no_figures() tells
            page += f"<p class=note>No figure: {text(skip)}</p>\n"
        except Problem as problem:
            page += f"<p class=note>No figure: {text(problem)}</p>\n"
            context.say(f"{name}: no figure: {problem}")
        page += "</div>\n" + measured(samples, state, context)
        page += attached(path, f"{name}.tsv")
    else:
        page += "</div>\n"
    if state["hosts"] and own_hosts:
        page += "<h3>Where it ran</h3>\n" + hosts_table(state["hosts"])
    return page + "</section>\n"


def has_figure(directory, state):
    return not state.get("table") and os.path.exists(os.path.join(directory, "records.tsv"))


def about(part):
    """A paragraph, or terms and what they mean: lines in two columns."""
    terms = []
    for line in part.splitlines():
        term = _TERM.fullmatch(line)
        if term:
            terms.append([term[1], term[2]])
        elif terms and line.startswith(" "):
            terms[-1][1] += " " + line.strip()
        else:
            return f"<p>{text(' '.join(part.split()))}</p>\n" if part.strip() else ""
    return "<dl>" + "".join(f"<dt>{text(term)}</dt><dd>{text(what)}</dd>\n"
                            for term, what in terms) + "</dl>\n"


def shown_time(stamp):
    """2026-11-26T02:05:00+0000 for people."""
    return re.sub(r"T(\d\d:\d\d)(:\d\d)?([+-]\d{4})?$", r" \1 \3", stamp).replace(" +0000", " UTC")


def newest():
    try:
        names = sorted(name for name in os.listdir("results")
                       if os.path.exists(os.path.join("results", name, "run.json")))
    except FileNotFoundError:
        names = []
    if not names:
        raise Problem("results: no run in it; name a directory")
    return os.path.join("results", names[-1])


def no_figures(context):
    """Said where somebody sees it: on standard error, and at the top of the page."""
    why = figure.missing()
    if why is None:
        return ""
    context.say(f"no figures: {why}")
    return f"<p class=note>There are no figures on this page: {text(why)}. All else is complete; made " \
           "again where gnuplot is, the page has them.</p>\n"


def main(args, context):
    run = results.Run.open(args.directory or newest())
    paths = [os.path.join(run.path, name) for name in run.experiments()]
    if not paths:
        raise Problem(f"{run.path}: nothing has run yet")
    states = [results.read_json(os.path.join(path, "state.json")) for path in paths]
    hosts = common_hosts(states)
    made = [experiment(path, state, hosts is None, context) for path, state in zip(paths, states)]
    title = "Remote fork: " + (states[0]["title"] if len(states) == 1 else "results")
    links = "".join(f"<li><a href=\"#{text(state['name'])}\">{text(state['title'])}</a>"
                    + (f" <span class=\"mark {worst(state)}\">{worst(state)}</span>"
                       if worst(state) else "") + "</li>\n" for state in states)
    asked = run.asked
    out("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{text(title)}</h1>\n<p class=soft>mitosis-exp {text(asked['version'])}, "
        f"{text(shown_time(asked['started']))}, run from {text(asked['coordinator'])} with kernel "
        f"{text(asked['kernel'])}</p>\n"
        + (no_figures(context) if any(map(has_figure, paths, states)) else "")
        + (hosts_table(hosts) if hosts else "")
        + (f"<nav><ol>\n{links}</ol></nav>\n" if len(made) > 1 else "")
        + "".join(made) + "</body>\n</html>\n")
    return 0
