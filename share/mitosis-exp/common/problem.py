# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The errors that end a tool: one line that names the object and the reason, and a status."""

import signal

FAILED = 1
USAGE = 2
MISSING = 77        # what is needed is not here: automake and autopkgtest read it as "skip"
OWN_FAILURE = 125   # of a tool that runs commands: the tool has failed, not the command


class Problem(Exception):
    otherwise = FAILED      # the status of a problem that is given none; mitosis-lab has another

    def __init__(self, text, status=None):
        super().__init__(text)
        self.status = self.otherwise if status is None else status


class Skip(Problem):
    """What was asked for cannot be done here, for a reason that is nobody's fault."""

    def __init__(self, text):
        super().__init__(text, MISSING)


class Interrupted(Exception):
    """The user wants out, now: a signal has said so. The text is the signal's name."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


def reason(error):
    """The words of an OSError, without its number."""
    return error.strerror or str(error)
