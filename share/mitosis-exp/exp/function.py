# SPDX-License-Identifier: GPL-2.0-or-later
"""mitosis-function: what a function costs in a new interpreter, in a live one, and in children.

A function is a file with handler(event). It lives in processes of their own, worker.py, that this tool
starts and tells what to do: one for each cold start, and one, the parent, that calls it again, is
prepared and forks. Children of the snapshot are made by mitosis-child, or by mitosis-leanrun in a
container; they go on in the parent's memory, call the function, and tell their result, which has to
be the parent's.
"""

import argparse
import ast
import importlib.util
import json
import marshal
import os
import signal
import subprocess
import sys
import tempfile
import time

import cli
import records
import session
import streams
import writer
from problem import FAILED, MISSING, USAGE, Interrupted, Problem, Skip, reason

TOOL = "mitosis-function"
PHASES = ("cold", "warm", "prepare", "child", "replay", "fork", "transfer")
ENGINES = ("user", "kernel")
USUAL = ("cold", "warm", "prepare", "child", "fork")
ANSWER_MAX = 1 << 20
# A parent has one thread: the libraries shall not start more.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
              "NUMEXPR_NUM_THREADS", "GOTO_NUM_THREADS")
GRACE = 5           # seconds for a process to end that was told to

_C = writer.Column
COLUMNS = (
    _C("function", "text", "its name"),
    _C("engine", "text", "user, kernel: how the snapshot's pages reach the children"),
    _C("phase", "text", "cold, warm, prepare, child, replay, fork, transfer"),
    _C("branch", "text", "workflows: which of the second steps, from 0; all: the whole of it"),
    _C("iter", "number", "repetition, from 0"),
    _C("start_ns", "ns", "cold, fork, transfer: until the first line of Python runs"),
    _C("import_ns", "ns", "cold, transfer: loading the file, and what it imports and sets up"),
    _C("prepare_ns", "ns", "prepare: what the parent waits"),
    _C("resume_ns", "ns", "child, replay: before exec to the first line of Python after prepare"),
    _C("exec_ns", "ns", "the call of the function"),
    _C("total_ns", "ns", "all of it but prepare, to the end of the call"),
    _C("result", "text", "the beginning of a hash of the result"),
    _C("pages", "number", "prepare: pages in the snapshot"),
    _C("rss_bytes", "bytes", "memory of the process after the call"),
    _C("fetched_bytes", "bytes", "child, replay: memory that came from the parent's host until then"),
    _C("faults", "number", "child, replay: how often the function had to wait for memory"),
    _C("state_bytes", "bytes", "transfer: the state that was sent"),
)


def say(text):
    sys.stderr.write(f"{TOOL}: {text}\n")
    sys.stderr.flush()


class Parser(cli.Parser):
    tool = TOOL


def build_parser(version):
    parser = Parser(prog=TOOL, allow_abbrev=False, usage=f"{TOOL} [OPTIONS] NAME|FILE.py",
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    description="Measures a function: a Python file with handler(event). One record "
                                "per phase and\nrepetition.",
                    epilog=writer.describe(COLUMNS) + "\nExamples:\n"
                           f"  {TOOL} image --phase cold,child,replay | "
                           "mitosis-stats --baseline phase=cold --columns total_ns\n"
                           f"  {TOOL} my.py --event '{{\"n\": 3}}'\n"
                           f"  node1$ {TOOL} json --serve --listen 10.0.0.1\n"
                           f"  node2$ {TOOL} json --phase cold,child --from mitosis://10.0.0.1:...\n"
                           "\nExit status:\n  0; 1 failed; 2 wrong usage; 77 a library that the "
                           "function needs, the engine,\n  or memory on demand for phase replay, is not "
                           f"here\n\nSee {TOOL}(1).")
    add = parser.add_argument
    add("--phase", metavar="PHASE[,PHASE...]",
        help=f"{', '.join(PHASES)} ({','.join(USUAL)})")
    add("-e", "--engine", metavar="ENGINE[,ENGINE]", help="user, kernel (user)")
    add("-r", "--replay", action="store_true",
        help="also phase replay: a first child records what it touches, and only that is fetched "
             "before it is touched")
    add("-n", "--count", metavar="N", default="5", help="repetitions (5)")
    add("--warmup", metavar="N", default="1",
        help="repetitions before them that are not recorded (1)")
    add("--event", metavar="JSON", default="{}", help="what the function is called with ({})")
    add("-c", "--container", metavar="TEMPLATE",
        help="children run in lean containers of this template")
    add("-m", "--mode", choices=("demand", "eager"),
        help="how children get their memory (demand where it is possible)")
    add("-w", "--window", metavar="PAGES", help="pages fetched per fault (32)")
    add("--no-push", action="store_true", help="no background fetching")
    add("--no-compare", action="store_true",
        help="children may come to other results than the parent")
    add("--serve", action="store_true",
        help="be the parent: print a reference per engine, until a signal")
    add("-l", "--listen", metavar="ADDRESS[:PORT]",
        help="where children find the parent (this host only)")
    add("--from", metavar="REF", dest="reference",
        help="children of this snapshot, which another %(prog)s serves; - reads it from standard "
             "input")
    add("--answer", action="store_true",
        help="measure nothing: call the function for each line of standard input, and write a line "
             "when it is done")
    add("--list", action="store_true", help="show the functions that come with the package")
    add("-j", "--json", action="store_true", help="write JSON Lines")
    add("--header", action="store_true",
        help="--json: first an object with the key meta: tool, version, host, kernel, engine, args")
    add("-V", "--version", action="version", version=f"{TOOL} (mitosis-exp {version})")
    add("name", nargs="?", metavar="NAME|FILE.py", help=argparse.SUPPRESS)
    return parser


# functions

class Function:
    """What the file says of itself, found out without running it."""

    def __init__(self, name, path, beside=()):
        self.name = name
        self.path = path
        self.beside = list(beside)  # directories of modules that it may import
        try:
            with open(path, "rb") as file:
                tree = ast.parse(file.read(), path)
        except OSError as error:
            raise Problem(f"{path}: {reason(error)}") from None
        except SyntaxError as error:
            raise Problem(f"{path}:{error.lineno}: SyntaxError: {error.msg}") from None
        except ValueError as error:
            raise Problem(f"{path}: {error}") from None
        self.about = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
        self.needs = {}             # Python module: Debian package
        defined = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
        self.is_workflow = "first" in defined
        self.has_input = "make_input" in defined
        for each in tree.body:
            if isinstance(each, ast.Assign) and any(isinstance(target, ast.Name)
                                                    and target.id == "NEEDS"
                                                    for target in each.targets):
                self.needs = self.table(each.value)

    def table(self, value):
        try:
            return {str(module): str(package) for module, package in ast.literal_eval(value).items()}
        except (ValueError, TypeError, AttributeError):
            raise Problem(f"{self.path}:{value.lineno}: NEEDS: expected a table, "
                          "{module: Debian package}") from None

    def missing(self):
        """Modules that are not here."""
        return [module for module in self.needs if importlib.util.find_spec(module) is None]

    def lacks(self, module):
        """What to say when an import has failed; None: it is the function's own fault."""
        package = {"mitosis": "python3-mitosis", **self.needs}.get(module.partition(".")[0])
        return package and f"{self.name}: needs the Python module {module} (Debian package {package})"


def names(share):
    directory = os.path.join(share, "functions")
    return sorted(name.removesuffix(".py") for name in os.listdir(directory)
                  if name.endswith(".py"))


def find(word, share):
    if "/" in word or word.endswith(".py"):
        path = os.path.abspath(word)
        return Function(os.path.basename(word).removesuffix(".py"), path, [os.path.dirname(path)])
    if word not in names(share):
        raise Problem(f"{word}: no such function (--list shows them; a file's name ends in .py)")
    return Function(word, os.path.join(share, "functions", f"{word}.py"))


def list_functions(share, as_json):
    found = [find(name, share) for name in names(share)]
    if as_json:
        for each in found:
            cli.out(json.dumps({"name": each.name, "title": each.about, "needs": each.needs,
                                "missing": each.missing(), "file": each.path}) + "\n")
        return 0
    width = max(len(each.name) for each in found)
    for each in found:
        missing = each.missing()
        cli.out(f"{each.name:{width}}  {each.about}"
                + (f" (missing: {', '.join(each.needs[name] for name in missing)})" if missing
                   else "") + "\n")
    return 0


# processes

class Process:
    """A worker or a child: messages to it and from it."""

    def __init__(self, argv, name, env=None, stdin=subprocess.PIPE):
        self.name = name
        self.started = time.monotonic_ns()
        try:
            # A session of its own: Ctrl-C is for us, who end it.
            self.process = subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE,
                                            start_new_session=True, bufsize=0)
        except OSError as error:
            raise Problem(f"{argv[0]}: {reason(error)}") from None

    def put(self, value):
        data = marshal.dumps(value)
        data = len(data).to_bytes(4, "little") + data
        try:
            while data:
                data = data[self.process.stdin.write(data):]
        except BrokenPipeError:
            pass                    # get() finds out why

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.process.stdout.read(size - len(data))
            if not part:
                return None
            data += part
        return data

    def get(self, limit=None):
        """The next answer."""
        head = self.read(4)
        size = int.from_bytes(head, "little") if head else 0
        if limit and size > limit:
            raise Problem(f"{self.name}: its output is not that of a {TOOL} --serve of this version")
        data = self.read(size) if head else None
        if data is None:
            raise Problem(f"{self.name}: {self.ended()}")
        try:
            return marshal.loads(data)
        except (ValueError, EOFError, TypeError):
            raise Problem(f"{self.name}: its output is not that of a {TOOL} --serve of this "
                          "version") from None

    def ended(self):
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "closed its output"
        if status < 0:
            return f"ended by {signal.Signals(-status).name}"
        return f"ended with status {status}, without a result"

    def end(self):
        """Whatever it does."""
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def finish(self):
        """It has answered, and ends by itself."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        self.end()


class Measurement:
    def __init__(self, args, context, function, out):
        self.args = args
        self.context = context
        self.function = function
        self.out = out
        self.engine = None
        self.running = []           # processes
        self.working_set = None     # descriptor of the file that a first child recorded
        self.progress = session.Progress(False)
        self.done = 0
        self.env = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        library = os.path.join(context.tools, "..", ".libs", "libmitosis.so")
        if os.path.exists(library):         # a build directory
            self.env.setdefault("MITOSIS_LIBRARY", os.path.realpath(library))

    # processes

    def begin(self, argv, name, **options):
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
        if self.working_set is not None:
            os.close(self.working_set)
            self.working_set = None
        self.progress.clear()

    def checked(self, answer, where=""):
        """An answer, or the error that it tells."""
        if not isinstance(answer, dict):
            raise Problem(f"{self.function.name}: not an answer of a {TOOL} of this version")
        if "error" not in answer:
            return answer
        lacking = answer.get("missing") and self.function.lacks(answer["missing"])
        if lacking:
            raise Skip(lacking)
        raise Problem(f"{self.function.name}: {where}{answer['error']}",
                      MISSING if answer.get("unavailable") else FAILED)

    def worker(self):
        argv = [sys.executable, "-B", os.path.join(self.context.share, "exp", "worker.py"),
                self.function.path]
        return self.begin(argv, self.function.name, env=self.env)

    def order(self, worker, call, event=None, **more):
        worker.put({"event": self.args.event if event is None else event, "call": call,
                    "python": os.path.join(self.context.share, "python"),
                    "beside": self.function.beside, **more})

    def ask(self, worker, *command):
        worker.put(command)
        return self.checked(worker.get())

    # records

    def record(self, iteration, phase, **values):
        if iteration >= self.args.warmup:
            self.progress.clear()
            self.out.row(function=self.function.name, engine=self.engine, phase=phase,
                         iter=iteration - self.args.warmup, **values)

    def record_whole(self, iteration, phase, **values):
        """What is not one of several branches."""
        self.record(iteration, phase, branch="all" if self.function.is_workflow else None, **values)
        self.done += 1

    def record_branches(self, iteration, phase, rows):
        """A plain function has one; those of a workflow are over when the last one is."""
        if not self.function.is_workflow:
            self.record_whole(iteration, phase, **rows[0])
            return
        for branch, row in enumerate(rows):
            self.record(iteration, phase, branch=branch, **row)
        sums = {name: sum(row[name] for row in rows)
                for name in ("fetched_bytes", "faults", "state_bytes") if name in rows[0]}
        self.record_whole(iteration, phase, total_ns=max(row["total_ns"] for row in rows), **sums)

    def called(self, answer):
        return {"exec_ns": answer["end"] - answer["begin"], "result": answer["result"],
                "rss_bytes": answer["rss"]}

    # phases

    def cold(self, iteration):
        worker = self.worker()
        self.order(worker, True)
        answer = self.checked(worker.get())
        self.over(worker)
        self.record_whole(iteration, "cold", start_ns=answer["first"] - worker.started,
                    import_ns=answer["import_end"] - answer["import_begin"],
                    total_ns=answer["end"] - worker.started, **self.called(answer))

    def warm(self, parent, iteration):
        answer = self.ask(parent, "call")
        values = self.called(answer)
        self.record_whole(iteration, "warm", total_ns=values["exec_ns"], **values)

    def prepare(self, parent):
        listen = self.args.listen
        return self.ask(parent, "prepare", self.engine, listen, f"function {self.function.name}"[:63])

    def transfer(self, parent, iteration):
        """The second steps in new interpreters, to which the state is sent."""
        begin = time.monotonic_ns()
        state = self.ask(parent, "state")
        workers = [self.worker() for _ in state["branches"]]
        for worker, event in zip(workers, state["branches"]):
            self.order(worker, False, event, state=state["state"])
        rows = []
        for worker, expected in zip(workers, parent.results):
            answer = self.checked(worker.get())
            self.over(worker)
            self.same(answer, expected, "with the state in a message")
            rows.append({"start_ns": answer["first"] - worker.started,
                         "import_ns": answer["import_end"] - answer["import_begin"],
                         "total_ns": answer["end"] - begin, "state_bytes": len(state["state"]),
                         **self.called(answer)})
        self.record_branches(iteration, "transfer", rows)

    def fork(self, parent, iteration):
        parent.put(("fork",))
        answers = []
        while not answers or "forked" not in answers[-1]:
            answers.append(self.checked(parent.get(), "in a forked child: "))
        begin = answers.pop()["begin"]
        rows = []
        for answer in sorted(answers, key=lambda each: each["branch"]):
            self.same(answer, answer["expected"], "in a forked child")
            rows.append({"start_ns": answer["first"] - begin, "total_ns": answer["end"] - begin,
                         **self.called(answer)})
        self.record_branches(iteration, "fork", rows)

    # children

    def child_argv(self, reference, options):
        args = self.args
        given = list(options)
        for option, value in ("--mode", args.mode), ("--window", args.window):
            if value is not None:
                given += [option, value]
        if args.no_push:
            given.append("--no-push")
        if args.reference and args.engine:
            given += ["--engine", self.engine]
        if args.container:
            return [self.tool("mitosis-leanrun"), args.container, "--child", reference, "--", *given]
        return [self.tool("mitosis-child"), *given, reference]

    def tool(self, name):
        return os.path.join(self.context.tools, name)

    def child(self, argv, branch=0, stdin=None):
        """Start one; a workflow's learns from its input which branch it is."""
        if not self.function.is_workflow:
            return self.begin(argv, f"{self.function.name}: child",
                              stdin=subprocess.DEVNULL if stdin is None else stdin)
        made = self.begin(argv, f"{self.function.name}: child")
        made.put(branch)
        return made

    def answer(self, process):
        answer = self.checked(process.get(ANSWER_MAX), "in the child: ")
        self.over(process)
        held = os.path.basename(answer.get("path", "?")).removesuffix(".py")
        if held != self.function.name:
            raise Problem(f"--from: the snapshot holds {held}, not {self.function.name}")
        self.same(answer, answer["expected"], "in the child")
        return answer

    def same(self, answer, expected, where):
        if answer["result"] != expected and not self.args.no_compare:
            raise Problem(f"{self.function.name}: {where} the result differs from the parent's "
                          f"({answer['result']}, not {expected})")

    def children(self, iteration, reference, branches, phase):
        options = []
        stdin = None
        if iteration:
            options.append("--quiet")       # told once
        if phase == "replay" and not self.args.no_push:
            options.append("--no-push")     # what else there is would only be in the way
        if phase == "replay" and self.args.container:
            # The file lies on the host: an open descriptor finds it in the container, too.
            stdin = self.working_set
            options += ["--replay", "/proc/self/fd/0"]
        elif phase == "replay":
            options += ["--replay", f"/proc/{os.getpid()}/fd/{self.working_set}"]
        argv = self.child_argv(reference, options)
        begin = time.monotonic_ns()
        started = [self.child(argv, branch, stdin) for branch in range(len(branches or [None]))]
        rows = []
        for process in started:
            answer = self.answer(process)
            rows.append({"resume_ns": answer["first"] - process.started,
                         "total_ns": answer["end"] - (begin if branches else process.started),
                         "fetched_bytes": answer["fetched"], "faults": answer["faults"],
                         **self.called(answer)})
        self.record_branches(iteration, phase, rows)

    def record_working_set(self, reference):
        """By a first child, on this host itself. The file has no name when it is there."""
        with tempfile.TemporaryDirectory(prefix="mitosis-function.") as directory:
            path = os.path.join(directory, "working-set")
            argv = [self.tool("mitosis-child"), "--mode", "demand", "--record", path]
            if self.args.reference and self.args.engine:
                argv += ["--engine", self.engine]
            self.answer(self.child([*argv, reference]))
            if self.working_set is not None:
                os.close(self.working_set)
            self.working_set = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            # A container may run as another user. There are addresses in it, and no memory.
            os.fchmod(self.working_set, 0o444)

    # all of it

    def parent(self):
        """The process that is prepared; it has called the function before."""
        worker = self.worker()
        self.order(worker, True)
        answer = self.checked(worker.get())
        worker.results = answer.get("results")
        worker.branches = answer.get("branches")
        return worker

    def make_input(self):
        """What a request brings along is made before anything is measured."""
        if not self.function.has_input:
            return
        if not isinstance(self.args.event, dict):
            raise Problem(f"--event: {self.function.name} has an input made of it: an object is "
                          "expected", USAGE)
        worker = self.worker()
        self.order(worker, False)
        self.checked(worker.get())
        made = self.ask(worker, "input")["input"]
        self.over(worker)
        self.args.event = {**self.args.event, "input": made}

    def check_demand(self, phases):
        """Where children cannot fetch on demand, what would only be done so is not begun."""
        if "replay" in phases:
            what = "phase replay"
        elif self.args.mode == "demand" and "child" in phases:
            what = "--mode demand"
        else:
            return
        argv = [self.tool("mitosis-check"), "--json", "on-demand"]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            found = [row for stream in records.read(done.stdout.splitlines())
                     for row in stream.dicts() if row["item"] == "userfaultfd"]
        except OSError as error:
            raise Problem(f"{argv[0]}: {reason(error)}") from None
        if found and found[0]["state"] == "no":
            raise Problem(f"engine {self.engine}: {what}: memory cannot be fetched on demand: "
                          "userfaultfd is not available (mitosis-check says what to do)", MISSING)

    def measure(self, phases):
        """All phases with one engine: those that are compared take turns."""
        self.done = 0
        if self.engine == "user":
            self.check_demand(phases)
        runs = self.args.count + self.args.warmup
        local = {"warm", "prepare", "fork", "transfer"} & set(phases)
        served = self.args.reference
        children = [phase for phase in phases if phase in ("child", "replay")]
        needs_parent = bool(local or children and not served or self.function.is_workflow)
        parent = self.parent() if needs_parent else None
        branches = parent.branches if parent else None
        if "prepare" in phases or children and not served:
            self.ask(parent, "check", self.engine)
        if "warm" in phases:
            for iteration in range(runs):
                self.show(phases, runs)
                self.warm(parent, iteration)
        reference = served
        if served and "replay" in phases:
            self.record_working_set(served)
        for iteration in range(runs):
            self.show(phases, runs)
            if "cold" in phases:
                self.cold(iteration)
            if "prepare" in phases or children and reference is None:
                if iteration:
                    self.ask(parent, "call")    # the pages are the parent's own again
                taken = self.prepare(parent)
                if "prepare" in phases:
                    self.record_whole(iteration, "prepare",
                                      prepare_ns=taken["end"] - taken["begin"],
                                      pages=taken["pages"])
                if reference is None and children:
                    reference = taken["reference"]
                    if "replay" in phases:
                        self.record_working_set(reference)
                else:
                    self.ask(parent, "release", taken["reference"])
            for phase in children:
                self.children(iteration, reference, branches, phase)
            if "fork" in phases:
                self.fork(parent, iteration)
            if "transfer" in phases:
                self.transfer(parent, iteration)
        self.stop()

    def show(self, phases, runs):
        self.progress.show(f"{self.function.name}, {self.engine}: {self.done} of "
                           f"{runs * len(phases)}")

    def serve(self, engines):
        """Parents for other hosts: one reference a line, until a signal ends it."""
        worker = self.parent()
        for self.engine in engines:
            self.ask(worker, "check", self.engine)
            cli.out(self.prepare(worker)["reference"] + "\n")
        worker.get()                # until it dies


# the command line

def listed(option, text, known):
    found = [part.strip() for part in text.split(",") if part.strip()]
    for each in found:
        if each not in known:
            raise Problem(f"{option}: {each}: not known (there are: {', '.join(known)})", USAGE)
    if not found:
        raise Problem(f"{option}: an empty list", USAGE)
    return [each for each in known if each in found]


def number(option, text, low, high):
    if not text.isdigit() or not low <= int(text) <= high:
        raise Problem(f"{option}: {text}: expected a number from {low} to {high}", USAGE)
    return int(text)


def read_reference(text):
    if text == "-":
        try:
            text = next((line.strip() for line in sys.stdin if line.startswith("mitosis")), "")
        except OSError as error:
            raise Problem(f"standard input: {reason(error)}") from None
        if not text:
            raise Problem("standard input: ended without a reference")
    else:
        wipe(text)
    if not text.startswith(("mitosis://", "mitosis+rdma://")):
        raise Problem(f"--from: {text}: not a reference", USAGE)
    return text


def wipe(reference):
    """The UUID is the only key to the snapshot: nobody shall read it in ps."""
    import ctypes               # takes longer than all else here

    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])       # arg_start and arg_end of proc(5)
    at = ctypes.string_at(start, end - start).find(os.fsencode(reference)) if start else -1
    secret = len(os.fsencode(reference.rpartition("/")[2]))
    if at >= 0:
        ctypes.memset(start + at + len(os.fsencode(reference)) - secret, ord("*"), secret)


def check(args, function):
    """What does not go together, and numbers for texts."""
    phases = listed("--phase", args.phase or ",".join(USUAL), PHASES)
    if args.replay and "replay" not in phases:
        phases = [each for each in PHASES if each in (*phases, "replay")]
    engines = listed("--engine", args.engine or "user", ENGINES)
    args.count = number("--count", args.count, 1, 1000000)
    args.warmup = number("--warmup", args.warmup, 0, 1000000)
    if args.window is not None:
        number("--window", args.window, 0, 1024)
    try:
        args.event = json.loads(args.event)
    except ValueError as error:
        raise Problem(f"--event: {args.event}: not JSON: {error}", USAGE) from None
    if args.serve and (args.reference or args.phase or args.replay or args.container):
        raise Problem("--serve: makes a parent and measures nothing: not with --from, --phase, "
                      "--replay, --container", USAGE)
    if args.answer and (args.serve or args.reference or args.phase or args.replay or args.container):
        raise Problem("--answer: measures nothing: not with --serve, --from, --phase, --replay, "
                      "--container", USAGE)
    if args.listen and not args.serve:
        raise Problem("--listen: only with --serve", USAGE)
    if args.reference and not {"child", "replay"} & set(phases):
        raise Problem("--from: neither phase child nor replay is asked for", USAGE)
    if "replay" in phases and args.mode == "eager":
        raise Problem("--replay: contradicts --mode eager, which fetches everything anyway", USAGE)
    if "transfer" in phases and not function.is_workflow:
        raise Problem(f"--phase: transfer: {function.name} is not a workflow", USAGE)
    if "replay" in phases and args.container and function.is_workflow:
        raise Problem("--replay: not for a workflow in containers", USAGE)
    return phases, engines


def become_answerer(args, context, function):
    """Does not return: there shall be no process but the one that holds the function."""
    argv = [sys.executable, "-B", os.path.join(context.share, "exp", "worker.py"), function.path,
            json.dumps(args.event), *function.beside]
    os.execve(argv[0], argv, {**os.environ, **dict.fromkeys(ONE_THREAD, "1")})


def work(args, context, argv, signals):
    if args.list:
        return list_functions(context.share, args.json)
    if args.name is None:
        raise Problem(f"no NAME or FILE.py given\nTry '{TOOL} --help' for more information.", USAGE)
    function = find(args.name, context.share)
    phases, engines = check(args, function)
    for module in function.missing():
        raise Skip(function.lacks(module))
    if args.answer:
        become_answerer(args, context, function)
    if args.reference:
        args.reference = read_reference(args.reference)
        if not args.engine:
            engines = ["kernel" if args.reference.startswith("mitosis+rdma:") else "user"]
    about = writer.meta(TOOL, context.version, ",".join(engines), argv)
    out = writer.Writer(COLUMNS, about, args.json, args.header)
    measurement = Measurement(args, context, function, out)
    left = None
    try:
        measurement.make_input()
        if args.serve:
            return measurement.serve(engines)
        for measurement.engine in engines:
            try:
                measurement.measure(phases)
            except Problem as problem:
                # One engine is not here, and the others are measured all the same.
                if problem.status != MISSING or len(engines) == 1 or isinstance(problem, Skip):
                    raise
                left = problem
                measurement.stop()
                say(f"warning: {problem}: left out")
        return 0 if left is None or measurement.out.begun else MISSING
    finally:
        signals.stopping = measurement      # a second signal changes nothing
        measurement.stop()


def main(argv, version, here, share):
    args = None
    streams.keep()
    try:
        args = build_parser(version).parse_args(argv)
        return work(args, cli.Context(version, here, share), argv, session.Signals())
    except Problem as problem:
        say(problem)
        return problem.status
    except Interrupted as interrupted:
        return 0 if args.serve else 128 + interrupted.number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
