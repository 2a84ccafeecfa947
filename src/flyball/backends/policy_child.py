"""Loads a set of policies in a process of its own, which `policy_aside` starts: reads it, runs the whole gate, hands the code over.

Compiling and checking keep a processor busy for tenths of a second, with calls that let no other thread run; in the server every decision
would wait for them. This process ends with the server that wants the set, calls nobody, and has limits on time, memory and what it writes.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any, Final

from flyball.backends import bundle, policy_native
from flyball.backends.bundle import Seal
from flyball.backends.policy_answer import INPUT_SCHEMA, PolicyError
from flyball.errors import UserError
from flyball.rego.folder import Folder, of_bundle
from flyball.rego.pack import packed
from flyball.rego.piece import cut

GIVE_WAY: Final = 10
WIDTH: Final = 4  # bytes of a piece's length before it; a length of zero ends the document
_PR_SET_PDEATHSIG: Final = 1
_HERE: Final = Path(__file__).parents[1]
_CODE: Final = ("rego/**/*.py", "backends/policy_*.py", "backends/bundle.py")


def fingerprint() -> bytes:
    """What tells whether two processes run the same code: of this package, and of Python."""
    found = sha256(MAGIC_NUMBER)
    for path in sorted(path for pattern in _CODE for path in _HERE.glob(pattern)):
        found.update(path.relative_to(_HERE).as_posix().encode() + path.read_bytes())
    return found.digest()


def main(orders: Mapping[str, Any]) -> None:
    """Do what is ordered and write the answer's pieces to the descriptor that is named."""
    _tie(orders["parent"], orders["limits"])
    try:
        with os.fdopen(orders["out"], "wb") as out:
            out.writelines(len(piece).to_bytes(WIDTH) + piece for piece in cut({"print": fingerprint(), **answer(orders)}))
            out.write(bytes(WIDTH))
    except MemoryError:
        sys.exit("it took more memory than it may")


def _tie(parent: int, limits: Mapping[int, int]) -> None:
    """End with the server, give way to it, and stay within limits (`RLIMIT_*` -> how much)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the server has gone")
    os.nice(GIVE_WAY)
    for number, most in limits.items():
        hard = resource.getrlimit(number)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (least, least))


def answer(orders: Mapping[str, Any]) -> dict[str, Any]:
    """Give the set that has passed the gate; `same` where it is the one that runs; `refused` with what is wrong."""
    try:
        held = policy_native.read(Path(orders["folder"])) if orders["bundle"] is None else _unpacked(orders["bundle"], orders["seal"])
        if held.digest == orders["runs"]:
            return {"same": True}
        loaded = policy_native.gated(held)
    except UserError as fault:
        shown = list(fault.shown) if isinstance(fault, PolicyError) else []
        return {
            "refused": {"what": fault.what, "why": fault.why, "fix": fault.fix, "policy": isinstance(fault, PolicyError), "shown": shown}
        }
    folder = {"modules": dict(held.modules), "data": dict(held.data), "digest": held.digest}
    return {"folder": folder, "count": loaded.count, "policy": packed(loaded.engine)}


def _unpacked(raw: bytes, seal: list[Any] | None) -> Folder:
    return of_bundle(bundle.read(raw, Seal(*seal) if seal else None), INPUT_SCHEMA.read_bytes())


def pieces(fd: int) -> Iterator[bytes]:
    """Read the pieces that `main` wrote. Raises ValueError where they break off."""
    at = 0
    while length := int.from_bytes(head := os.pread(fd, WIDTH, at)):
        yield os.pread(fd, length, at + WIDTH)
        at += WIDTH + length
    if len(head) < WIDTH:
        raise ValueError("they break off")
