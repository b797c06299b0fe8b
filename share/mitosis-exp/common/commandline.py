# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What the command lines of the tools in Python have in common."""

import argparse
import os
import re
import sys

from problem import FAILED, USAGE, Problem, reason

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)?")     # as the tools in C
_FACTOR = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, None: 1, "s": 1, "m": 60, "h": 3600}


class Parser(argparse.ArgumentParser):
    """Errors and output in the way of all tools here."""

    tool = ""           # its name

    def error(self, message):
        raise Problem(f"{message}\nTry '{self.tool} --help' for more information.", USAGE)

    def _print_message(self, message, file=None):
        out(message)


def out(text):
    """To standard output; a full disk is an error, a reader that went away is not."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Problem(f"write error: {reason(error)}", FAILED) from error


def duration(text, what):
    """Seconds: 10s, 250ms, 2m; a bare number is seconds."""
    match = _DURATION.fullmatch(str(text))
    if not match:
        raise Problem(f"{what}: {text}: not a duration (such as 10s, 250ms, 2m)", USAGE)
    return float(match[1]) * _FACTOR[match[2]]
