# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Starts labs: the verbs `run` and `up`, from their options to a keeper with its guests ready."""

import json
import os
import re
import signal

import check
import guest
import host
import keeper
import kernels
import labs
import network
import runner
from cli import NODE, count, jobs_for, node_name
from commandline import duration
from lacking import Lacking
from problem import USAGE, Interrupted, Problem
from runner import Job, Runner, say, show


def mebibytes(text):
    match = re.fullmatch(r"(\d+)([MG])(?:iB)?", text)
    if not match or int(match[1]) == 0:
        raise Problem(f"--memory: {text}: not a size (such as 512M, 2G)", USAGE)
    return int(match[1]) * {"M": 1, "G": 1024}[match[2]]


def per_node(values, node, convert, default=None):
    """The last of VALUES, each "VALUE" or "nodeN=VALUE", that is about NODE."""
    chosen, special = default, False
    for text in values or ():
        name, equals, value = text.partition("=")
        if equals and NODE.fullmatch(name):
            if name == node:
                chosen, special = convert(value), True
        elif not special:
            chosen = convert(text)
    return chosen


def killing(text):
    """NODE[@DURATION] of --kill."""
    name, _, when = text.partition("@")
    return node_name(name), duration(when, "--kill") if when else 0.0


def jobs_of_run(args, argv):
    """The commands of `run`, either one for all nodes or one per node, and the number of nodes."""
    nodes = count("--nodes")(args.nodes) if args.nodes else None
    if argv:
        if args.commands:
            raise Problem(f"{args.commands[0]}: either -- CMD or node1:'CMD', not both", USAGE)
        nodes = nodes or 1
        return jobs_for([f"node{number}" for number in range(1, nodes + 1)], argv), nodes
    jobs = []
    for text in args.commands:
        name, colon, command = text.partition(":")
        if not colon or not NODE.fullmatch(name):
            raise Problem(f"{text}: expected node1:'CMD', or CMD after --", USAGE)
        jobs.append(Job(name, ["/bin/sh", "-c", command], command))
    if not jobs:
        raise Problem("run: no command", USAGE)
    if len({job.node for job in jobs}) < len(jobs):
        raise Problem("run: more than one command for a node", USAGE)
    highest = max(int(job.node.removeprefix("node")) for job in jobs)
    return jobs, count("run: nodes")(str(max(nodes or 1, highest)))


def lab_spec(args, name, nodes):
    for option in args.kernel, args.smp, args.memory, args.append, args.link:
        for text in option or ():
            match = NODE.fullmatch(text.partition("=")[0])
            if match and int(match[1]) > nodes:
                raise Problem(f"{text}: there is no node{match[1]} (see -n)", USAGE)
    lacking = Lacking()
    for needed in "qemu-system-x86_64", "modprobe", "ip", *(() if args.no_rdma else ("rdma",)):
        lacking.ask(host.program, needed)
    lacking.ask(host.static_busybox)
    found = {}
    specs = []
    for number in range(1, nodes + 1):
        node = f"node{number}"
        wanted = per_node(args.kernel, node, str)
        if wanted not in found:
            found[wanted] = lacking.ask(kernels.find, wanted)
            if found[wanted]:
                lacking.ask(kernels.load_files, found[wanted], *kernels.BOOT_MODULES,
                            *(() if args.no_rdma else check.RDMA))
        link = per_node(args.link, node, network.Link)
        if link and link.netem:
            if found[wanted]:
                lacking.ask(kernels.load_files, found[wanted], *check.TROUBLE)
            lacking.ask(host.program, "tc")
        specs.append(guest.Spec(
            number, found[wanted], smp=per_node(args.smp, node, count("--smp"), 1),
            memory=per_node(args.memory, node, mebibytes, 1024),
            append=per_node(args.append, node, str, ""), link=link))
    lacking.tell()
    out = os.path.abspath(args.out) if args.out else None
    return keeper.Spec(name, specs, rdma=not args.no_rdma, net=args.net, out=out,
                       boot_limit=args.boot_timeout)


class Lab:
    """A lab that this process starts, and that ends with it unless it is detached."""

    def __init__(self, spec, verbose):
        self.verbose = verbose
        listener = labs.listen(spec.name)
        # Until commands run, every signal ends the tool.
        for number in runner.FATAL:
            signal.signal(number, interrupted)
        sock, self.pid = keeper.launch(spec, listener)
        listener.close()
        self.connection = labs.Connection(sock)

    def wait_ready(self):
        while True:
            self.connection.sock.settimeout(None)
            frames = self.connection.frames()
            self.connection.sock.setblocking(False)
            for number, (_, _, payload) in enumerate(frames):
                if self.news(json.loads(payload)):
                    self.connection.put_back(frames[number + 1:])
                    return

    def news(self, news):
        event = news.get("event")
        if event == "failed":
            show("console", news["tail"])
            raise Problem(news["text"], news["status"])
        if event == "note" and self.verbose:
            say(news["text"])
        elif event == "node" and self.verbose:
            say(f"{news['node']}: {news['state']} after {news.get('seconds', 0):.1f} s")
        return event == "ready"

    def end(self):
        """Close our end: the keeper pulls the plugs. Wait until it has."""
        self.connection.sock.close()
        for number in runner.FATAL:
            signal.signal(number, signal.SIG_IGN)
        os.waitpid(self.pid, 0)


def interrupted(number, _):
    raise Interrupted(number)


def run(args, argv):
    jobs, nodes = jobs_of_run(args, argv)
    kills = dict(killing(text) for text in args.kill)
    for node in kills:
        if int(node.removeprefix("node")) > nodes:
            raise Problem(f"--kill: there is no {node} (see -n)", USAGE)
    name = labs.check_name(args.name or f"run.{os.getpid()}")
    lab = Lab(lab_spec(args, name, nodes), args.verbose)
    try:
        lab.wait_ready()
        work = Runner(lab.connection, jobs, out=os.path.abspath(args.out) if args.out else None,
                      env=runner.environment(args.env), timeout=args.timeout, kills=kills)
        return work.run()
    finally:
        lab.end()


def up(args):
    nodes = count("--nodes")(args.nodes) if args.nodes else 1
    name = labs.check_name(args.name or os.environ.get("MITOSIS_LAB_NAME") or labs.DEFAULT)
    lab = Lab(lab_spec(args, name, nodes), args.verbose)
    try:
        lab.wait_ready()
        lab.connection.call("detach")
    except BaseException:
        lab.end()
        raise
    return 0
