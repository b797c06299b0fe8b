#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""session.py CHILD PATIENCE PARENT...: a parent on one terminal, and children on another, started as a shell does.

The children find the terminal in the modes that the parent had set; once they have ended, or been killed, or while
they are stopped, it is as it was before. 0: all is so.
"""
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time

import screen

child_tool, patience, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]


def read_until(fd, pattern):
    return screen.read_until(fd, pattern, 20 * patience)[0]


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def demand(what, condition):
    if not condition:
        sys.exit(f"not true: {what}")


def start(ref, *, foreground=True, options=()):
    """As a shell starts a job: in a group of its own, which has the terminal."""
    gate = os.pipe()
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        os.read(gate[0], 1)
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(child_tool, [child_tool, *options, ref])
    os.setpgid(pid, pid)
    if foreground:
        os.tcsetpgrp(0, pid)
    os.write(gate[1], b"x")
    for fd in gate:
        os.close(fd)
    return pid


def end(pid):
    _, status = os.waitpid(pid, 0)
    os.tcsetpgrp(0, os.getpid())
    return status


def await_modes(wanted, what):
    until = time.monotonic() + 20 * patience
    while termios.tcgetattr(0) != wanted if wanted else termios.tcgetattr(0)[3] & termios.ICANON:
        demand(what, time.monotonic() < until)
        time.sleep(0.01)


def shell(ref):
    """The session on the second terminal; its end is what it says last."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    before = termios.tcgetattr(0)
    demand("the terminal is cooked", before[3] & termios.ICANON and before[3] & termios.ECHO)

    demand("a child finds its terminal", end(start(ref)) == 0)
    demand("it is given back", termios.tcgetattr(0) == before)

    open("stay", "w").close()
    pid = start(ref)
    await_modes(None, "the child's modes")
    os.kill(pid, signal.SIGTSTP)
    _, status = os.waitpid(pid, os.WUNTRACED)
    demand("it is stopped", os.WIFSTOPPED(status))
    demand("it is given back while the child is stopped", termios.tcgetattr(0) == before)
    os.tcsetpgrp(0, pid)
    os.kill(pid, signal.SIGCONT)
    await_modes(None, "the child's modes, again")
    os.kill(pid, signal.SIGTERM)
    demand("it is killed", os.WIFSIGNALED(end(pid)))
    demand("it is given back after that", termios.tcgetattr(0) == before)

    pid = start(ref, foreground=False)
    time.sleep(0.5)
    demand("in the background nothing is changed", termios.tcgetattr(0) == before)
    os.kill(pid, signal.SIGKILL)
    end(pid)
    os.unlink("stay")

    demand("what fails changes nothing", end(start(ref, options=["--inherit-fd", "77=2"])) != 0)
    demand("it is as it was", termios.tcgetattr(0) == before)
    print("all is well", flush=True)


parent, parent_terminal = pty.fork()
if not parent:
    resize(0, 24, 80)
    os.execv(command[0], command)
ref = read_until(parent_terminal, r"mitosis://[0-9a-zA-Z.:\[\]]*/[0-9a-f-]{36}")
session, terminal = pty.fork()
if not session:
    resize(0, 40, 100)
    try:
        shell(ref)
    except SystemExit as problem:
        print(f"problem: {problem}", flush=True)
    os._exit(0)
said = read_until(terminal, r"(problem: .*|all is well)")
os.kill(parent, signal.SIGKILL)
os.waitpid(parent, 0)
os.waitpid(session, 0)
sys.exit(0 if said == "all is well" else said)
