# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What is shown on standard error while something runs."""

import shutil
import sys


class Progress:
    """One line that changes, if standard error is a terminal; else nothing.

    Verbose: a line for each step instead, and what commands print.
    """

    def __init__(self, say, verbose=False):
        self.say = say
        self.verbose = verbose
        self.live = sys.stderr.isatty() and not verbose
        self.muted = set()          # hosts whose commands' lines are not shown
        self.shown = False

    def show(self, text):
        if self.live:
            width = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\033[K{text[:width - 1]}")
            sys.stderr.flush()
            self.shown = True
        elif self.verbose:
            self.say(text)

    def clear(self):
        if self.shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self.shown = False

    def line(self, host, line):
        if self.verbose and host not in self.muted:
            sys.stderr.write(f"@{host} {line}\n")
