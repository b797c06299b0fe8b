# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What the lab needs of the host: programs found by name, and the few calls Python has not."""

import ctypes
import os
import shutil
import signal

from lacking import Missing

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "modprobe": "kmod",
    "ip": "iproute2",
    "rdma": "iproute2",
    "tc": "iproute2",
    "zstd": "zstd",
}


def program(name):
    """The path of a program; the directories of administration count even if not in PATH."""
    path = shutil.which(name, path=PATH)
    if path is None:
        raise Missing(name, PACKAGES[name])
    return path


def static_busybox():
    """A busybox that runs without a library: the initramfs has none."""
    path = program("busybox")
    with open(path, "rb") as file:
        # a dynamic program names its interpreter near its beginning
        if b"/ld-linux" in file.read(4096):
            raise Missing(f"{path}: a static busybox", "busybox-static")
    return path


def has_kvm():
    """Whether KVM runs any guest: /dev/kvm alone may be a KVM without hardware support, which runs
    only kernels that were made for it and leaves others spinning."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    return "vmx" in flags or "svm" in flags


def _call(function, *args):
    if function(*args) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(parent):
    """Be killed when process PARENT, which started this one, dies; at once if it has already."""
    _call(_libc.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def outlive_parent():
    _call(_libc.prctl, _PR_SET_PDEATHSIG, 0, 0, 0, 0)


def unshare(flags):
    _call(_libc.unshare, flags)
