# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""`mitosis-exp run --dry-run`: a plan as text."""

import shlex


def text_of(plan, verbose):
    """A text for each experiment. VERBOSE: with what the launcher would execute."""
    return [_experiment(plan, each, verbose) for each in plan.experiments]


def _experiment(plan, experiment, verbose):
    points = plan.points(experiment)
    text = f"{experiment.name}: {experiment.title}, {len(points)} " \
           f"point{'s'[:len(points) != 1]}, launcher {plan.launcher.name}\n"
    for sync in experiment.syncs:
        targets = (f"{host}:{plan.launcher.place(path)}" for host, path in sync.targets)
        text += f"  copy {sync.source} to {' '.join(targets)}\n"
    text += _extra(plan, experiment, experiment.setup, "set-up", verbose)
    for point in points:
        text += f"  point {point.number}" + (f": {point.label}" if point.label else "") + "\n"
        text += _stages(plan, point.stages, verbose)
    return text + _extra(plan, experiment, experiment.cleanup, "clean-up", verbose)


def _extra(plan, experiment, passes, title, verbose):
    stages = plan.extra(experiment, passes)
    return f"  {title}\n{_stages(plan, stages, verbose)}" if stages else ""


def _stages(plan, stages, verbose):
    lines = []
    for number, stage in enumerate(stages):
        for command in stage.commands:
            made_of = command.made_of
            notes = [made_of.name]
            if made_of.ready:
                what = command.port and f"port {command.port}" or command.file \
                    and f"file {command.file}" or f"line {made_of.ready.line}"
                notes.append(f"ready at {what}")
            if made_of.background:
                notes.append("stopped at the end")
            where = f" in {command.path}" if command.path else ""
            lines.append(f"    {number} {command.host}: {command.cmd}{where}"
                         f"   # {', '.join(notes)}\n")
            if verbose:
                launcher = plan.local if made_of.local else plan.launcher
                script = launcher.guarded(command, command.cmd, 1)
                lines.append(f"      {shlex.join(launcher.argv(command.host, script))}\n")
    return "".join(lines)
