# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The hosts of a run, asked all at once: before it what each is, after it whether it is clean."""

import concurrent.futures
import shlex

import launchers
from problem import FAILED, Problem

LIMIT = 60          # seconds for an answer
AT_ONCE = 16

_FACTS = """\
PATH={path}:$PATH
echo "name=$(uname -n)"
echo "kernel=$(uname -r)"
echo "machine=$(uname -m)"
echo "processors=$(nproc)"
echo "processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "memory_bytes=$(awk '/^MemTotal/ {{ printf "%.0f", $2 * 1024 }}' /proc/meminfo)"
echo "system=$(. /etc/os-release && echo "$PRETTY_NAME")"
echo "mitosis=$(mitosis-child --version 2>/dev/null | sed -n '1s/.*(mitosis-exp \\(.*\\))/\\1/p')"
echo "module=$(cat /sys/module/mitosis/version 2>/dev/null)"
echo "rdma=$(ls /sys/class/infiniband 2>/dev/null | tr '\\n' ' ')"
for each in {needs}; do command -v "$each" >/dev/null || echo "missing=$each"; done
exit 0
"""


def _all(hosts, ask):
    """What ASK returns, by host."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(hosts, pool.map(ask, hosts)))


def facts(plan):
    """What each host is; one that cannot be reached ends the run here."""
    needs = sorted({need for each in plan.experiments for need in each.needs})
    script = _FACTS.format(path=shlex.quote(plan.context.tools),
                           needs=" ".join(map(shlex.quote, needs)))

    def ask(host):
        launcher = plan.launcher_of(host)
        found = launchers.ask(launcher.argv(host, script), LIMIT)
        if found.returncode:
            raise Problem(f"{host}: cannot be reached with {launcher.name}: "
                          f"{launchers.last_line(found.stderr)}")
        pairs = [line.partition("=") for line in found.stdout.splitlines() if "=" in line]
        table = {key: value.strip() for key, _, value in pairs if key != "missing"}
        table["missing"] = [value for key, _, value in pairs if key == "missing"]
        return table

    return _all(plan.hosts, ask)


def sweep(plan):
    """End what the run has left on its hosts. Returns {host: what could not be done there}."""
    def ask(host):
        launcher = plan.launcher_of(host)
        try:
            found = launchers.ask(launcher.argv(host, launcher.sweep()), LIMIT)
        except Problem as problem:      # the other hosts are looked at all the same
            return FAILED, str(problem)
        return found.returncode, launchers.last_line(found.stdout + found.stderr)

    return {host: text for host, (status, text) in _all(plan.hosts, ask).items() if status}
