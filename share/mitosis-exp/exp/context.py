# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What mitosis-exp, mitosis-plot and mitosis-function know of themselves."""

import os
import sys


class Context:
    def __init__(self, tool, version, here, share):
        self.tool = tool
        self.version = version
        self.tools = here           # the directory of all tools
        self.share = share
        # Absolute: a run may be continued in another directory.
        self.experiments = os.path.abspath(os.environ.get("MITOSIS_EXPERIMENTS")
                                           or os.path.join(share, "experiments"))
        self.published = os.path.join(share, "published")

    def say(self, text):
        sys.stderr.write(f"{self.tool}: {text}\n")
        sys.stderr.flush()
