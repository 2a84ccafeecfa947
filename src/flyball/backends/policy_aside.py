"""Loads a set of policies without holding up the event loop: `policy_child` does the work, this takes it in. Called by `policy_shelf`.

What the child hands over is taken in on the event loop, in turns of at most `TURN_S` with everybody else's between them, and what it
replaces is let go of in the same way. So the longest wait is a turn and one piece, however large the set is. The child is this package at
this version, which is checked; what it says of itself otherwise is believed, as the server's own files are.
"""

import asyncio
import gc
import marshal
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from flyball.backends.bundle import Seal
from flyball.backends.policy_answer import PolicyError
from flyball.backends.policy_child import fingerprint, pieces
from flyball.backends.policy_native import LIMITS, Loaded
from flyball.backends.sandbox.spawn import Ended, Start, Tap, memory_file, spawn
from flyball.errors import BadInput, NotReady
from flyball.model.box import Run
from flyball.rego.folder import Folder
from flyball.rego.pack import unpacked
from flyball.rego.piece import Builder, crumble

LIMIT_S: Final = 60
LIMITS_OF_CHILD: Final = {
    resource.RLIMIT_CPU: LIMIT_S,
    resource.RLIMIT_AS: 4 << 30,
    resource.RLIMIT_FSIZE: 1 << 30,  # what it hands over, too: that is a file in memory
    resource.RLIMIT_CORE: 0,
}
TURN_S: Final = 0.0005
MANY: Final = 20  # pieces of a set whose size the garbage collector would feel
_SAID: Final = 4_096  # bytes of what a child says before it dies
_FIX: Final = "the policies that ran before still run: load them again, or start the server anew"
# It is told where the package is: with -I it reads no environment, and with -S nothing is run before it.
_BEGIN: Final = """import marshal, sys
with open(int(sys.argv[1]), "rb") as file: orders = marshal.load(file)
sys.path[:] = orders["path"]
from flyball.backends.policy_child import main
main(orders)"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to load: a folder, or a bundle's bytes with the key that they must be signed with. `runs`: the digest of the set that runs."""

    folder: Path
    bundle: bytes | None = None
    seal: Seal | None = None
    runs: str = ""


class Aside:
    """Loads sets of policies for one server."""

    def __init__(self) -> None:
        """Note which code this server runs."""
        self._print = fingerprint()

    async def load(self, wanted: Wanted) -> Loaded | None:
        """Give the set that is wanted once it has passed the gate, or None where it is the one that runs.

        Raises:
            PolicyError: the set must not be used.
            BadInput: the bundle must not be used.
            NotReady: the process that loads it died, took too long or is of another version.
        """
        out = memory_file(b"")
        try:
            _survived(await _run(wanted, out))
            with _uncollected():
                return await self._take(out)
        finally:
            os.close(out)

    async def _take(self, out: int) -> Loaded | None:
        builder, taken = Builder(), 0
        try:
            async for piece in _in_turns(pieces(out)):
                builder.take(piece)
                taken += 1
            said = builder.whole()
        except ValueError as fault:
            raise _died(f"what it handed over cannot be read: {fault}") from fault
        if said["print"] != self._print:
            why = "the program on the disk is not the one that this server runs"
            raise NotReady("the policies were not loaded again", why, "start the server anew: it was changed since it started")
        if refused := said.get("refused"):
            raise _refused(refused)
        if taken > MANY:
            gc.freeze()  # its tables stay until they are replaced: looking through them for garbage takes as long as they are large
        return None if said.get("same") else await _loaded(said)


async def _loaded(said: dict[str, Any]) -> Loaded:
    *_, engine = [step async for step in _in_turns(unpacked(said["policy"], LIMITS))]
    if engine is None:
        raise _died("it handed over no policy")
    folder = said["folder"]
    return Loaded(Folder(folder["modules"], folder["data"], {}, {}, folder["digest"]), engine, said["count"])


async def let_go(documents: list[Any]) -> None:
    """Free documents in turns; nobody holds them but this list."""
    async for _ in _in_turns(crumble(documents)):
        pass


async def _in_turns(steps: Iterable[T]) -> AsyncIterator[T]:
    """Go through steps, and let everybody else have their turn whenever `TURN_S` is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + TURN_S
    for step in steps:
        yield step
        if loop.time() > until:
            await asyncio.sleep(0)
            until = loop.time() + TURN_S


async def _run(wanted: Wanted, out: int) -> Ended:
    sink = os.dup(out)
    orders = {
        "path": sys.path,
        "parent": os.getpid(),
        "limits": LIMITS_OF_CHILD,
        "out": sink,
        "folder": str(wanted.folder.absolute()),
        "bundle": wanted.bundle,
        "seal": [wanted.seal.alg, wanted.seal.key, wanted.seal.kid, wanted.seal.scope] if wanted.seal else None,
        "runs": wanted.runs,
    }
    told = memory_file(marshal.dumps(orders))
    start = Start((sys.executable, "-I", "-S", "-X", "utf8", "-c", _BEGIN, str(told)), (told, sink))
    run = Run(argv=("the policies' loader",), timeout_s=LIMIT_S, max_output=_SAID)
    with closing(Tap(_SAID)) as note:
        return await spawn(start, run, note)


def _survived(ended: Ended) -> None:
    """Raises NotReady with how the process died, if it did."""
    if ended.status is None:
        raise _died(f"it took longer than {LIMIT_S} s")
    if ended.status:
        last = ended.err.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        how = f"ended by signal {-ended.status}" if ended.status < 0 else f"ended with {ended.status}"
        raise _died(f"{how}: {last[0][:300]}")


def _died(why: str) -> NotReady:
    return NotReady("the policies were not loaded again", f"the process that loads them failed: {why}", _FIX)


def _refused(said: dict[str, Any]) -> PolicyError | BadInput:
    if not said["policy"]:
        return BadInput(said["what"], said["why"], said["fix"])
    error = PolicyError(said["what"], said["why"], said["fix"])
    error.shown = tuple(said["shown"])
    return error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: what is taken in is none, and there may be much of it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
