# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The wire between the nodes: taps on a bridge in a network namespace of the lab's own, or, where
the host does not allow that, node 1 as a hub with a stream to each other node.

Both pass frames of 9000 bytes without loss, which soft-RoCE needs (QEMU's multicast back end drops
bursts). Neither has a name on the host: the namespace, the taps and the bridge end with the
processes that hold them, the hub's streams are socket pairs.
"""

import errno
import fcntl
import os
import re
import socket
import struct
import subprocess

import host
from problem import USAGE, Problem, reason

SUBNET = "10.77.0"
MAC_PREFIX = "52:54:00:4d:49"
MTU = 9000

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_BRIDGE = "lab"


class Taps:
    """A bridge with a tap per node, in the namespace that this process has made for itself."""

    name = "bridge"

    def __init__(self, nodes):
        enter_namespace()
        self._taps = {}
        script = [f"link add {_BRIDGE} mtu {MTU} type bridge forward_delay 0 mcast_snooping 0",
                  f"link set {_BRIDGE} up"]
        for node in nodes:
            self._taps[node] = open_tap(node)
            script.append(f"link set {node} mtu {MTU} master {_BRIDGE} up")
        done = subprocess.run([host.program("ip"), "-batch", "-"], input="\n".join(script),
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(0, f"bridge: {done.stderr.strip()}")

    def arguments(self, node):
        """QEMU's arguments for the network back end "net" of NODE, and the descriptors in them."""
        tap = self._taps[node]
        return ["-netdev", f"tap,id=net,fd={tap},vhost=off"], [tap]


class Hub:
    """No privilege at all: node 1 forwards what the others say."""

    name = "hub"

    def __init__(self, nodes):
        self._first = nodes[0]
        self._streams = {node: socket.socketpair() for node in nodes[1:]}

    def arguments(self, node):
        def stream(ident, end, server):
            return ["-netdev", f"stream,id={ident},server={server},addr.type=fd,"
                               f"addr.str={end.fileno()}"]
        if node != self._first:
            end = self._streams[node][1]
            return stream("net", end, "off"), [end.fileno()]
        args, fds = ["-netdev", "hubport,id=net,hubid=0"], []
        for other, (end, _) in self._streams.items():
            args += stream(f"to-{other}", end, "off")
            args += ["-netdev", f"hubport,id=port-{other},hubid=0,netdev=to-{other}"]
            fds.append(end.fileno())
        return args, fds


def enter_namespace():
    """Give this process a network of its own; without privilege, through a user namespace."""
    if os.geteuid() == 0:
        try:
            host.unshare(host.CLONE_NEWNET)
            return
        except PermissionError:         # root of a container without CAP_SYS_ADMIN
            pass
    uid, gid = os.geteuid(), os.getegid()
    try:
        host.unshare(host.CLONE_NEWUSER | host.CLONE_NEWNET)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # No disk is full.
        raise OSError(errno.ENOSPC, "no more namespaces (sysctl user.max_user_namespaces, "
                                    "user.max_net_namespaces)") from None
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def open_tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


def connect(nodes, kind=None):
    """The network for NODES; and if it is a hub for want of a bridge, the reason, else None."""
    if kind == "hub":
        return Hub(nodes), None
    try:
        return Taps(nodes), None
    except OSError as error:
        if kind == "bridge":
            raise Problem(f"bridge: {reason(error)}") from None
        return Hub(nodes), f"no bridge ({reason(error)}): node1 is the hub"


class Link:
    """What --link asks of one node's wire: "down", "up", or losses and delays for netem."""

    _WORDS = {
        "loss": (r"\d+(\.\d+)?%", "loss {}"),
        "delay": (r"\d+(\.\d+)?(us|ms|s)", "delay {}"),
        "duplicate": (r"\d+(\.\d+)?%", "duplicate {}"),
        "corrupt": (r"\d+(\.\d+)?%", "corrupt {}"),
        "reorder": (r"\d+(\.\d+)?%", "reorder {}"),
        "rate": (r"\d+(\.\d+)?[kmg]?bit", "rate {}"),
    }

    def __init__(self, text):
        self.down = False
        words = []
        for item in text.split(","):
            key, _, value = item.partition("=")
            if item in ("down", "up"):
                self.down = item == "down"
            elif key in self._WORDS and re.fullmatch(self._WORDS[key][0], value):
                words.append(self._WORDS[key][1].format(value))
            else:
                raise Problem(f"link: {item}: expected down, up or one of "
                              + ", ".join(f"{word}=…" for word in self._WORDS), USAGE)
        # a queue that holds a burst of soft-RoCE at any delay
        self.netem = " ".join(words + ["limit 100000"]) if words else ""

    def command(self):
        """What to run on the node for it; "up" alone takes all trouble away."""
        if self.down:
            return None
        replace = "tc qdisc replace dev eth0 parent 1:1"
        well = f"{replace} pfifo limit 10000"
        # netem keeps what a change does not name, so everything is named
        return ["sh", "-c", f"{well} && {replace} netem {self.netem}" if self.netem
                else f"! tc qdisc show dev eth0 | grep -q netem || {well}"]
