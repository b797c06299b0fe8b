# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What a terminal shows, for programs that type at it."""
import os
import re
import select
import sys
import time


def read_until(fd, pattern, seconds):
    """What is shown until this is in it: a match."""
    text, until = "", time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                text += os.read(fd, 4096).decode(errors="replace")
            except OSError:
                break
        found = re.search(pattern, text)
        if found:
            return found
    sys.exit(f"no '{pattern}': {text}")
