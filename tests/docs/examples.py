# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""examples.py TOP local|lab - run the command lines of README.md, doc/tutorial.md and the EXAMPLES of man/
as they are printed, those that start machines of mitosis-lab (lab) or the others (local).

A line is run unless LEFT_OUT has it, with a reason, so that a new one is run as soon as it is written; an
entry of LEFT_OUT that fits no line any more is an error. A block that is no commands is in NO_COMMANDS.

The lines of a block run in one shell, one after the other. What a page cannot know is filled in: a
reference is that of the snapshot that was made last, of an earlier line or of a parent that the test has
started (parent.out; serve.out has one whose children end), process 4711 is one that runs (service.pid). What runs until somebody ends it is in GOES_ON, with what it says first; it goes on beside
the next lines and is ended with the block. Status 77 is as everywhere: this host cannot do it."""

import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import time

# What is a page's own: lines that begin so, of a block that has no command.
NO_COMMANDS = {
    "    parent ──mitosis_prepare()": "a drawing",
    "    Verdict": "output",
    "    mitosis-exp: rc-devices: ": "output",
    "    Clean-up: ": "output",
    "#include <mitosis.h>": "a program in C; tests/user/counter.sh has its like",
    "static void anew(void *data)": "a part of a program in C; tests/user/at-resume.sh has its like",
    "generator = numpy.random.default_rng()": "a part of a program in Python; tests/user/uniqueness.sh has its like",
    "[[template.pass]]": "a file",
}
# Pattern of a line -> why it is not run. A line is LEFT_OUT as a whole.
LEFT_OUT = {
    r"\./bootstrap\b.*": "sets up the machine that this test runs on; what CI runs begins with it",
    r"sudo (apt|cp build/packages/apt)\b.*": "changes the machine: tests/packages/install.sh does it in a root of its own",
    r"apt-get download .*|dpkg -x .*|depmod -b .*|for package in linux-.*|mitosis-lab run --kernel \./kernel .*":
        "downloads a kernel: tests/lab/kernels.sh boots unpacked ones",
    r".*\bssh node2 .*": "needs a second machine",
    r"node[12]\$ .*": "needs two machines that share a directory: tests/exp/lab.sh has two",
    r".*--launcher (ssh|slurm) .*": "needs a cluster: tests/exp/cluster.sh makes one",
    r".*\ball": "takes many minutes: tests/exp/every.sh and lab.sh run each experiment",
    r"mitosis-rcbench node[12]\b.*": "needs another host with RDMA: tests/rcbench has labs of two",
    r".*\bcriu\b.*": "CRIU works with few kernels: tests/lab/criu.sh has one of them",
    r"(sudo )?mitosis-clean( +#.*|.* --yes.*|)": "removes what other tests are using: tests/clean/clean.sh",
    r"mitosis-leanprep create app --rootfs oci:.*": "needs an image: tests/lean has small ones",
    r"mitosis-leanprep mount-dev .*|modprobe mitosis .*|cat /sys/kernel/debug/mitosis/.*|perf trace .*":
        "needs the kernel module on this host: tests/kernel has it in a lab",
    r"mitosis-parent --when-listening 8080 .*": "needs a service of one's own: tests/user/pid.sh has one",
    r"mitosis-plot -x machines .*": "needs a run over several hosts: tests/exp/plot.sh has records of one",
    r"sudo usermod .*": "changes the machine",
    r"mitosis-exp run --resume results/DATE": "DATE stands for a name: tests/exp/run.sh",
    r"mitosis-lab shell node1": "needs a terminal: tests/lab/verbs.sh has one",
}
# Pattern of a line -> what it says when it is where the page has it.
GOES_ON = {
    r"build/bin/mitosis-parent": "^mitosis://",
    r"(build/bin/)?mitosis-child mitosis://.*": "^tick 5",
    r"mitosis-ls --references web .*": "^tick 5",
    r"mitosis-lab exec node1 -- mitosis-parent .*": "^mitosis://",
    r"mitosis-parent --pid 4711 \| mitosis-child .*": "^serving",
    r"mitosis-lab exec node2 -- mitosis-child .*": "^tick 5",
    r"mitosis-parent --reference refs .*": None,
}
# Pattern of a line -> what to wait for after it, in shell.
AFTERWARDS = {
    r"mitosis-parent --on USR1 .*&": "await handles_usr1 $!",
    r"java Server\.java &": "await grep -q ^listening $output",
    r"mitosis-child --publish 3000=3001 .* &": "await listens 3001",
    r"kill -USR1 \$!": "await grep -q ^mitosis:// $output",
}
# Pattern of a line that writes a picture -> what the page says is in it.
PICTURES = {
    r"mitosis-prepare .* \| mitosis-stats \| mitosis-plot .*>prepare\.svg":
        ("prepare", "published", "user", "local", "16 MiB"),
    r"mitosis-prepare .* \| mitosis-plot .*>prepare\.svg": ("prepare", "published", "user", "local", "16 MiB"),
    r"mitosis-exp run .* \| mitosis-plot .*>prepare\.svg": ("prepare", "published", "user", "local"),
    r"mitosis-exectime .* -o phases\.png": "phases.png",
    r"mitosis-resume .* \| mitosis-plot": ("start (resume)", "working set", "64 MiB"),
    r"mitosis-plot --published prepare results/.*": ("prepare", "published"),
}
# Pattern of a line -> the program that it needs, of a package that not every machine has.
NEEDS = {
    r".*\bib_read_lat\b.*": "ib_read_lat",
    r".*\| jq .*": "jq",
    r"java .*|curl .*|mitosis-parent --pid \$!|mitosis-child --publish 3000=3001 .*": "javac",
    r".*\bmitosis-plot\b.*": "gnuplot",
}
LIMIT = 300         # seconds for a block
LAB = re.compile(r"\bmitosis-lab (?!status|kernels)|--lab \d")

PROLOGUE = r"""
await() {
	local end=$((SECONDS + 60 * ${MITOSIS_TEST_PATIENCE:-1}))
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || { echo "not within time: $*" >&2; exit 1; }
		sleep 0.05
	done
}
# The 10th bit of the signals that are blocked, to be read in the order in which they come.
handles_usr1() { (( 0x$(sed -n 's/^SigBlk:\t*//p' /proc/$1/status) & 0x200 )); }
listens() { (: <"/dev/tcp/127.0.0.1/$1"); }
served() { grep -m 1 ^mitosis serve.out; }
reference() { cat parent.out [0-9]*.out 2>/dev/null | grep -aoE 'mitosis://[0-9a-z.]+:[0-9]+/[0-9a-f-]{36}' | tail -n 1; }
statuses() {
	local each
	for each; do [ "$each" != 77 ] || { echo "skipped $number"; return; }; done
	for each; do [ "$each" = 0 ] || { echo "failed $number"; exit 1; }; done
	echo "done $number"
}
"""


class Line:
    def __init__(self, page, number, text):
        self.page = page
        self.number = number
        self.text = text

    def __str__(self):
        return f"{self.page}:{self.number}: {self.text}"

    def matches(self, patterns):
        return next((key for key in patterns if re.fullmatch(key, self.text)), None)


def fail(text):
    sys.stderr.write(f"examples: {text}\n")
    fail.count += 1


fail.count = 0
used = collections.Counter()


# what the pages have

def no_commands(lines):
    for start in NO_COMMANDS:
        if lines[0].startswith(start):
            used[start] += 1
            return True
    return False


def commands(page, begin, lines):
    """The Lines of a block: those behind a prompt if there is one, else all; what ends in \\ or | goes on."""
    prompts = any(re.match(r" *\$ ", line) for line in lines)
    found = []
    going_on = False
    for number, line in enumerate(lines, begin):
        text = line.strip()
        if going_on:
            found[-1].text += " " + text
        elif not text or prompts and not text.startswith("$ "):
            continue
        else:
            found.append(Line(page, number, text.removeprefix("$ ")))
        going_on = text.endswith(("\\", "|", "&&"))
        found[-1].text = found[-1].text.removesuffix("\\").rstrip()
    return found


def markdown(page, text):
    """Blocks of a page: those that are indented, and commands within the text."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and (lines[end].startswith("    ") or
                                    not lines[end].strip() and end > at and
                                    any(lines[end:]) and next(filter(str.strip, lines[end:])).startswith("    ")):
            end += 1
        if end > at:
            block = lines[at:end]
            # An empty line within is a part of the block if what follows it is prompted as well.
            if not no_commands(block):
                yield commands(page, at + 1, block)
        at = max(end, at + 1)
    for match in re.finditer(r"(?<!`)`((?:sudo |mitosis-[a-z]+ )[^`]+)`(?!`)", text):
        number = text.count("\n", 0, match.start()) + 1
        yield [Line(page, number, " ".join(match[1].split()))]


def manual(page, text):
    """Blocks of its section EXAMPLES."""
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S)
    if not section:
        return
    begin = text.count("\n", 0, section.start(1)) + 1
    block, start = None, 0
    for number, line in enumerate(section[1].split("\n"), begin):
        for escaped, plain in (r"\(dq", '"'), (r"\-", "-"), (r"\e", "\\"):
            line = line.replace(escaped, plain)
        if line.startswith(".Bd "):
            block, start = [], number + 1
        elif line.startswith(".Ed") and block is not None:
            if not no_commands(block):
                if any(each.startswith(("node1$ ", "node2$ ")) for each in block):
                    block = [each if each.startswith("node") else "" for each in block]
                yield commands(page, start, block)
            block = None
        elif block is not None:
            block.append(line)
        elif line.startswith(".Dl "):
            yield [Line(page, number, line.removeprefix(".Dl "))]


def blocks_of(top):
    for page in "README.md", "doc/tutorial.md":
        with open(os.path.join(top, page), encoding="utf-8") as file:
            yield from markdown(page, file.read())
    for name in sorted(os.listdir(os.path.join(top, "man"))):
        if re.fullmatch(r".*\.[1-9]", name):
            with open(os.path.join(top, "man", name), encoding="utf-8") as file:
                yield from manual(f"man/{name}", file.read())


# running

def script(block):
    """What a shell is to do for BLOCK."""
    text = PROLOGUE + "exec 4<&0 </dev/null\nno_lab=\n"
    for number, line in enumerate(block):
        cmd = re.sub(r"mitosis://node1:7373/\.\.\.", "$(served)", line.text)
        cmd = re.sub(r"mitosis://[^\s/]+/(?:[0-9a-f-]{36}|[0-9a-f-]*\.\.\.)", "$(reference)", cmd)
        cmd = cmd.replace("--pid 4711", "--pid $(cat service.pid)")
        template = re.search(r"mitosis-leanprep create (\S+)", cmd)
        if template:        # of the same name on several pages
            text += f"mitosis-leanprep rm {template[1]} 2>/dev/null\n"
        text += f"number={number}\noutput={number}.out\n"
        going_on = line.matches(GOES_ON)
        if going_on:
            said = GOES_ON[going_on]
            text += f"{{ {'' if said else 'exec '}{cmd}\n}} <&4 4<&- >$output 2>&1 &\n"
            text += f"await grep -aq '{said}' $output\n" if said else "await handles_usr1 $!\n"
            text += f"echo done {number}\n"
            continue
        if re.search(r"[^&]&$", cmd):
            text += f"{{ {cmd}\n}} <&4 4<&- >$output 2>&1\n"
        else:
            command = f"{{\n{cmd}\nstatus=(\"${{PIPESTATUS[@]}}\")\n}} 4<&- >$output 2>&1\nstatuses \"${{status[@]}}\"\n"
            if re.search(r"mitosis-lab up\b", cmd):
                command += '[ "${status[0]}" != 77 ] || no_lab=$output\n'
            elif re.search(r"mitosis-lab\b", cmd):       # without machines it cannot be done either
                command = f'if [ -n "$no_lab" ]; then\ncp $no_lab $output\necho skipped {number}\nelse\n{command}fi\n'
            text += command
        after = line.matches(AFTERWARDS)
        if after:
            text += f"output={max(0, number - 1)}.out\n" if "output" in AFTERWARDS[after] else ""
            text += f"{AFTERWARDS[after]}\necho done {number}\n"
    return text


def run(block, directory):
    """Run a block in DIRECTORY; the Lines that were done, and the number of those left out by themselves."""
    for name in os.listdir(directory):
        if re.fullmatch(r"\d+\.out", name):
            os.unlink(os.path.join(directory, name))
    # A session, that all it has started can be ended, and an input that ends only then.
    started = time.monotonic()
    process = subprocess.Popen(["bash", "-c", script(block)], cwd=directory, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    limit = LIMIT * float(os.environ.get("MITOSIS_TEST_PATIENCE", "1"))
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        fail(f"{block[0]}: its block takes longer than {limit:g} s")
    finally:
        process.stdin.close()
        end_session(process)
    told = process.stdout.read()
    wrong = process.stderr.read()
    outcomes = dict(reversed(each.split()) for each in told.splitlines() if " " in each)
    for number, line in enumerate(block):
        outcome = outcomes.get(str(number))
        said = ""
        path = os.path.join(directory, f"{number}.out")
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                said = file.read()
        if outcome == "done":
            check_picture(line, said, directory)
            print(f"done {line}")
        elif outcome == "skipped":
            print(f"skipped {line}: {(said.splitlines() or ['status 77'])[-1]}")
        else:
            fail(f"{line}: " + "\n    ".join(["does not work as it is printed", *said.splitlines()[-8:],
                                            *wrong.splitlines()[-4:]]))
            break
    print(f"  {time.monotonic() - started:.1f} s", flush=True)


def end_session(process):
    """What goes on is ended, gently first."""
    for number in signal.SIGTERM, signal.SIGKILL:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            process.poll()
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                process.wait()
                return
            time.sleep(0.05)
    process.wait()


def check_picture(line, said, directory):
    """A picture shows what the page says."""
    key = line.matches(PICTURES)
    writes = re.search(r"(?:>|-o )(\S+\.(?:svg|png))", line.text)
    if not key:
        if writes or "mitosis-plot" in line.text:
            fail(f"{line}: draws what? PICTURES does not say")
        return
    if writes:
        with open(os.path.join(directory, writes[1]), "rb") as file:
            data = file.read()
        if writes[1].endswith(".png"):
            if data[:8] != b"\x89PNG\r\n\x1a\n":
                fail(f"{line}: not a PNG")
            return
        said = data.decode()
    for wanted in PICTURES[key]:
        if wanted not in said:
            fail(f"{line}: the picture does not show {wanted}")
    if "against" not in said:
        fail(f"{line}: the picture has no title")


def main():
    top, kind, directory = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # by way of run(), which ends what goes on
    seen = set()
    total = 0
    for block in blocks_of(top):
        kept = []
        for line in block:
            why = line.matches(LEFT_OUT)
            total += 1
            needed = NEEDS.get(line.matches(NEEDS))
            if why:
                used[why] += 1
            elif needed and not shutil.which(needed):
                print(f"skipped {line}: {needed} is not there")
            else:
                kept.append(line)
        in_lab = any(LAB.search(line.text) for line in kept)
        # What a page repeats is not run again.
        here = {re.sub(r"\s+#.*", "", line.text) for line in kept}
        if not here <= seen and in_lab == (kind == "lab"):
            run(kept, directory)
        seen |= here
    for key in (*NO_COMMANDS, *LEFT_OUT):
        if not used[key]:
            fail(f"{key}: no page has that any more")
    if total < 60:
        fail(f"{total} lines: they are not found any more")
    return fail.count > 0


sys.exit(main())
