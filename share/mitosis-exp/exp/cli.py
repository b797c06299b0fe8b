# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The command line of mitosis-exp."""

import argparse
import json
import os
import signal
import socket
import sys

import commandline
import files
import importer
import launchers
import records
import streams
import words
from commandline import out
from context import Context
from problem import USAGE, Interrupted, Problem, reason

TOOL = "mitosis-exp"


class Parser(commandline.Parser):
    tool = TOOL


class Verb(Parser):
    """A verb's options and words come in any order. argparse can do that for a parser by itself,
    but not for one of add_subparsers(), which calls this."""

    mixing = False

    def parse_known_args(self, args=None, namespace=None):
        # Up to Python 3.11 the intermixed way comes back to this one for each of its two rounds.
        if self.mixing:
            return super().parse_known_args(args, namespace)
        self.mixing = True
        try:
            found, rest = self.parse_known_intermixed_args(args, namespace)
        finally:
            self.mixing = False
        # A word behind an option that does not exist may have been taken for its value.
        return found, [word for word in rest if word.startswith("-")] or rest


def count(option):
    def convert(text):
        if not text.isdecimal() or not int(text):
            raise Problem(f"{option}: {text}: not a number from 1", USAGE)
        return int(text)
    return convert


def build_parser(version):
    parser = Parser(prog=TOOL, allow_abbrev=False,
                    description="Runs experiments: files that say which commands run on which "
                                "hosts, in which order, with which values.",
                    epilog="An EXPERIMENT is one of those that `list' shows, `all' of them, or a "
                           "file. See mitosis-exp(1) and mitosis-exp.toml(5).")
    parser.add_argument("-V", "--version", action="version",
                        version=f"{TOOL} (mitosis-exp {version})")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Verb)

    def verb(name, text, usage):
        return verbs.add_parser(name, help=text, description=text, allow_abbrev=False,
                                usage=f"{TOOL} {name} {usage}")

    run = verb("run", "run experiments", "[OPTIONS] EXPERIMENT|FILE... | --resume DIR")
    run.add_argument("-L", "--launcher", choices=list(launchers.ALL), default=None,
                     help="how hosts are reached (local)")
    run.add_argument("--lab", type=count("--lab"), metavar="N",
                     help="in a lab of N nodes, started for this run (implies --launcher lab)")
    run.add_argument("--lab-option", action="append", default=[], metavar="OPTION",
                     help="an option for that lab, such as --kernel=6.12")
    run.add_argument("--hosts", metavar="LIST",
                     help="parent=n1,child=n[2-9]; without roles the first is the parent")
    run.add_argument("-s", "--set", action="append", default=[], metavar="NAME=VALUE[,VALUE...]",
                     help="a placeholder's value; several are swept")
    run.add_argument("-q", "--quick", action="store_true", help="fewer and smaller points")
    run.add_argument("-b", "--exclude", action="append", default=[], metavar="HOSTS",
                     help="leave out these hosts")
    run.add_argument("--limit", type=count("--limit"), metavar="N",
                     help="only the first N passes of a file")
    run.add_argument("--project", metavar="DIR", help="what the paths of passes are relative to")
    run.add_argument("-o", "--output", metavar="DIR",
                     help="the run's directory (results/DATE)")
    run.add_argument("--resume", metavar="DIR", help="continue an interrupted run")
    run.add_argument("-n", "--dry-run", action="store_true", help="show what would run where")
    run.add_argument("-k", "--keep-going", action="store_true",
                     help="after a failure go on with the next experiment")
    run.add_argument("-v", "--verbose", action="store_true", help="show all that commands print")
    run.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=argparse.SUPPRESS)

    listing = verb("list", "the experiments that come with the package", "[--json] [EXPERIMENT...]")
    listing.add_argument("-j", "--json", action="store_true", help="JSON Lines")
    listing.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=argparse.SUPPRESS)

    imported = verb("import", "records from the output of the published programs", "[FILE...]")
    imported.add_argument("files", nargs="*", default=[], metavar="FILE", help=argparse.SUPPRESS)

    report = verb("report", "one HTML page of a run, on standard output", "[DIR]")
    report.add_argument("directory", nargs="?", metavar="DIR", help="the run (the newest one)")
    return parser


# list

def do_list(args, context):
    names = args.experiments or files.names(context.experiments)
    found = [files.find(name, context.experiments) for name in names]
    if args.json:
        for each in found:
            out(json.dumps({"name": each.name, "title": each.title,
                            "description": each.description, "roles": each.roles,
                            "hosts": each.min_hosts, "needs": each.needs,
                            "placeholders": each.placeholders, "file": each.path}) + "\n")
    elif args.experiments:
        out("\n".join(describe(each) for each in found))
    else:
        width = max(len(each.name) for each in found)
        for each in found:
            out(f"{each.name:{width}}  {each.title}\n")
    return 0


def describe(each):
    text = f"{each.name}: {each.title}\n"
    if each.description:
        text += "\n" + "".join(f"    {line}".rstrip() + "\n"
                               for line in each.description.splitlines()) + "\n"
    if each.roles:
        text += f"roles: {', '.join(each.roles)}\n"
    if each.min_hosts > 1:
        text += f"hosts: {each.min_hosts} or more; with --launcher local all roles are here\n"
    if each.needs:
        text += f"needs: {', '.join(each.needs)}\n"
    for name, value in each.placeholders.items():
        if isinstance(value, list):
            shown = ", ".join(level for level, _ in files.levels(value)) + " (swept)"
        else:
            shown = words.as_text(value)
        text += f"--set {name}=  {shown}\n"
    for name in each.settable:
        if name not in each.placeholders:
            text += f"--set {name}=  (the file has no value for it)\n"
    return text + f"file: {each.path}\n"


# import

def do_import(args, context):
    lines = []
    for path in args.files or ["-"]:
        try:
            if path == "-":
                lines += sys.stdin.readlines()
            else:
                with open(path, encoding="utf-8", errors="replace") as file:
                    lines += file.readlines()
        except OSError as error:
            name = "standard input" if path == "-" else path
            raise Problem(f"{name}: {reason(error)}") from None
    stream = importer.read(lines)
    if not stream.rows:
        raise Problem("no result line of the published programs in the input")
    union = records.Union()
    union.add(stream, {})
    out(union.text({"tool": context.tool, "version": context.version, "host": socket.gethostname(),
                    "kernel": os.uname().release, "engine": "-",
                    "args": records.quoted(["import", *args.files])}))
    return 0


def do_run(args, context):
    import session

    return session.run(args, context)


def do_report(args, context):
    import report

    return report.main(args, context)


VERBS = {"run": do_run, "list": do_list, "import": do_import, "report": do_report}


def joined(argv):
    """--lab-option --kernel=6.12 as one word: to argparse, what begins with a dash is no value."""
    words_left = iter(argv)
    made = []
    for word in words_left:
        if word == "--":
            return [*made, word, *words_left]
        value = next(words_left, None) if word == "--lab-option" else None
        made.append(word if value is None else f"{word}={value}")
    return made


def main(argv, version, here, share):
    streams.keep()
    context = Context(TOOL, version, here, share)
    try:
        parser = build_parser(version)
        args = parser.parse_args(joined(argv))
        if args.verb is None:
            parser.error("no VERB given")
        return VERBS[args.verb](args, context)
    except Problem as problem:
        context.say(problem)
        return problem.status
    except Interrupted as interrupted:
        context.say(f"ended by {interrupted}")
        return 128 + interrupted.number
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
