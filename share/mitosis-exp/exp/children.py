# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Children of the snapshot: made by mitosis-child, or by mitosis-leanrun in a container."""

import os
import subprocess
import tempfile
import time

import samples
from problem import Problem

ANSWER_MAX = 1 << 20


class Children:
    def __init__(self, args, context, workers):
        self.args = args
        self.context = context
        self.workers = workers
        self.engine = None
        self.working_set = None     # descriptor of the file that a first child recorded

    def stop(self):
        if self.working_set is not None:
            os.close(self.working_set)
            self.working_set = None

    def command(self, reference, options):
        args = self.args
        given = list(options)
        for option, value in ("--mode", args.mode), ("--window", args.window):
            if value is not None:
                given += [option, value]
        if args.no_push:
            given.append("--no-push")
        given += self.engine_option()
        if args.container:
            return [self.tool("mitosis-leanrun"), args.container, "--child", reference, "--",
                    *given]
        return [self.tool("mitosis-child"), *given, reference]

    def engine_option(self):
        """For a snapshot of somebody else's, if the user has named the engine."""
        return ["--engine", self.engine] if self.args.reference and self.args.engine else []

    def tool(self, name):
        return os.path.join(self.context.tools, name)

    def start(self, argv, branch=0, stdin=None):
        """One child; a workflow's learns from its input which branch it is."""
        name = f"{self.workers.function.name}: child"
        if self.workers.function.language:
            made = self.workers.begin(argv, name)
            made.put(("call",))     # it is there when the child reads it
            return made
        if not self.workers.function.is_workflow:
            return self.workers.begin(argv, name,
                                      stdin=subprocess.DEVNULL if stdin is None else stdin)
        made = self.workers.begin(argv, name)
        made.put(branch)
        return made

    def answer(self, process):
        """What it tells before it ends."""
        answer = self.workers.checked(process.get(ANSWER_MAX), "in the child: ")
        self.workers.over(process)
        held = os.path.basename(answer.get("path", "?")).removesuffix(".py")    # a name of handlers.py
        if held != self.workers.function.name:
            raise Problem(f"--from: the snapshot holds {held}, not {self.workers.function.name}")
        self.workers.same(answer, answer["expected"], "in the child")
        return answer

    def measure(self, reference, branches, replay, quiet):
        """One child, or one for each of a workflow's BRANCHES at the same time: what each took."""
        options = []
        stdin = None
        if quiet:
            options.append("--quiet")
        if replay and not self.args.no_push:
            options.append("--no-push")     # nothing but the working set is to be fetched ahead
        if replay and self.args.container:
            # A container does not see the host's file, but an open descriptor of it.
            stdin = self.working_set
            options += ["--replay", "/proc/self/fd/0"]
        elif replay:
            options += ["--replay", f"/proc/{os.getpid()}/fd/{self.working_set}"]
        argv = self.command(reference, options)
        begin = time.monotonic_ns()
        started = [self.start(argv, branch, stdin) for branch in range(len(branches or [None]))]
        rows = []
        for process in started:
            answer = self.answer(process)
            rows.append({"resume_ns": answer["first"] - process.started,
                         "total_ns": answer["end"] - (begin if branches else process.started),
                         "fetched_bytes": answer["fetched"], "faults": answer["faults"],
                         **samples.of_call(answer)})
        return rows

    def record_working_set(self, reference):
        """Have a first child, on this host and in no container, record what it touches.

        The file is kept open, and has no name any more.
        """
        with tempfile.TemporaryDirectory(prefix="mitosis-function.") as directory:
            path = os.path.join(directory, "working-set")
            argv = [self.tool("mitosis-child"), "--mode", "demand", "--record", path,
                    *self.engine_option()]
            self.answer(self.start([*argv, reference]))
            self.stop()             # that of the engine before
            self.working_set = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            # A container may run as another user. There are addresses in it, and no memory.
            os.fchmod(self.working_set, 0o444)
