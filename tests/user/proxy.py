# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Stands between a child and a shadow, and misbehaves.

usage: proxy.py [--set FIELD=VALUE]... [--fields FILE] [--at N ACTION] REFERENCE

Prints the reference that leads through it. Client to shadow is copied as it is. Of what the shadow
sends, the descriptor's fields may be set (FIELD as `helper fields` names it; +N after the name is
an offset in bytes), and at the Nth frame (0: the descriptor) the ACTION is done:

  stop          nothing more is sent, the connection stays
  half          half of the frame is sent, then nothing more
  close         the connection is closed in the middle of the frame
  reset         the same, by RST
  shutdown      the sending half is closed before the frame
  type length address pages reserved   that header field is wrong
  error         an ERROR frame with control characters comes instead
  slow          sends this frame and the next two byte by byte at first
"""
import argparse
import select
import socket
import struct
import sys
import threading
import time

FRAME = struct.Struct("<HHIQII")
DESCRIPTOR, DATA, ERROR = 2, 6, 8


def read_exactly(s, n):
    data = bytearray()
    while len(data) < n:
        piece = s.recv(min(n - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return data


def copy(a, b, done):
    """Polls, since a thread that sleeps in recv() would keep a closed socket alive."""
    poll = select.poll()
    poll.register(a, select.POLLIN)
    try:
        while not done.is_set():
            if not poll.poll(20):
                continue
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
        if not done.is_set():
            b.shutdown(socket.SHUT_RDWR)
    except (OSError, ValueError):
        pass


def wait_for_end(s):
    """The peer's end of the connection goes away."""
    poll = select.poll()
    poll.register(s, select.POLLRDHUP)
    poll.poll()


def misbehave(action, client, header, payload):
    """Returns False when the connection is over."""
    kind, reserved, length, address, pages, tag = FRAME.unpack(header)
    whole = bytes(header) + bytes(payload)
    if action == "stop":
        wait_for_end(client)
        return False
    if action == "half":
        client.sendall(whole[:len(whole) // 2])
        wait_for_end(client)
        return False
    if action == "close":
        client.sendall(whole[:len(whole) // 2])
        return False
    if action == "reset":
        client.sendall(whole[:len(whole) // 2])
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    if action == "shutdown":
        client.shutdown(socket.SHUT_WR)
        wait_for_end(client)
        return False
    if action == "slow":
        for i in range(min(len(whole), 300)):
            client.sendall(whole[i:i + 1])
            time.sleep(0.001)
        client.sendall(whole[300:])
        return True
    if action == "type":
        kind = 99
    elif action == "length":
        length = 0xfffffff0
    elif action == "address":
        address += 4096
    elif action == "pages":
        pages = 0xffffffff
    elif action == "reserved":
        reserved = 1
    elif action == "error":
        text = b"a reason\x1b[31m\n"
        client.sendall(FRAME.pack(ERROR, 0, len(text), 0, 0, 0) + text)
        return False
    client.sendall(FRAME.pack(kind, reserved, length, address, pages, tag) + payload)
    return True


def serve(client, args, host, port, fields):
    shadow = socket.create_connection((host, port))
    done = threading.Event()
    copier = threading.Thread(target=copy, args=(client, shadow, done), daemon=True)
    copier.start()
    number = 0
    try:
        while True:
            header = read_exactly(shadow, FRAME.size)
            kind, _, length, _, pages, _ = FRAME.unpack(header)
            payload = read_exactly(shadow, length)
            if kind == DESCRIPTOR:
                # It stands for another host: nothing is said of the shadow's local socket.
                header = FRAME.pack(kind, 0, length, 0, pages, FRAME.unpack(header)[5])
                for name, value in fields:
                    struct.pack_into(value[0], payload, name, value[1])
                payload += read_exactly(shadow, pages * 4096)
            first = int(args.at[0]) if args.at else -1
            if number == first or (args.at and args.at[1] == "slow" and first <= number < first + 3):
                if not misbehave(args.at[1], client, header, payload):
                    break
            else:
                client.sendall(header + payload)
            number += 1
    except (EOFError, OSError):
        pass
    done.set()
    copier.join()
    client.close()
    shadow.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--fields")
    parser.add_argument("--at", nargs=2)
    parser.add_argument("reference")
    args = parser.parse_args()
    known = {}
    if args.fields:
        with open(args.fields, encoding="ascii") as f:
            for line in f:
                name, offset, size = line.split()
                known[name] = (int(offset), int(size))
    fields = []
    for setting in args.set:
        name, value = setting.split("=")
        name, _, extra = name.partition("+")
        offset, size = known["descriptor." + name]
        if extra:
            size = 4
        fields.append((offset + int(extra or 0), ({2: "<H", 4: "<I", 8: "<Q"}[size], int(value, 0))))
    address, uuid = args.reference[len("mitosis://"):].split("/")
    host, port = address.rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"mitosis://127.0.0.1:{listener.getsockname()[1]}/{uuid}", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, args, host, int(port), fields), daemon=True).start()


main()
