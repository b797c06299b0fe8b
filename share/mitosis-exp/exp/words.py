# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The small languages of the command line and of experiment files: sizes, lists of hosts,
placeholders, assignments."""

import re

from problem import USAGE, Problem

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
HOSTS_MAX = 65536   # hosts in one range
DEPTH = 16          # how deep placeholders may be nested


def size(text):
    """Bytes of 64M or 1.5G, or None if TEXT is no size with a unit."""
    match = _SIZE.fullmatch(text)
    if not match or not match[2]:
        return None
    return float(match[1]) * 1024 ** " KMGT".index(match[2])


def memory(text, what):
    """Bytes of "64M", of a product such as "64M * 2", and of the largest size where there are several:
    "1M,16M", "1M..1G"."""
    total = 1.0
    sizes = 0
    for factor in text.split("*"):
        values = []
        for part in re.split(r",|\.\.", factor):
            part = part.strip()
            plain = re.fullmatch(r"\d+(?:\.\d+)?", part)
            value = float(part) if plain else size(part)
            if value is None:
                raise Problem(f"{what}: {text}: {part or 'nothing'} is neither a number nor a size")
            values.append((value, not plain))
        total *= max(values)[0]
        sizes += any(is_size for _, is_size in values)
    if sizes > 1:
        raise Problem(f"{what}: {text}: a product of two sizes")
    return int(total)


def _split(text):
    """Split TEXT at commas, but not at those within brackets."""
    return re.split(r",(?![^\[]*\])", text)


def _expand(text, what):
    match = re.fullmatch(r"([^\[\]]*)\[([^\[\]]+)\]([^\[\]]*)", text)
    if not match:
        if not text or re.search(r"[\[\]\s'\"]", text) or text.startswith("-"):
            raise Problem(f"{what}: {text or 'empty'}: not a host (such as node1, n[2-9])", USAGE)
        return [text]
    found = []
    for part in match[2].split(","):
        ends = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part)
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise Problem(f"{what}: {text}: {part} is not a number or a range", USAGE)
        if int(ends[2] or ends[1]) - int(ends[1]) >= HOSTS_MAX:
            raise Problem(f"{what}: {text}: more than {HOSTS_MAX} hosts", USAGE)
        for number in range(int(ends[1]), int(ends[2] or ends[1]) + 1):
            found.append(f"{match[1]}{number:0{len(ends[1])}}{match[3]}")
    return found


def hosts(text, what="--hosts"):
    """n1,n[2-4] -> n1 n2 n3 n4"""
    return [host for part in _split(text) for host in _expand(part.strip(), what)]


def hosts_by_role(text):
    """parent=n1,child=n[2-9] -> {"parent": …, "child": …}; without roles {None: …}"""
    table = {}
    role = None
    for part in _split(text):
        name, equals, rest = part.partition("=")
        if equals:
            role, part = name.strip(), rest
            if not NAME.fullmatch(role):
                raise Problem(f"--hosts: {role or 'empty'}: not a role's name", USAGE)
        elif role is None and any(table):
            raise Problem(f"--hosts: {part}: whose host is this?", USAGE)
        table.setdefault(role, []).extend(_expand(part.strip(), "--hosts"))
    return table


def assignment(text):
    """--set NAME=VALUE[,VALUE…]: several values are a list, which is swept."""
    name, equals, value = text.partition("=")
    if not equals or not NAME.fullmatch(name):
        raise Problem(f"--set: {text}: expected NAME=VALUE[,VALUE...]", USAGE)
    values = value.split(",")
    return name, values if len(values) > 1 else value


def substitute(text, values, where):
    """TEXT with its placeholders filled in; VALUES may hold placeholders themselves."""
    def value(match):
        name = match[1]
        if name not in values:
            known = ", ".join(sorted(each for each in values if not each.startswith("@")))
            given = f"; --set {name}=VALUE gives it a value" if NAME.fullmatch(name) else ""
            raise Problem(f"{where}: unknown placeholder ${{{name}}}"
                          + (f" (there are: {known})" if known else "") + given)
        return as_text(values[name])

    for _ in range(DEPTH):
        done = _PLACEHOLDER.sub(value, text)
        if done == text:
            return done
        text = done
    raise Problem(f"{where}: placeholders that refer to each other without end: {text[:80]}")


def placeholders(text):
    return _PLACEHOLDER.findall(text)


def as_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
