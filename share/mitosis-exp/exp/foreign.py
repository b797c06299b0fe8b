# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Functions in JavaScript for node, and in Java: the processes that hold them know nothing of snapshots.

They read a command from standard input, a line, and write the answer to standard output, as JSON. A
parent is prepared by its number while it waits for a line; a child waits for one on its own standard
input, which has it already. exp/worker.js and exp/Worker.java are the other side.
"""

import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from problem import Problem, reason
from process import Process

LINE_MAX = 64 << 20


class Language:
    def __init__(self, name, package, programs, options=()):
        self.name = name
        self.package = package      # of Debian
        self.programs = programs
        self.options = list(options)


LANGUAGES = {
    ".js": Language("node", "nodejs", ["node"]),
    # The file of its number in /tmp goes with the first child that ends.
    ".java": Language("java", "default-jdk-headless", ["java", "javac"],
                      ["-XX:-UsePerfData", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m"]),
}


class Function:
    """As handlers.Function, for another language."""
    is_workflow = False

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.beside = []
        self.language = LANGUAGES[os.path.splitext(path)[1]]
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, ValueError) as error:
            raise Problem(f"{path}: {reason(error) if isinstance(error, OSError) else error}") from None
        lines = [line[3:].strip() for line in text.splitlines() if line.startswith("// ")]
        self.about = next((line.rstrip(".") for line in lines
                           if not line.startswith(("SPDX-", "Copyright"))), "")
        self.needs = dict.fromkeys(self.language.programs, self.language.package)
        self.has_input = bool(re.search(r"\bmakeInput\b", text))
        self.compiled = None        # a directory

    def missing(self):
        return [program for program in self.needs if not shutil.which(program)]

    def lacks(self, what):
        return f"{self.name}: needs {what} (Debian package {self.needs[what]})" if what in self.needs else None

    def command(self, share):
        """What starts a process that holds it. What has to be compiled is so, once."""
        if self.language.name == "node":
            return ["node", os.path.join(share, "exp", "worker.js"), self.path]
        if not self.compiled:
            self.compiled = self.compile(share)
        return ["java", *self.language.options, "-cp", self.compiled.name, "Worker", self.path]

    def compile(self, share):
        # It goes with this process.
        made = tempfile.TemporaryDirectory(prefix="mitosis-function.")   # pylint: disable=consider-using-with
        argv = ["javac", "-nowarn", "-d", made.name, os.path.join(share, "exp", "Worker.java"), self.path]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Problem((done.stderr or done.stdout).strip().partition("\n")[0]
                          or f"{self.path}: javac ended with status {done.returncode}")
        return made


def digest(result):
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()[:12]


def library(share, tools):
    """The module mitosis, in this process."""
    built = os.path.join(tools, "..", ".libs", "libmitosis.so")
    if os.path.exists(built):           # a build directory
        os.environ.setdefault("MITOSIS_LIBRARY", os.path.realpath(built))
    path = os.path.join(share, "python")
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module("mitosis")


class Worker(Process):
    """A process that holds such a function, a parent or a child."""

    def __init__(self, argv, name, function, context, **options):
        super().__init__(argv, name, **options)
        self.function = function
        self.context = context
        self.waiting = b""
        self.known = None           # an answer that is not the process's

    def put(self, value):
        if not isinstance(value, dict) and value[0] not in ("call", "input"):
            self.known = getattr(self, value[0])(*value[1:])
            return
        if isinstance(value, dict):
            order = {"do": "begin", "event": value["event"], "call": value["call"]}
        else:
            order = {"do": value[0]}
        data = json.dumps(order).encode() + b"\n"
        try:
            while data:
                data = data[self.process.stdin.write(data):]
        except BrokenPipeError:
            pass                    # get() finds out why

    def get(self, limit=None):
        if self.known is not None:
            known, self.known = self.known, None
            return known
        while b"\n" not in self.waiting:
            part = self.process.stdout.read(65536)
            if not part:
                raise Problem(f"{self.name}: {self.ended()}")
            self.waiting += part
            if len(self.waiting) > (limit or LINE_MAX):
                raise self.foreign()
        line, _, self.waiting = self.waiting.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            raise self.foreign() from None
        if not isinstance(answer, dict):
            raise self.foreign()
        if "result" in answer:
            answer["result"] = digest(answer["result"])
            answer["expected"] = digest(answer["expected"])
        # No library of ours is in it that would know.
        return {"fetched": None, "faults": None, **answer}

    # what is done to it from outside

    def with_library(self, call):
        mitosis = library(self.context.share, self.context.tools)
        try:
            return call(mitosis)
        except mitosis.MitosisError as error:
            return {"error": str(error.strerror), "unavailable": True}

    def check(self, engine):
        return self.with_library(lambda mitosis: mitosis.check(engine) or {})

    def prepare(self, engine, listen, label):
        def work(mitosis):
            snapshot = mitosis.prepare(self.process.pid, engine=engine, listen=listen, label=label)
            took = mitosis.query(snapshot.reference)
            return {"begin": took.created_ns, "end": took.ready_ns, "reference": snapshot.reference,
                    "pages": took.pages}
        return self.with_library(work)

    def release(self, reference):
        return self.with_library(lambda mitosis: mitosis.release(reference) or {})
