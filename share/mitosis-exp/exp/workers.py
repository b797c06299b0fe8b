# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The processes that hold the function while it is measured: they are started, told what to do, and
ended; what they answer is checked."""

import os
import sys

import foreign
from problem import FAILED, MISSING, USAGE, Problem, Skip
from process import Process

# A parent has one thread: the libraries shall not start more.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                            "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "GOTO_NUM_THREADS"), "1")


def command(context, function):
    """What starts a worker that holds the function."""
    if function.language:
        return function.command(context.share)
    return [sys.executable, "-B", os.path.join(context.share, "exp", "worker.py"), function.path]


class Workers:
    def __init__(self, context, function, event, compare=True):
        self.context = context
        self.function = function
        self.event = event
        self.compare = compare      # results have to be the parent's
        self.running = []           # these, and children
        self.env = {**os.environ, **ONE_THREAD}
        library = os.path.join(context.tools, "..", ".libs", "libmitosis.so")
        if os.path.exists(library):         # a build directory
            self.env.setdefault("MITOSIS_LIBRARY", os.path.realpath(library))

    # their lives

    def begin(self, argv, name, **options):
        if self.function.language:
            made = foreign.Worker(argv, name, self.function, self.context, **options)
        else:
            made = Process(argv, name, **options)
        self.running.append(made)
        return made

    def over(self, process, well=True):
        if well:
            process.finish()
        else:
            process.end()
        self.running.remove(process)

    def stop(self):
        while self.running:
            self.over(self.running[0], False)

    def start(self):
        return self.begin(command(self.context, self.function), self.function.name, env=self.env)

    def parent(self):
        """The process that is prepared; it has called the function before."""
        worker = self.start()
        self.order(worker, True)
        answer = self.checked(worker.get())
        worker.results = answer.get("results")
        worker.branches = answer.get("branches")
        return worker

    # what is said

    def order(self, worker, call, event=None, **more):
        worker.put({"event": self.event if event is None else event, "call": call,
                    "python": os.path.join(self.context.share, "python"),
                    "beside": self.function.beside, **more})

    def ask(self, worker, *words):
        worker.put(words)
        return self.checked(worker.get())

    def checked(self, answer, where=""):
        """An answer, or the error that it tells."""
        if not isinstance(answer, dict):
            raise Problem(f"{self.function.name}: not an answer of a mitosis-function of this "
                          "version")
        if "error" not in answer:
            return answer
        lacking = answer.get("missing") and self.function.lacks(answer["missing"])
        if lacking:
            raise Skip(lacking)
        raise Problem(f"{self.function.name}: {where}{answer['error']}",
                      MISSING if answer.get("unavailable") else FAILED)

    def same(self, answer, expected, where):
        if self.compare and answer["result"] != expected:
            raise Problem(f"{self.function.name}: {where} the result differs from the parent's "
                          f"({answer['result']}, not {expected})")

    def make_input(self):
        """What a request brings along is made before anything is measured."""
        if not self.function.has_input:
            return
        if not isinstance(self.event, dict):
            raise Problem(f"--event: {self.function.name} has an input made of it: an object is "
                          "expected", USAGE)
        worker = self.start()
        self.order(worker, False)
        self.checked(worker.get())
        made = self.ask(worker, "input")["input"]
        self.over(worker)
        self.event = {**self.event, "input": made}
