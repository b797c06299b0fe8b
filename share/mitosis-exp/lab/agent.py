# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The first process of a lab guest: runs commands for the keeper over a virtio-serial port.

It is process 1: it adopts and reaps every orphan, and the guest panics should it ever end. Each
command is a session of its own with three pipes, or with a terminal; what it leaves running in
another session stays, as after ssh. A channel ends when the command has ended *and* its output
pipes are closed, so that nothing written late is lost.
"""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402

PORT = "mitosis-lab"
CHUNK = 32 * 1024
BACKLOG = 512 * 1024            # stop reading from commands while the port holds this much
ROUND = 256 * 1024              # read from the port at once
KILL_AFTER = 2                  # seconds between hang-up and kill


def open_port():
    """Open the port of our name. There is no udev here: the name is in sysfs only."""
    base = "/sys/class/virtio-ports"
    for entry in os.listdir(base):
        with open(f"{base}/{entry}/name", encoding="ascii") as file:
            if file.read().strip() == PORT:
                return os.open(f"/dev/{entry}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    raise SystemExit(f"agent: no virtio port is named {PORT}")


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class Command:
    """One running command: its process, its pipes and the credit of each stream."""

    def __init__(self, agent, channel, request):
        self.agent = agent
        self.channel = channel
        self.outputs = {}           # our descriptor -> STDOUT or STDERR
        self.credit = {wire.STDOUT: wire.WINDOW, wire.STDERR: wire.WINDOW}
        self.stdin = None           # wire.Writer, or None once closed
        self.stdin_ended = False
        self.status = None          # of waitpid
        self.kill_at = None
        self.pid = self.start(request)

    def start(self, request):
        tty = request.get("tty")
        if tty:
            ours, theirs = os.openpty()
            set_size(ours, request.get("size", (24, 80)))
            child_fds = (theirs, theirs, theirs)
            self.stdin = wire.Writer(os.dup(ours), os.write)
            self.outputs[ours] = wire.STDOUT
        else:
            in_read, in_write = os.pipe()
            out_read, out_write = os.pipe()
            err_read, err_write = os.pipe()
            for fd in in_write, out_read, err_read:
                enlarge(fd)
            child_fds = (in_read, out_write, err_write)
            self.stdin = wire.Writer(in_write, os.write)
            self.outputs = {out_read: wire.STDOUT, err_read: wire.STDERR}
        failed, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            become(request, child_fds, tty, report)
        os.close(report)
        for fd in set(child_fds):
            os.close(fd)
        reason = os.read(failed, 4096)  # empty as soon as exec closes the pipe
        os.close(failed)
        if reason:
            code, _, text = reason.partition(b" ")
            os.waitpid(pid, 0)
            self.close()
            raise StartError(int(code), text.decode(errors="replace"))
        for fd in (*self.outputs, self.stdin.fd):
            os.set_blocking(fd, False)
        return pid

    def signal(self, number):
        if self.status is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass

    def hangup(self):
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)
        self.kill_at = time.monotonic() + KILL_AFTER
        self.close()

    def close_stdin(self):
        if self.stdin is not None:
            os.close(self.stdin.fd)
            self.stdin = None

    def close(self):
        self.close_stdin()
        for fd in self.outputs:
            os.close(fd)
        self.outputs = {}

    def take_stdin(self, payload):
        if payload:
            if self.stdin is not None:
                self.stdin.put(payload)
                self.feed_stdin()
            else:
                self.agent.send(wire.credit(self.channel, wire.STDIN, len(payload)))
        else:
            self.stdin_ended = True
            self.feed_stdin()

    def feed_stdin(self):
        """Hand waiting input to the command; one that has closed its end gets no more."""
        if self.stdin is None:
            return
        before = len(self.stdin)
        try:
            self.stdin.flush()
        except OSError:             # EPIPE, or EIO from a terminal
            self.close_stdin()
        left = len(self.stdin) if self.stdin is not None else 0
        if before > left:
            self.agent.send(wire.credit(self.channel, wire.STDIN, before - left))
        if self.stdin_ended and not left:
            self.close_stdin()

    def take_output(self, fd):
        stream = self.outputs[fd]
        if self.credit[stream] <= 0:
            return
        try:
            data = os.read(fd, min(CHUNK, self.credit[stream]))
        except BlockingIOError:
            return
        except OSError as error:    # a terminal whose other end is closed
            if error.errno != errno.EIO:
                raise
            data = b""
        self.credit[stream] -= len(data)
        self.agent.send(wire.frame(stream, self.channel, data))
        if not data:
            os.close(fd)
            del self.outputs[fd]

    def finished(self):
        return self.status is not None and not self.outputs


class StartError(Exception):
    """The command could not be started: exit status and reason."""


def enlarge(fd):
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 256 * 1024)
    except OSError:
        pass


def set_size(fd, size):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))


def become(request, fds, tty, report):
    """In the child: turn into the command. Does not return."""
    code = 125
    try:
        os.setsid()
        if tty:
            fcntl.ioctl(fds[0], termios.TIOCSCTTY, 0)
        for number, fd in enumerate(fds):
            os.dup2(fd, number, inheritable=True)
        for number in signal.SIGPIPE, signal.SIGXFSZ:
            signal.signal(number, signal.SIG_DFL)
        environment = request["env"]
        os.chdir(request["cwd"])
        code = 126
        argv = request["argv"]
        if tty and argv is None:
            shell = environment.get("SHELL", "/bin/bash")
            argv = [shell if os.access(shell, os.X_OK) else "/bin/sh", "-i"]
        code, what = 126, argv[0]
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        what = request["cwd"] if code == 125 else what
        if error.errno == errno.ENOENT and code == 126:
            code = 127
        os.write(report, f"{code} {what}: {error.strerror}".encode())
    except BaseException as error:          # whatever it is, this child must not go on as agent
        os.write(report, f"125 {error!r}".encode())
    os._exit(code)


class Agent:
    def __init__(self):
        self.port = wire.Writer(open_port(), os.write)
        self.reader = wire.Reader()
        self.commands = {}          # channel -> Command
        self.dying = []             # hung up, not yet ended
        self.poll = select.poll()

    def send(self, data):
        self.port.put(data)

    def handle(self, kind, channel, payload):
        if kind == wire.SPAWN:
            try:
                # what is cached of the host's files may have changed since the last command
                write("/proc/sys/vm/drop_caches", "3")
                self.commands[channel] = Command(self, channel, wire.parse(payload))
            except StartError as error:
                status, text = error.args
                self.send(wire.message(wire.EXIT, channel, status=status, error=text))
            except OSError as error:    # out of memory or processes
                self.send(wire.message(wire.EXIT, channel, status=125, error=str(error)))
            return
        if kind == wire.SIGNAL and channel == 0:
            for key in payload.decode():
                write("/proc/sysrq-trigger", key)
            return
        command = self.commands.get(channel)
        if command is None:         # it has just ended
            return
        if kind == wire.STDIN:
            command.take_stdin(payload)
        elif kind == wire.CREDIT:
            stream, count = wire.parse_credit(payload)
            command.credit[stream] += count
        elif kind == wire.SIGNAL:
            command.signal(payload[0])
        elif kind == wire.WINSIZE and command.stdin is not None:
            set_size(command.stdin.fd, struct.unpack("2H", payload))
        elif kind == wire.HANGUP:
            command.hangup()
            self.dying.append(self.commands.pop(channel))

    def reap(self):
        """Collect every dead child: commands, and orphans that came to us as process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for command in (*self.commands.values(), *self.dying):
                if command.pid == pid:
                    command.status = status

    def finish(self):
        """Report the commands that are over, kill those that outlive their hang-up."""
        for channel, command in list(self.commands.items()):
            if command.finished():
                command.close()
                del self.commands[channel]
                if os.WIFSIGNALED(command.status):
                    fields = {"signal": os.WTERMSIG(command.status),
                              "core": os.WCOREDUMP(command.status)}
                else:
                    fields = {"status": os.WEXITSTATUS(command.status)}
                self.send(wire.message(wire.EXIT, channel, **fields))
        now = time.monotonic()
        for command in self.dying[:]:
            if command.kill_at <= now:
                command.signal(signal.SIGKILL)
            if command.status is not None or command.kill_at <= now:
                self.dying.remove(command)

    def wait(self, wakeup):
        """Wait for anything to do; return the descriptors that are ready."""
        owners = {}
        poll = select.poll()
        poll.register(self.port.fd, select.POLLIN | (select.POLLOUT if self.port else 0))
        poll.register(wakeup, select.POLLIN)
        for command in self.commands.values():
            if command.stdin:               # has input waiting
                poll.register(command.stdin.fd, select.POLLOUT)
                owners[command.stdin.fd] = command
            if len(self.port) < BACKLOG:
                for fd, stream in command.outputs.items():
                    if command.credit[stream] > 0:
                        poll.register(fd, select.POLLIN)
                        owners[fd] = command
        ready = poll.poll(500 if self.dying else None)
        return [(fd, owners.get(fd)) for fd, _ in ready]

    def read_port(self):
        data = bytearray()
        try:
            while len(data) < ROUND:        # the driver gives a page at a time
                part = os.read(self.port.fd, ROUND)
                if not part:        # the host end is closed: the keeper is gone, and so are we
                    time.sleep(0.01)
                    break
                data += part
        except BlockingIOError:
            pass
        for item in self.reader.feed(data):
            self.handle(*item)

    def run(self, **hello):
        wakeup, woken = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.send(wire.message(wire.HELLO, **hello))
        while True:
            self.port.flush()
            for fd, command in self.wait(wakeup):
                if fd == wakeup:
                    os.read(wakeup, 4096)
                    self.reap()
                elif fd == self.port.fd:
                    self.read_port()
                elif command.stdin is not None and fd == command.stdin.fd:
                    command.feed_stdin()
                elif fd in command.outputs:
                    command.take_output(fd)
            self.finish()


def main():
    os.chdir("/")
    try:
        with open("/run/mitosis-lab/trouble", encoding="utf-8", errors="replace") as file:
            trouble = file.read().strip()
    except FileNotFoundError:
        trouble = ""
    Agent().run(kernel=os.uname().release, trouble=trouble)


main()
