# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Remote fork for Python: prepare this process here, resume children of it anywhere.

    import mitosis

    snapshot = mitosis.prepare(label="web")
    if snapshot is None:
        ...                            # a child, in another process, perhaps on another host
    else:
        print(snapshot.reference)      # the parent: hand this to whoever shall become a child

A child begins where prepare() returns, once for each mitosis.resume(reference), or
`mitosis-child REFERENCE` on a command line. Its memory arrives as it touches it. What
os.register_at_fork() knows runs around it as around os.fork(), so that the random generators of
the children differ.

A reference is a capability: who has it can read the whole memory of the snapshot. Do not log it.

Errors are MitosisError, which is an OSError: errno, and the library's exact reason as strerror.
Warnings, and what goes wrong after resume(), go to the logger "mitosis" of the logging module.

The library is libmitosis.so.0; the environment variable MITOSIS_LIBRARY names another one.
"""
import ctypes
import errno
import logging
import os
import pathlib
import sys
from collections import namedtuple

__all__ = ["Info", "MitosisError", "Snapshot", "Stats", "check", "drain", "list", "prepare",
           "query", "release", "resume", "stats", "version"]

_REF_MAX = 320
_LABEL_MAX = 64
_MODES = {"auto": 0, "demand": 1, "eager": 2}
_STRICT, _NO_PUSH, _DISCARD_STDIN = 1, 2, 4

_log = logging.getLogger("mitosis")


class MitosisError(OSError):
    """What the library refused, and why."""


class _PrepareArgs(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("engine", ctypes.c_char_p), ("listen", ctypes.c_char_p),
                ("label", ctypes.c_char_p), ("lifetime_s", ctypes.c_uint64)]


class _ResumeArgs(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("engine", ctypes.c_char_p), ("mode", ctypes.c_int),
                ("window", ctypes.c_uint32), ("push_percent", ctypes.c_uint32),
                ("timeout_ms", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("record", ctypes.c_char_p), ("replay", ctypes.c_char_p)]


class _Info(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("parent_pid", ctypes.c_uint32),
                ("shadow_pid", ctypes.c_uint32), ("children", ctypes.c_uint32),
                ("pages", ctypes.c_uint64), ("bytes", ctypes.c_uint64),
                ("created_ns", ctypes.c_uint64), ("ready_ns", ctypes.c_uint64),
                ("age_ns", ctypes.c_uint64), ("lifetime_ns", ctypes.c_uint64),
                ("fetched_pages", ctypes.c_uint64),
                ("label", ctypes.c_char * _LABEL_MAX), ("reference", ctypes.c_char * _REF_MAX)]


class _Stats(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("faults", ctypes.c_uint64), ("zero_faults", ctypes.c_uint64),
                ("fetched_pages", ctypes.c_uint64), ("pushed_pages", ctypes.c_uint64),
                ("hot_pages", ctypes.c_uint64), ("missing_pages", ctypes.c_uint64),
                ("page_size", ctypes.c_uint64)]


Info = namedtuple("Info", [name for name, _ in _Info._fields_ if name != "size"])
Info.__doc__ = "What a snapshot says of itself: struct mitosis_info of libmitosis(3)."
Stats = namedtuple("Stats", [name for name, _ in _Stats._fields_ if name not in ("size", "reserved")])
Stats.__doc__ = "How a child's memory arrived: struct mitosis_child_stats of libmitosis(3)."

_LOGGER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_LISTER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Info), ctypes.c_void_p)


def _open():
    """The library, twice: with the interpreter's lock kept and with the lock released."""
    name = "libmitosis.so.0"
    own = os.environ.get("MITOSIS_LIBRARY")
    # PREFIX/lib/pythonX.Y/site-packages/mitosis.py: PREFIX/lib may be unknown to the linker.
    beside = [str(d / name) for d in pathlib.Path(__file__).resolve().parents[2:3]]
    problem = None
    for path in [own] if own else [name, *beside]:
        try:
            return ctypes.PyDLL(path), ctypes.CDLL(path)
        except OSError as e:
            problem = problem or e
    raise ImportError(f"libmitosis cannot be loaded: {problem}")


_pylib, _lib = _open()
_lib.mitosis_version.restype = ctypes.c_char_p
_lib.mitosis_list.argtypes = [_LISTER, ctypes.c_void_p]
_lib.mitosis_set_logger.argtypes = [_LOGGER, ctypes.c_void_p]
_lib.mitosis_set_logger.restype = None

_reasons = []
_resuming = False


def _on_log(level, text, _data):
    text = text.decode(errors="replace")
    if level == 0:
        _reasons.append(text)
        if _resuming:
            _log.error("%s", text)
    elif level == 1:
        _log.warning("%s", text)
    else:
        _log.debug("%s", text)


_logger = _LOGGER(_on_log)      # kept: the library holds a pointer to it
_lib.mitosis_set_logger(_logger, None)


def _check(code, what=None):
    """The number a call of the library gave, or the exception that it stands for."""
    reasons = "; ".join(_reasons)
    _reasons.clear()
    if code < 0:
        raise MitosisError(-code, reasons or what or os.strerror(-code))
    return code


def _to_bytes(name, value, limit=None):
    if value is None:
        return None
    data = os.fsencode(value)
    if b"\0" in data or (limit and len(data) >= limit):
        raise ValueError(f"{name}: too long, or with a null character")
    return data


def _reference(value):
    return _to_bytes("reference", getattr(value, "reference", value), _REF_MAX)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


class Snapshot:
    """A snapshot of this process, in the parent. As a context manager it is released at the end."""

    def __init__(self, reference):
        self.reference = reference

    def info(self):
        """What the snapshot says of itself, an Info."""
        return query(self.reference)

    def release(self):
        """End the snapshot."""
        release(self.reference)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.release()
        except MitosisError as e:
            if e.errno not in (errno.ECONNREFUSED, errno.ECONNRESET):
                raise           # those two: it was released already

    def __str__(self):
        return self.reference

    def __repr__(self):
        return f"<mitosis.Snapshot {self.reference.rpartition('/')[0]}/***>"


def check(engine):
    """Raise MitosisError, with the reason, if this host can take no snapshots with that engine."""
    _check(_lib.mitosis_engine_check(_to_bytes("engine", engine)), f"no engine {engine}")


def prepare(*, label=None, listen=None, lifetime=0, engine=None):
    """Take a snapshot of this process, which must have one thread.

    Returns a Snapshot in the parent and None in every child.

    label     shown by mitosis-ls, at most 63 bytes
    listen    address, or address:port, that children connect to; the default is loopback
    lifetime  seconds; 0: until this process ends, or the snapshot is released
    engine    "user" or "kernel"; by default kernel where it can serve
    """
    args = _PrepareArgs(size=ctypes.sizeof(_PrepareArgs), engine=_to_bytes("engine", engine),
                        listen=_to_bytes("listen", listen),
                        label=_to_bytes("label", label, _LABEL_MAX), lifetime_s=int(lifetime))
    reference = ctypes.create_string_buffer(_REF_MAX)
    _flush()                    # else the children would write it once more
    ctypes.pythonapi.PyOS_BeforeFork()
    # The interpreter's lock is kept, so that a child need not take it back.
    code = _pylib.mitosis_prepare(ctypes.byref(args), reference)
    if code == 1:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return None
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    _check(code, {-errno.EBUSY: "this process has more than one thread",
                  -errno.ENOTSUP: f"no engine {engine}",
                  -errno.EINVAL: "invalid argument (listen wants a numeric address)"}.get(code))
    return Snapshot(reference.value.decode())


def resume(reference, *, mode="auto", window=0, push=True, timeout=0, strict=False,
           discard_stdin=False, engine=None, record=None, replay=None):
    """Become the supervisor of a new child of a snapshot; returns only by raising MitosisError.

    This process ends as the child ends, and forwards signals to it. What this interpreter had is
    lost: call it in a process made for the purpose.

    mode      "demand", "eager", or "auto": demand where the host allows it
    window    pages fetched per fault, 1 to 1024; 0: the default
    push      True: the background fetches everything; False: nothing; or percent, 1 to 100
    timeout   longest silence of the parent's host, in seconds; 0: the default
    strict    refuse rather than close a descriptor that cannot be had here
    discard_stdin  the child reads /dev/null
    record    file to write the pages to that the child fetches, in order of first touch
    replay    such a file, whose pages are fetched first
    """
    if mode not in _MODES:
        raise ValueError(f"mode: {mode}: not one of {', '.join(_MODES)}")
    percent = 100 if push is True else int(push)
    flags = (_STRICT if strict else 0) | (0 if percent else _NO_PUSH) | \
        (_DISCARD_STDIN if discard_stdin else 0)
    args = _ResumeArgs(size=ctypes.sizeof(_ResumeArgs), flags=flags, mode=_MODES[mode],
                       engine=_to_bytes("engine", engine), window=window, push_percent=percent,
                       timeout_ms=round(timeout * 1000),
                       record=_to_bytes("record", record), replay=_to_bytes("replay", replay))
    data = _reference(reference)
    _flush()
    # Once the child runs nobody can raise an error any more: all of them are logged as well.
    global _resuming            # pylint: disable=global-statement
    _resuming = True
    code = _lib.mitosis_resume(data, ctypes.byref(args))
    _resuming = False
    _check(code)


def release(reference):
    """End a snapshot, by its reference or its Snapshot."""
    _check(_lib.mitosis_release(_reference(reference)))


def query(reference):
    """Ask a snapshot about itself: an Info."""
    info = _Info(size=ctypes.sizeof(_Info))
    _check(_lib.mitosis_query(_reference(reference), ctypes.byref(info)))
    return _to_info(info)


def _to_info(info):
    values = (getattr(info, name) for name in Info._fields)
    return Info(*(v.decode(errors="replace") if isinstance(v, bytes) else v for v in values))


def list():                     # pylint: disable=redefined-builtin
    """The snapshots that this host serves for this user (root: for any user): a list of Info.

    One that does not answer is left out, with a warning.
    """
    found = []

    def add(info, _data):
        found.append(_to_info(info.contents))
        return 0

    code = _lib.mitosis_list(_LISTER(add), None)
    if code < 0 and _reasons:   # of those that did not answer
        for reason in _reasons:
            _log.warning("%s", reason)
        _reasons.clear()
        code = 0
    _check(code)
    return found


def drain():
    """In a child: fetch all that is missing, and then depend on nobody. Elsewhere: nothing."""
    _check(_lib.mitosis_drain())


def stats():
    """In a child: how its memory arrived, a Stats. Elsewhere: all zero."""
    raw = _Stats(size=ctypes.sizeof(_Stats))
    _check(_lib.mitosis_stats(ctypes.byref(raw)))
    return Stats(*(getattr(raw, name) for name in Stats._fields))


def version():
    """The version of the library."""
    return _lib.mitosis_version().decode()
