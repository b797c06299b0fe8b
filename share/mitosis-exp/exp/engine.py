# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Runs the passes of a point: starts them, waits until they are ready or ended, and stops them.

One loop over the descriptors of all that runs. The first pass that fails, or is not ready or ended
in time, ends the point: what still runs is stopped before the failure is told.
"""

import collections
import os
import re
import selectors
import signal
import subprocess
import time

import launchers
import words
from problem import MISSING, Problem, Skip, reason

TAIL = 12           # lines that a command said last, shown when it fails
NOTES = 3           # lines on standard error that are shown of a command that succeeds
LINE_MAX = 1 << 20
DAY = 86400         # seconds; select(2) and the like wait for weeks at most
_SECRET = re.compile(r"(mitosis(?:\+\w+)?://[^/\s]+/)[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")


def mask(text):
    """A reference is a key: whoever has it can read the snapshot. It does not go into files."""
    return _SECRET.sub(r"\1***", text)


class Failure(Problem):
    """A pass failed: which one, where, why, and what it said last."""

    def __init__(self, task, why):
        self.tail = [f"{task.command.host}| {line}" for line in task.tail]
        super().__init__(f"{task.command.made_of.name} on {task.command.host}: {why}: "
                         f"{task.command.cmd}")


class Task:
    """A command that runs, or a probe that waits for one to be ready (`owner`)."""

    def __init__(self, command, launcher, number, base=None, owner=None):
        self.command = command
        self.launcher = launcher
        self.number = number
        self.base = base            # its raw output goes to BASE.out and BASE.err
        self.owner = owner
        self.tail = collections.deque(maxlen=TAIL)
        self.process = None
        self.pidfd = None
        self.said = 0
        self.files = {}
        self.buffers = {}
        self.status = None          # None while it runs
        self.stopping = False
        self.started = time.monotonic()
        made_of = command.made_of
        self.ready = made_of.ready is None
        self.ready_limit = None if self.ready else self.started + made_of.ready.timeout
        self.limit = None if made_of.background else self.started + made_of.timeout
        self.grace = None           # it is being stopped: when it is killed

    @property
    def background(self):
        return self.command.made_of.background

    @property
    def running(self):
        return self.status is None


class Engine:
    """All that runs for one experiment."""

    def __init__(self, launcher, local, show):
        self.launcher = launcher
        self.local = local          # for passes on the coordinator
        self.show = show            # show(host, line)
        self.selector = selectors.DefaultSelector()
        self.tasks = []             # running ones, probes included
        self.values = {}            # what ready lines have set
        self.count = 0
        self.hurry = False          # a second signal came: kill at once what is being stopped
        self.notes = []             # what commands that succeeded said on standard error

    # starting

    def launcher_of(self, command):
        return self.local if command.made_of.local else self.launcher

    def fill(self, text, command):
        return words.substitute(text, self.values, command.made_of.where)

    def start(self, command, base):
        launcher = self.launcher_of(command)
        self.count += 1
        task = Task(command, launcher, self.count, base)
        self.spawn(task, self.fill(command.cmd, command))
        made_of = command.made_of
        if made_of.ready and made_of.ready.line is None:
            self.count += 1
            probe = Task(command, launcher, self.count, owner=task)
            probe.limit = None
            self.spawn(probe, launcher.probe(command))
        return task

    def spawn(self, task, cmd):
        script = task.launcher.guarded(task.command, cmd, task.number)
        argv = task.launcher.argv(task.command.host, script)
        try:
            task.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            raise Problem(f"{argv[0]}: {reason(error)}") from None
        self.tasks.append(task)
        task.pidfd = os.pidfd_open(task.process.pid)
        self.selector.register(task.pidfd, selectors.EVENT_READ, (task, None))
        for name, stream in ("out", task.process.stdout), ("err", task.process.stderr):
            os.set_blocking(stream.fileno(), False)
            task.buffers[name] = b""
            if task.base:
                task.files[name] = open(f"{task.base}.{name}", "w", encoding="utf-8")
            self.selector.register(stream, selectors.EVENT_READ, (task, name))

    # the loop

    def step(self, until=None):
        """Wait for something to happen, no longer than UNTIL, and deal with it."""
        now = time.monotonic()
        limits = [limit for task in self.tasks for limit in
                  (task.limit, None if task.ready else task.ready_limit, task.grace)
                  if limit is not None]
        if until is not None:
            limits.append(until)
        wait = min(DAY, max(0.0, min(limits) - now)) if limits else None
        for key, _ in self.selector.select(wait):
            task, name = key.data
            if name is None:
                self.ended(task)
            elif task.running:
                self.read(task, name, key.fileobj)

    def read(self, task, name, stream):
        """Take what is there; false when there will be no more."""
        try:
            data = os.read(stream.fileno(), 1 << 16)
        except BlockingIOError:
            return True
        if not data:
            self.selector.unregister(stream)
            stream.close()
            self.lines(task, name, b"\n" if task.buffers[name] else b"")
            return False
        self.lines(task, name, data)
        return True

    def lines(self, task, name, data):
        *lines, rest = (task.buffers[name] + data).split(b"\n")
        if len(rest) > LINE_MAX:
            lines, rest = [*lines, rest], b""
        task.buffers[name] = rest
        for line in lines:
            self.line(task, name, line.decode(errors="replace").rstrip("\r"))

    def line(self, task, name, line):
        ready = task.command.made_of.ready
        if task.owner is None and not task.ready and ready.line is not None:
            match = re.search(ready.line, line)
            if match:
                task.ready = True
                if ready.set:
                    self.values[ready.set] = match[1] if match.re.groups else match[0]
        line = mask(line)
        if task.base:
            task.files[name].write(line + "\n")
        task.tail.append(line)
        if name == "err" and task.owner is None and not task.background and task.said < NOTES:
            task.said += 1
            self.notes.append(f"{task.command.host}: {line}")
        if task.owner is None:
            self.show(task.command.host, line)

    def ended(self, task):
        """The process is over: read what it said.

        A descendant that keeps its output open is not waited for.
        """
        self.selector.unregister(task.pidfd)
        os.close(task.pidfd)
        task.status = task.process.wait()
        for name, stream in ("out", task.process.stdout), ("err", task.process.stderr):
            while not stream.closed and self.available(stream):
                self.read(task, name, stream)
            if not stream.closed:
                self.selector.unregister(stream)
                stream.close()
                self.lines(task, name, b"\n" if task.buffers[name] else b"")
        self.close_input(task)
        for file in task.files.values():
            file.close()
        self.tasks.remove(task)
        if task.owner is not None and task.status == 0:
            task.owner.ready = True

    @staticmethod
    def available(stream):
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            return bool(selector.select(0))

    @staticmethod
    def close_input(task):
        try:
            task.process.stdin.close()
        except BrokenPipeError:
            pass

    # verdicts

    def check(self, tasks):
        """Fail if one of TASKS has failed or is late."""
        now = time.monotonic()
        for task in tasks:
            made_of = task.command.made_of
            if not task.running and not task.stopping:
                if task.status == MISSING:
                    raise Skip(f"{made_of.name} on {task.command.host}: "
                               f"{task.tail[-1] if task.tail else 'status 77'}")
                if task.status:
                    raise Failure(task, say_status(task.status))
                if not task.ready:
                    raise Failure(task, "ended before it was ready")
            elif task.running and not task.ready and now >= task.ready_limit:
                raise Failure(task, f"not ready after {made_of.ready.timeout:g} s")
            elif task.running and task.limit is not None and now >= task.limit:
                raise Failure(task, f"still running after {made_of.timeout:g} s")
        for task in self.tasks:
            if task.owner in tasks and not task.running and task.status:
                raise Failure(task.owner, "cannot tell whether it is ready")

    def run(self, stages, base_of, keep_background=False):
        """Run STAGES to their end, and stop what runs in the background unless it is to be kept.

        BASE_OF names a command's raw output. Returns the tasks.
        """
        begun = []
        background = [task for task in self.tasks if task.owner is None]
        try:
            for stage in stages:
                now = [self.start(command, base_of(command)) for command in stage.commands]
                begun += now
                self.await_stage(stage, now, begun + background)
            while any(task.running and not task.background for task in begun):
                self.step()
                self.check(begun + background)
        except BaseException:
            self.stop(begun)
            raise
        if not keep_background:
            self.stop(begun)
        return begun

    def await_stage(self, stage, now, all_tasks):
        until = None if stage.gap is None else time.monotonic() + stage.gap
        while True:
            self.check(all_tasks)
            if stage.gap is not None:
                waiting = [task for task in now if not task.ready]
                named = any(task.command.made_of.ready for task in now)
                if not waiting and (named or time.monotonic() >= until):
                    return
                self.step(None if named else until)
                continue
            if all(task.ready and (not task.running or task.background
                                   or task.command.made_of.ready) for task in now):
                return
            self.step()

    # the end

    def stop(self, tasks):
        """End those of TASKS that run, and their probes."""
        ending = [task for task in self.tasks if task in tasks or task.owner in tasks]
        for task in ending:
            task.stopping = True
            task.limit = task.ready_limit = None
            task.ready = True
            task.grace = time.monotonic() + launchers.GRACE + 5
            self.close_input(task)
        for task in ending:
            if not task.launcher.watched and task.running:
                self.sweep_one(task)
        while any(task.running for task in ending):
            self.step()
            now = time.monotonic()
            for task in ending:
                if task.running and (now >= task.grace or self.hurry):
                    # The connection itself hangs. What is left on the host is ended by the sweep.
                    os.killpg(task.process.pid, signal.SIGKILL)
                    task.grace = None

    def stop_all(self):
        self.stop([task for task in self.tasks if task.owner is None])

    def sweep_one(self, task):
        argv = task.launcher.argv(task.command.host, task.launcher.sweep(task.number))
        found = launchers.ask(argv, 3 * launchers.GRACE + 30)
        if found.returncode:
            self.show(task.command.host, launchers.last_line(found.stdout + found.stderr))


def say_status(status):
    number = -status if status < 0 else status - 128
    if number > 0:
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            pass
    return f"exit status {status}"
