#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""shell.py PARENT-TOOL CHILD-TOOL PATIENCE: a shell at its prompt, and a child of it on another terminal.

What the child starts there has the terminal, and Ctrl-C ends it, not the shell. 0: all is so.
"""
import os
import pty
import re
import signal
import subprocess
import sys
import time

import screen

parent_tool, child_tool, patience = sys.argv[1], sys.argv[2], float(sys.argv[3])


def read_until(fd, pattern):
    return screen.read_until(fd, pattern, 20 * patience)


def bash():
    pid, fd = pty.fork()
    if not pid:
        os.environ["PS1"] = "READY> "
        os.environ["HISTFILE"] = "/dev/null"
        os.execvp("bash", ["bash", "--norc", "-i"])
    read_until(fd, "READY> ")
    return pid, fd


def await_foreground(fd, name):
    """Until the program of this name has the terminal."""
    until = time.monotonic() + 20 * patience
    while time.monotonic() < until:
        try:
            with open(f"/proc/{os.tcgetpgrp(fd)}/comm", encoding="utf-8") as comm:
                if comm.read().strip() == name:
                    return
        except OSError:
            pass
        time.sleep(0.01)
    sys.exit(f"{name} has not got the terminal")


def fields(pid):
    """Name, state and parent of a process."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        text = stat.read()
    state, ppid = text[text.rindex(")") + 2:].split()[:2]
    return text[text.index("(") + 1:text.rindex(")")], state, int(ppid)


def supervisor(child):
    pid = fields(child)[2]
    while fields(pid)[0] == "mitosis-init":
        pid = fields(pid)[2]
    return pid


def await_state(pid, state):
    until = time.monotonic() + 20 * patience
    while fields(pid)[1] != state:
        if time.monotonic() > until:
            sys.exit(f"process {pid} is not in state {state}")
        time.sleep(0.01)


def say(fd, line, pattern):
    os.write(fd, line.encode())
    return read_until(fd, pattern)


def reference(pid):
    taken = subprocess.run([parent_tool, "--pid", str(pid)], capture_output=True, text=True)
    found = re.search(r"mitosis://\S+", taken.stdout)
    return found or sys.exit(f"no reference: {taken.stderr}")


parent, parent_terminal = bash()
ref = reference(parent)
launcher, terminal = bash()
say(terminal, f"{child_tool} -q {ref[0]}\n", "\n")
# What is said before it runs waits in the terminal.
say(terminal, f"echo number=$$\n", rf"number={parent}\b")
for _ in range(2):
    say(terminal, "echo begin=$((40+2)); sleep 1000\n", "begin=42")
    await_foreground(terminal, "sleep")
    say(terminal, "\x03", "READY> ")
    say(terminal, "echo alive=$((40+3))\n", "alive=43")
say(terminal, "sleep 1000\n", "sleep 1000")
await_foreground(terminal, "sleep")
say(terminal, "\x1a", r"\[1\]\+ +Stopped")
say(terminal, "kill %1; wait -f %1; echo gone=$((40+4))\n", "gone=44")
say(terminal, "exit\n", "READY> ")
say(terminal, "echo back=$$; stty -a\n", rf"(?s)back={launcher}\b.*[^-]icanon.*[^-]echo ")
# A job: in the background, and in the foreground again, where Ctrl-C is for it.
os.write(parent_terminal, b"sleep 1000\n")
await_foreground(parent_terminal, "sleep")
ref = reference(os.tcgetpgrp(parent_terminal))
os.write(terminal, f"{child_tool} -q {ref[0]}\n".encode())
await_foreground(terminal, "sleep")
above = supervisor(os.tcgetpgrp(terminal))
say(terminal, "\x1a", r"\[1\]\+ +Stopped")
say(terminal, "bg; echo on=$((40+5))\n", "on=45")
await_state(above, "S")
os.write(terminal, b"fg\n")
await_foreground(terminal, "mitosis-child")
say(terminal, "\x03", "READY> ")
# And a script around it ends by Ctrl-C with it.
os.write(terminal, f"bash -c 'while :; do {child_tool} -q {ref[0]}; done'\n".encode())
await_foreground(terminal, "sleep")
say(terminal, "\x03", "READY> ")
say(terminal, "echo last=$((40+6))\n", "last=46")
for pid in parent, launcher:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
