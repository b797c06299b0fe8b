# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that end the tool: one line that names the object and the reason, and a status."""

FAILED = 125        # the lab failed, not the command in it
USAGE = 2
MISSING = 77        # this host lacks what is needed: automake and autopkgtest read it as "skip"


class Problem(Exception):
    def __init__(self, text, status=FAILED):
        super().__init__(text)
        self.status = status


def missing(what, package):
    """What this host lacks, and the Debian package that brings it."""
    return Problem(f"{what} is missing (Debian package: {package})", MISSING)


def reason(error):
    """The words of an OSError, without its number."""
    return error.strerror or str(error)
