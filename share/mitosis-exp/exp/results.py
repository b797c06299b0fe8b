# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The directory of a run.

    RUN/run.json                    what was asked for: all that --resume needs
    RUN/EXPERIMENT/experiment.toml  the file, as it was
    RUN/EXPERIMENT/resolved/NNNN.toml   each point with everything filled in: a run file itself
    RUN/EXPERIMENT/state.json       what ran where, and how it ended
    RUN/EXPERIMENT/raw/NNNN/PASS.HOST.out, .err     what each host said
    RUN/EXPERIMENT/records.tsv      all records of it, one stream
"""

import json
import os
import tempfile
import time

import importer
import records
from problem import Problem, reason

VERSION = 1


def write(path, text):
    """Write a file: whole, or not at all."""
    directory = os.path.dirname(path)
    try:
        with tempfile.NamedTemporaryFile("w", dir=directory, delete=False,
                                         encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644 & ~umask())
        os.replace(file.name, path)
    except OSError as error:
        raise Problem(f"{path}: {reason(error)}") from None


def umask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def make(path, fresh=False):
    try:
        os.makedirs(path, exist_ok=not fresh)
    except OSError as error:
        raise Problem(f"{path}: {reason(error)}") from None


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise Problem(f"{path}: {reason(error)}") from None
    except ValueError as error:
        raise Problem(f"{path}: {error}") from None


def dump(value):
    return json.dumps(value, indent=1) + "\n"


class Run:
    """RUN: one call of `mitosis-exp run`."""

    def __init__(self, path, asked):
        self.path = path
        self.asked = asked

    @classmethod
    def create(cls, path, asked):
        if path is None:
            make("results")
            stamp = time.strftime("%Y-%m-%dT%H%M%S")
            path = os.path.join("results", stamp)
            number = 1
            while os.path.exists(path):
                number += 1
                path = os.path.join("results", f"{stamp}-{number}")
        make(path, fresh=True)
        write(os.path.join(path, "run.json"), dump({"format": VERSION, **asked}))
        return cls(path, asked)

    @classmethod
    def open(cls, path):
        asked = read_json(os.path.join(path, "run.json"))
        if asked.get("format") != VERSION:
            raise Problem(f"{path}: made by another version of mitosis-exp")
        return cls(path, asked)

    def keep(self, experiments):
        """Store the experiments' files as they are now: --resume goes on with these."""
        for each in experiments:
            directory = os.path.join(self.path, each.name)
            make(directory)
            path = os.path.join(directory, "experiment.toml")
            if not os.path.exists(path):
                write(path, each.text)

    def experiments(self):
        """Those that have been begun."""
        return [name for name in self.asked["names"]
                if os.path.exists(os.path.join(self.path, name, "state.json"))]


class Results:
    """RUN/EXPERIMENT."""

    def __init__(self, run, experiment, points, meta):
        self.path = os.path.join(run.path, experiment.name)
        self.experiment = experiment
        self.meta = meta
        self.points = points
        for part in "resolved", "raw":
            make(os.path.join(self.path, part))
        state = os.path.join(self.path, "state.json")
        self.state = read_json(state) if os.path.exists(state) else None
        if self.state is None:
            for point in points:
                write(os.path.join(self.path, "resolved", f"{point.number:04}.toml"),
                      experiment.resolved(point))
            self.state = {"name": experiment.name, "title": experiment.title,
                          "description": experiment.description, "stats": experiment.stats,
                          "plot": experiment.plot, "compare": experiment.compare,
                          "table": experiment.table, "published": experiment.published,
                          "started": now(), "ended": None, "hosts": {}, "points": {}}
            self.save()

    def save(self):
        write(os.path.join(self.path, "state.json"), dump(self.state))

    def finished(self, point):
        entry = self.state["points"].get(str(point.number))
        return entry is not None and entry["outcome"] in ("done", "skipped")

    def note(self, point, outcome, seconds, why=None):
        self.state["points"][str(point.number)] = {
            "values": point.values, "outcome": outcome, "seconds": round(seconds, 3),
            "reason": why}
        self.state["ended"] = now()
        self.save()

    def raw(self, part):
        """A function that names the files of a command's raw output."""
        directory = os.path.join(self.path, "raw", part)
        make(directory)
        return lambda command: os.path.join(directory, f"{command.label}.{command.host}")

    def collect(self):
        """Make records.tsv of the raw output of all points that are done; return how many records."""
        union = records.Union()
        for point in self.points:
            entry = self.state["points"].get(str(point.number))
            if entry is None or entry["outcome"] != "done":
                continue
            for stage in point.stages:
                for command in stage.commands:
                    self.collect_command(union, point, command)
        path = os.path.join(self.path, "records.tsv")
        if union.rows:
            write(path, union.text(self.meta))
        return len(union.rows)

    def collect_command(self, union, point, command):
        path = os.path.join(self.path, "raw", f"{point.number:04}",
                            f"{command.label}.{command.host}.out")
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.readlines()
        except OSError as error:
            raise Problem(f"{path}: {reason(error)}") from None
        try:
            streams = records.read(lines)
        except records.Malformed as error:
            raise Problem(f"{path}: {error}") from None
        if all(stream.bare for stream in streams):      # or there is none
            imported = importer.read(lines)
            if imported.rows:
                # The host in the line is dropped: here it is known which one it was.
                at = imported.columns.index("host")
                imported.columns.pop(at)
                for row in imported.rows:
                    row.pop(at)
                streams = [imported]
        for stream in streams:
            factors = dict(point.values)
            if stream.meta.get("engine", "-") != "-":
                factors["engine"] = stream.meta["engine"]
            factors["at"] = command.host
            if command.made_of.loop > 1:
                factors["loop"] = str(command.loop)
            if len({each.made_of.name for stage in point.stages
                    for each in stage.commands}) > 1:
                factors["pass"] = command.made_of.name
            union.add(stream, factors)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
