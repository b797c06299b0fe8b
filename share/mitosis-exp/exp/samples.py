# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What the phases of mitosis-function measure, as records.

A record of a workflow is about one of its branches, or about all of them together.
"""

import writer

_C = writer.Column
COLUMNS = (
    _C("function", "text", "its name"),
    _C("engine", "text", "user, kernel: how the snapshot's pages reach the children"),
    _C("phase", "text", "cold, warm, prepare, child, replay, fork, transfer"),
    _C("branch", "text", "workflows: which of the second steps, from 0; all: the whole of it"),
    _C("iter", "number", "repetition, from 0"),
    _C("start_ns", "ns", "cold, fork, transfer: until the first line of the program runs"),
    _C("import_ns", "ns", "cold, transfer: loading the file, and what it imports and sets up"),
    _C("prepare_ns", "ns", "prepare: what the parent waits; node, Java: until it can have children"),
    _C("resume_ns", "ns", "child, replay: before exec to the first line of the program after prepare"),
    _C("exec_ns", "ns", "the call of the function"),
    _C("total_ns", "ns", "all of it but prepare, to the end of the call"),
    _C("result", "text", "the beginning of a hash of the result"),
    _C("pages", "number", "prepare: pages in the snapshot"),
    _C("rss_bytes", "bytes", "memory of the process after the call"),
    _C("fetched_bytes", "bytes", "child, replay: memory that came from the parent's host until then"),
    _C("faults", "number", "child, replay: how often the function had to wait for memory"),
    _C("state_bytes", "bytes", "transfer: the state that was sent"),
)


def of_call(answer):
    """What every process tells of its call of the function."""
    return {"exec_ns": answer["end"] - answer["begin"], "result": answer["result"],
            "rss_bytes": answer["rss"]}


class Samples:
    def __init__(self, function, warmup, out, progress):
        self.function = function
        self.warmup = warmup        # so many repetitions are not recorded
        self.out = out              # a Writer
        self.progress = progress
        self.engine = None
        self.done = 0               # phases, of all repetitions

    def record(self, iteration, phase, **values):
        if iteration >= self.warmup:
            self.progress.clear()
            self.out.row(function=self.function.name, engine=self.engine, phase=phase,
                         iter=iteration - self.warmup, **values)

    def record_whole(self, iteration, phase, **values):
        """What is not one of several branches."""
        self.record(iteration, phase, branch="all" if self.function.is_workflow else None, **values)
        self.done += 1

    def record_branches(self, iteration, phase, rows):
        """A plain function has one row. A workflow has one for each branch, and one for all of them
        together, which took as long as the slowest."""
        if not self.function.is_workflow:
            self.record_whole(iteration, phase, **rows[0])
            return
        for branch, row in enumerate(rows):
            self.record(iteration, phase, branch=branch, **row)
        sums = {name: sum(row[name] for row in rows)
                for name in ("fetched_bytes", "faults", "state_bytes") if name in rows[0]}
        self.record_whole(iteration, phase, total_ns=max(row["total_ns"] for row in rows), **sums)
