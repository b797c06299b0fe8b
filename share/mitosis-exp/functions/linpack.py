# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A system of linear equations is solved, by NumPy's LAPACK.

Event: n (150).
"""
NEEDS = {"numpy": "python3-numpy"}

import numpy    # noqa: E402


def handler(event):
    n = event.get("n", 150)
    system = numpy.random.RandomState(1).uniform(-1, 1, (n, n)) + n * numpy.eye(n)
    wanted = numpy.arange(1, n + 1, dtype=float)
    found = numpy.linalg.solve(system, system @ wanted)
    return {"n": n, "error": float(abs(found - wanted).max()) < 1e-6,
            "found": [round(float(each), 6) for each in found[:4]]}
