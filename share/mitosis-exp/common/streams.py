# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Standard streams that are closed when a tool starts."""

import os
import sys


def keep():
    """Give each closed standard stream a descriptor that fails as a closed one does.

    Otherwise the next file to be opened would get its number and be taken for it, and Python has no
    stream for it. Only standard error swallows what is written: there is nobody to tell.
    """
    for fd, name, way in ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY),
                          (2, "stderr", os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, way)
            setattr(sys, name, open(fd, "w" if fd else "r", encoding="utf-8", closefd=False))
