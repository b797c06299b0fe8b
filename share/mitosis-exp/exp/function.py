# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""mitosis-function: what a function costs in a new interpreter, in a live one, and in children.

A function is a file with handler(event). This is the command line; measurement.py does the work.
"""

import argparse
import json
import os
import signal

import commandline
import handlers
import listening
import reference
import streams
import workers
import writer
from context import Context
from measurement import PHASES, Measurement
from problem import MISSING, USAGE, Interrupted, Problem, Skip
from samples import COLUMNS
from signals import Signals

TOOL = "mitosis-function"
ENGINES = ("user", "kernel")
USUAL = ("cold", "warm", "prepare", "child", "fork")


class Parser(commandline.Parser):
    tool = TOOL


def build_parser(version):
    parser = Parser(prog=TOOL, allow_abbrev=False, usage=f"{TOOL} [OPTIONS] NAME|FILE",
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    description="Measures a function: a file with handler(event), of Python, or of node "
                                "(.js) or Java\n(.java). One record per phase and repetition.",
                    epilog=writer.describe(COLUMNS) + "\nExamples:\n"
                           f"  {TOOL} image --phase cold,child,replay | "
                           "mitosis-stats --baseline phase=cold --columns total_ns\n"
                           f"  {TOOL} my.py --event '{{\"n\": 3}}'\n"
                           f"  node1$ {TOOL} json --serve --listen 10.0.0.1\n"
                           f"  node2$ {TOOL} json --phase cold,child --from mitosis://10.0.0.1:...\n"
                           "\nExit status:\n  0; 1 failed; 2 wrong usage; 77 a library that the "
                           "function needs, the engine,\n  or memory on demand for phase replay, is not "
                           f"here\n\nSee {TOOL}(1).")
    add = parser.add_argument
    add("--phase", metavar="PHASE[,PHASE...]",
        help=f"{', '.join(PHASES)} ({','.join(USUAL)})")
    add("-e", "--engine", metavar="ENGINE[,ENGINE]", help="user, kernel (user)")
    add("-r", "--replay", action="store_true",
        help="also phase replay: a first child records what it touches, and only that is fetched "
             "before it is touched")
    add("-n", "--count", metavar="N", default="5", help="repetitions (5)")
    add("--warmup", metavar="N", default="1",
        help="repetitions before them that are not recorded (1)")
    add("--event", metavar="JSON", default="{}", help="what the function is called with ({})")
    add("-c", "--container", metavar="TEMPLATE",
        help="children run in lean containers of this template")
    add("-m", "--mode", choices=("demand", "eager"),
        help="how children get their memory (demand where it is possible)")
    add("-w", "--window", metavar="PAGES", help="pages fetched per fault (32)")
    add("--no-push", action="store_true", help="no background fetching")
    add("--no-compare", action="store_true",
        help="children may come to other results than the parent")
    add("--serve", action="store_true",
        help="be the parent: print a reference per engine, until a signal")
    add("-l", "--listen", metavar="ADDRESS[:PORT]",
        help="where children find the parent (this host only)")
    add("--from", metavar="REF", dest="reference",
        help="children of this snapshot, which another %(prog)s serves; - reads it from standard "
             "input")
    add("--answer", action="store_true",
        help="measure nothing: call the function for each line of standard input, and write a line "
             "when it is done")
    add("--list", action="store_true", help="show the functions that come with the package")
    add("-j", "--json", action="store_true", help="write JSON Lines")
    add("--header", action="store_true",
        help="--json: first an object with the key meta: tool, version, host, kernel, engine, args")
    add("-V", "--version", action="version", version=f"{TOOL} (mitosis-exp {version})")
    add("name", nargs="?", metavar="NAME|FILE", help=argparse.SUPPRESS)
    return parser


def listed(option, text, known):
    found = [part.strip() for part in text.split(",") if part.strip()]
    for each in found:
        if each not in known:
            raise Problem(f"{option}: {each}: not known (there are: {', '.join(known)})", USAGE)
    if not found:
        raise Problem(f"{option}: an empty list", USAGE)
    return [each for each in known if each in found]


def number(option, text, low, high):
    if not text.isdigit() or not low <= int(text) <= high:
        raise Problem(f"{option}: {text}: expected a number from {low} to {high}", USAGE)
    return int(text)


def check(args, function):
    """What does not go together, and numbers for texts."""
    usual = [each for each in USUAL if each != "fork" or not function.language]
    phases = listed("--phase", args.phase or ",".join(usual), PHASES)
    if function.language:
        for option, given in (("--phase: fork", "fork" in phases), ("--answer", args.answer),
                              ("--container", args.container)):
            if given:
                raise Problem(f"{option}: not for functions of {function.language.name}", USAGE)
    if args.replay and "replay" not in phases:
        phases = [each for each in PHASES if each in (*phases, "replay")]
    engines = listed("--engine", args.engine or "user", ENGINES)
    args.count = number("--count", args.count, 1, 1000000)
    args.warmup = number("--warmup", args.warmup, 0, 1000000)
    if args.window is not None:
        number("--window", args.window, 0, 1024)
    try:
        args.event = json.loads(args.event)
    except ValueError as error:
        raise Problem(f"--event: {args.event}: not JSON: {error}", USAGE) from None
    if args.serve and (args.reference or args.phase or args.replay or args.container):
        raise Problem("--serve: makes a parent and measures nothing: not with --from, --phase, "
                      "--replay, --container", USAGE)
    if args.answer and (args.serve or args.reference or args.phase or args.replay or args.container):
        raise Problem("--answer: measures nothing: not with --serve, --from, --phase, --replay, "
                      "--container", USAGE)
    if args.listen and not args.serve:
        raise Problem("--listen: only with --serve", USAGE)
    if args.listen:
        listening.check(args.listen)
    if args.reference and not {"child", "replay"} & set(phases):
        raise Problem("--from: neither phase child nor replay is asked for", USAGE)
    if "replay" in phases and args.mode == "eager":
        raise Problem("--replay: contradicts --mode eager, which fetches everything anyway", USAGE)
    if "transfer" in phases and not function.is_workflow:
        raise Problem(f"--phase: transfer: {function.name} is not a workflow", USAGE)
    if "replay" in phases and args.container and function.is_workflow:
        raise Problem("--replay: not for a workflow in containers", USAGE)
    return phases, engines


def become_answerer(args, context, function):
    """Does not return: there shall be no process but the one that holds the function."""
    argv = [*workers.command(context, function), json.dumps(args.event), *function.beside]
    os.execve(argv[0], argv, {**os.environ, **workers.ONE_THREAD})


def measure(measurement, engines, phases, context):
    """With each engine; the exit status."""
    left_out = False
    for engine in engines:
        try:
            measurement.measure(engine, phases)
        except Problem as problem:
            # One engine is not here, and the others are measured all the same.
            if problem.status != MISSING or len(engines) == 1 or isinstance(problem, Skip):
                raise
            left_out = True
            measurement.stop()
            context.say(f"warning: {problem}: left out")
    return MISSING if left_out and not measurement.samples.out.begun else 0


def work(args, context, argv, signals):
    if args.list:
        handlers.show(context.share, args.json)
        return 0
    if args.name is None:
        raise Problem(f"no NAME or FILE given\nTry '{TOOL} --help' for more information.", USAGE)
    function = handlers.find(args.name, context.share)
    phases, engines = check(args, function)
    for module in function.missing():
        raise Skip(function.lacks(module))
    if args.answer:
        become_answerer(args, context, function)
    if args.reference:
        args.reference = reference.read(args.reference)
        if not args.engine:
            engines = ["kernel" if args.reference.startswith("mitosis+rdma:") else "user"]
    about = writer.meta(TOOL, context.version, ",".join(engines), argv)
    out = writer.Writer(COLUMNS, about, args.json, args.header)
    measurement = Measurement(args, context, function, out)
    try:
        measurement.workers.make_input()
        if args.serve:
            return measurement.serve(engines)
        return measure(measurement, engines, phases, context)
    finally:
        signals.stopping = measurement      # a second signal changes nothing
        measurement.stop()


def main(argv, version, here, share):
    args = None
    streams.keep()
    context = Context(TOOL, version, here, share)
    try:
        args = build_parser(version).parse_args(argv)
        return work(args, context, argv, Signals())
    except Problem as problem:
        context.say(problem)
        return problem.status
    except Interrupted as interrupted:
        return 0 if args.serve else 128 + interrupted.number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
