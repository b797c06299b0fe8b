# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Handwritten-looking digits are told apart by a support-vector machine of scikit-learn.

The digits are drawn here from a font of 5 by 7 dots, moved about and soiled by a fixed rule; the
machine learns them when the file is loaded.

Event: count (20).
"""
NEEDS = {"sklearn": "python3-sklearn", "numpy": "python3-numpy"}

import numpy                    # noqa: E402
from sklearn.svm import SVC     # noqa: E402

FONT = (
    "01110 10001 10011 10101 11001 10001 01110", "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00010 00100 01000 11111", "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010", "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110", "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110", "01110 10001 10001 01111 00001 00010 01100")
SIDE = 12


def pictures(count, seed):
    """COUNT of each digit, and which digits they are."""
    random = numpy.random.RandomState(seed)
    glyphs = [numpy.array([[float(dot) for dot in row] for row in each.split()]) for each in FONT]
    found = random.normal(0, 0.2, (10 * count, SIDE, SIDE))
    digits = numpy.arange(10 * count) % 10
    for picture, digit in zip(found, digits):
        top, left = random.randint(2, 5), random.randint(2, 6)
        picture[top:top + 7, left:left + 5] += glyphs[digit] * random.uniform(0.7, 1.3)
    return found.reshape(len(found), -1), digits


_machine = SVC(gamma=0.02, C=10).fit(*pictures(40, 1))


def handler(event):
    samples, digits = pictures(max(1, event.get("count", 20) // 10), 2)
    found = _machine.predict(samples)
    return {"digits": found.tolist(), "right": int((found == digits).sum())}
