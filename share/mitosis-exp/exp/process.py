# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A process that holds a function, a worker or a child: messages to it and from it, and its end.

A message is its length, 4 bytes, little-endian, and a value in the format of the module marshal.
"""

import marshal
import signal
import subprocess
import time

from problem import Problem, reason

GRACE = 5           # seconds for a process to end that was told to


class Process:
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
            raise self.foreign()
        data = self.read(size) if head else None
        if data is None:
            raise Problem(f"{self.name}: {self.ended()}")
        try:
            return marshal.loads(data)
        except (ValueError, EOFError, TypeError):
            raise self.foreign() from None

    def foreign(self):
        return Problem(f"{self.name}: its output is not that of a mitosis-function --serve of this "
                       "version")

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
