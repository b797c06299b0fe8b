# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Reads experiment files: our own, and both dialects that the published suite uses.

A file becomes an Experiment. An experiment has points, one for each combination of the values that
are swept. A point has stages that come one after the other; a stage is passes that run at the same
time; a pass is a command on hosts.
"""

import collections
import itertools
import os
import re
import tomllib
import types

import figure
import words
from commandline import duration
from problem import Problem, reason

SYSTEM = 192 << 20  # bytes that a host needs beside what passes hold
GAP = 1.0           # seconds between passes of the second dialect: none tells when it is ready
LIMIT = 600.0       # of a pass that names no time limit
PASSWORDS = ("pwd", "passphrase")

EXPERIMENT_KEYS = {"title": str, "description": str, "needs": list[str], "published": str,
                   "quick": dict, "stats": list[str], "plot": list[str], "compare": list[str],
                   "hosts": int, "module": bool, "table": list[str], "all": str}
PASS_KEYS = {"name": str, "role": str, "host": (str, list[str]), "path": str, "cmd": str, "order": int,
             "loop": int, "local": bool, "timeout": (str, int, float), "ready": dict,
             "background": bool, "take": (int, str), "memory": (int, str)}
READY_KEYS = {"port": (int, str), "file": str, "line": str, "set": str, "timeout": (str, int, float)}
RUN_KEYS = ("user", *PASSWORDS, "global_configs", "hosts", "placeholder", "pass", "sync", "null",
            "dialect", "experiment", "setup", "cleanup", "global")
ALL_HOSTS = "all"   # the role of every host there is
PLACES = ("first", "last")          # of an experiment in `all'
# Not an error where the module cannot be loaded: what needs it says so itself. Not tried without
# an RDMA device, where it would be of no use.
_MODULE = """\
[ -c /dev/mitosis ] || [ -z "$(ls /sys/class/infiniband 2>/dev/null)" ] || { modprobe rdma_cm && case ${module} in */*) insmod ${module} ;; \
*) modprobe ${module} ;; esac; } 2>&1 | tail -n 1 | sed 's/^/no kernel module: /' >&2"""
TEMPLATE_KEYS = {"pass": list[dict], "placeholder": dict, "setup": list[dict],
                 "cleanup": list[dict]}
TOP_KEYS = {"user": str, "null": list[str], "global_configs": str, "hosts": (str, list[str]),
            "sync": list[dict], "dialect": int}
KINDS = {str: "a string", int: "a number", float: "a number", bool: "true or false",
         dict: "a table", list[str]: "a list of strings", list[dict]: "a list of tables"}


class Ready:
    """What a pass has to reach before the next ones begin."""

    def __init__(self, table, where):
        self.port = table.get("port")
        self.file = table.get("file")
        self.line = table.get("line")
        self.set = table.get("set")
        self.timeout = duration(table.get("timeout", "180s"), f"{where}: ready.timeout")
        if sum(each is not None for each in (self.port, self.file, self.line)) != 1:
            raise Problem(f"{where}: ready: name one of port, file and line")
        if self.set is not None and self.line is None:
            raise Problem(f"{where}: ready.set: only what is in a line can be set")
        if self.line is not None:
            try:
                re.compile(self.line)
            except re.error as error:
                raise Problem(f"{where}: ready.line: {self.line}: {error}") from None

    def table(self):
        names = ("port", "file", "line", "set")
        found = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**found, "timeout": f"{self.timeout:g}s"}


class Pass:
    """A command as the file has it; `hosts` are those of its role."""

    def __init__(self, table, number, experiment, kind="pass"):
        self.where = f"{experiment.path}: {kind} {number}"
        check(table, PASS_KEYS, self.where)
        self.name = table.get("name") or table.get("role") or f"{kind}{number}"
        if not words.NAME.fullmatch(self.name):
            raise Problem(f"{self.where}: name: {self.name}: letters, digits, '.', '_' and '-' only")
        self.where = f"{experiment.path}: {kind} {number} ({self.name})"
        if not table.get("cmd", "").strip():
            raise Problem(f"{self.where}: no cmd")
        self.cmd = table["cmd"]
        self.path = table.get("path", "")
        self.role = table.get("role")
        self.order = table.get("order", 0)
        self.loop = table.get("loop", 1)
        self.local = table.get("local", False)
        self.background = table.get("background", False)
        self.take = str(table.get("take", ""))
        self.memory = str(table.get("memory", 0))
        self.timeout = duration(table.get("timeout", LIMIT), f"{self.where}: timeout")
        self.ready = None
        if "ready" in table:
            check(table["ready"], READY_KEYS, f"{self.where}: ready")
            self.ready = Ready(table["ready"], self.where)
        host = table.get("host")
        self.fixed = None if host is None else [host] if isinstance(host, str) else host
        if self.role and self.fixed:
            raise Problem(f"{self.where}: either role or host")
        if self.loop < 1:
            raise Problem(f"{self.where}: loop: {self.loop}: not a number from 1")
        self.hosts = []


class Sync:
    """A file or directory of this host that is copied to hosts before anything runs there."""

    def __init__(self, table, experiment):
        where = f"{experiment.path}: sync"
        check(table, {"source": str, "targets": (str, list[str])}, where)
        if not table.get("source") or not table.get("targets"):
            raise Problem(f"{where}: source and targets are both needed")
        self.source = table["source"]
        targets = table["targets"]
        self.targets = [self.target(text, where)
                        for text in ([targets] if isinstance(targets, str) else targets)]

    def target(self, text, where):
        """(host, path): where the copy is to be; within a directory if the path ends in a slash."""
        host, _, path = str(text).partition(":")
        if path.endswith("/"):
            path += os.path.basename(os.path.normpath(self.source))
        path = os.path.normpath(path or self.source)
        if not host or os.path.basename(path) in ("", ".", ".."):
            raise Problem(f"{where}: targets: {text}: not HOST or HOST:PATH, of a copy with a name")
        return host, path

    def table(self):
        return {"source": self.source, "targets": [":".join(each) for each in self.targets]}


class Command:
    """A pass on one host, with everything filled in but what earlier passes will set."""

    def __init__(self, made_of, host, index, loop, values, experiment):
        self.made_of = made_of
        self.host = host
        self.loop = loop
        own = {**values, "@incr": index, "@host": host}
        own.update(dict.fromkeys(experiment.set_later, None))

        def fill(text):
            # What a ready line will set is not known yet: such a placeholder stays as it is.
            later = {name: f"\0{name}\0" for name in experiment.set_later}
            done = words.substitute(text, {**own, **later}, made_of.where)
            return re.sub("\0(.*?)\0", r"${\1}", done)

        self.path = fill(made_of.path)
        self.cmd = fill(experiment.configure(made_of.cmd, made_of.where))
        self.memory = words.memory(fill(made_of.memory), f"{made_of.where}: memory")
        if made_of.loop > 1:
            self.cmd += f" -loop={loop}"
        self.port = self.file = None
        if made_of.ready and made_of.ready.port is not None:
            self.port = fill(str(made_of.ready.port))
            if not is_port(self.port) and not words.placeholders(self.port):
                raise Problem(f"{made_of.where}: ready.port: {self.port or 'empty'}: not a number "
                              "from 1 to 65535")
        if made_of.ready and made_of.ready.file is not None:
            self.file = fill(made_of.ready.file)
            if not self.file:
                raise Problem(f"{made_of.where}: ready.file: empty")

    @property
    def label(self):
        return self.made_of.name + (f".{self.loop}" if self.made_of.loop > 1 else "")


def is_port(text):
    return re.fullmatch("[0-9]{1,5}", text) is not None and 1 <= int(text) <= 65535


class Stage:
    def __init__(self, commands, gap=None):
        self.commands = commands
        self.gap = gap      # None: until all have ended; else seconds until the next one begins


class Point:
    def __init__(self, number, values, stages):
        self.number = number
        self.values = values        # what is swept: name -> text
        self.stages = stages

    def memory(self):
        """What its commands hold on each host at their most: those of a stage, and of earlier ones those
        that may run still."""
        most = collections.Counter()
        staying = collections.Counter()
        for stage in self.stages:
            now = collections.Counter(staying)
            for command in stage.commands:
                now[command.host] += command.memory
                if command.made_of.background or command.made_of.ready or stage.gap is not None:
                    staying[command.host] += command.memory
            most |= now
        return most

    @property
    def label(self):
        return " ".join(f"{name}={value}" for name, value in self.values.items())


class Experiment:
    def __init__(self, path, name, document, text):
        self.path = path
        self.name = name
        self.text = text
        self.warnings = []
        own = document.get("experiment", {})
        check(own, EXPERIMENT_KEYS, f"{path}: experiment")
        self.title = own.get("title", name)
        self.description = own.get("description", "").strip()
        self.needs = own.get("needs", [])
        self.published = own.get("published")
        self.quick = own.get("quick", {})
        self.stats = own.get("stats", [])
        self.plot = own.get("plot", [])
        self.compare = own.get("compare", [])
        if self.compare and "--baseline" not in self.compare[:-1]:
            raise Problem(f"{path}: experiment: compare: to what? Expected \"--baseline\", "
                          "\"FACTOR=LEVEL\"")
        self.min_hosts = own.get("hosts", 1)
        self.table = own.get("table", [])
        self.in_all = own.get("all", "")
        if self.in_all and self.in_all not in PLACES:
            raise Problem(f"{path}: experiment: all: {self.in_all}: not one of {', '.join(PLACES)}")
        template = document.get("template")
        if template is None:
            self.read_run_file(document)
        else:
            self.read_template(document, template)
        if not self.passes:
            raise Problem(f"{path}: no pass")
        if own.get("module"):
            self.placeholders = {**self.placeholders, "module": self.placeholders.get("module",
                                                                                      "mitosis")}
            self.setup.insert(0, Pass({"name": "module", "role": ALL_HOSTS, "cmd": _MODULE,
                                       "order": -1}, 0, self, "setup"))
        self.set_later = [each.ready.set for each in self.setup + self.passes
                          if each.ready and each.ready.set]
        self.roles = list(dict.fromkeys(each.role for each in self.setup + self.passes
                                        + self.cleanup if each.role not in (None, ALL_HOSTS)))

    # reading

    def read_template(self, document, template):
        for key in document:
            if key not in ("global", "template", "experiment"):
                raise Problem(f"{self.path}: {key}: neither global, template nor experiment")
        check(template, TEMPLATE_KEYS, f"{self.path}: template")
        check_kinds(document, {"global": dict}, self.path)
        self.read_top(document.get("global", {}), template)

    def read_run_file(self, document):
        if "pass" not in document:
            raise Problem(f"{self.path}: neither [template] nor [[pass]]: not an experiment")
        for key in document:
            if key not in RUN_KEYS:
                self.warnings.append(f"{key}: unknown, ignored")
        check_kinds(document, {"global": dict, **TEMPLATE_KEYS}, self.path)
        self.read_top({**document.get("global", {}), **document}, document)

    def read_top(self, top, passes):
        check_kinds(top, TOP_KEYS, self.path)
        for key in PASSWORDS:
            if key in top:
                self.warnings.append(f"{key}: ignored: no passwords in files; "
                                     "use keys of ssh, or another launcher")
        self.user = top.get("user")
        self.null = set(top.get("null", []))
        self.configs = top.get("global_configs", "")
        self.all_hosts = top.get("hosts", [])
        if isinstance(self.all_hosts, str):
            self.all_hosts = [self.all_hosts]
        self.global_keys = {key: value for key, value in top.items()
                            if key not in RUN_KEYS and key not in PASSWORDS}
        self.syncs = [Sync(table, self) for table in top.get("sync", [])]
        self.placeholders = passes.get("placeholder", {})
        tables = passes.get("pass", [])
        self.dialect = top.get("dialect") or self.guess_dialect(top, tables)
        if self.dialect not in (1, 2):
            raise Problem(f"{self.path}: dialect: {self.dialect}: neither 1 nor 2")
        self.passes = [Pass(table, number, self) for number, table in enumerate(tables, 1)]
        self.setup, self.cleanup = ([Pass(table, number, self, kind) for number, table
                                     in enumerate(passes.get(kind, []), 1)]
                                    for kind in ("setup", "cleanup"))

    def guess_dialect(self, top, tables):
        """The second, if there is what only it has: files to copy, muted hosts, {} for the common
        arguments."""
        braces = any(re.search(r"(?<!\{)\{\}(?!\})", table.get("cmd", "")) for table in tables
                     if isinstance(table.get("cmd"), str))
        return 2 if "sync" in top or "null" in top or (braces and self.configs) else 1

    def configure(self, cmd, where):
        """CMD with global_configs: appended, or in the second dialect instead of {}."""
        if self.dialect == 1:
            return f"{cmd} {self.configs}" if self.configs else cmd
        kept = {}

        def keep(match):
            # Placeholders are taken out before braces are looked at, and put back afterwards.
            kept[f"\1{len(kept)}\1"] = match[0]
            return f"\1{len(kept) - 1}\1"

        text = re.sub(r"\$\{[^{}]*\}", keep, cmd)
        text = re.sub(r"\{\{|\}\}|\{\}|[{}]", lambda match: {
            "{{": "{", "}}": "}", "{}": self.configs}.get(match[0], "\2"), text)
        if "\2" in text:
            raise Problem(f"{where}: cmd: a single brace; literal braces are doubled in this dialect")
        return re.sub("\1\\d+\1", lambda match: kept[match[0]], text)

    def unconfigured(self, cmd):
        """What configure() makes CMD of, where there is no global_configs."""
        if self.dialect == 1:
            return cmd
        # Placeholders that a ready line will set are still there; their braces stay single.
        return "".join(part if number % 2 else re.sub(r"[{}]", r"\g<0>\g<0>", part)
                       for number, part in enumerate(re.split(r"(\$\{[^{}]*\})", cmd)))

    # hosts

    @property
    def on_all_hosts(self):
        return any(each.role == ALL_HOSTS for each in self.setup + self.passes + self.cleanup)

    def place(self, table, available, excluded=(), local_only=False):
        """Give each pass its hosts.

        TABLE is role -> hosts, as the user said. Roles that it does not name are spread over the
        hosts without a role, else over AVAILABLE: the first role gets the first host, each other
        role all of the rest.
        """
        spread = {}
        pool = table.get(None) or available
        for number, role in enumerate(self.roles):
            spread[role] = pool[:1] if number == 0 else pool[1:] or pool[:1]
        known = {**spread, **{role: hosts for role, hosts in table.items() if role}}
        known.setdefault(ALL_HOSTS, list(dict.fromkeys(
            host for hosts in ([pool] if not self.roles else known.values()) for host in hosts)))
        for role in table:
            if role and role not in (*self.roles, ALL_HOSTS):
                raise Problem(f"--hosts: {role}: {self.name} has no such role"
                              + (f" (it has: {', '.join(self.roles)})" if self.roles else ""))
        for each in self.setup + self.passes + self.cleanup:
            if each.local:
                each.hosts = ["localhost"]
            elif each.role:
                each.hosts = known[each.role]
                if not each.hosts:
                    raise Problem(f"{each.where}: no host for role {each.role} (see --hosts)")
            else:
                each.hosts = each.fixed or self.all_hosts or pool[:1]
            each.hosts = [host for host in each.hosts if host not in excluded]
            if each.ready and each.ready.set and len(each.hosts) * each.loop > 1:
                raise Problem(f"{each.where}: ready.set: one value, and {len(each.hosts)} hosts "
                              f"with loop {each.loop}")
        for each in self.syncs:
            each.targets = [target for target in each.targets if target[0] not in excluded]
        if not any(each.hosts for each in self.passes):
            raise Problem(f"{self.name}: no host is left")
        self.by_role = {role: [host for host in hosts if host not in excluded]
                        for role, hosts in known.items()}
        self.local_only = local_only

    @property
    def hosts(self):
        of_passes = (host for each in self.setup + self.passes + self.cleanup
                     for host in each.hosts)
        return list(dict.fromkeys((*of_passes, *(host for each in self.syncs
                                                 for host, _ in each.targets))))

    @property
    def own_hosts(self):
        """The hosts that the file names, used or not."""
        of_passes = {host for each in self.setup + self.passes + self.cleanup
                     if not each.role and not each.local for host in each.fixed or self.all_hosts}
        return of_passes | {host for each in self.syncs for host, _ in each.targets}

    @property
    def named_hosts(self):
        """The hosts of this run that the file has named, and not the user."""
        own = self.own_hosts
        return [host for host in self.hosts if host in own]

    def builtins(self):
        """Placeholders that every file has: @ROLE, the address of its first host, and @listen,
        where servers listen."""
        found = {"@listen": "127.0.0.1" if self.local_only else "0.0.0.0"}
        for role, hosts in self.by_role.items():
            if hosts:
                found[f"@{role}"] = "127.0.0.1" if self.local_only else hosts[0]
        return found

    # points

    @property
    def settable(self):
        """The placeholders whose values a user may give: those that the file lists, and those that it
        uses and does not list. Published files leave some to whoever runs them."""
        texts = [self.configs, *flat(self.placeholders)]
        for each in self.setup + self.passes + self.cleanup:
            texts += [each.cmd, each.path, each.memory, each.take]
            if each.ready:
                texts += [str(each.ready.port or ""), each.ready.file or ""]
        used = [name for text in texts for name in words.placeholders(text)
                if words.NAME.fullmatch(name) and name not in self.set_later]
        return list(dict.fromkeys((*self.placeholders, *used)))

    def fixed_values(self, chosen):
        for name in chosen:
            if name not in self.settable:
                raise Problem(f"--set: {name}: {self.name} has no such placeholder (it has: "
                              f"{', '.join(self.settable) or 'none'})")
        return {**self.placeholders, **chosen}

    def points(self, chosen, limit=None):
        values = self.fixed_values(chosen)
        axes = [name for name, value in values.items() if isinstance(value, list)]
        for name in axes:
            if not values[name]:
                raise Problem(f"{self.path}: placeholder {name}: an empty list")
        made = []
        for combination in itertools.product(*(levels(values[name]) for name in axes)):
            now = {**values, **self.builtins(),
                   **{axis: value for axis, (_, value) in zip(axes, combination)}}
            swept = {axis: shown for axis, (shown, _) in zip(axes, combination)}
            made.append(Point(len(made) + 1, swept, self.stages(self.passes[:limit], now)))
        return made

    def extra(self, passes, chosen):
        """The stages of set-up or clean-up, with the first value of placeholders that are swept."""
        values = {name: levels(value)[0][1] if isinstance(value, list) and value else value
                  for name, value in self.fixed_values(chosen).items()}
        return self.stages(passes, {**values, **self.builtins()})

    def stages(self, passes, values):
        made = []
        if self.dialect == 2:
            for each in passes:
                made.append(Stage(self.commands(each, values), GAP))
            return made
        for order in sorted({each.order for each in passes}):
            commands = [command for each in passes if each.order == order
                        for command in self.commands(each, values)]
            if commands:
                made.append(Stage(commands))
        return made

    def commands(self, each, values):
        hosts = each.hosts
        if each.take:
            count = words.substitute(each.take, values, each.where)
            if not count.isdigit() or not int(count):
                raise Problem(f"{each.where}: take: {count}: not a number from 1")
            # With too few hosts none: see lacking(), which is asked when the point's turn comes.
            hosts = hosts[:int(count)] if len(hosts) >= int(count) else []
        return [Command(each, host, index, loop, values, self)
                for index, host in enumerate(hosts, 1) for loop in range(each.loop)]

    def lacking(self, point, facts=None):
        """Why POINT cannot be done with the hosts that there are, or None. FACTS are those of each host."""
        there = {command.made_of for stage in point.stages for command in stage.commands}
        for each in self.passes:
            if each.take and each not in there:
                return f"not so many hosts for {each.name}: there " \
                       f"{'is' if len(each.hosts) == 1 else 'are'} {len(each.hosts)}"
        return self.lacking_memory(point, facts or {})

    def lacking_memory(self, point, facts):
        """The same of memory: what does not fit would end as an error of whatever asks for it first, or
        by the kernel, which ends something of its own choice."""
        used = {name for each in self.passes for name in words.placeholders(each.memory)}
        label = " ".join(f"{name}={value}" for name, value in point.values.items() if name in used)
        # All of a launcher's names may be one machine.
        needs = point.memory()
        if self.local_only:
            needs = {host: needs.total() for host in needs}
        for host, held in needs.items():
            there = facts.get(host, {}).get("memory_bytes", "")
            if held and there.isdigit() and held + SYSTEM > int(there):
                return f"{label or 'it'} needs {shown(held)} of memory on {host} and {shown(SYSTEM)} " \
                       f"for its system; there are {shown(int(there))}"
        return None

    def resolved(self, point):
        """The point as a run file of the first dialect, which can be run by itself."""
        order = 0
        tables = []
        for stage in point.stages:
            for command in stage.commands:
                made_of = command.made_of
                table = {"name": made_of.name, "host": command.host, "path": command.path,
                         "cmd": self.unconfigured(command.cmd), "order": order,
                         "timeout": f"{made_of.timeout:g}s"}
                if made_of.local:
                    table = {**table, "local": True}
                    del table["host"]
                if command.memory:
                    table["memory"] = command.memory
                if made_of.background:
                    table["background"] = True
                if made_of.ready:
                    table["ready"] = made_of.ready.table()
                    if command.port:
                        table["ready"]["port"] = command.port
                    if command.file:
                        table["ready"]["file"] = command.file
                tables.append(table)
            order += 1
        text = f"# {self.name}, point {point.number}" + (f": {point.label}" if point.label else "")
        text += "\n"
        if self.user:
            text += f"user = {quote(self.user)}\n"
        text += f"dialect = {self.dialect}\n"
        text += "".join(f"{key} = {toml(value)}\n" for key, value in self.global_keys.items())
        for kind, some in ("sync", [each.table() for each in self.syncs]), ("pass", tables):
            for table in some:
                text += f"\n[[{kind}]]\n"
                text += "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
        return text


def flat(value):
    """All texts in a table of values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in flat(each)]
    return [str(value)]


def most_memory(points):
    """What one host needs at most for any of POINTS, its system included; 0 if none says."""
    most = max((held for point in points for held in point.memory().values()), default=0)
    return most + SYSTEM if most else 0


def shown(size):
    return figure.human(size, "bytes")


# values

def levels(values):
    """For each value that is swept: (what is shown, what is filled in)."""
    made = []
    for value in values:
        if isinstance(value, dict):
            made.append((words.as_text(value.get("name", value.get("value", ""))),
                         words.as_text(value.get("value", ""))))
        else:
            made.append((words.as_text(value), words.as_text(value)))
    return made


def check(table, known, where):
    """Only keys that are known, each of its type."""
    if not isinstance(table, dict):
        raise Problem(f"{where}: not a table")
    for key in table:
        if key not in known:
            raise Problem(f"{where}: {key}: unknown key (known: {', '.join(known)})")
    check_kinds(table, known, where)


def check_kinds(table, known, where):
    """Keys that are known have to be of their type; others are not looked at."""
    for key, value in table.items():
        kinds = known.get(key, object)
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if not any(is_kind(value, kind) for kind in kinds):
            names = " or ".join(KINDS[kind] for kind in kinds if kind is not float)
            raise Problem(f"{where}: {key}: {value!r} is not {names}")


def is_kind(value, kind):
    if isinstance(kind, types.GenericAlias):
        return isinstance(value, list) and all(is_kind(each, kind.__args__[0]) for each in value)
    return isinstance(value, kind) and (kind in (bool, object) or not isinstance(value, bool))


def quote(text):
    """A TOML string."""
    out = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\u{ord(each):04X}" for each in out) + '"'


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    return quote(str(value))


# finding files

def load(path, name=None):
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise Problem(f"{path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise Problem(f"{path}: not UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{path}: {error}") from None
    return Experiment(path, name or name_of(path), document, text)


def name_of(word):
    """The name of an experiment: its file's, in characters that a directory's name may have."""
    name = os.path.basename(word).removesuffix(".toml")
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".") or "experiment"


def names(directory):
    return sorted(entry.removesuffix(".toml") for entry in os.listdir(directory)
                  if entry.endswith(".toml"))


def all_names(directory, fresh):
    """The experiments that `all' stands for, in order.

    Those that say "all" themselves set hosts up or clean them up. They are in it only if FRESH: if
    the hosts are there for this run alone, so that nothing of somebody else's can come to harm.
    """
    found = [load(os.path.join(directory, f"{name}.toml"), name) for name in names(directory)]
    order = {"first": 0, "": 1, "last": 2}
    return [each.name for each in sorted(found, key=lambda each: order[each.in_all])
            if fresh or not each.in_all]


def find(word, directory):
    """An experiment of the package by its name; what has a slash or .toml is a file."""
    if "/" in word or word.endswith(".toml"):
        return load(word)
    if word not in names(directory):
        raise Problem(f"{word}: no such experiment (mitosis-exp list shows them; a file's name "
                      "ends in .toml)")
    return load(os.path.join(directory, f"{word}.toml"), word)
