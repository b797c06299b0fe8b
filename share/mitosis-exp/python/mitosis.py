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
os.register_at_fork() knows runs around it as around os.fork().

All children have the same memory, and would draw the same random numbers from it. Before prepare()
returns in a child these begin anew: the functions of random, those of ssl, uuid.uuid1() (of which
uuid.getnode() is then a random number, too), numpy.random's functions, and GnuTLS. Not so
generators that the program has made, such as random.Random() or numpy.random.default_rng(): have them made anew by
a function that at_resume() is told. mitosis-uniqueness(7) has the whole table.

All this is done, too, in children of a program that was prepared from outside (mitosis-parent
--pid), if the main thread has imported this module and CPython is 3.10 or later: there the main thread
does it before it goes on with the program, which may be when a call that waits has returned. Python
has to have a handler for a signal for that, which is SIGRTMAX, and the module leaves it alone where
the program has one already; then, a warning says so.

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
import signal
import sys
import threading
from collections import namedtuple

__all__ = ["Info", "MitosisError", "Snapshot", "Stats", "at_prepare", "at_resume", "check",
           "child_number", "drain", "list", "prepare", "query", "release", "resume", "stats", "version"]

_REF_MAX = 320
_LABEL_MAX = 64
_MODES = {"auto": 0, "demand": 1, "eager": 2}
_TIDS = {"auto": 0, "same": 1, "new": 2}
_CLOCKS = {"auto": 0, "same": 1, "host": 2}
_HOWS = {"auto": 0, "place": 1, "tcp": 2}
_NETS = {"host": 0, "new": 1}
_STRICT, _NO_PUSH, _DISCARD_STDIN, _PRIVATE, _POLL = 1, 2, 4, 8, 16

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
                ("record", ctypes.c_char_p), ("replay", ctypes.c_char_p),
                ("notify_fd", ctypes.c_uint32), ("reserved2", ctypes.c_uint32),
                ("addresses", ctypes.c_char_p),
                ("publish", ctypes.c_char_p), ("inherit_fds", ctypes.c_char_p),
                ("tids", ctypes.c_int), ("clock", ctypes.c_int),
                ("number", ctypes.c_uint32), ("net", ctypes.c_int), ("how", ctypes.c_int),
                ("reserved3", ctypes.c_uint32)]


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

_lib.mitosis_child_number.restype = ctypes.c_uint
_lib.mitosis_at_resume.argtypes = [ctypes.c_void_p, ctypes.c_void_p]

# Not 0 in a child that has not begun anew yet: time(2) writes there, which needs nothing of Python.
_new = ctypes.c_long(0)
_beginning = threading.RLock()
_marked = False
_preparing = 0                  # threads in prepare(), which see to _begin() themselves


def _mark():
    """The library is told that this program sees to its random numbers itself."""
    global _marked              # pylint: disable=global-statement
    if not _marked:
        _lib.mitosis_at_resume(ctypes.cast(ctypes.CDLL(None).time, ctypes.c_void_p), ctypes.addressof(_new))
    _marked = True


def _come_to():
    """Have _begin() called in children of a program that was prepared from outside; or why not."""
    trip = getattr(ctypes.pythonapi, "PyErr_SetInterruptEx", None)
    if not trip:
        return "Python is older than 3.10"
    if threading.current_thread() is not threading.main_thread():
        return "another thread than the main one has imported mitosis"
    if signal.getsignal(signal.SIGRTMAX) is not signal.SIG_DFL:
        return "SIGRTMAX has a handler"
    signal.signal(signal.SIGRTMAX, lambda *_: _preparing or _begin())
    _mark()
    _lib.mitosis_at_resume(ctypes.cast(trip, ctypes.c_void_p), int(signal.SIGRTMAX))
    return None


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


_at_prepare = []


def at_prepare(before, after=None):
    """Have before() called at the beginning of each prepare() of this process itself, the last given
    first, and after() at its end in the parent, the first given first, with a snapshot or without.

    Returns before, so it may be used as a decorator. If one raises an exception, prepare() does, and
    there is no snapshot. For one that is taken from outside neither is called.
    """
    for function in (before, after):
        if not callable(function) and (function is not None or function is before):
            raise TypeError(f"{function!r}: not callable")
    _at_prepare.append((before, after))
    return before


_at_resume = []


def at_resume(function):
    """Have function() called in each child before prepare() returns there: in the order in which
    they were given, twice what was given twice, after random numbers have begun anew.

    Returns the function, so it may be used as a decorator. If one raises an exception, prepare()
    does in the child, and the functions after it are not called. In a child of a snapshot that was
    taken from outside the main thread calls them, and gets the exception, wherever it is.
    """
    if not callable(function):
        raise TypeError(f"{function!r}: not callable")
    if _why_not_outside and not _at_resume:
        _log.warning("no function runs in children of snapshots that are taken from outside: %s",
                     _why_not_outside)
    _at_resume.append(function)
    return function


def _begin_anew():
    """What os.fork() leaves as it was, or leaves to the process id. Nothing is imported for it."""
    number = child_number()
    if number:
        os.environ["MITOSIS_CHILD"] = str(number)
    ssl = sys.modules.get("_ssl")
    if ssl:
        ssl.RAND_add(os.urandom(48), 48.0)
    uuid = sys.modules.get("uuid")
    if uuid:
        # libuuid has a clock sequence and a node of its own, which cannot be set.
        uuid._generate_time_safe = None         # pylint: disable=protected-access
        uuid._node = uuid._random_getnode()     # pylint: disable=protected-access
    try:
        # Only if it is loaded already; it learns of a fork by pthread_atfork(3) alone.
        ctypes.CDLL("libgnutls.so.30", os.RTLD_NOW | os.RTLD_NOLOAD).gnutls_rnd_refresh()
    except OSError:
        pass
    numpy = sys.modules.get("numpy.random")
    if numpy:
        try:
            numpy.seed()
        except TypeError:
            pass                # the program has given it a generator of its own


def _begin(forked=False):
    """In a child, once: nothing is done where that was done already."""
    with _beginning:
        if not _new.value:
            return
        _new.value = 0
        if not forked and "random" in sys.modules:
            sys.modules["random"].seed()
        _begin_anew()
        for function in tuple(_at_resume):
            function()


_why_not_outside = _come_to()


def prepare(pid=None, *, label=None, listen=None, lifetime=0, engine=None):
    """Take a snapshot of this process, with all its threads, or of another one.

    Returns a Snapshot in the parent and None in every child. With several threads, what was
    registered with os.register_at_fork() does not run, since a child has all of them.

    pid       of another process, whatever program it is, which runs on; then nobody returns here
              but the caller
    label     shown by mitosis-ls, at most 63 bytes
    listen    address, or address:port, that children connect to; the default is loopback
    lifetime  seconds; 0: until this process ends, or the snapshot is released
    engine    "user" or "kernel"; by default kernel where it can serve
    """
    args = _PrepareArgs(size=ctypes.sizeof(_PrepareArgs), engine=_to_bytes("engine", engine),
                        listen=_to_bytes("listen", listen),
                        label=_to_bytes("label", label, _LABEL_MAX), lifetime_s=int(lifetime))
    reference = ctypes.create_string_buffer(_REF_MAX)
    why = {-errno.ENOTSUP: f"no engine {engine}",
           -errno.EINVAL: "invalid argument (listen wants a numeric address)"}
    if pid is not None:
        if int(pid) < 1:
            raise ValueError(f"pid: {pid}: no process has this number")
        _check(_pylib.mitosis_prepare_pid(int(pid), ctypes.byref(args), reference))
        return Snapshot(reference.value.decode())
    pairs = tuple(_at_prepare)
    done = len(pairs)
    _count_preparing(1)
    try:
        for before, _ in reversed(pairs):
            done -= 1
            before()
        code, alone = _prepare_self(args, reference)
    except BaseException:
        _count_preparing(-1)
        _run_after(pairs[done:])
        raise
    _count_preparing(-1)
    _begin(alone and code == 1)     # also in a child of one who prepared this program meanwhile
    if code == 1:
        return None
    _run_after(pairs)
    _check(code, why.get(code))
    return Snapshot(reference.value.decode())


def _count_preparing(change):
    global _preparing           # pylint: disable=global-statement
    with _beginning:
        _preparing += change


def _run_after(pairs):
    for _, after in pairs:
        if after:
            after()


def _prepare_self(args, reference):
    _mark()
    _flush()                    # else the children would write it once more
    # The interpreter's own hooks for a fork remove all threads but one.
    alone = len(os.listdir("/proc/self/task")) == 1
    if alone:
        ctypes.pythonapi.PyOS_BeforeFork()
    # The interpreter's lock is kept, so that a child need not take it back.
    code = _pylib.mitosis_prepare(ctypes.byref(args), reference)
    if alone and code == 1:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    elif alone:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    return code, alone


def _pairs(these):
    """"OLD=NEW,..." of a dict; None if there is nothing in it."""
    return ",".join(f"{old}={new}" for old, new in these.items()) if these else None


def resume(reference, *, mode="auto", window=0, push=True, timeout=0, strict=False,
           discard_stdin=False, engine=None, record=None, replay=None, addresses=None,
           notify_fd=None, private=False, poll=False, publish=None, inherit_fds=None,
           tids="auto", clock="auto", net="host", number=None, how="auto"):
    """Become the supervisor of a new child of a snapshot; returns only by raising MitosisError.

    This process ends as the child ends, and forwards signals to it. What this interpreter had is
    lost: call it in a process made for the purpose.

    mode      "demand", "eager", or "auto": demand where the host allows it
    window    pages fetched per fault, 1 to 1024; 0: the default
    push      True: the background fetches everything; False: nothing; or percent, 1 to 100
    timeout   longest silence of the parent's host, in seconds; 0: the default
    strict    refuse rather than make a child that lacks something of its parent
    discard_stdin  the child reads /dev/null
    record    file to write the pages to that the child fetches, in order of first touch
    replay    such a file, whose pages are fetched first
    addresses where the reference's host is, tried in this order: numeric ones, as a list of texts or
              one text with commas; without, those that its name stands for
    notify_fd descriptor that gets 8 bytes once the child runs, the time of CLOCK_MONOTONIC in
              nanoseconds in this host's byte order, and is closed then
    private   engine kernel: share no page with other children on this host
    poll      engine kernel: a thread that waits for a page spins instead of sleeping
    publish   where sockets of the parent are bound instead, old to new, as a dict: ports, texts
              "ADDRESS:PORT", or paths or "@NAMES" of unix sockets
    inherit_fds  descriptors of this process for those of the child, as a dict {child's: own}
    tids      "same": process and threads have their parent's numbers, in namespaces of their own;
              "new": others; "auto": same for several threads, and for a parent taken by its number
    clock     CLOCK_MONOTONIC and CLOCK_BOOTTIME are the parent's ("same"), or the "host"'s; "auto":
              same where they differ by more than a second
    net       "host": its sockets are in this host's network; "new": in one of its own, with nothing
              but loopback, where the ports are free that its parent has
    how       pages on demand: the parent's shadow, of this user on this host, puts them in their "place",
              or they come by "tcp"; "auto": place where that can be
    number    which child it is: child_number(), and MITOSIS_CHILD in its environment; without, as many
              as the snapshot has had
    """
    if mode not in _MODES:
        raise ValueError(f"mode: {mode}: not one of {', '.join(_MODES)}")
    if tids not in _TIDS:
        raise ValueError(f"tids: {tids}: not one of {', '.join(_TIDS)}")
    if clock not in _CLOCKS:
        raise ValueError(f"clock: {clock}: not one of {', '.join(_CLOCKS)}")
    if how not in _HOWS:
        raise ValueError(f"how: {how}: not one of {', '.join(_HOWS)}")
    if net not in _NETS:
        raise ValueError(f"net: {net}: not one of {', '.join(_NETS)}")
    if notify_fd is not None and notify_fd < 1:
        raise ValueError(f"notify_fd: {notify_fd}: not a descriptor from 1")
    if number is not None and not 0 < number < 1 << 32:
        raise ValueError(f"number: {number}: not a number from 1")
    if not isinstance(addresses, (str, type(None))):
        addresses = ",".join(addresses)
    percent = 100 if push is True else int(push)
    flags = (_STRICT if strict else 0) | (0 if percent else _NO_PUSH) | \
        (_DISCARD_STDIN if discard_stdin else 0) | (_PRIVATE if private else 0) | \
        (_POLL if poll else 0)
    args = _ResumeArgs(size=ctypes.sizeof(_ResumeArgs), flags=flags, mode=_MODES[mode],
                       engine=_to_bytes("engine", engine), window=window, push_percent=percent,
                       timeout_ms=round(timeout * 1000),
                       record=_to_bytes("record", record), replay=_to_bytes("replay", replay),
                       notify_fd=notify_fd or 0, addresses=_to_bytes("addresses", addresses),
                       publish=_to_bytes("publish", _pairs(publish)),
                       inherit_fds=_to_bytes("inherit_fds", _pairs(inherit_fds)),
                       tids=_TIDS[tids], clock=_CLOCKS[clock], number=number or 0,
                       net=_NETS[net], how=_HOWS[how])
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


def child_number():
    """Which child of its snapshot this process is, from 1; 0 if it is none."""
    return _lib.mitosis_child_number()


def stats():
    """In a child: how its memory arrived, a Stats. Elsewhere: all zero."""
    raw = _Stats(size=ctypes.sizeof(_Stats))
    _check(_lib.mitosis_stats(ctypes.byref(raw)))
    return Stats(*(getattr(raw, name) for name in Stats._fields))


def version():
    """The version of the library."""
    return _lib.mitosis_version().decode()
