# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Makes a guest's initramfs: a cpio archive (the "newc" format) in a file that has no name."""

import gzip
import lzma
import os
import shlex
import stat
import subprocess

import host
import kernels
from problem import Problem, reason

_DIRECTORY = stat.S_IFDIR | 0o755
_PROGRAM = stat.S_IFREG | 0o755
_FILE = stat.S_IFREG | 0o644


class Archive:
    def __init__(self):
        self.fd = os.memfd_create("mitosis-lab-initramfs")  # inherited by QEMU alone
        self._inode = 0

    def _write(self, data):
        os.write(self.fd, data)
        os.write(self.fd, b"\0" * (-len(data) % 4))

    def add(self, name, mode, data=b"", rdev=(0, 0)):
        self._inode += 1
        path = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(path), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        self._write(data)

    def add_file(self, name, mode, path, before=b""):
        with open(path, "rb") as file:
            self.add(name, mode, before + file.read())

    def end(self):
        self.add("TRAILER!!!", 0)


def module_bytes(path):
    """A module as insmod of busybox takes it. (Stripping one would cost its signature.)"""
    if path.endswith(".xz"):
        with lzma.open(path) as file:
            return file.read()
    if path.endswith(".gz"):
        with gzip.open(path) as file:
            return file.read()
    if path.endswith(".zst"):
        return subprocess.run([host.program("zstd"), "-dcq", path], check=True,
                              stdout=subprocess.PIPE).stdout
    with open(path, "rb") as file:
        return file.read()


class Builder:
    """Makes the archives of one lab; nodes with the same kernel share the work on modules."""

    def __init__(self):
        self._modules = {}
        self._here = os.path.dirname(os.path.abspath(__file__))

    def _modules_of(self, kernel):
        if kernel not in self._modules:
            files = kernel.module_files(*kernels.BOOT_MODULES)
            self._modules[kernel] = [(f"{number:02}", module_bytes(path))
                                     for number, path in enumerate(files)]
        return self._modules[kernel]

    def build(self, kernel, settings):
        """The descriptor of an archive that boots KERNEL with SETTINGS (see guest-init)."""
        archive = Archive()
        try:
            for name in "proc", "sys", "dev", "lower", "upper", "root", "modules", "lab":
                archive.add(name, _DIRECTORY)
            # the kernel opens it for init before there is a devtmpfs
            archive.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
            archive.add_file("busybox", _PROGRAM, host.static_busybox())
            archive.add_file("init", _PROGRAM, os.path.join(self._here, "initramfs-init"),
                             before=b"#!/busybox sh\n")
            modules = self._modules_of(kernel)
            for name, data in modules:
                archive.add(f"modules/{name}", _FILE, data)
            archive.add("modules/order", _FILE,
                        "".join(f"{name}\n" for name, _ in modules).encode())
            archive.add_file("lab/guest-init", _PROGRAM, os.path.join(self._here, "guest-init"))
            for name in "agent.py", "wire.py":
                archive.add_file(f"lab/{name}", _FILE, os.path.join(self._here, name))
            archive.add("lab/settings", _FILE,
                        "".join(f"{name}={shlex.quote(str(value))}\n"
                                for name, value in settings.items()).encode())
            archive.end()
        except OSError as error:
            raise Problem(f"{error.filename or 'initramfs'}: {reason(error)}") from None
        return archive.fd
