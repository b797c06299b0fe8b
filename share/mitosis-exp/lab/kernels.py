# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Finds a kernel to boot: an image and, beside it or in /lib/modules, the modules of its version.

A kernel is installed (/boot/vmlinuz-VERSION and /lib/modules/VERSION), or unpacked in a directory
DIR, as `dpkg -x` leaves a Debian package: its modules are DIR/lib/modules/VERSION, or the same below
DIR/usr; the image is among them, or DIR/vmlinuz* or DIR/boot/vmlinuz*. MITOSIS_LAB_KERNELS lists
such directories.
"""

import glob
import os
import re
import subprocess
from dataclasses import dataclass

import host
from lacking import Missing
from problem import MISSING, Problem

# Enough to reach the host's root, our port and the network; what else a guest needs, it loads.
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_net", "virtio_console")
PACKAGE = "linux-image-amd64"


@dataclass(frozen=True)
class Kernel:
    version: str
    image: str
    root: str           # what modprobe -d takes: "/", or where lib/modules is unpacked

    @property
    def modules(self):
        return os.path.join(self.root, "lib/modules", self.version)

    @property
    def installed(self):
        return self.root == "/"

    def module_files(self, *names):
        """The files to load for NAMES, in order; what is built in has none."""
        command = [host.program("modprobe"), "-d", self.root, "-S", self.version,
                   "--show-depends", "-a", *names]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            found = re.findall(r"Module (\S+) not found", done.stderr)
            what = ", ".join(found) or (done.stderr.strip() or "modprobe").split("\n")[0]
            if not os.path.exists(os.path.join(self.modules, "modules.dep.bin")):
                raise Problem(f"{self.modules}: no modules.dep: run depmod -b {self.root} "
                              f"{self.version}", MISSING)
            raise Missing(f"kernel {self.version}: module{'s'[:len(found) > 1]} {what}", PACKAGE,
                          None if self.installed else "linux-image-…-amd64, not its cloud kind",
                          many=len(found) > 1)
        files = []
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(" ")
            path = rest.split()[0] if rest else ""
            if word == "insmod" and path not in files:
                files.append(path)
        return files

    def has(self, module):
        try:
            self.module_files(module)
        except Problem:
            return False
        return True


def version_key(version):
    """Sorts 6.1.9 before 6.1.10."""
    return [(int(part), "") if part.isdigit() else (-1, part)
            for part in re.findall(r"\d+|\D+", version)]


def installed():
    """The kernels in /boot that have modules, newest first."""
    found = []
    for image in glob.glob("/boot/vmlinuz-*"):
        version = image.removeprefix("/boot/vmlinuz-")
        kernel = Kernel(version, image, "/")
        if os.path.isdir(kernel.modules):
            found.append(kernel)
    return sorted(found, key=lambda kernel: version_key(kernel.version), reverse=True)


def unpacked(directory):
    """The kernels in DIRECTORY, newest first."""
    directory = os.path.realpath(directory)
    found = {}
    for path in (glob.glob(f"{glob.escape(directory)}/lib/modules/*/") +
                 glob.glob(f"{glob.escape(directory)}/usr/lib/modules/*/")):
        modules = path.rstrip("/")
        version = os.path.basename(modules)
        root = modules.removesuffix(f"/lib/modules/{version}")
        for image in (f"vmlinuz-{version}", f"boot/vmlinuz-{version}", f"{modules}/vmlinuz", "vmlinuz",
                      "bzImage"):
            if os.path.isfile(os.path.join(directory, image)):
                found.setdefault(version, Kernel(version, os.path.join(directory, image), root))
                break
    return sorted(found.values(), key=lambda kernel: version_key(kernel.version), reverse=True)


def listed():
    """The kernels in the directories that MITOSIS_LAB_KERNELS names."""
    directories = os.environ.get("MITOSIS_LAB_KERNELS", "").split(":")
    return [kernel for directory in directories if directory for kernel in unpacked(directory)]


def everything():
    return installed() + listed()


def find(name=None):
    """The kernel that NAME means: a directory, a version, or the beginning of one (the newest);
    without a name the running one if its image is here, else the newest."""
    if name is None:
        candidates = installed() or listed()
        if not candidates:
            raise Missing("a kernel image in /boot with its modules", PACKAGE)
        running = os.uname().release
        return readable(next((k for k in candidates if k.version == running), candidates[0]))
    if "/" in name or os.path.isdir(name):
        candidates = unpacked(name)
        if not candidates:
            raise Problem(f"{name}: no kernel in this directory: expected vmlinuz-VERSION and "
                          "lib/modules/VERSION", MISSING)
        return readable(candidates[0])
    candidates = everything()
    for kernel in candidates:
        if kernel.version == name:
            return readable(kernel)
    for kernel in candidates:
        if re.match(re.escape(name) + r"(?!\d)", kernel.version):
            return readable(kernel)
    raise Missing(f"kernel {name}", f"linux-image-{name}", f"linux-image-{name}, or name a directory")


def load_files(kernel, *names):
    """The files of modules, and what unpacks them in time: a guest has only busybox."""
    files = kernel.module_files(*names)
    if any(path.endswith(".zst") for path in files):
        host.program("zstd")
    return files


def readable(kernel):
    if not os.access(kernel.image, os.R_OK):
        raise Problem(f"{kernel.image}: permission denied: it is readable for root only", MISSING)
    return kernel
