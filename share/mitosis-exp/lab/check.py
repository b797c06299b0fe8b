# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What a lab needs of this host, each thing tried, and what of it is missing: the verb `check`, which
mitosis-check asks."""

import os

import host
import kernels
import network
from lacking import Lacking
from problem import MISSING, Problem, reason

COLUMNS = ("item", "state", "detail", "packages")
RDMA = ("rdma_rxe", "rdma_ucm")
TROUBLE = ("sch_netem", "sch_prio")


def item(name, *questions, otherwise="no"):
    """A row: the answers to QUESTIONS, each a function and its arguments, or all that is missing and
    the Debian packages that bring it. OTHERWISE is the state then."""
    lacking = Lacking()
    answers = [lacking.ask(*question) for question in questions]
    if lacking.problems:
        return [name, otherwise, "; ".join(lacking.problems), " ".join(lacking.packages) or "-"]
    return [name, "ok", ", ".join(answers), "-"]


def bridge():
    """Whether the nodes can have a bridge, tried in a process that may have a network of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        text = ""
        try:
            network.Taps(["node1"])
        except Problem as problem:
            text = str(problem)
        except OSError as error:
            text = reason(error)
            if error.filename:
                text = f"{error.filename}: {text}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(pid, 0)
    if text:
        raise Problem(f"no bridge ({text}): node1 is the hub", MISSING)
    return "bridge and taps in a namespace"


def modules_of(kernel):
    def ask(*names):
        if kernel is None:
            raise Problem("no kernel that could have modules", MISSING)
        kernels.load_files(kernel, *names)
        return f"{', '.join(names)} of {kernel.version}"
    return ask


def rows():
    kernel = Lacking().ask(kernels.find)
    modules = modules_of(kernel)
    return [
        item("lab-qemu", (host.program, "qemu-system-x86_64")),
        item("lab-busybox", (host.static_busybox,)),
        item("lab-tools", (host.program, "modprobe"), (host.program, "ip"), (host.program, "rdma")),
        item("lab-kernel", (lambda: kernels.find().image,)),
        item("lab-modules", (modules, *kernels.BOOT_MODULES, *RDMA)),
        item("lab-trouble", (host.program, "tc"), (modules, *TROUBLE), otherwise="limited"),
        item("lab-network", (bridge,), otherwise="limited"),
    ]
