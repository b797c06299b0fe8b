# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Finds in a guest's console what a kernel says when it has found a bug in itself."""

import re

# Only what bears the kernel's time stamp (printk.time=1) counts: a program cannot cause alarm.
_STAMP = re.compile(rb"^\[\s*\d+\.\d{6}\](?:\[[^\]]*\])? ")
_SIGNS = re.compile(
    rb"Kernel panic - not syncing"
    rb"|BUG: "                              # KASAN, null pointers, soft lockups, page state …
    rb"|kernel BUG at "
    rb"|(?:Oops|general protection fault|divide error|stack segment|double fault)\b.*"
    rb"(?:\[#\d+\]|: [0-9a-f]{4} )"
    rb"|WARNING: "                          # WARN(), lockdep, RCU
    rb"|UBSAN: "
    rb"|INFO: task .* blocked for more than"
    rb"|INFO: trying to register non-static key"
    rb"|rcu: INFO: .* stall"
    rb"|kmemleak: \d+ new suspected memory leaks"
    rb"|unregister_netdevice: waiting for")
_PANIC = b"Kernel panic - not syncing"
_END = re.compile(rb"---\[ end |^={30,}$")
_LINES = 120                                # of one report; lockdep's are the longest


class Report:
    def __init__(self, title):
        self.title = title
        self.lines = []
        self.panic = _PANIC in title

    @property
    def text(self):
        return b"\n".join(self.lines).decode(errors="replace")


class Scanner:
    """Reads a console line by line; `reports` grows. What follows on a report within the same
    trace belongs to it."""

    def __init__(self):
        self.reports = []
        self._open = None
        self._rest = b""

    def feed(self, data):
        """Take what the console said; True if a report has begun."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        begun = False
        for line in lines:
            begun |= self._line(line.rstrip(b"\r"))
        return begun

    def _line(self, line):
        stamp = _STAMP.match(line)
        text = line[stamp.end():] if stamp else b""
        begun = False
        if _SIGNS.match(text) and (self._open is None or _PANIC in text):
            if self._open is None:
                self._open = Report(text)
                self.reports.append(self._open)
                begun = True
            elif not self._open.panic:      # an oops that ends in a panic is one report
                self._open.panic = True
                begun = True
        if self._open:
            self._open.lines.append(line)
            body = len(self._open.lines) > 3
            if (body and _END.search(text)) or len(self._open.lines) >= _LINES:
                self._open = None
        return begun
