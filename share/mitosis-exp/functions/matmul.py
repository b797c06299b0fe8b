# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The product of two matrices of whole numbers, by NumPy.

Event: n (200).
"""
NEEDS = {"numpy": "python3-numpy"}

import numpy    # noqa: E402


def handler(event):
    n = event.get("n", 200)
    row = numpy.arange(n * n, dtype=float).reshape(n, n)
    # Small whole numbers: every order of adding them gives the same sum.
    product = numpy.matmul(row % 17 - 8, (row * 7).T % 13 - 6)
    return {"trace": float(product.trace()), "sum": float(product.sum()),
            "corner": float(product[-1, -1])}
