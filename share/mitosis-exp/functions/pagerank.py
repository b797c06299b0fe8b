# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The weights of pages that link to each other, by igraph.

The links are made by a fixed rule: each page links to earlier ones, mostly to early ones.

Event: pages (1000), links (5).
"""
NEEDS = {"igraph": "python3-igraph"}

import igraph   # noqa: E402


def make_input(event):
    links = []
    state = 1
    for page in range(1, event.get("pages", 1000)):
        for _ in range(min(event.get("links", 5), page)):
            state = (state * 48271) % 0x7fffffff
            links.append((page, int((state / 0x7fffffff) ** 2 * page)))
    return links


def handler(event):
    rank = igraph.Graph(event["input"], directed=True).pagerank()
    best = sorted(range(len(rank)), key=lambda page: (-round(rank[page], 9), page))[:5]
    return {"best": best, "weights": [round(rank[page], 9) for page in best],
            "sum": round(sum(rank), 6)}
