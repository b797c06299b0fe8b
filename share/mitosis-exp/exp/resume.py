# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""`mitosis-exp run --resume`: what a run remembers of its command line, and taking it up again."""

import os
import socket

import launchers
import results
from problem import USAGE, Problem, reason

REMEMBERED = ("launcher", "lab", "lab_option", "hosts", "set", "quick", "exclude", "limit",
              "project", "experiments")


def asked(args, context, names):
    """What the directory of a new run says of it."""
    return {"version": context.version, "cwd": os.getcwd(), "started": results.now(),
            "coordinator": socket.gethostname(), "kernel": os.uname().release, "names": names,
            "asked": {name: getattr(args, name) for name in REMEMBERED}}


def take_up(args, context):
    """The run that --resume names. ARGS become those of then, and our directory the one of then."""
    given = [name for name in (*REMEMBERED, "output") if getattr(args, name)]
    if "experiments" in given:
        raise Problem("--resume: the run knows its experiments itself", USAGE)
    others = [name for name in given if name != "project"]
    if others:
        raise Problem(f"--resume: --{others[0].replace('_', '-')}: the run keeps the options that "
                      "it was begun with (but --project)", USAGE)
    old = results.Run.open(args.resume)
    project = args.project
    for name in REMEMBERED:
        setattr(args, name, old.asked["asked"][name])
    from_here = launchers.chosen(args).from_here
    if project:
        args.project = os.path.abspath(project) if from_here else project
    begun_in = old.asked["cwd"]
    if begun_in == os.getcwd():
        return old
    args.resume = old.path = os.path.abspath(args.resume)
    try:
        os.chdir(begun_in)
    except OSError as error:
        if from_here and not os.path.isabs(args.project or ""):
            raise Problem(f"--resume: the run was begun in {begun_in}: {reason(error)}; "
                          "--project DIR names another directory for its passes", USAGE) from None
    else:
        context.say(f"the run goes on in {begun_in}")
    return old
