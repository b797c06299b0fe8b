# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""One node: its QEMU process and what is connected to it (console, agent's port, monitor).

All of that is inherited descriptors: a guest has no socket, no pid file and no directory on the
host, so nothing of it can be left behind.
"""

import json
import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field

import host
import network
import reports
import wire
from problem import Problem

STARTING, BOOTING, READY, OFF = "starting", "booting", "ready", "off"
CONSOLE_MAX = 16 * 1024 * 1024      # of one node, kept in memory; the oldest goes first
# What makes a guest quick and talkative: no test of a timer that emulation fails, no mitigations,
# a power-off instead of a halt after a panic, every message on the console with its time, and
# for a node that hangs, its traces by sysrq, or a panic by NMI.
APPEND = ("console=ttyS0 ignore_loglevel printk.time=1 panic=-1 no_timer_check mitigations=off "
          "sysrq_always_enabled unknown_nmi_panic")
# An emulated processor stands still for as long as this host has others to run: not 21 s, but two
# minutes of that are a stall.
EMULATED = "rcupdate.rcu_cpu_stall_timeout=120"


@dataclass
class Spec:
    """What the user asked of one node."""

    number: int
    kernel: object
    smp: int = 1
    memory: int = 1024              # MiB
    append: str = ""
    link: network.Link = None

    @property
    def name(self):
        return f"node{self.number}"


@dataclass
class Guest:
    spec: Spec
    state: str = STARTING
    process: subprocess.Popen = None
    console: bytearray = field(default_factory=bytearray)
    scanner: reports.Scanner = field(default_factory=reports.Scanner)
    errors: bytes = b""             # what QEMU itself said
    greeting: dict = None           # the agent's HELLO
    killed: bool = False            # by request

    def __post_init__(self):
        self.agent, self._agent_end = socketpair()
        self.serial, self._serial_end = socketpair()
        self.monitor, self._monitor_end = socketpair()
        self.reader = wire.Reader()
        self.port = wire.Writer(self.agent.fileno(), lambda _, data: self.agent.send(data))

    @property
    def name(self):
        return self.spec.name

    def start(self, net, initramfs):
        spec, kvm = self.spec, host.has_kvm()
        net_args, fds = net.arguments(self.name)
        mac = f"{network.MAC_PREFIX}:{spec.number:02x}"
        command = [
            host.program("qemu-system-x86_64"), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-name", f"mitosis-lab-{self.name}",
            *(["-accel", "kvm"] if kvm else []), "-accel", "tcg",
            # with five levels of page tables, emulated page walks would be slower for nothing
            "-machine", "pc", "-cpu", "max,la57=off",
            "-smp", str(spec.smp), "-m", str(spec.memory),
            "-kernel", spec.kernel.image, "-initrd", f"/proc/self/fd/{initramfs}",
            "-append", " ".join(filter(None, (APPEND, "" if kvm else EMULATED, spec.append))),
            "-chardev", f"socket,id=console,fd={self._serial_end.fileno()}",
            "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,fd={self._monitor_end.fileno()}",
            "-mon", "chardev=monitor,mode=control",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,fd={self._agent_end.fileno()}",
            "-device", "virtserialport,chardev=agent,name=mitosis-lab",
            "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            *net_args,
            "-device", f"virtio-net-pci,netdev=net,mac={mac},host_mtu={network.MTU},romfile=",
        ]
        ends = (self._agent_end, self._serial_end, self._monitor_end)
        parent = os.getpid()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=[initramfs, *fds, *(end.fileno() for end in ends)],
            preexec_fn=lambda: host.die_with_parent(parent))
        os.set_blocking(self.process.stderr.fileno(), False)
        for end in ends:
            end.close()
        self.state = BOOTING
        self.ask("qmp_capabilities")
        if spec.link and spec.link.down:
            self.set_link(False)

    def ask(self, execute, **arguments):
        """A command to QEMU's monitor; its answers do not matter to us."""
        try:
            self.monitor.send(json.dumps({"execute": execute, "arguments": arguments}).encode())
        except OSError:             # it is gone: the process' end says so
            pass

    def set_link(self, up):
        """Plug the cable in or out: unlike loss=100% the guest notices."""
        self.ask("set_link", name="net", up=up)

    def interrupt(self):
        """The last means against a kernel that answers nothing: a panic that shows where it is."""
        self.ask("inject-nmi")

    def heard(self, data):
        """Take what the console said; True if a report of the kernel has begun."""
        self.console += data
        if len(self.console) > CONSOLE_MAX:
            del self.console[:len(self.console) - CONSOLE_MAX]
        return self.scanner.feed(data)

    @property
    def panicked(self):
        return any(report.panic for report in self.scanner.reports)

    def power_off(self):
        """As if the plug were pulled. Its disk is memory: nothing needs to be written."""
        if self.process and self.process.poll() is None:
            self.process.kill()

    def why_off(self):
        """In words, once the process has ended."""
        if self.killed:
            return "powered off on request"
        if self.panicked:
            return "kernel panic"
        status = self.process.returncode
        said = self.errors.decode(errors="replace").strip()
        if status == 0:
            return "powered off" if self.greeting else "did not boot: powered off"
        if status < 0:
            return f"QEMU: killed by {signal.Signals(-status).name}"
        return f"QEMU: {said or f'exit status {status}'}"

    def check(self):
        """The agent's greeting has come: was there trouble on the way to it?"""
        if self.greeting.get("trouble"):
            raise Problem(f"{self.name}: {self.greeting['trouble']}")


def socketpair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs
