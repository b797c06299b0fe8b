# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The labs of this user: each is known by an abstract socket, which ends with its keeper.

Its name is mitosis-lab/UID/NAME. An abstract socket is open to everyone on the host; the keeper
serves its own user only.
"""

import os
import re
import socket
import time

import wire
from problem import USAGE, Problem, reason

DEFAULT = "default"
NODES_MAX = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")


def check_name(name):
    if not _NAME.fullmatch(name):
        raise Problem(f"{name}: not a name: letters, digits, '.', '_' and '-'", USAGE)
    return name


def _prefix():
    return f"mitosis-lab/{os.getuid()}/"


def listen(name):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(f"\0{_prefix()}{name}".encode())
    except OSError:
        raise Problem(f"{name}: this lab is up already (see mitosis-lab status)") from None
    sock.listen()
    return sock


def names():
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        found = re.findall(rf" @{re.escape(_prefix())}(\S+)$", file.read(), re.MULTILINE)
    return sorted(set(found))


def choose(name=None):
    """The lab that is meant: by name, by MITOSIS_LAB_NAME, or the only one."""
    name = name or os.environ.get("MITOSIS_LAB_NAME")
    if name:
        return check_name(name)
    found = names()
    if len(found) == 1:
        return found[0]
    if DEFAULT in found:
        return DEFAULT
    if found:
        raise Problem(f"which lab? Say --name: {', '.join(found)}")
    raise Problem("no lab is up (mitosis-lab up starts one)")


def connect(name):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(f"\0{_prefix()}{name}".encode())
    except ConnectionRefusedError:
        raise Problem(f"{name}: no such lab is up") from None
    return Connection(sock)


class Connection:
    """A client's end of the talk with a keeper."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.setblocking(False)
        self.reader = wire.Reader()
        self.writer = wire.Writer(sock.fileno(), lambda _, data: sock.send(data))
        self._waiting = []          # frames read while a call waited for its answer

    def fileno(self):
        return self.sock.fileno()

    def send(self, data):
        self.writer.put(data)
        self.flush()

    def flush(self):
        try:
            self.writer.flush()
        except OSError:             # the end is noticed where it is read
            pass

    def frames(self):
        """What has come: (kind, channel, payload); an error if the lab has ended."""
        ready, self._waiting = self._waiting, []
        return ready + self._receive()

    def _receive(self):
        try:
            data = self.sock.recv(1024 * 1024)
        except BlockingIOError:
            return []
        except OSError as error:
            raise Problem(f"lab: {reason(error)}") from None
        if not data:
            raise Problem("the lab has ended")
        try:
            return list(self.reader.feed(data))
        except wire.Broken as error:
            raise Problem(f"lab: {error}") from None

    def put_back(self, frames):
        self._waiting = frames + self._waiting

    def pending(self):
        return bool(self._waiting)

    def call(self, what, sink=None, **arguments):
        """Ask the keeper something; return the answer. SINK takes what comes as bytes."""
        self.send(wire.message(wire.CALL, 0, call=what, **arguments))
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            self.sock.settimeout(max(0.1, limit - time.monotonic()))
            try:
                self.writer.flush()
                frames = self._receive()
            except TimeoutError:
                break
            finally:
                self.sock.setblocking(False)
            answer = None
            for kind, channel, payload in frames:
                fields = wire.parse(payload) if kind == wire.NEWS else {}
                if fields.get("event") == "failed":
                    raise Problem(fields["text"], fields["status"])
                if fields.get("answer") == what:
                    answer = fields
                elif kind == wire.STDOUT and channel == 0:
                    if sink:
                        sink(payload)
                else:
                    self._waiting.append((kind, channel, payload))
            if answer is not None:
                if answer.get("error"):
                    raise Problem(answer["error"])
                return answer
        raise Problem("the lab does not answer")
