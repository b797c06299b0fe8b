# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Runs commands on nodes and is, for whoever called the tool, those commands: their input, output,
signals and status.

With one command everything passes through as it is. With several, input goes to all of them, and
each line of output bears its node's name.
"""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time
import tty

import wire
from problem import OWN_FAILURE, Interrupted, Problem, reason

GRACE = 5                       # seconds that a command has to end after a signal
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
             signal.SIGUSR2)
FATAL = FORWARDED[:4]
DAY = 86400                     # seconds; poll(2) waits for weeks at most
PASSED = ("PATH", "HOME", "LANG", "LANGUAGE", "TERM", "TZ", "USER", "LOGNAME", "SHELL",
          "PYTHONPATH", "LD_LIBRARY_PATH")
PASSED_PREFIXES = ("LC_", "MITOSIS_")


def say(text):
    sys.stderr.write(f"mitosis-lab: {text}\n")
    sys.stderr.flush()


def environment(extra=()):
    """What a command on a node finds in its environment: ours, as far as it has a meaning there."""
    env = {name: value for name, value in os.environ.items()
           if name in PASSED or name.startswith(PASSED_PREFIXES)}
    env.setdefault("HOME", "/root")
    env.setdefault("LANG", "C.UTF-8")
    path = env.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
    path += [each for each in ("/usr/local/sbin", "/usr/sbin", "/sbin") if each not in path]
    env["PATH"] = ":".join(path)
    for item in extra:
        name, equals, value = item.partition("=")
        if equals:
            env[name] = value
        elif name in os.environ:
            env[name] = os.environ[name]
    return env


def write_all(fd, data, what):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BlockingIOError:     # somebody made our output non-blocking
            select.select([], [fd], [])
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Problem(f"{what}: {reason(error)}") from None


class Output:
    """Where one stream of one command goes: to a descriptor of ours, and to a file of --out."""

    LINE_MAX = 64 * 1024

    def __init__(self, fd, prefix=None, path=None):
        self.fd = fd
        self.what = {1: "standard output", 2: "standard error"}[fd]
        self.prefix = f"{prefix}: ".encode() if prefix else None
        self.path = path
        self.file = create(path) if path else None
        self.rest = b""

    def write(self, data):
        if self.file is not None:
            write_all(self.file, data, self.path)
        if self.prefix is None:
            write_all(self.fd, data, self.what)
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > self.LINE_MAX:
            lines.append(self.rest)
            self.rest = b""
        if lines:
            write_all(self.fd, b"".join(b"%s%s\n" % (self.prefix, line) for line in lines),
                      self.what)

    def end(self):
        if self.rest:
            self.write(b"\n")
        if self.file is not None:
            try:
                os.close(self.file)
            except OSError as error:
                raise Problem(f"{self.path}: {reason(error)}") from None
            self.file = None


def create(path):
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise Problem(f"{path}: {reason(error)}") from None


def write_file(path, text):
    fd = create(path)
    try:
        write_all(fd, text.encode(), path)
    finally:
        os.close(fd)


class Job:
    """One command on one node."""

    def __init__(self, node, argv, shown):
        self.node = node
        self.argv = argv            # None: an interactive shell
        self.shown = shown          # as the user wrote it
        self.channel = 0
        self.credit = wire.WINDOW   # of its input
        self.status = None          # None while it runs
        self.outputs = {}           # STDOUT, STDERR -> Output


class Runner:
    def __init__(self, connection, jobs, out=None, use_tty=False, env=None, timeout=None, kills=()):
        self.connection = connection
        self.jobs = jobs
        self.out = out
        self.tty = use_tty
        self.env = env or environment()
        self.timeout = timeout
        self.kills = dict(kills)    # node -> seconds after the start
        self.killed = set()
        self.statuses = []          # failures, in the order in which they happened
        self.forwarded = set()
        self.give_up = None         # when a signal's time of grace ends
        self.signals = []
        self.input_ended = False
        self.known = {}             # node -> reports of its kernel before we began

    def run(self):
        """Run the commands to their ends; return the status for the tool to exit with."""
        self.known = self.connection.call("reports")["counts"] if self.out is None else {}
        self.open_outputs()
        self.spawn()
        restore = self.raw_terminal() if self.tty else None
        old = self.catch_signals()
        try:
            self.loop()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in old.items():
                signal.signal(number, handler)
            if restore:
                restore()
        return self.verdict()

    # set-up

    def open_outputs(self):
        several = len(self.jobs) > 1
        for number, job in enumerate(self.jobs, 1):
            job.channel = number
            for stream, fd, name in (wire.STDOUT, 1, "stdout"), (wire.STDERR, 2, "stderr"):
                path = os.path.join(self.out, job.node, name) if self.out else None
                job.outputs[stream] = Output(fd, job.node if several else None, path)
            if self.out:
                write_file(os.path.join(self.out, job.node, "command"), job.shown + "\n")

    def spawn(self):
        size = os.get_terminal_size(0) if self.tty else None
        for job in self.jobs:
            frame = wire.message(
                wire.SPAWN, job.channel, node=job.node, argv=job.argv, cwd=os.getcwd(),
                env=dict(self.env, MITOSIS_LAB_NODE=job.node), tty=self.tty,
                size=[size.lines, size.columns] if size else [24, 80])
            if len(frame) > wire.FRAME_MAX:
                raise Problem(f"{job.node}: {os.strerror(errno.E2BIG)}")
            self.connection.send(frame)

    def raw_terminal(self):
        before = termios.tcgetattr(0)
        tty.setraw(0, termios.TCSADRAIN)     # what is typed ahead is meant for the shell
        return lambda: termios.tcsetattr(0, termios.TCSADRAIN, before)

    def catch_signals(self):
        self.wakeup, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        old = {number: signal.signal(number, self.caught) for number in FORWARDED}
        if self.tty:
            old[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self.caught)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        return old

    def caught(self, number, _):
        # the second one may come while we hang on an output that nobody reads
        if number in FATAL and number in self.forwarded:
            raise Interrupted(number)
        self.forwarded.add(number)
        self.signals.append(number)

    # the loop

    def running(self):
        return [job for job in self.jobs if job.status is None]

    def loop(self):
        now = time.monotonic()
        deadline = now + self.timeout if self.timeout else None
        kills = {node: now + seconds for node, seconds in self.kills.items()}
        while self.running():
            self.pass_signals()
            now = time.monotonic()
            if deadline and now >= deadline:
                self.expired()
                return
            if self.give_up and now >= self.give_up[0]:
                raise Interrupted(self.give_up[1])
            for node in [node for node, when in kills.items() if when <= now]:
                del kills[node]
                self.killed.add(node)
                self.connection.call("kill", node=node)
            limits = [*kills.values(), *([deadline] if deadline else []),
                      *([self.give_up[0]] if self.give_up else [])]
            self.wait(min(limits) - now if limits else None)

    def wait(self, seconds):
        poll = select.poll()
        poll.register(self.wakeup, select.POLLIN)
        poll.register(self.connection, select.POLLIN
                      | (select.POLLOUT if len(self.connection.writer) else 0))
        room = self.input_room()
        if room:
            poll.register(0, select.POLLIN)
        limit = 0 if self.connection.pending() else \
            None if seconds is None else min(DAY, max(0, seconds)) * 1000 + 1
        ready = {fd for fd, _ in poll.poll(limit)}
        if self.wakeup in ready:
            os.read(self.wakeup, 4096)
        if 0 in ready and room:
            self.read_input(room)
        self.connection.flush()
        for kind, channel, payload in self.connection.frames():
            self.handle(kind, channel, payload)

    def input_room(self):
        """How much every command that still reads would take now."""
        if self.input_ended:
            return 0
        readers = (job.credit for job in self.running())
        return min(min(readers, default=0), wire.FRAME_MAX)

    def read_input(self, room):
        try:
            data = os.read(0, room)
        except OSError:             # no standard input, or a terminal that is gone
            data = b""
        self.input_ended = not data
        for job in self.running():
            job.credit -= len(data)
            self.connection.send(wire.frame(wire.STDIN, job.channel, data))

    def pass_signals(self):
        while self.signals:
            number = self.signals.pop(0)
            if number == signal.SIGWINCH:
                size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
                for job in self.running():
                    self.connection.send(wire.frame(wire.WINSIZE, job.channel, size[:4]))
                continue
            if number in FATAL:
                self.give_up = (time.monotonic() + GRACE, number)
            for job in self.running():
                self.connection.send(wire.frame(wire.SIGNAL, job.channel,
                                                struct.pack("B", number)))

    def handle(self, kind, channel, payload):
        if kind == wire.NEWS:
            self.news(wire.parse(payload))
            return
        job = self.jobs[channel - 1] if 0 < channel <= len(self.jobs) else None
        if job is None or job.status is not None:
            return
        if kind in job.outputs:
            job.outputs[kind].write(payload)
            if payload:
                self.connection.send(wire.credit(channel, kind, len(payload)))
        elif kind == wire.CREDIT:
            job.credit += wire.parse_credit(payload)[1]
        elif kind == wire.EXIT:
            self.exited(job, wire.parse(payload))
        elif kind == wire.LOST:
            self.lost(job, wire.parse(payload)["reason"])

    def news(self, news):
        if news.get("event") == "failed":
            raise Problem(news["text"], news["status"])
        if news.get("event") == "node" and news.get("panic"):
            # the machine is gone: what waits for it would wait for ever
            for job in self.running():
                self.end(job, OWN_FAILURE, f"stopped, since {news['node']} panicked")

    # ends

    def exited(self, job, how):
        if "signal" in how:
            number = how["signal"]
            text = None
            if number not in self.forwarded:
                text = f"killed by {signal.Signals(number).name}" \
                    + (" (core dumped)" if how.get("core") else "")
            self.end(job, 128 + number, text)
        else:
            self.end(job, how["status"], how.get("error"))

    def lost(self, job, why):
        if job.node in self.killed:
            self.end(job, 0, None, shown=why)
        else:
            self.end(job, OWN_FAILURE, f"{why} while its command ran" if why == "powered off" else why)

    def end(self, job, status, text, shown=None):
        job.status = status
        for output in job.outputs.values():
            output.end()
        if text:
            say(f"{job.node}: {text}")
        if status:
            self.statuses.append(status)
        if self.out:
            write_file(os.path.join(self.out, job.node, "status"), f"{shown or status}\n")

    def expired(self):
        for job in self.running():
            say(f"{job.node}: still running after {self.timeout:g} s: {job.shown}")
        for node in dict.fromkeys(job.node for job in self.running()):
            show(node, self.connection.call("traces", node=node)["text"])
        for job in self.running():
            self.connection.send(wire.frame(wire.HANGUP, job.channel))
            self.end(job, OWN_FAILURE, None, shown="timeout")

    def verdict(self):
        """The first failure's status; a complaint of a kernel is a failure too."""
        reports = self.connection.call("reports", since=self.known)["reports"]
        for report in reports:
            say(f"{report['node']}: kernel: {report['title']}")
            show(report["node"], report["text"])
        return self.statuses[0] if self.statuses else OWN_FAILURE if reports else 0


def show(node, text):
    """A part of a node's console, for people."""
    for line in text.splitlines():
        sys.stderr.write(f"{node}| {line}\n")
    sys.stderr.flush()
