# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""`mitosis-exp run`: a plan becomes a directory of results."""

import os
import socket
import sys
import time

import dryrun
import engine
import files
import hosts
import launchers
import presentation
import records
import results
import resume
from commandline import out
from plan import Plan
from problem import FAILED, MISSING, Interrupted, Problem, Skip
from progress import Progress
from signals import Signals


class Session:
    def __init__(self, plan, run):
        self.plan = plan
        self.run = run              # the directory
        self.launcher = plan.launcher
        self.context = plan.context
        self.progress = Progress(plan.context.say, plan.args.verbose)
        self.signals = Signals()
        self.told = set()           # what was shown once already
        self.unclean = False        # a clean-up failed, or something is left on a host

    # the whole of it

    def run_all(self):
        outcomes = []
        failed = 0
        started = False
        try:
            self.progress.show(f"{self.launcher.name}: starting")
            self.launcher.start(self.plan.hosts, self.plan.memory())
            started = True
            facts = hosts.facts(self.plan)
            for experiment in self.plan.experiments:
                try:
                    outcome = self.run_experiment(experiment, facts)
                except Skip as skip:
                    outcome = "skipped"
                    self.tell(experiment, f"skipped: {skip}")
                except Problem as problem:
                    outcome = "failed"
                    failed = problem.status
                    self.tell_failure(experiment, problem)
                    if not self.plan.args.keep_going:
                        break
                except Interrupted:
                    self.progress.clear()
                    self.context.say(f"interrupted; to continue: {self.context.tool} run --resume "
                                     f"{self.run.path}")
                    raise
                finally:
                    self.finish(experiment)
                outcomes.append(outcome)
        finally:
            self.progress.clear()
            self.signals.stopping = self.new_engine()
            try:
                if started:
                    self.sweep()
            finally:
                self.launcher.stop()
        self.context.say(f"results in {self.run.path}")
        if failed or self.unclean:
            return failed or FAILED
        return MISSING if outcomes and set(outcomes) == {"skipped"} else 0

    def new_engine(self):
        return engine.Engine(self.launcher, self.plan.local, self.progress.line)

    def tell(self, experiment, text):
        self.progress.clear()
        self.context.say(f"{experiment.name}: {text}")

    def tell_failure(self, experiment, problem, what=""):
        self.tell(experiment, f"{what}{problem}")
        for line in getattr(problem, "tail", ()):
            sys.stderr.write(f"  {line}\n")

    def sweep(self):
        """The last look at each host: nothing of the run is left there."""
        for host, text in hosts.sweep(self.plan).items():
            self.context.say(f"{host}: {text}")
            self.unclean = True

    # one experiment

    def check_needs(self, experiment, facts):
        there = [host for host in experiment.hosts if host != "localhost" or
                 self.launcher.local_only]
        if len(there) < experiment.min_hosts and not self.launcher.local_only:
            raise Skip(f"needs {experiment.min_hosts} hosts, not {len(there)} (see --hosts, --lab)")
        for host in there:
            for need in experiment.needs:
                if need in facts[host]["missing"]:
                    raise Skip(f"{need} is not there on {host}")

    def run_experiment(self, experiment, facts):
        for warning in experiment.warnings:
            self.tell(experiment, f"warning: {warning}")
        self.launcher.user = experiment.user
        self.progress.muted = experiment.null
        points = self.plan.points(experiment)
        stored = self.results(experiment, points)
        stored.state["hosts"] = {host: facts[host] for host in experiment.hosts}
        stored.state["launcher"] = self.launcher.name
        stored.state["why"] = None
        stored.save()
        work = self.new_engine()
        begun = False
        try:
            self.check_needs(experiment, facts)
            waiting = [point for point in points if not stored.finished(point)]
            if not waiting:
                self.tell(experiment, "all points are done")
                return "done"
            for sync in experiment.syncs:
                self.copy(experiment, sync)
            begun = True
            self.set_up(work, experiment, stored)
            for point in waiting:
                self.run_point(work, experiment, stored, point, len(points))
        except Problem as problem:
            stored.state["why"] = str(problem)
            raise
        finally:
            self.signals.stopping = work
            try:
                work.stop_all()
                if begun:
                    self.clean_up(work, experiment, stored)
            finally:
                self.signals.stopping = None
            stored.save()
        outcomes = {entry["outcome"] for entry in stored.state["points"].values()}
        if outcomes == {"skipped"}:
            raise Skip(next(iter(stored.state["points"].values()))["reason"])
        return "done"

    def run_point(self, work, experiment, stored, point, total):
        label = f" {point.label}" if point.label else ""
        self.progress.show(f"{experiment.name} {point.number}/{total}{label}")
        begun = time.monotonic()

        def seconds():
            return time.monotonic() - begun

        try:
            lacking = experiment.lacking(point, stored.state["hosts"])
            if lacking:
                raise Skip(lacking)
            work.run(point.stages, stored.raw(f"{point.number:04}"))
        except Skip as skip:
            stored.note(point, "skipped", seconds(), str(skip))
            # Once for all points that have the same reason.
            if (experiment.name, str(skip)) not in self.told:
                self.told.add((experiment.name, str(skip)))
                self.tell(experiment, f"point {point.number}{label}: skipped: {skip}")
        except Problem as problem:
            stored.note(point, "failed", seconds(), str(problem))
            if point.label:
                problem.args = (f"point {point.number}{label}: {problem}",)
            raise
        except BaseException:
            stored.note(point, "interrupted", seconds())
            raise
        else:
            stored.note(point, "done", seconds())
            for note in work.notes:
                if note not in self.told:
                    self.told.add(note)
                    self.tell(experiment, note)
        finally:
            work.notes.clear()

    # before and after its points

    def copy(self, experiment, sync):
        by_name = {}
        for host, path in sync.targets:
            by_name.setdefault(os.path.basename(path), []).append((host, path))
        for name, targets in by_name.items():
            with launchers.pack(sync.source, name) as archive:
                for host, path in targets:
                    self.progress.show(f"{experiment.name} copy {sync.source} to {host}")
                    found = self.launcher.copy(archive, host, path)
                    if found.returncode:
                        raise Problem(f"{host}: cannot copy {sync.source} to "
                                      f"{self.launcher.place(path)}: "
                                      f"{launchers.last_line(found.stderr)}")

    def set_up(self, work, experiment, stored):
        stages = self.plan.extra(experiment, experiment.setup)
        if stages:
            self.progress.show(f"{experiment.name} setup")
            work.run(stages, stored.raw("setup"), keep_background=True)

    def clean_up(self, work, experiment, stored):
        """Whatever happened. What fails here is told, and hides nothing that failed before."""
        if not experiment.cleanup:
            return
        for stage in self.plan.extra(experiment, experiment.cleanup):
            for command in stage.commands:
                alone = files.Stage([command])
                try:
                    work.run([alone], stored.raw("cleanup"))
                except Problem as problem:
                    self.tell_failure(experiment, problem, "clean-up: ")
                    self.unclean = True

    def finish(self, experiment):
        """Whatever was measured is there, however the experiment ended."""
        if not os.path.exists(os.path.join(self.run.path, experiment.name, "state.json")):
            return
        stored = self.results(experiment, self.plan.points(experiment))
        if stored.collect():
            self.progress.clear()
            presentation.show(os.path.join(stored.path, "records.tsv"), experiment,
                              self.context.tools)

    def results(self, experiment, points):
        return results.Results(self.run, experiment, points, {
            "tool": self.context.tool, "version": self.context.version,
            "host": socket.gethostname(), "kernel": os.uname().release, "engine": "-",
            "args": records.quoted(["run", *self.plan.args.experiments])})


def run(args, context):
    directory = resume.take_up(args, context) if args.resume else None
    plan = Plan(args, context)
    if args.dry_run:
        for text in dryrun.text_of(plan, args.verbose):
            out(text)
        return 0
    if directory is None:
        names = [each.name for each in plan.experiments]
        directory = results.Run.create(args.output, resume.asked(args, context, names))
    directory.keep(plan.experiments)
    return Session(plan, directory).run_all()
