# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The signals by which a user ends a tool."""

import signal

from problem import Interrupted

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Signals:
    """The first signal raises Interrupted, wherever the tool is. One that comes while things are
    being stopped only makes that quicker."""

    def __init__(self):
        self.stopping = None        # what is being stopped: its `hurry` is set
        for number in ENDING:
            # What was ignored when we were started stays so (nohup).
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.caught)

    def caught(self, number, _):
        if self.stopping is not None:
            self.stopping.hurry = True
        else:
            raise Interrupted(number)
