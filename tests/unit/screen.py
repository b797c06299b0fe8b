#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""screen.py COLUMNS COMMAND...: run it on a terminal of its own, with standard output and error, and
print what the screen shows in the end, scrolled lines included.

After a line of dashes comes each state in which the line of the cursor was seen: bars that are gone in
the end. The exit status is the command's.
"""

import fcntl
import os
import pty
import re
import struct
import sys
import termios

TOKEN = re.compile(r"\x1b\[\d*(?:;\d*)*([A-Za-z])|(.)", re.DOTALL)


class Screen:
    def __init__(self, width):
        self.width = width
        self.lines = [""]
        self.row = self.column = 0
        self.states = []

    def put(self, char):
        if self.column == self.width:
            self.feed()
            self.column = 0
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + char + line[self.column + 1:]
        self.column += 1

    def feed(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def write(self, text):
        for token in TOKEN.finditer(text):
            if token[1] == "K":
                self.note()
                self.lines[self.row] = self.lines[self.row][:self.column]
            elif token[2] == "\r":
                self.column = 0
            elif token[2] == "\n":
                self.feed()
            elif token[2]:
                self.put(token[2])

    def note(self):
        text = self.lines[self.row]
        if text and text not in self.states[-1:]:
            self.states.append(text)


def main():
    width = int(sys.argv[1])
    pid, master = pty.fork()
    if not pid:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, width, 0, 0))
        os.execvp(sys.argv[2], sys.argv[2:])
    said = b""
    while True:
        try:
            some = os.read(master, 65536)
        except OSError:         # nobody has the terminal open any more
            break
        if not some:
            break
        said += some
    screen = Screen(width)
    screen.write(said.decode(errors="replace"))
    print("\n".join([*screen.lines, "-----", *screen.states]))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
