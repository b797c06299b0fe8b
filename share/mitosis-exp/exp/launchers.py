# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Ways of running a command on a host: local, lab, ssh, pdsh, slurm, behind one interface.

Each turns (host, shell script) into a command line here; the connection, the authentication and the
distribution are theirs. What the script prints and its exit status come back as if it ran here.

A command runs under a *guard*, a few lines of shell on its host: it is a session of its own, and
when the guard's input ends, because the runner closed it, ended or lost its connection, the guard
ends the whole session. Every process below it also carries a token in its environment, by which a
*sweep* at the end finds what left its session.
"""

import ipaddress
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile

import words
from problem import MISSING, USAGE, Problem, Skip, reason

TOKEN = "MITOSIS_EXP_RUN"       # in the environment of all that belongs to a run
PASS = "MITOSIS_EXP_PASS"       # and to one command of it
GRACE = 5           # seconds between TERM and KILL

# The guard: see above. `read` and not cat waits for the end of input, since a builtin is no process
# that could be left behind.
_GUARD = """\
PATH={path}:$PATH MITOSIS_EXP_RUN={token} MITOSIS_EXP_PASS={token}.{number} MITOSIS_EXP_HOST={host}
export PATH MITOSIS_EXP_RUN MITOSIS_EXP_PASS MITOSIS_EXP_HOST
{cd}shell=$(command -v bash || echo sh)
exec 3<&0
setsid "$shell" -c {cmd} </dev/null 3<&- &
child=$!
{{
	while read -r _; do :; done
	kill -s TERM -- -$child || kill -s TERM $child
	n={tenths}
	while [ $n -gt 0 ] && kill -s 0 -- -$child; do sleep 0.1; n=$((n - 1)); done
	kill -s KILL -- -$child
}} <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait $child
status=$?
kill $watch 2>/dev/null
exit $status
"""
# For launchers that give a command no input, whose end could tell that we are gone.
_UNWATCHED = """\
PATH={path}:$PATH MITOSIS_EXP_RUN={token} MITOSIS_EXP_PASS={token}.{number} MITOSIS_EXP_HOST={host}
export PATH MITOSIS_EXP_RUN MITOSIS_EXP_PASS MITOSIS_EXP_HOST
{cd}shell=$(command -v bash || echo sh)
exec setsid -w "$shell" -c {cmd} </dev/null
"""
_SWEEP = """\
marked() {{ grep -lzxF {name}={token} /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3; }}
found=$(marked)
[ -n "$found" ] || exit 0
wait_gone() {{
	end=$(($(date +%s) + {grace}))
	while [ "$(date +%s)" -le $end ] && [ -n "$(marked)" ]; do sleep 0.1; done
}}
kill -TERM $found 2>/dev/null
wait_gone
left=$(marked)
[ -n "$left" ] || exit 0
kill -KILL $left 2>/dev/null
wait_gone
left=$(marked)
[ -z "$left" ] || {{ echo "cannot be ended: process $left"; exit 1; }}
"""
# Looks into the kernel's table of sockets: to connect would make us the server's first client.
_PORT = """\
hex=$(printf '%04X' {port})
until grep -Eq "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null
do sleep 0.05; done
"""
_FILE = "until [ -e {file} ]; do sleep 0.05; done\n"
_UNPACK = """\
MITOSIS_EXP_RUN={token}
export MITOSIS_EXP_RUN
mkdir -p -- {where} && tar -x -o -C {where}
"""
COPY_LIMIT = 600    # seconds
# Of a lab's node, in bytes: the least, what its kernel keeps for itself and what is rounded to; and what
# its emulator needs beside the node's memory.
NODE = 1 << 30
NODE_KERNEL = 192 << 20
NODE_STEP = 256 << 20
EMULATOR = 256 << 20
_STATUS = re.compile(r"pdsh@\S+ \S+ ssh exited with exit code|srun: error: .*: Exited with exit code")


class Launcher:
    """What all of them have in common. A subclass says what its command line is."""

    name = ""
    watched = True          # our input reaches the guard, and its end ends the command
    from_here = True        # commands begin in our working directory; False: in the login's
    local_only = False
    program = None
    package = None

    def __init__(self, args, token, tools):
        self.args = args
        self.token = token
        self.tools = tools          # where our own tools are
        self.user = None
        if self.program and not shutil.which(self.program):
            raise Skip(f"{self.program} is missing (Debian package: {self.package})")

    def hosts(self):
        """The hosts that there are without the user naming any."""
        raise Problem(f"--launcher {self.name}: which hosts? Say --hosts n1,n[2-4] or "
                      "--hosts ROLE=n1,ROLE=n[2-4]", USAGE)

    def start(self, hosts, memory=0):
        """Before the first command. MEMORY is what a host needs at most, in bytes, or 0 if that is not
        known; those of a launcher that makes its hosts get it."""

    def stop(self):
        """After the last one."""

    def argv(self, host, script):
        raise NotImplementedError

    # scripts

    def guarded(self, command, cmd, number):
        """The script for a Command of a file; CMD is its text with all placeholders filled in."""
        template = _GUARD if self.watched else _UNWATCHED
        return template.format(path=shlex.quote(self.tools), tenths=GRACE * 10, number=number,
                               token=shlex.quote(self.token), host=shlex.quote(command.host),
                               cd=self.cd(command.path), cmd=shlex.quote(cmd))

    def place(self, path):
        """A path of a file, on a host: it is relative to the project."""
        return path if self.args.project is None else os.path.join(self.args.project, path)

    def cd(self, path):
        where = self.place(path)
        return f"cd -- {shlex.quote(where)} || exit 125\n" if where else ""

    def probe(self, command):
        """What to run beside a Command to see that it is ready: ends when it is."""
        if command.port:
            return _PORT.format(port=shlex.quote(command.port))
        return _FILE.format(file=shlex.quote(command.file))

    def sweep(self, number=None):
        """The script that ends what belongs to the run, or to one command of it."""
        name, token = (TOKEN, self.token) if number is None else (PASS, f"{self.token}.{number}")
        return _SWEEP.format(name=name, token=shlex.quote(token), grace=GRACE)

    # copies

    def copy(self, archive, host, path):
        """Unpack ARCHIVE, a file that holds what is to be PATH, on a host; the command's outcome."""
        os.lseek(archive.fileno(), 0, os.SEEK_SET)
        return ask(self.argv(host, self.unpack(path)), COPY_LIMIT, archive)

    def unpack(self, path):
        where = os.path.dirname(self.place(path)) or "."
        return _UNPACK.format(token=shlex.quote(self.token), where=shlex.quote(where))


class Local(Launcher):
    """Here. Host names are labels, all for this machine."""

    name = "local"
    local_only = True

    def hosts(self):
        return ["localhost"]

    def argv(self, host, script):
        return ["sh", "-c", script]


class Ssh(Launcher):
    """ssh(1), with what ~/.ssh/config says; never asks for a password."""

    name = "ssh"
    from_here = False
    program = "ssh"
    package = "openssh-client"

    def __init__(self, args, token, tools):
        super().__init__(args, token, tools)
        self.options = shlex.split(os.environ.get("MITOSIS_EXP_SSH", ""))

    def argv(self, host, script):
        user = ["-l", self.user] if self.user else []
        return ["ssh", "-oBatchMode=yes", "-oServerAliveInterval=15", *self.options, *user, host,
                f"exec sh -c {shlex.quote(script)}"]


class Pdsh(Launcher):
    """pdsh(1) over ssh. It gives a command no input, so the guard cannot watch it: what runs is
    found by its token."""

    name = "pdsh"
    program = "pdsh"
    package = "pdsh"
    watched = False
    from_here = False

    def argv(self, host, script):
        user = ["-l", self.user] if self.user else []
        # -N: no "host:" before each line; -S: the command's status; %h and %n would be replaced.
        quoted = shlex.quote(script).replace("%", "%%")
        # A busy host may need longer than pdsh's ten seconds until it answers.
        return ["pdsh", "-R", "ssh", "-t", "60", "-N", "-S", "-f", "1", *user, "-w", host,
                f"exec sh -c {quoted}"]

    def copy(self, archive, host, path):
        """The archive comes by pdcp(1), which makes no directory, to that of the login first."""
        user = ["-l", self.user] if self.user else []
        kept = f".mitosis-exp.{self.token}.{host}"
        try:
            # pdcp's status does not tell whether the host got the file: unpacking it will.
            brought = ask(["pdcp", "-b", "-R", "ssh", "-t", "60", *user, "-w", host, archive.name,
                           kept], COPY_LIMIT)
            script = f"exec <{shlex.quote(kept)} || exit\n{self.unpack(path)}"
            found = ask(self.argv(host, script), COPY_LIMIT)
        finally:
            ask(self.argv(host, f"rm -f -- {shlex.quote(kept)}"), 3 * GRACE + 60)
        found.stderr = brought.stderr or found.stderr
        return found


class Slurm(Launcher):
    """srun(1), in the allocation that we are in or in one of our own."""

    name = "slurm"
    program = "srun"
    package = "slurm-client"

    def __init__(self, args, token, tools):
        super().__init__(args, token, tools)
        self.job = os.environ.get("SLURM_JOB_ID")
        self.mine = False

    def hosts(self):
        listed = os.environ.get("SLURM_JOB_NODELIST")
        return words.hosts(listed, "SLURM_JOB_NODELIST") if listed else super().hosts()

    def start(self, hosts, memory=0):
        if self.job:
            return
        found = ask(["salloc", "--no-shell", "--job-name", "mitosis-exp", "--nodes",
                     str(len(hosts)), "--nodelist", ",".join(hosts), "--exclusive",
                     "--immediate=60"], 90)
        match = re.search(r"allocation (\d+)", found.stderr)
        if found.returncode or not match:
            raise Problem(f"salloc: {last_line(found.stderr)}")
        self.job = match[1]
        self.mine = True

    def stop(self):
        if self.mine:
            self.mine = False
            ask(["scancel", self.job], 60)

    def argv(self, host, script):
        return ["srun", f"--jobid={self.job}", "--overlap", "--nodes=1", "--ntasks=1",
                f"--nodelist={host}", "--quiet", "--kill-on-bad-exit", "sh", "-c", script]


class Lab(Launcher):
    """Nodes of mitosis-lab: one that is up, or with --lab N one for this run only."""

    name = "lab"

    def __init__(self, args, token, tools):
        super().__init__(args, token, tools)
        self.tool = os.path.join(tools, "mitosis-lab")
        if not os.path.exists(self.tool):
            raise Skip(f"{self.tool} is missing")
        self.nodes = args.lab
        self.lab = f"exp.{os.getpid()}" if self.nodes else None
        self.holder = None
        self.up = False

    def hosts(self):
        if self.nodes:
            return [f"node{number}" for number in range(1, self.nodes + 1)]
        found = ask([self.tool, "status", "--json"], 60)
        rows = [json.loads(line) for line in found.stdout.splitlines()]
        wanted = os.environ.get("MITOSIS_LAB_NAME")
        names = {row["lab"] for row in rows if not wanted or row["lab"] == wanted}
        if len(names) != 1:
            raise Problem("--launcher lab: " + (
                f"which lab? Set MITOSIS_LAB_NAME: {', '.join(sorted(names))}" if names
                else "no lab is up (mitosis-lab up starts one, and so does --lab N)"))
        self.lab = names.pop()
        return [row["node"] for row in rows if row["lab"] == self.lab]

    def start(self, hosts, memory=0):
        there = self.hosts()
        for host in hosts:
            if host not in (*there, "localhost"):
                raise Problem(f"{host}: no node of this lab (it has: {', '.join(there)})")
        if not self.nodes:
            return
        # The lab lasts as long as its command, and that until its input ends: so it ends as we do.
        self.errors = tempfile.TemporaryFile("w+")
        self.holder = subprocess.Popen(
            [self.tool, "run", "--name", self.lab, "-n", str(self.nodes),
             f"--memory={node_memory(memory, self.nodes, free_memory()) >> 20}M", *self.args.lab_option,
             "--", "sh", "-c", "echo up; while read -r _; do :; done"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            start_new_session=True)
        for _ in range(self.nodes):
            if not self.holder.stdout.readline():
                break
        else:
            self.up = True
            return
        status = self.holder.wait()
        self.errors.seek(0)
        text = last_line(self.errors.read()).removeprefix("mitosis-lab: ")
        self.holder = None
        raise Problem(f"mitosis-lab: {text}", MISSING if status == MISSING else 1)

    def stop(self):
        holder, self.holder = self.holder, None
        if holder is None:
            return
        holder.stdin.close()
        if not self.up:
            # The lab is still starting: no command runs that would read its input.
            holder.terminate()
        try:
            holder.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(holder.pid, signal.SIGKILL)
            holder.wait()
        holder.stdout.close()

    def argv(self, host, script):
        named = ["--name", self.lab] if self.lab else []
        return [self.tool, "exec", *named, host, "--", "sh", "-c", script]


def node_memory(wanted, nodes, free):
    """Bytes for each node of a lab where WANTED must fit beside a kernel, and FREE is all that there is for
    it and for the emulators. What does not fit then is left out, point by point, by its own message."""
    wanted += wanted // 32 + NODE_KERNEL        # a kernel keeps a record of each page
    wanted = max(NODE, -(-wanted // NODE_STEP) * NODE_STEP)
    return max(NODE, min(wanted, (free // nodes - EMULATOR) // NODE_STEP * NODE_STEP))


def free_memory():
    """Bytes that new programs can have here: of the machine's, and of what our control groups allow."""
    with open("/proc/meminfo", encoding="ascii") as file:
        table = dict(line.split(":") for line in file)
    found = [int(table["MemAvailable"].split()[0]) << 10]
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        groups = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in groups:
        if controllers == "":
            root, names = "/sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            root, names = "/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        while True:
            limit, used = (number_in(f"{root}{path}/{name}") for name in names)
            if limit is not None and used is not None:
                found.append(max(0, limit - used))
            if path in ("", "/"):
                break
            path = os.path.dirname(path)
    return min(found)


def number_in(path):
    """The number in a file of the kernel's; None where there is no such file, or no limit in it."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


ALL = {each.name: each for each in (Local, Lab, Ssh, Pdsh, Slurm)}


def chosen(args):
    """The one that the command line asks for."""
    return ALL[args.launcher or ("lab" if args.lab else "local")]


def is_here(host):
    """Whether a name means the host that we are on."""
    name = socket.gethostname().lower()
    if host.lower() in ("localhost", name, name.partition(".")[0]):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def pack(source, name):
    """An archive of a file or directory, which is called NAME in it."""
    file = tempfile.NamedTemporaryFile(prefix="mitosis-exp.")
    try:
        # The archive is complete before any is unpacked: the copy may have the place of the source.
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(source, arcname=name)
        file.flush()
    except OSError as error:
        file.close()
        raise Problem(f"{error.filename or source}: cannot be copied: {reason(error)}") from None
    return file


def ask(argv, limit, given=subprocess.DEVNULL):
    try:
        return subprocess.run(argv, stdin=given, capture_output=True, text=True, errors="replace",
                              timeout=limit, check=False, start_new_session=True)
    except FileNotFoundError:
        raise Skip(f"{argv[0]}: not found") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"{argv[0]}: no answer within {limit} s") from None


def last_line(text):
    """The last line that a program said. pdsh and srun add one about the status, which we know: it
    is left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not _STATUS.match(line)] or lines
    return lines[-1].strip() if lines else "no message"

