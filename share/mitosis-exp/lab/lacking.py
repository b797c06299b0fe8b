# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What this host lacks for a lab, told all at once."""

from problem import MISSING, Problem


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
