# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The process behind a lab: starts its guests, relays between clients and agents, ends with it.

The tool forks it; it makes the network, which is a namespace of its own, and from then on it is one
loop over descriptors. Its life, and that of every guest, hangs on a chain that SIGKILL cannot
break: a guest is killed by the kernel when the keeper dies (PR_SET_PDEATHSIG), the keeper when the
tool dies, or when its connection to the tool closes. `up` cuts that last link once the lab is
ready; what keeps the lab known then is an abstract socket, which has no file either.
"""

import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field

import guest
import host
import initramfs
import network
import wire
from problem import OWN_FAILURE, Problem, reason

TAIL = 25                       # lines of the console of a node that does not boot
DAY = 86400                     # seconds; poll(2) waits for weeks at most
TRACE_SECONDS = 4               # for a node that hangs to print its traces


@dataclass
class Spec:
    """What the user asked of the lab."""

    name: str
    nodes: list                 # of guest.Spec
    rdma: bool = True
    net: str = None             # "bridge", "hub" or whichever works
    out: str = None
    boot_limit: float = 180


@dataclass(eq=False)
class Client:
    sock: socket.socket
    owner: bool = False
    channels: dict = field(default_factory=dict)    # its number -> (Guest, the guest's number)

    def __post_init__(self):
        self.sock.setblocking(False)
        self.reader = wire.Reader()
        self.writer = wire.Writer(self.sock.fileno(), lambda _, data: self.sock.send(data))


class Keeper:
    def __init__(self, spec, owner, listener):
        self.spec = spec
        self.listener = listener
        self.owner = Client(owner, owner=True)
        self.clients = [self.owner]
        self.guests = {node.name: guest.Guest(node) for node in spec.nodes}
        self.routes = {}        # (node name, the guest's number) -> (Client, its number)
        self.logs = {}
        self.timers = []        # (when, function)
        self.selector = selectors.DefaultSelector()
        self.started = time.monotonic()
        self.ready = False
        self.detached = False
        self.ending = False
        self.net = None

    # life

    def start(self):
        for name in self.guests:
            self.open_log(name)
        self.net, note = network.connect(list(self.guests), self.spec.net)
        if note:
            self.tell(event="note", text=note)
        builder = initramfs.Builder()
        for node in self.guests.values():
            archive = builder.build(node.spec.kernel, self.settings(node.spec))
            node.start(self.net, archive)
            os.close(archive)
            self.watch(node.serial, self.hear_console, node)
            self.watch(node.agent, self.hear_agent, node)
            self.watch(node.monitor, self.hear_monitor, node)
            self.watch(node.process.stderr, self.hear_errors, node)
            self.watch(os.pidfd_open(node.process.pid), self.guest_ended, node)
        self.after(self.spec.boot_limit, self.boot_expired)
        self.watch(self.owner.sock, self.hear_client, self.owner)
        self.watch(self.listener, self.accept, None)

    def settings(self, node):
        return {
            "node": node.number,
            "nodes": max(other.number for other in self.spec.nodes),
            "subnet": network.SUBNET,
            "mac_prefix": network.MAC_PREFIX,
            "mtu": network.MTU,
            "rdma": int(self.spec.rdma),
            "netem": node.link.netem if node.link else "",
            "modules": "" if node.kernel.installed else node.kernel.modules,
            "python": os.path.realpath(sys.executable),
        }

    def run(self):
        while not self.ending:
            now = time.monotonic()
            for timer in [timer for timer in self.timers if timer[0] <= now]:
                self.timers.remove(timer)
                timer[1]()
            wait = min((when for when, _ in self.timers), default=None)
            seconds = wait and min(DAY, max(0, wait - time.monotonic()))
            for key, events in self.selector.select(seconds):
                function, subject = key.data
                # what this event is about may have been ended by an earlier one of this round
                if self.selector.get_map().get(key.fd) is key:
                    function(subject, events)

    def end(self):
        """Pull every plug. (Should this not happen, the kernel does the same.)"""
        for node in self.guests.values():
            node.power_off()
            if node.process:
                node.process.wait()

    def after(self, seconds, function):
        self.timers.append((time.monotonic() + seconds, function))

    def watch(self, thing, function, subject):
        self.selector.register(thing, selectors.EVENT_READ, (function, subject))

    def forget(self, thing):
        try:
            self.selector.unregister(thing)
        except KeyError:
            pass

    def push(self, thing, writer):
        """Write what goes now, the rest when it can."""
        try:
            writer.flush()
        except OSError:             # its end is noticed where it is read
            return
        key = self.selector.get_map().get(writer.fd)
        if key:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if len(writer) else 0)
            if events != key.events:
                self.selector.modify(thing, events, key.data)

    # what clients are told

    def send(self, client, data):
        client.writer.put(data)
        self.push(client.sock, client.writer)

    def tell(self, client=None, **news):
        for each in [client] if client else self.clients:
            self.send(each, wire.message(wire.NEWS, **news))

    def fail(self, text, status=OWN_FAILURE, tail=""):
        """The lab cannot come up, or cannot go on."""
        self.tell(event="failed", text=text, status=status, tail=tail)
        self.flush_clients()
        self.ending = True

    def flush_clients(self):
        """Last words: give each client a moment to take them."""
        for client in self.clients:
            client.sock.settimeout(5)
            try:
                while len(client.writer):
                    client.writer.flush()
            except OSError:
                pass

    # guests

    def open_log(self, name):
        if self.spec.out is None:
            return
        path = os.path.join(self.spec.out, name, "dmesg")
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self.logs[name] = (path, open(path, "wb", buffering=0))
        except OSError as error:
            raise Problem(f"{path}: {reason(error)}") from None

    def log(self, name, data):
        if name not in self.logs:
            return
        path, file = self.logs[name]
        try:
            while data:
                data = data[file.write(data):]
        except OSError as error:
            del self.logs[name]
            self.fail(f"{path}: {reason(error)}")

    def hear_console(self, node, _):
        data = receive(node.serial)
        if data is None:
            return
        if not data:
            self.forget(node.serial)
            return
        if node.heard(data):
            report = node.scanner.reports[-1]
            self.tell(event="report", node=node.name, panic=report.panic,
                      title=report.title.decode(errors="replace"))
        self.log(node.name, data)

    def hear_monitor(self, node, _):
        if receive(node.monitor) == b"":
            self.forget(node.monitor)

    def hear_errors(self, node, _):
        try:
            data = os.read(node.process.stderr.fileno(), 4096)
        except BlockingIOError:
            return
        node.errors += data[:max(0, 65536 - len(node.errors))]
        if not data:
            self.forget(node.process.stderr)

    def hear_agent(self, node, events):
        if events & selectors.EVENT_WRITE:
            self.push(node.agent, node.port)
        if not events & selectors.EVENT_READ:
            return
        data = receive(node.agent)
        if data is None:
            return
        if not data:
            self.forget(node.agent)
            return
        try:
            for kind, channel, payload in node.reader.feed(data):
                self.from_agent(node, kind, channel, payload)
        except wire.Broken as error:
            self.fail(f"{node.name}: agent: {error}")

    def from_agent(self, node, kind, channel, payload):
        if kind == wire.HELLO:
            node.greeting = wire.parse(payload)
            node.state = guest.READY
            try:
                node.check()
            except Problem as problem:
                self.fail(str(problem), problem.status)
                return
            self.tell(event="node", node=node.name, state=node.state,
                      seconds=time.monotonic() - self.started)
            self.check_ready()
            return
        route = self.routes.get((node.name, channel))
        if route is None:
            return
        client, number = route
        self.send(client, wire.frame(kind, number, payload))
        if kind == wire.EXIT:
            del self.routes[node.name, channel]
            client.channels.pop(number, None)

    def check_ready(self):
        if not self.ready and all(node.state == guest.READY for node in self.guests.values()):
            self.ready = True
            self.tell(event="ready")

    def guest_ended(self, node, _):
        for hear in self.hear_console, self.hear_agent, self.hear_errors:
            for _ in range(10000):          # whatever it said last is still in the pipes
                if not self.has_input(node, hear):
                    break
                hear(node, selectors.EVENT_READ)
        pidfd = next(fd for fd, key in self.selector.get_map().items()
                     if key.data == (self.guest_ended, node))
        self.forget(pidfd)
        os.close(pidfd)
        for sock in node.agent, node.serial, node.monitor:
            self.forget(sock)
        node.process.wait()
        node.state = guest.OFF
        why = node.why_off()
        for key, (client, number) in list(self.routes.items()):
            if key[0] == node.name:
                del self.routes[key]
                client.channels.pop(number, None)
                self.send(client, wire.message(wire.LOST, number, reason=why))
        self.tell(event="node", node=node.name, state=node.state, reason=why,
                  panic=node.panicked)
        if not self.ready:
            self.fail(f"{node.name}: {why}", tail=self.tail(node))

    def has_input(self, node, hear):
        thing = {self.hear_console: node.serial, self.hear_agent: node.agent,
                 self.hear_errors: node.process.stderr}[hear]
        if thing.fileno() not in self.selector.get_map():
            return False
        with selectors.PollSelector() as once:
            once.register(thing, selectors.EVENT_READ)
            return bool(once.select(0))

    def tail(self, node):
        return "\n".join(node.console.decode(errors="replace").splitlines()[-TAIL:])

    def boot_expired(self):
        for node in self.guests.values():
            if node.state == guest.BOOTING:
                self.fail(f"{node.name}: not up after {self.spec.boot_limit:g} s",
                          tail=self.tail(node))
                return

    # clients

    def accept(self, _, events):
        sock, _ = self.listener.accept()
        if peer_uid(sock) != os.getuid():
            sock.close()
            return
        client = Client(sock)
        self.clients.append(client)
        self.watch(sock, self.hear_client, client)

    def hear_client(self, client, events):
        if events & selectors.EVENT_WRITE:
            self.push(client.sock, client.writer)
        if not events & selectors.EVENT_READ:
            return
        data = receive(client.sock)
        if data is None:
            return
        if not data:
            self.client_gone(client)
            return
        try:
            for kind, channel, payload in client.reader.feed(data):
                if kind == wire.CALL:
                    self.call(client, wire.parse(payload))
                elif kind == wire.SPAWN:
                    self.spawn(client, channel, wire.parse(payload))
                elif channel in client.channels:
                    node, number = client.channels[channel]
                    self.to_agent(node, wire.frame(kind, number, payload))
        except wire.Broken:
            self.client_gone(client)

    def client_gone(self, client):
        for node, number in client.channels.values():
            self.routes.pop((node.name, number), None)
            self.to_agent(node, wire.frame(wire.HANGUP, number))
        self.forget(client.sock)
        client.sock.close()
        self.clients.remove(client)
        if client.owner and not self.detached:
            self.ending = True

    def to_agent(self, node, data):
        if node.state == guest.READY:
            node.port.put(data)
            self.push(node.agent, node.port)

    def spawn(self, client, channel, request):
        node = self.guests.get(request.pop("node", None))
        if node is None or node.state != guest.READY:
            why = "no such node" if node is None else \
                node.why_off() if node.state == guest.OFF else node.state
            self.send(client, wire.message(wire.LOST, channel, reason=why))
            return
        number = next(n for n in range(1, 0xffff) if (node.name, n) not in self.routes)
        self.routes[node.name, number] = (client, channel)
        client.channels[channel] = (node, number)
        self.to_agent(node, wire.message(wire.SPAWN, number, **request))

    def call(self, client, request):
        what = request.get("call")
        node = self.guests.get(request.get("node"))
        if what in ("kill", "link", "console", "traces") and node is None:
            self.tell(client, answer=what, error=f"{request.get('node')}: no such node")
            return
        if what == "status":
            self.tell(client, answer=what, **self.status())
        elif what == "reports":
            self.tell(client, answer=what, **self.reports(request.get("since") or {}))
        elif what == "console":
            self.send_console(client, node)
        elif what == "kill":
            node.killed = True
            node.power_off()
            self.tell(client, answer=what)
        elif what == "link":
            node.set_link(bool(request.get("up")))
            self.tell(client, answer=what)
        elif what == "traces":
            self.traces(client, node)
        elif what == "detach":
            self.detached = True
            host.outlive_parent()
            self.tell(client, answer=what)
        elif what == "down":
            self.end()
            self.tell(client, answer=what)
            self.flush_clients()
            self.ending = True
        else:
            self.tell(client, answer=what, error="unknown call")

    def status(self):
        nodes = []
        for node in self.guests.values():
            nodes.append({
                "node": node.name, "state": node.state, "kernel": node.spec.kernel.version,
                "smp": node.spec.smp, "memory": node.spec.memory,
                "commands": sum(key[0] == node.name for key in self.routes),
                "reports": len(node.scanner.reports),
                "reason": node.why_off() if node.state == guest.OFF else "",
                "pid": node.process.pid,
            })
        return {"lab": self.spec.name, "pid": os.getpid(), "ready": self.ready,
                "seconds": round(time.monotonic() - self.started, 1), "net": self.net.name,
                "accel": "kvm" if host.has_kvm() else "tcg", "nodes": nodes}

    def reports(self, since):
        """What the kernels complained about, beyond the first SINCE[node] reports of each."""
        # a frame is limited, and a hundred traces help nobody: the rest is in the console
        room = wire.FRAME_MAX // 4
        found, counts = [], {}
        for node in self.guests.values():
            counts[node.name] = len(node.scanner.reports)
            for report in node.scanner.reports[since.get(node.name, 0):]:
                text = report.text[:min(room, 8192)]
                room -= len(text)
                found.append({"node": node.name, "text": text,
                              "title": report.title.decode(errors="replace")[:200]})
        return {"reports": found[:50], "counts": counts}

    def send_console(self, client, node):
        data = bytes(node.console)
        for at in range(0, len(data), wire.FRAME_MAX):
            client.writer.put(wire.frame(wire.STDOUT, 0, data[at:at + wire.FRAME_MAX]))
        self.tell(client, answer="console")

    def traces(self, client, node):
        """Have a node that hangs print where: its blocked tasks, then what each processor does.

        A node that does not print these gets an interrupt that it cannot mask.
        """
        start = len(node.console)
        self.to_agent(node, wire.frame(wire.SIGNAL, 0, b"wl"))

        def insist():
            if len(node.console) == start:
                node.interrupt()

        def answer():
            text = node.console[start:].decode(errors="replace")
            self.tell(client, answer="traces", text=text[-wire.FRAME_MAX // 4:])
        self.after(TRACE_SECONDS / 2, insist)
        self.after(TRACE_SECONDS, answer)


def receive(sock):
    """Some bytes, b"" at the end, None if there is nothing now."""
    try:
        return sock.recv(256 * 1024)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def peer_uid(sock):
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(raw[4:8], sys.byteorder)


def close_all_but(*kept):
    """Close what was inherited: a caller's pipes would stay open as long as the lab is up."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:         # the one that listed the directory
                pass


def launch(spec, listener):
    """Fork the keeper of a lab; return the connection to it and its process."""
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    try:
        host.die_with_parent(parent)
        os.setsid()
        for number in signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, \
                signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        ours.close()
        os.chdir("/")
        null = os.open("/dev/null", os.O_RDWR)
        for fd in 0, 1, 2:
            os.dup2(null, fd)
        close_all_but(0, 1, 2, theirs.fileno(), listener.fileno())
        keep(Keeper(spec, theirs, listener))
    finally:
        os._exit(0)             # without the exit handlers, which are the tool's


def keep(keeper):
    try:
        keeper.start()
        keeper.run()
    except Problem as problem:
        keeper.fail(str(problem), problem.status)
    except SystemExit:
        pass
    except Exception as error:  # a bug: better one line than a lab that vanishes
        where = error.__traceback__
        while where.tb_next:
            where = where.tb_next
        keeper.fail(f"internal error: {os.path.basename(where.tb_frame.f_code.co_filename)}:"
                    f"{where.tb_lineno}: {error!r}")
    finally:
        keeper.end()
