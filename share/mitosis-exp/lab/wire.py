# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Frames on a byte stream: how the tool, the keeper of a lab and the agents in its guests talk.

A frame is a header (kind, channel, length) and a payload of at most FRAME_MAX bytes. A channel is
one command on one node; its number is chosen by whoever opens it with SPAWN. Then

    client                      agent
      SPAWN {argv, cwd, …}  ->
      STDIN bytes …         ->
      SIGNAL, WINSIZE       ->
                            <-  STDOUT bytes …, STDERR bytes …
                            <-  EXIT {status | signal | error}    (the last frame of the channel)

An empty STDIN, STDOUT or STDERR frame is the end of that stream. Each stream has a window: its
sender starts with WINDOW bytes of credit and gets more with CREDIT as the receiver disposes of
them. So a command that does not read its input holds up nobody else on the same wire, and what lies
in the keeper in between is bounded without its doing anything.

HANGUP from the client, or the loss of its connection, is the end of the command as well: hang-up
signal first, kill afterwards. LOST comes from the keeper instead of EXIT when the node died.
Channel 0 carries JSON objects: requests of a client (CALL), answers and news of the keeper (NEWS),
and the agent's first words (HELLO); a SIGNAL there is letters for the sysrq of the node's kernel.
"""

import json
import struct

(HELLO, CALL, NEWS, SPAWN, STDIN, STDOUT, STDERR, CREDIT, SIGNAL, WINSIZE, HANGUP, EXIT,
 LOST) = range(1, 14)

FRAME_MAX = 64 * 1024
WINDOW = 1024 * 1024

_HEADER = struct.Struct("<BxHI")
_CREDIT = struct.Struct("<BI")


class Broken(Exception):
    """The peer sent something that is no frame."""


def frame(kind, channel=0, payload=b""):
    return _HEADER.pack(kind, channel, len(payload)) + payload


def message(kind, channel=0, **fields):
    return frame(kind, channel, json.dumps(fields).encode())


def parse(payload):
    try:
        fields = json.loads(payload)
    except ValueError as error:
        raise Broken(f"bad message: {error}") from None
    if not isinstance(fields, dict):
        raise Broken("bad message: not an object")
    return fields


def credit(channel, stream, count):
    return frame(CREDIT, channel, _CREDIT.pack(stream, count))


def parse_credit(payload):
    try:
        return _CREDIT.unpack(payload)
    except struct.error:
        raise Broken("bad credit") from None


class Reader:
    """Cuts a stream of bytes into frames."""

    def __init__(self):
        self._data = bytearray()

    def feed(self, data):
        """Yield (kind, channel, payload) for each frame that DATA completes."""
        self._data += data
        at = 0
        while len(self._data) - at >= _HEADER.size:
            kind, channel, length = _HEADER.unpack_from(self._data, at)
            if not HELLO <= kind <= LOST or length > FRAME_MAX:
                raise Broken(f"no frame: kind {kind}, length {length}")
            end = at + _HEADER.size + length
            if end > len(self._data):
                break
            yield kind, channel, bytes(self._data[at + _HEADER.size:end])
            at = end
        del self._data[:at]


class Writer:
    """Bytes waiting for a descriptor that does not block."""

    CHUNK = 256 * 1024

    def __init__(self, fd, write):
        self.fd = fd
        self._write = write
        self._data = bytearray()

    def __len__(self):
        return len(self._data)

    def put(self, data):
        self._data += data

    def flush(self):
        """Write what goes without waiting; return how many bytes went."""
        done = 0
        try:
            while done < len(self._data):
                done += self._write(self.fd, self._data[done:done + self.CHUNK])
        except BlockingIOError:
            pass
        finally:
            del self._data[:done]
        return done
