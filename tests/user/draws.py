# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A parent whose children draw random numbers in every way there is here, a line for each: KIND NUMBER.

    draws.py library     by ctypes and the library alone, as a program in C does it
    draws.py module      by the Python module
    draws.py hooks       the same, with functions that make anew what nobody else does

Each has drawn before, so that the state of its generator is in the snapshot.
"""
import ctypes
import os
import random
import ssl
import sys
import types
import uuid

sys.path.insert(0, os.environ["PYTHON_MODULE"])


def from_library(library, function, count, *after):
    """A way to draw by a function of a C library that fills a buffer; None where it is not there."""
    try:
        call = getattr(ctypes.CDLL(library), function)
    except (OSError, AttributeError):
        return None

    def draw():
        buffer = ctypes.create_string_buffer(count)
        call(*after, buffer, ctypes.c_size_t(count))
        return buffer.raw.hex()
    return draw


ways = {
    "getrandom": lambda: os.urandom(32).hex(),
    "arc4random": from_library(None, "arc4random_buf", 32),
    "openssl": from_library(os.environ["LIBCRYPTO"], "RAND_priv_bytes", 32),
    "gcrypt": from_library("libgcrypt.so.20", "gcry_create_nonce", 32),
    "sodium": from_library("libsodium.so.23", "randombytes_buf", 32),
    "uuid4": lambda: str(uuid.uuid4()),
}
if sys.argv[1] != "library":
    mine = random.Random(7)
    numpy = types.ModuleType("numpy.random")        # none of the interpreters that this is for need have it
    numpy.own = random.Random(7)
    numpy.seed = numpy.own.seed
    sys.modules.setdefault("numpy.random", numpy)
    random.seed(7)
    ways.update({
        "random": lambda: str(random.getrandbits(64)),
        "ssl": lambda: ssl.RAND_bytes(32).hex(),
        "uuid1": lambda: str(uuid.uuid1().node) + str(uuid.uuid1().clock_seq),
        "node": lambda: str(uuid.getnode()),
        "numpy": lambda: str(numpy.own.getrandbits(64)),
        "gnutls": from_library("libgnutls.so.30", "gnutls_rnd", 32, 2),     # GNUTLS_RND_KEY
    })
if sys.argv[1] == "hooks":
    import mitosis

    ways["mine"] = lambda: str(mine.getrandbits(64))
    mitosis.at_resume(mine.seed)
ways = {kind: draw for kind, draw in ways.items() if draw}
for way in ways.values():
    way()
if sys.argv[1] == "library":
    lib = ctypes.CDLL(os.environ["MITOSIS_LIBRARY"])
    ref = ctypes.create_string_buffer(320)
    code = lib.mitosis_prepare(None, ref)
    assert code >= 0, code
    reference = None if code else ref.value.decode()
else:
    import mitosis

    reference = mitosis.prepare()
if reference:
    print(reference, flush=True)
    sys.stdin.read()
    sys.exit(0)
print("pid", os.getpid())
for name, way in ways.items():
    print(name, way())
