# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The phases of mitosis-function, one after the other, with one engine after the other.

The function lives in processes of its own, worker.py: one for each cold start, and one, the parent,
that calls it again, is prepared and forks. Children of the snapshot go on in the parent's memory,
call the function, and tell their result, which has to be the parent's.
"""

import os
import subprocess
import time

import records
import samples
from children import Children
from commandline import out
from problem import MISSING, Problem, reason
from progress import Progress
from samples import Samples
from workers import Workers

PHASES = ("cold", "warm", "prepare", "child", "replay", "fork", "transfer")


class Measurement:
    def __init__(self, args, context, function, writer):
        self.args = args
        self.context = context
        self.function = function
        self.engine = None
        self.phases = ()
        self.runs = args.count + args.warmup
        self.progress = Progress(context.say)
        self.workers = Workers(context, function, args.event, not args.no_compare)
        self.children = Children(args, context, self.workers)
        self.samples = Samples(function, args.warmup, writer, self.progress)

    def stop(self):
        self.workers.stop()
        self.children.stop()
        self.progress.clear()

    # phases

    def cold(self, iteration):
        worker = self.workers.start()
        self.workers.order(worker, True)
        answer = self.workers.checked(worker.get())
        self.workers.over(worker)
        self.samples.record_whole(iteration, "cold", start_ns=answer["first"] - worker.started,
                                  import_ns=answer["import_end"] - answer["import_begin"],
                                  total_ns=answer["end"] - worker.started,
                                  **samples.of_call(answer))

    def warm(self, parent, iteration):
        values = samples.of_call(self.workers.ask(parent, "call"))
        self.samples.record_whole(iteration, "warm", total_ns=values["exec_ns"], **values)

    def prepare(self, parent):
        return self.workers.ask(parent, "prepare", self.engine, self.args.listen,
                                f"function {self.function.name}"[:63])

    def prepare_again(self, parent, iteration, reference):
        """The reference that children use: REFERENCE, or if there is none, this snapshot's."""
        if iteration:
            self.workers.ask(parent, "call")    # the pages are the parent's own again
        taken = self.prepare(parent)
        if "prepare" in self.phases:
            self.samples.record_whole(iteration, "prepare", pages=taken["pages"],
                                      prepare_ns=taken["end"] - taken["begin"])
        if reference is None and self.of_children:
            if "replay" in self.phases:
                self.children.record_working_set(taken["reference"])
            return taken["reference"]
        self.workers.ask(parent, "release", taken["reference"])
        return reference

    def child(self, iteration, reference, branches, phase):
        # What a child has to say is told once.
        rows = self.children.measure(reference, branches, phase == "replay", quiet=iteration > 0)
        self.samples.record_branches(iteration, phase, rows)

    def fork(self, parent, iteration):
        parent.put(("fork",))
        answers = []
        while not answers or "forked" not in answers[-1]:
            answers.append(self.workers.checked(parent.get(), "in a forked child: "))
        begin = answers.pop()["begin"]
        rows = []
        for answer in sorted(answers, key=lambda each: each["branch"]):
            self.workers.same(answer, answer["expected"], "in a forked child")
            rows.append({"start_ns": answer["first"] - begin, "total_ns": answer["end"] - begin,
                         **samples.of_call(answer)})
        self.samples.record_branches(iteration, "fork", rows)

    def transfer(self, parent, iteration):
        """The second steps in new interpreters, to which the state is sent."""
        begin = time.monotonic_ns()
        state = self.workers.ask(parent, "state")
        started = [self.workers.start() for _ in state["branches"]]
        for worker, event in zip(started, state["branches"]):
            self.workers.order(worker, False, event, state=state["state"])
        rows = []
        for worker, expected in zip(started, parent.results):
            answer = self.workers.checked(worker.get())
            self.workers.over(worker)
            self.workers.same(answer, expected, "with the state in a message")
            rows.append({"start_ns": answer["first"] - worker.started,
                         "import_ns": answer["import_end"] - answer["import_begin"],
                         "total_ns": answer["end"] - begin, "state_bytes": len(state["state"]),
                         **samples.of_call(answer)})
        self.samples.record_branches(iteration, "transfer", rows)

    # all of it

    @property
    def of_children(self):
        return [phase for phase in self.phases if phase in ("child", "replay")]

    def check_demand(self):
        """What needs memory on demand is refused at once where this host cannot do that."""
        if "replay" in self.phases:
            what = "phase replay"
        elif self.args.mode == "demand" and "child" in self.phases:
            what = "--mode demand"
        else:
            return
        argv = [os.path.join(self.context.tools, "mitosis-check"), "--json", "on-demand"]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            found = [row for stream in records.read(done.stdout.splitlines())
                     for row in stream.dicts() if row["item"] == "userfaultfd"]
        except OSError as error:
            raise Problem(f"{argv[0]}: {reason(error)}") from None
        if found and found[0]["state"] == "no":
            raise Problem(f"engine {self.engine}: {what}: memory cannot be fetched on demand: "
                          "userfaultfd is not available (mitosis-check says what to do)", MISSING)

    def measure(self, engine, phases):
        """All phases with one engine. Those that are compared take turns, so that what changes on
        the host meanwhile changes them alike."""
        self.engine = self.children.engine = self.samples.engine = engine
        self.phases = phases
        self.samples.done = 0
        if engine == "user":
            self.check_demand()
        reference = self.args.reference
        local = {"warm", "prepare", "fork", "transfer"} & set(phases)
        prepares = "prepare" in phases or self.of_children and not reference
        parent = self.workers.parent() if local or prepares or self.function.is_workflow else None
        branches = parent.branches if parent else None
        if prepares:
            self.workers.ask(parent, "check", engine)
        if "warm" in phases:
            for iteration in range(self.runs):
                self.show()
                self.warm(parent, iteration)
        if reference and "replay" in phases:
            self.children.record_working_set(reference)
        for iteration in range(self.runs):
            self.show()
            if "cold" in phases:
                self.cold(iteration)
            if "prepare" in phases or self.of_children and reference is None:
                reference = self.prepare_again(parent, iteration, reference)
            for phase in self.of_children:
                self.child(iteration, reference, branches, phase)
            if "fork" in phases:
                self.fork(parent, iteration)
            if "transfer" in phases:
                self.transfer(parent, iteration)
        self.stop()

    def show(self):
        self.progress.show(f"{self.function.name}, {self.engine}: {self.samples.done} of "
                           f"{self.runs * len(self.phases)}")

    def serve(self, engines):
        """Parents for other hosts: one reference a line, until a signal ends it."""
        worker = self.workers.parent()
        for self.engine in engines:
            self.workers.ask(worker, "check", self.engine)
            out(self.prepare(worker)["reference"] + "\n")
        worker.get()                # until it dies
