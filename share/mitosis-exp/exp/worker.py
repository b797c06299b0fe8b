# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The process that holds a function: mitosis-function starts it and tells it what to do.

    python3 -B worker.py FILE [EVENT [DIRECTORY...]]

With an event it calls the function with that event for each line of standard input, and writes a
line when the call is done; the function may import from the directories. Otherwise it reads
messages from standard input and writes its answers to what was its standard output; what the
function itself prints goes to standard error.

A message is its length, 4 bytes, little-endian, and a value in the format of the module marshal,
which is built into the interpreter. What is imported here before the function is loaded distorts
its cold start: a module that the function needs as well would make it look cheaper, a big one
dearer. So only built-in modules and os are.

The first message is a table: the event of the function; whether to call it; the directories of the
module mitosis and of what else the function imports; and for the second step of a workflow, if it
gets the state of the first step in a message, that state. The answer tells what the cold start
took. Then come commands, each answered when it is done, until the input ends:

    ("input",)                              make the input, for a function that has make_input
    ("call",)                               once more
    ("check", engine)                       can it be prepared with that engine?
    ("prepare", engine, listen, label)      take a snapshot
    ("release", reference)                  end it
    ("fork",)                               a local child, or one for each branch of a workflow
    ("state",)                              the state of a workflow's first step, pickled

A child of the snapshot, and a local child, call the function and answer as the parent does: on their
standard output, or on the parent's.
"""
import time

_FIRST = time.monotonic_ns()

# pylint: disable=wrong-import-position,multiple-imports
import marshal  # noqa: E402
import os       # noqa: E402
import sys      # noqa: E402

LIMIT = 1 << 31
TEXT_MAX = 2000


class Channel:
    """Messages in and out."""

    def __init__(self):
        self.out = None

    def claim(self):
        """Standard output is ours from here on; what others write there goes to standard error."""
        self.out = os.dup(1)
        os.dup2(2, 1)

    def give_back(self):
        """Close what claim() opened: a snapshot takes no pipes along but descriptors 0, 1 and 2."""
        sys.stdout.flush()
        os.dup2(self.out, 1)
        os.close(self.out)

    @staticmethod
    def read(size):
        data = b""
        while len(data) < size:
            part = os.read(0, min(size - len(data), 1 << 20))
            if not part:
                return None
            data += part
        return data

    def get(self):
        head = self.read(4)
        if head is None:
            return None
        data = self.read(int.from_bytes(head, "little"))
        return None if data is None else marshal.loads(data)

    def put(self, value):
        data = marshal.dumps(value)
        data = len(data).to_bytes(4, "little") + data
        # Local children share this pipe: their answers are short enough to be written whole.
        while data:
            data = data[os.write(self.out, data):]


class Wrong(Exception):
    """What is the function's fault, or its surroundings'."""


class Function:
    """FILE, loaded. A workflow has `first`, whose result is a list of events, and `state`."""

    def __init__(self, path):
        self.path = path
        self.module = None
        self.branches = None        # the events of the second step, once the first one is done

    def load(self):
        """Run the file, as the interpreter would."""
        module = type(sys)("function")
        module.__file__ = self.path
        sys.modules["function"] = module
        with open(self.path, "rb") as file:
            exec(compile(file.read(), self.path, "exec"), module.__dict__)  # pylint: disable=exec-used
        self.module = module
        if not callable(getattr(module, "handler", None)):
            raise Wrong(f"{self.path}: there is no handler(event) in it")
        if self.is_workflow and not hasattr(module, "state"):
            raise Wrong(f"{self.path}: a workflow, as it has first(event), and yet without state")

    @property
    def is_workflow(self):
        return callable(getattr(self.module, "first", None))

    def begin(self, event):
        """The first step of a workflow."""
        if self.is_workflow:
            self.branches = self.module.first(event)

    def call(self, event):
        """Everything, in this process."""
        if not self.is_workflow:
            return self.module.handler(event)
        self.begin(event)
        return [self.module.handler(each) for each in self.branches]


def where(error, path):
    """FILE:LINE of an exception: the innermost line of the function's own file."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"{path}:{error.lineno}"
    line = None
    entry = error.__traceback__
    while entry:
        if entry.tb_frame.f_code.co_filename == path:
            line = entry.tb_lineno
        entry = entry.tb_next
    return path if line is None else f"{path}:{line}"


def describe(error, path):
    """The one line about an exception; if it is about a missing module, that module."""
    if isinstance(error, Wrong):
        return {"error": str(error)}
    what = f"{error.msg}" if isinstance(error, SyntaxError) else str(error)
    text = f"{where(error, path)}: {type(error).__name__}" + (f": {what}" if what else "")
    text = " ".join(text.split())[:TEXT_MAX]
    missing = isinstance(error, ModuleNotFoundError) and error.name
    return {"error": text, "missing": missing or None}


def digest(result, path):
    """Results are compared by what they are as JSON, which is what a function may answer."""
    import hashlib
    import json

    try:
        text = json.dumps(result, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise Wrong(f"{path}: handler: its result is not JSON: {error}") from None
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def threads():
    """The names of the threads of this process."""
    found = []
    for task in sorted(os.listdir("/proc/self/task"), key=int):
        with open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace") as file:
            found.append(file.read().strip())
    return found


class Worker:
    def __init__(self, path):
        self.channel = Channel()
        self.function = Function(path)
        self.event = None
        self.expected = None        # digests of what children have to return, one for each branch
        self.mitosis = None
        self.python = None

    def measured(self, call, event):
        """What a call took, and what came of it."""
        begin = time.monotonic_ns()
        result = call(event)
        end = time.monotonic_ns()
        resident = resident_bytes()
        whole = digest(result, self.function.path)
        if call == self.function.call:
            self.expected = [digest(each, self.function.path) for each in result] \
                if self.function.is_workflow else [whole]
        return {"begin": begin, "end": end, "rss": resident, "result": whole,
                "results": self.expected, "branches": self.function.branches}

    def cold(self, order):
        self.python = order["python"]
        # Our own directory goes. The function's comes last: it may hold a namesake of a library.
        sys.path[:1] = []
        sys.path += order["beside"]
        begin = time.monotonic_ns()
        self.function.load()
        answer = {"first": _FIRST, "import_begin": begin, "import_end": time.monotonic_ns()}
        self.event = order["event"]
        if "state" in order:
            answer.update(self.measured(self.take_over, order["state"]))
        elif order["call"]:
            answer.update(self.measured(self.function.call, self.event))
        return answer

    def answer_lines(self, event, beside):
        """Lines instead of messages, for callers such as mitosis-leanrun --bench-pause."""
        self.channel.claim()
        sys.path[:1] = []
        sys.path += beside
        try:
            self.function.load()
            import json

            self.event = json.loads(event)
            if hasattr(self.function.module, "make_input"):
                self.event["input"] = self.function.module.make_input(self.event)
            while lines := os.read(0, 4096).count(b"\n"):
                for _ in range(lines):
                    self.function.call(self.event)
                    os.write(self.channel.out, b"\n")
        except Exception as error:          # pylint: disable=broad-exception-caught
            sys.stderr.write(f"mitosis-function: {describe(error, self.function.path)['error']}\n")
            return 1
        return 0

    def take_over(self, state):
        """The second step of a workflow, with the state out of a message."""
        import pickle

        self.function.module.state = pickle.loads(state)
        return self.function.module.handler(self.event)

    def state(self):
        import pickle

        begin = time.monotonic_ns()
        data = pickle.dumps(self.function.module.state, pickle.HIGHEST_PROTOCOL)
        return {"state": data, "state_ns": time.monotonic_ns() - begin,
                "branches": self.function.branches}

    def input(self):
        return {"input": self.function.module.make_input(self.event)}

    def call(self):
        return self.measured(self.function.call, self.event)

    def check(self, engine):
        if self.python not in sys.path:
            sys.path.append(self.python)    # for a source tree: an installed one is found before
        import mitosis

        self.mitosis = mitosis
        try:
            mitosis.check(engine)
        except mitosis.MitosisError as error:
            return {"error": f"engine {engine}: {error.strerror}", "unavailable": True}
        return {}

    def prepare(self, engine, listen, label):
        import gc

        mitosis = self.mitosis
        self.function.begin(self.event)
        alive = threads()
        if len(alive) > 1:
            raise Wrong(f"{self.function.path}: {len(alive)} threads are alive "
                        f"({', '.join(alive)}): a process that is prepared has one")
        # Without this the first collection in a child would touch, and so fetch, every object.
        gc.collect()
        gc.freeze()
        self.channel.give_back()
        begin = time.monotonic_ns()
        try:
            snapshot = mitosis.prepare(engine=engine, listen=listen, label=label)
        except mitosis.MitosisError as error:
            self.channel.claim()
            raise Wrong(f"engine {engine}: {error.strerror}") from None
        end = time.monotonic_ns()
        if snapshot is None:
            self.child(end)
        self.channel.claim()
        info = snapshot.info()
        return {"begin": begin, "end": end, "reference": snapshot.reference, "pages": info.pages}

    def child(self, first):
        """In a child of the snapshot: call the function, answer, end."""
        self.channel.claim()

        def about_memory():
            stats = self.mitosis.stats()
            return {"faults": stats.faults, "fetched": stats.fetched_pages * stats.page_size}

        # A workflow's child reads from standard input which branch it is.
        self.answer_and_end(first, self.channel.get() if self.function.is_workflow else 0,
                            about_memory)

    def answer_and_end(self, first, branch, more=dict):
        status = 0
        try:
            event = self.function.branches[branch] if self.function.is_workflow else self.event
            begin = time.monotonic_ns()
            result = self.function.module.handler(event)
            answer = {"first": first, "begin": begin, "end": time.monotonic_ns(), **more(),
                      "rss": resident_bytes(), "result": digest(result, self.function.path),
                      "expected": self.expected[branch], "branch": branch,
                      "path": self.function.path}
        except BaseException as error:      # pylint: disable=broad-exception-caught
            answer = describe(error, self.function.path)
            status = 1
        self.channel.put(answer)
        sys.stdout.flush()
        os._exit(status)

    def fork(self):
        """A child of fork(2), or one for each branch at the same time; their answers come first."""
        self.function.begin(self.event)
        sys.stdout.flush()
        pids = []
        begin = time.monotonic_ns()
        for branch in range(len(self.expected)):
            pid = os.fork()
            if not pid:
                self.answer_and_end(time.monotonic_ns(), branch)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        return {"begin": begin, "forked": len(pids)}

    def release(self, reference):
        self.mitosis.release(reference)
        return {}

    def run(self):
        self.channel.claim()
        order = self.channel.get()
        todo = (self.cold, [order]) if order else None
        while todo:
            function, arguments = todo
            try:
                answer = function(*arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # pylint: disable=broad-exception-caught
                answer = describe(error, self.function.path)
            self.channel.put(answer)
            command = self.channel.get()
            todo = command and (getattr(self, command[0]), command[1:])


if __name__ == "__main__":
    _STATUS = 0
    if len(sys.argv) > 2:
        _STATUS = Worker(sys.argv[1]).answer_lines(sys.argv[2], sys.argv[3:])
    else:
        Worker(sys.argv[1]).run()
    sys.stdout.flush()
    os._exit(_STATUS)
