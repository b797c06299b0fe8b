# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that end the tool: one line that names the object and the reason, and a status."""

FAILED = 125        # the lab failed, not the command in it
USAGE = 2
MISSING = 77        # this host lacks what is needed: automake and autopkgtest read it as "skip"


class Problem(Exception):
    def __init__(self, text, status=FAILED):
        super().__init__(text)
        self.status = status


class Missing(Problem):
    """What this host lacks, and the Debian package that brings it; in words, if that takes words."""

    def __init__(self, what, package, words=None, many=False):
        super().__init__(f"{what} {'are' if many else 'is'} missing (Debian package: "
                         f"{words or package})", MISSING)
        self.what = what
        self.package = package


class Lacking:
    """What is missing of all that is asked for: it is told at once."""

    def __init__(self):
        self.problems = {}          # by their text: a thing may be asked for more than once

    def ask(self, question, *args):
        """The answer, or None if something is missing."""
        try:
            return question(*args)
        except Problem as problem:
            if problem.status != MISSING:
                raise
            self.problems.setdefault(str(problem), problem)
            return None

    def tell(self):
        if self.problems:
            raise Problem("; ".join(self.problems), MISSING)

    @property
    def packages(self):
        return list(dict.fromkeys(problem.package for problem in self.problems.values()
                                  if isinstance(problem, Missing)))


def reason(error):
    """The words of an OSError, without its number."""
    return error.strerror or str(error)
