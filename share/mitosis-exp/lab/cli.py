# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The command line: what the user typed becomes a lab, jobs, or a question to a keeper."""

import argparse
import json
import os
import re
import shlex
import signal
import socket

import commandline
import labs
import runner
import streams
from commandline import duration
from problem import FAILED, MISSING, OWN_FAILURE, USAGE, Interrupted, Problem, reason
from runner import Job, Runner, say

TOOL = "mitosis-lab"
NODE = re.compile(r"node([1-9]\d?)")


# words

def duration_of(option):
    return lambda text: duration(text, option)


def count(what):
    def convert(text):
        if not text.isdigit() or not 0 < int(text) <= labs.NODES_MAX:
            raise Problem(f"{what}: {text}: not a number from 1 to {labs.NODES_MAX}", USAGE)
        return int(text)
    return convert


def node_name(text):
    if not NODE.fullmatch(text):
        raise Problem(f"{text}: not a node's name (node1, node2 …)", USAGE)
    return text


# the table of options

class Parser(commandline.Parser):
    tool = TOOL


def build_parser(version):
    parser = Parser(prog=TOOL, allow_abbrev=False,
                    description="Several real kernels with RDMA on one machine: QEMU guests on "
                                "this host's root file system, which they cannot write.",
                    epilog="CMD after -- is run as it is; a single word before it, by the shell. "
                           "Each VALUE may be nodeN=VALUE, for that node only.")
    parser.add_argument("-V", "--version", action="version",
                        version=f"{TOOL} (mitosis-exp {version})")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB",
                                  parser_class=Parser)

    def verb(name, text, usage):
        made = verbs.add_parser(name, help=text, description=text, allow_abbrev=False,
                                usage=f"{TOOL} {name} {usage}")
        made.add_argument("--name", metavar="LAB", help="the lab's name")
        return made

    def lab_options(made):
        made.add_argument("-n", "--nodes", metavar="N", help="so many nodes (1, or as many as have commands)")
        made.add_argument("--kernel", action="append", metavar="VALUE",
                          help="version of an installed kernel, or directory of an unpacked one")
        made.add_argument("--smp", action="append", metavar="VALUE", help="processors (1)")
        made.add_argument("--memory", action="append", metavar="VALUE", help="memory (1G)")
        made.add_argument("--append", action="append", metavar="VALUE", help="kernel arguments")
        made.add_argument("--link", action="append", metavar="VALUE",
                          help="trouble on the wire: loss=1%%,delay=2ms,down")
        made.add_argument("--net", choices=("bridge", "hub"), help="how nodes are connected")
        made.add_argument("--no-rdma", action="store_true", help="leave out soft-RoCE")
        made.add_argument("--out", metavar="DIR", help="keep what was said, dmesg included")
        made.add_argument("--boot-timeout", type=duration_of("--boot-timeout"), default=180,
                          metavar="TIME", help="limit for the start (180s)")
        made.add_argument("-v", "--verbose", action="store_true", help="tell what happens")

    def command_options(made):
        made.add_argument("--timeout", type=duration_of("--timeout"), metavar="TIME",
                          help="a command that runs longer has failed")
        made.add_argument("--env", action="append", default=[], metavar="NAME[=VALUE]",
                          help="a variable for the commands")

    run = verb("run", "run commands on nodes started for them",
               "[OPTIONS] -n N -- CMD… | [OPTIONS] node1:'CMD' node2:'CMD' …")
    lab_options(run)
    command_options(run)
    run.add_argument("--kill", action="append", default=[], metavar="NODE[@TIME]",
                     help="pull a node's plug so long after the start")
    run.add_argument("commands", nargs="*", help=argparse.SUPPRESS)

    up = verb("up", "start nodes and leave them up", "[OPTIONS] [-n N]")
    lab_options(up)

    execute = verb("exec", "run a command on nodes that are up",
                   "[OPTIONS] NODE[,NODE…]|all -- CMD… | NODE 'CMD'")
    command_options(execute)
    execute.add_argument("-t", "--tty", action="store_true", help="give the command a terminal")
    execute.add_argument("--out", metavar="DIR", help="keep what was said")
    execute.add_argument("node", metavar="NODE")
    execute.add_argument("commands", nargs="*", help=argparse.SUPPRESS)

    shell = verb("shell", "an interactive shell on a node", "[NODE]")
    shell.add_argument("node", nargs="?", default="node1")

    status = verb("status", "the labs that are up and their nodes", "[--json]")
    status.add_argument("--json", action="store_true", help="JSON Lines")

    down = verb("down", "end a lab", "[--all]")
    down.add_argument("--all", action="store_true", help="every lab of this user")

    link = verb("link", "change a node's wire", "NODE loss=1%%,delay=2ms|down|up")
    link.add_argument("node", metavar="NODE")
    link.add_argument("what", metavar="TROUBLE")

    kill = verb("kill", "pull a node's plug", "NODE")
    kill.add_argument("node", metavar="NODE")

    console = verb("console", "what a node's kernel has said", "NODE")
    console.add_argument("node", metavar="NODE")

    checking = verb("check", "what a lab needs of this host, and what of it is missing", "[--json]")
    checking.add_argument("--json", action="store_true", help="JSON Lines")

    listing = verb("kernels", "the kernels that a lab can boot", "[--json]")
    listing.add_argument("--json", action="store_true", help="JSON Lines")
    return parser


# commands

def jobs_for(nodes, argv):
    shown = shlex.join(argv)
    return [Job(node, argv, shown) for node in nodes]


# what is asked of a lab that is up

def existing(args):
    return labs.connect(labs.choose(args.name))


def all_nodes(connection):
    return [node["node"] for node in connection.call("status")["nodes"]]


def do_exec(args, argv):
    names = [] if args.node == "all" else [node_name(name) for name in args.node.split(",")]
    connection = existing(args)
    names = names or all_nodes(connection)
    if argv and args.commands or len(args.commands) > 1:
        raise Problem(f"{args.commands[0]}: a command of several words comes after --", USAGE)
    if args.commands:
        jobs = [Job(name, ["/bin/sh", "-c", args.commands[0]], args.commands[0]) for name in names]
    elif argv:
        jobs = jobs_for(names, argv)
    else:
        raise Problem("exec: no command", USAGE)
    if args.tty and (len(jobs) > 1 or not os.isatty(0)):
        raise Problem("exec: --tty needs a terminal and one node", USAGE)
    return Runner(connection, jobs, out=os.path.abspath(args.out) if args.out else None,
                  use_tty=args.tty, env=runner.environment(args.env), timeout=args.timeout).run()


def do_shell(args, _):
    connection = existing(args)
    job = Job(node_name(args.node), None, "shell")
    if not os.isatty(0):            # a script on standard input
        job.argv = [os.environ.get("SHELL", "/bin/sh")]
        return Runner(connection, [job]).run()
    return Runner(connection, [job], use_tty=True).run()


def do_link(args, _):
    import network

    connection = existing(args)
    link = network.Link(args.what)
    connection.call("link", node=node_name(args.node), up=not link.down)
    command = link.command()
    if command is None:
        return 0
    return Runner(connection, jobs_for([args.node], command)).run()


def do_kill(args, _):
    existing(args).call("kill", node=node_name(args.node))
    return 0


def do_console(args, _):
    existing(args).call("console", node=node_name(args.node),
                        sink=lambda data: runner.write_all(1, data, "standard output"))
    return 0


def do_down(args, _):
    names = labs.names() if args.all else [labs.choose(args.name)]
    worst = 0
    for name in names:
        connection = labs.connect(name)
        for node, number in connection.call("reports")["counts"].items():
            if number:
                say(f"{name}: {node}: {number} complaint{'s'[:number > 1]} of its kernel")
                worst = OWN_FAILURE
        connection.call("down")
        # the keeper closes its end when the lab is gone
        connection.sock.settimeout(30)
        try:
            while connection.sock.recv(65536):
                pass
        except OSError as error:
            raise Problem(f"{name}: {reason(error)}") from None
    return worst


# tables

STATUS = (
    ("lab", lambda lab, node: lab["lab"]),
    ("node", lambda lab, node: node["node"]),
    ("state", lambda lab, node: node["state"]),
    ("kernel", lambda lab, node: node["kernel"]),
    ("accel", lambda lab, node: lab["accel"]),
    ("net", lambda lab, node: lab["net"]),
    ("smp", lambda lab, node: node["smp"]),
    ("memory_bytes", lambda lab, node: node["memory"] << 20),
    ("up_s", lambda lab, node: lab["seconds"]),
    ("commands", lambda lab, node: node["commands"]),
    ("reports", lambda lab, node: node["reports"]),
    ("pid", lambda lab, node: node["pid"]),
    ("reason", lambda lab, node: node["reason"] or "-"),
)


def table(columns, rows, as_json, version):
    """Records: aligned for a terminal, tab-separated for a pipe, JSON Lines if asked."""
    names = [name for name, _ in columns]
    if as_json:
        text = "".join(json.dumps(dict(zip(names, row))) + "\n" for row in rows)
    elif os.isatty(1):
        cells = [names, *([str(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        text = "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in cells)
    else:
        text = (f"# mitosis-exp 1 tool={TOOL} version={version} host={socket.gethostname()} "
                f"kernel={os.uname().release} engine=- args=-\n")
        text += "".join("\t".join(map(str, row)) + "\n" for row in (names, *rows))
    runner.write_all(1, text.encode(), "standard output")


def do_status(args, _):
    rows = []
    for name in [args.name] if args.name else labs.names():
        try:
            lab = labs.connect(name).call("status")
        except Problem:
            if args.name:
                raise
            continue                # it ended just now
        rows += [[value(lab, node) for _, value in STATUS] for node in lab["nodes"]]
    table(STATUS, rows, args.json, args.version_text)
    return 0


KERNELS = (
    ("version", lambda kernel: kernel.version),
    ("rxe", lambda kernel: yes(kernel.has("rdma_rxe"))),
    ("netem", lambda kernel: yes(kernel.has("sch_netem") and kernel.has("sch_prio"))),
    ("headers", lambda kernel: yes(has_headers(kernel))),
    ("image", lambda kernel: kernel.image),
    ("modules", lambda kernel: kernel.modules),
)


def yes(value):
    return "yes" if value else "no"


def has_headers(kernel):
    return os.path.exists(os.path.join(kernel.modules, "build/Makefile"))


def do_kernels(args, _):
    import kernels

    found = kernels.everything()
    rows = [[value(kernel) for _, value in KERNELS] for kernel in found]
    table(KERNELS, rows, args.json, args.version_text)
    for kernel in found:
        # Only Debian's own are known to have a package of this name; a lab runs without headers.
        if not has_headers(kernel) and kernel.image.startswith("/boot/"):
            say(f"{kernel.version}: no headers to build a module with: package "
                f"linux-headers-{kernel.version}")
    if not rows:
        kernels.find()              # says what is missing
    return 0


def do_check(args, _):
    import check

    rows = check.rows()
    columns = [(name, None) for name in check.COLUMNS]
    table(columns, rows, args.json, args.version_text)
    return MISSING if any(row[1] == "no" for row in rows) else 0


def do_run(args, argv):
    import start                # only these two need what it imports, and `exec` is to be quick

    return start.run(args, argv)


def do_up(args, _):
    import start

    return start.up(args)


VERBS = {"run": do_run, "up": do_up, "exec": do_exec, "shell": do_shell, "status": do_status,
         "down": do_down, "link": do_link, "kill": do_kill, "console": do_console,
         "kernels": do_kernels, "check": do_check}


def main(words, version):
    streams.keep()
    Problem.otherwise = OWN_FAILURE
    try:
        at = words.index("--") if "--" in words else len(words)
        parser = build_parser(version)
        args = parser.parse_args(words[:at])
        if args.verb is None:
            parser.error("no VERB given")
        args.version_text = version
        return VERBS[args.verb](args, words[at + 1:])
    except Problem as problem:
        say(problem)
        return problem.status
    except Interrupted as signalled:
        say(f"ended by {signalled}")
        return 128 + signalled.number
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
