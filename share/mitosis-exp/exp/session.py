# SPDX-License-Identifier: GPL-2.0-or-later
"""`mitosis-exp run`: from the command line to a directory of results."""

import concurrent.futures
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

import cli
import engine
import files
import launchers
import records
import results
import words
from cli import say
from commandline import out
from problem import FAILED, MISSING, USAGE, Interrupted, Problem, Skip, reason

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PROBE_LIMIT = 60
SHOWN = 8           # hosts that are named in a message
REMEMBERED = ("launcher", "lab", "lab_option", "hosts", "set", "quick", "exclude", "limit",
              "project", "experiments")

_FACTS = """\
PATH={path}:$PATH
echo "name=$(uname -n)"
echo "kernel=$(uname -r)"
echo "machine=$(uname -m)"
echo "processors=$(nproc)"
echo "processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "memory_bytes=$(awk '/^MemTotal/ {{ printf "%.0f", $2 * 1024 }}' /proc/meminfo)"
echo "system=$(. /etc/os-release && echo "$PRETTY_NAME")"
echo "mitosis=$(mitosis-child --version 2>/dev/null | sed -n '1s/.*(mitosis-exp \\(.*\\))/\\1/p')"
echo "module=$(cat /sys/module/mitosis/version 2>/dev/null)"
echo "rdma=$(ls /sys/class/infiniband 2>/dev/null | tr '\\n' ' ')"
for each in {needs}; do command -v "$each" >/dev/null || echo "missing=$each"; done
exit 0
"""


class Progress:
    """One line on standard error that changes, if that is a terminal; else nothing."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.live = sys.stderr.isatty() and not verbose
        self.muted = set()
        self.shown = False

    def show(self, text):
        if self.live:
            width = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\033[K{text[:width - 1]}")
            sys.stderr.flush()
            self.shown = True
        elif self.verbose:
            say(text)

    def clear(self):
        if self.shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self.shown = False

    def line(self, host, line):
        if self.verbose and host not in self.muted:
            sys.stderr.write(f"@{host} {line}\n")


class Signals:
    """The first one is an exception wherever we are; while things are being stopped, it only means
    that they are stopped at once."""

    def __init__(self):
        self.stopping = None        # an Engine, while it stops
        for number in SIGNALS:
            # What was ignored when we were started stays so (nohup).
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.caught)

    def caught(self, number, _):
        if self.stopping is not None:
            self.stopping.hurry = True
        else:
            raise Interrupted(number)


class Session:
    def __init__(self, args, context):
        self.args = args
        self.context = context
        self.token = uuid.uuid4().hex
        self.progress = Progress(args.verbose)
        self.told = set()           # what was shown once already
        self.unclean = False        # a clean-up failed, or something is left on a host
        self.chosen = {}
        for text in args.set:
            name, value = words.assignment(text)
            self.chosen[name] = value
        if args.lab and kind(args) != "lab":
            raise Problem(f"--lab: not with --launcher {args.launcher}", USAGE)
        if args.lab_option and not args.lab:
            raise Problem("--lab-option: only with --lab", USAGE)
        self.launcher = launchers.ALL[kind(args)](args, self.token, context.tools)
        self.local = launchers.Local(args, self.token, context.tools)
        self.experiments = self.load()

    # reading

    def load(self):
        if not self.args.experiments:
            raise Problem("which experiment? mitosis-exp list shows them", USAGE)
        given = []
        for word in self.args.experiments:
            given += files.all_names(self.context.experiments, bool(self.args.lab)) \
                if word == "all" else [word]
        found = [self.find(word) for word in dict.fromkeys(given)]
        names = [each.name for each in found]
        for name in names:
            if names.count(name) > 1:
                raise Problem(f"{name}: two experiments of this name", USAGE)
        unknown = [name for name in self.chosen
                   if not any(name in each.placeholders for each in found)]
        if unknown:
            raise Problem(f"--set: {unknown[0]}: no such placeholder in {', '.join(names)}", USAGE)
        return found

    def find(self, word):
        """The experiment; of a run that is resumed, as it was when the run began."""
        stored = os.path.join(self.args.resume or "", files.name_of(word), "experiment.toml")
        if self.args.resume and os.path.exists(stored):
            return files.load(stored, files.name_of(word))
        return files.find(word, self.context.experiments)

    def place(self):
        table = words.hosts_by_role(self.args.hosts) if self.args.hosts else {}
        # A file that names its hosts itself needs none from us.
        needed = not table and any(
            not (each.fixed or each.local or experiment.all_hosts and not each.role)
            for experiment in self.experiments for each in experiment.passes)
        available = self.launcher.hosts() if needed else table.get(None, [])
        excluded = [host for text in self.args.exclude for host in words.hosts(text, "--exclude")]
        several = len(self.experiments) > 1
        everywhere = list(dict.fromkeys(host for hosts in table.values() for host in hosts)) \
            or available
        there = {"localhost", *everywhere, *(host for each in self.experiments
                                             for host in each.own_hosts)}
        for host in excluded:
            if host not in there:
                raise Problem(f"--exclude: {host}: no host of this run (there are: "
                              f"{some_of(sorted(there))})", USAGE)
        for each in self.experiments:
            roles = {role: hosts for role, hosts in table.items()
                     if not several or role is None or role in each.roles}
            if not each.roles and each.on_all_hosts:
                roles = {None: everywhere}
            each.place(roles, available, excluded, self.launcher.local_only)
        if not (self.args.launcher or self.args.lab):
            self.check_here()

    def check_here(self):
        """Nobody has said how hosts are reached, so that all runs here: an error if it names others."""
        for each in self.experiments:
            others = [host for host in each.hosts if not launchers.is_here(host)]
            if others:
                where = each.path if set(others) & set(each.named_hosts) else "--hosts"
                raise Problem(f"{where}: {some_of(others)}: how are they reached? Say --launcher ssh, pdsh, "
                              "slurm or lab, or --launcher local to run all of it on this host",
                              USAGE)

    def values(self, experiment):
        """What is not in the file: the command line's, and before that --quick's."""
        values = {}
        if self.args.quick:
            values.update(experiment.quick)
            for name in values:
                if name not in experiment.placeholders:
                    raise Problem(f"{experiment.path}: quick: {name}: no such placeholder")
        values.update({name: value for name, value in self.chosen.items()
                       if name in experiment.placeholders})
        return values

    def points(self, experiment):
        return experiment.points(self.values(experiment), self.args.limit)

    # --dry-run

    def dry_run(self):
        for experiment in self.experiments:
            points = self.points(experiment)
            text = f"{experiment.name}: {experiment.title}, {len(points)} " \
                   f"point{'s'[:len(points) != 1]}, launcher {self.launcher.name}\n"
            for sync in experiment.syncs:
                targets = (f"{host}:{self.launcher.place(path)}" for host, path in sync.targets)
                text += f"  copy {sync.source} to {' '.join(targets)}\n"
            text += self.show_stages(experiment, experiment.setup, "set-up")
            for point in points:
                text += f"  point {point.number}" + (f": {point.label}" if point.label else "") \
                    + "\n"
                text += self.stages_text(point.stages)
            text += self.show_stages(experiment, experiment.cleanup, "clean-up")
            out(text)
        return 0

    def show_stages(self, experiment, passes, title):
        stages = experiment.extra(passes, self.values(experiment))
        return f"  {title}\n{self.stages_text(stages)}" if stages else ""

    def stages_text(self, stages):
        lines = []
        for number, stage in enumerate(stages):
            for command in stage.commands:
                made_of = command.made_of
                notes = [made_of.name]
                if made_of.ready:
                    what = command.port and f"port {command.port}" or command.file \
                        and f"file {command.file}" or f"line {made_of.ready.line}"
                    notes.append(f"ready at {what}")
                if made_of.background:
                    notes.append("stopped at the end")
                where = f" in {command.path}" if command.path else ""
                lines.append(f"    {number} {command.host}: {command.cmd}{where}"
                             f"   # {', '.join(notes)}\n")
                if self.args.verbose:
                    launcher = self.local if made_of.local else self.launcher
                    script = launcher.guarded(command, command.cmd, 1)
                    lines.append(f"      {shlex.join(launcher.argv(command.host, script))}\n")
        return "".join(lines)

    # running

    def run(self, run):
        signals = Signals()
        outcomes = []
        failed = 0
        started = False
        try:
            self.progress.show(f"{self.launcher.name}: starting")
            hosts = list(dict.fromkeys(host for each in self.experiments for host in each.hosts))
            self.launcher.start(hosts)
            started = True
            facts = self.facts(hosts)
            for experiment in self.experiments:
                try:
                    outcome = self.run_experiment(run, experiment, facts, signals)
                except Skip as skip:
                    outcome = "skipped"
                    self.tell(experiment, f"skipped: {skip}")
                except Problem as problem:
                    outcome = "failed"
                    failed = problem.status
                    self.tell_failure(experiment, problem)
                    if not self.args.keep_going:
                        break
                except Interrupted:
                    self.progress.clear()
                    say(f"interrupted; to continue: {cli.TOOL} run --resume {run.path}")
                    raise
                finally:
                    self.finish(run, experiment)
                outcomes.append(outcome)
        finally:
            self.progress.clear()
            signals.stopping = engine.Engine(self.launcher, self.local, self.progress.line)
            try:
                if started:
                    self.sweep()
            finally:
                self.launcher.stop()
        say(f"results in {run.path}")
        if failed or self.unclean:
            return failed or FAILED
        return MISSING if outcomes and set(outcomes) == {"skipped"} else 0

    def tell(self, experiment, text):
        self.progress.clear()
        say(f"{experiment.name}: {text}")

    def tell_failure(self, experiment, problem, what=""):
        self.tell(experiment, f"{what}{problem}")
        for line in getattr(problem, "tail", ()):
            sys.stderr.write(f"  {line}\n")

    def facts(self, hosts):
        """What each host is; one that cannot be reached ends the run here."""
        needs = sorted({need for each in self.experiments for need in each.needs})
        script = _FACTS.format(path=shlex.quote(self.context.tools),
                               needs=" ".join(map(shlex.quote, needs)))

        def one(host):
            launcher = self.local if host == "localhost" else self.launcher
            found = launchers.ask(launcher.argv(host, script), PROBE_LIMIT)
            if found.returncode:
                raise Problem(f"{host}: cannot be reached with {launcher.name}: "
                              f"{launchers.last_line(found.stderr)}")
            pairs = [line.partition("=") for line in found.stdout.splitlines() if "=" in line]
            table = {key: value.strip() for key, _, value in pairs if key != "missing"}
            table["missing"] = [value for key, _, value in pairs if key == "missing"]
            return table

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return dict(zip(hosts, pool.map(one, hosts)))

    def check_needs(self, experiment, facts):
        hosts = [host for host in experiment.hosts if host != "localhost" or
                 self.launcher.local_only]
        if len(hosts) < experiment.min_hosts and not self.launcher.local_only:
            raise Skip(f"needs {experiment.min_hosts} hosts, not {len(hosts)} (see --hosts, --lab)")
        for host in hosts:
            for need in experiment.needs:
                if need in facts[host]["missing"]:
                    raise Skip(f"{need} is not there on {host}")

    def run_experiment(self, run, experiment, facts, signals):
        for warning in experiment.warnings:
            self.tell(experiment, f"warning: {warning}")
        self.launcher.user = experiment.user
        self.progress.muted = experiment.null
        points = self.points(experiment)
        stored = results.Results(run, experiment, points, self.meta())
        stored.state["hosts"] = {host: facts[host] for host in experiment.hosts}
        stored.state["launcher"] = self.launcher.name
        stored.state["why"] = None
        stored.save()
        work = engine.Engine(self.launcher, self.local, self.progress.line)
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
            self.stages(work, experiment, stored, experiment.setup, "setup", keep=True)
            for point in waiting:
                self.run_point(work, experiment, stored, point, len(points))
        except Problem as problem:
            stored.state["why"] = str(problem)
            raise
        finally:
            signals.stopping = work
            try:
                work.stop_all()
                if begun:
                    self.clean_up(work, experiment, stored)
            finally:
                signals.stopping = None
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
            lacking = experiment.lacking(point)
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

    def stages(self, work, experiment, stored, passes, part, keep=False):
        stages = experiment.extra(passes, self.values(experiment))
        if stages:
            self.progress.show(f"{experiment.name} {part}")
            work.run(stages, stored.raw(part), keep)

    def clean_up(self, work, experiment, stored):
        """Whatever happened. What fails here is told, and hides nothing that failed before."""
        if not experiment.cleanup:
            return
        for stage in experiment.extra(experiment.cleanup, self.values(experiment)):
            for command in stage.commands:
                alone = files.Stage([command])
                try:
                    work.run([alone], stored.raw("cleanup"))
                except Problem as problem:
                    self.tell_failure(experiment, problem, "clean-up: ")
                    self.unclean = True

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

    def finish(self, run, experiment):
        """Whatever was measured is there, however the experiment ended."""
        if not os.path.exists(os.path.join(run.path, experiment.name, "state.json")):
            return
        stored = results.Results(run, experiment, self.points(experiment), self.meta())
        if not stored.collect():
            return
        path = os.path.join(stored.path, "records.tsv")
        self.progress.clear()
        if sys.stdout.isatty():
            out(f"\n{experiment.title}\n")
            if experiment.table:
                out(shown_table(path, experiment.table))
                return
            subprocess.run([os.path.join(self.context.tools, "mitosis-stats"), "--percentiles",
                            "50,90", *experiment.stats, path], check=False)
        else:
            with open(path, encoding="utf-8") as file:
                out(file.read())

    def sweep(self):
        """The last look at each host: nothing of the run is left there."""
        hosts = list(dict.fromkeys(host for each in self.experiments for host in each.hosts))

        def one(host):
            launcher = self.local if host == "localhost" else self.launcher
            try:
                found = launchers.ask(launcher.argv(host, launcher.sweep()), PROBE_LIMIT)
            except Problem as problem:      # the other hosts are looked at all the same
                return FAILED, str(problem)
            return found.returncode, launchers.last_line(found.stdout + found.stderr)

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for host, (status, text) in zip(hosts, pool.map(one, hosts)):
                if status:
                    say(f"{host}: {text}")
                    self.unclean = True

    def meta(self):
        return {"tool": cli.TOOL, "version": self.context.version, "host": socket.gethostname(),
                "kernel": os.uname().release, "engine": "-",
                "args": records.quoted(["run", *self.args.experiments])}


def some_of(hosts):
    more = f" and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return ", ".join(hosts[:SHOWN]) + more


def shown_table(path, columns):
    """Some columns of the records, aligned."""
    with open(path, encoding="utf-8") as file:
        rows = [columns, *([row.get(name, records.ABSENT) for name in columns]
                           for stream in records.read(file) for row in stream.dicts())]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    return "".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() + "\n"
                   for row in rows)


def take_up(args):
    """The run that --resume names; its options are those of then, and so is its directory."""
    given = [name for name in (*REMEMBERED, "output") if getattr(args, name)]
    if "experiments" in given:
        raise Problem("--resume: the run knows its experiments itself", USAGE)
    others = [name for name in given if name != "project"]
    if others:
        raise Problem(f"--resume: --{others[0].replace('_', '-')}: the run keeps the options that "
                      "it was begun with (but --project)", USAGE)
    old = results.Run.open(args.resume)
    project = args.project
    for name in REMEMBERED:
        setattr(args, name, old.asked["asked"][name])
    from_here = launchers.ALL[kind(args)].from_here
    if project:
        args.project = os.path.abspath(project) if from_here else project
    begun_in = old.asked["cwd"]
    if begun_in == os.getcwd():
        return old
    args.resume = old.path = os.path.abspath(args.resume)
    try:
        os.chdir(begun_in)
    except OSError as error:
        if from_here and not os.path.isabs(args.project or ""):
            raise Problem(f"--resume: the run was begun in {begun_in}: {reason(error)}; "
                          "--project DIR names another directory for its passes", USAGE) from None
    else:
        say(f"the run goes on in {begun_in}")
    return old


def kind(args):
    """Of launcher."""
    return args.launcher or ("lab" if args.lab else "local")


def run(args, context):
    run_of = take_up(args) if args.resume else None
    session = Session(args, context)
    session.place()
    for each in session.experiments:        # before anything starts
        session.points(each)
        for passes in each.setup, each.cleanup:
            each.extra(passes, session.values(each))
    if args.dry_run:
        return session.dry_run()
    if run_of is None:
        asked = {"version": context.version, "cwd": os.getcwd(), "started": results.now(),
                 "coordinator": socket.gethostname(), "kernel": os.uname().release,
                 "names": [each.name for each in session.experiments],
                 "asked": {name: getattr(args, name) for name in REMEMBERED}}
        run_of = results.Run.create(args.output, asked)
    run_of.keep(session.experiments)
    return session.run(run_of)
