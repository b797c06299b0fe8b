# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that end a tool: one line that names the object and the reason, and a status."""

import os

FAILED = 1
USAGE = 2
MISSING = 77        # what is needed is not here: automake and autopkgtest read it as "skip"


class Problem(Exception):
    def __init__(self, text, status=FAILED):
        super().__init__(text)
        self.status = status


class Skip(Problem):
    """What was asked for cannot be done here, for a reason that is nobody's fault."""

    def __init__(self, text):
        super().__init__(text, MISSING)


class Interrupted(Exception):
    """The user wants out."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def reason(error):
    return os.strerror(error.errno) if error.errno else str(error)
