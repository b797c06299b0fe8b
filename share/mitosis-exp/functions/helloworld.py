# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A greeting: next to nothing, so that what is measured is the start.

Event: name (world).
"""


def handler(event):
    return f"hello, {event.get('name', 'world')}"
