"""One server per state folder: an flock on `<state>/lock`, freed by the kernel however its holder ends.

The store takes it when it opens. A takeover puts a new file in the lock's place, so that the lock of a holder that is
stopped but not dead no longer counts; that the old holder writes nothing more is the database's boot counter's part.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from flyball.errors import NotReady

FILE = "lock"
"""Name of the lock inside the state folder. It holds the process id of its holder."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock; it is held until `free` or the end of the process."""

    path: Path
    fd: int
    pushed: int = 0  # process id of the holder that this lock pushed aside

    def held(self) -> bool:
        """Whether the file at the path still is the one that this process locked."""
        try:
            there, ours = self.path.stat(), os.fstat(self.fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def free(self) -> None:
        """Let go. The file stays: removing it would let two servers lock two files of the same name."""
        os.close(self.fd)


def take_lock(state: Path, *, takeover: bool = False) -> Lock:
    """Lock the state folder. Raises NotReady where another process holds it, unless `takeover`."""
    path = state / FILE
    return _replace(path) if takeover else _take(path)


def _take(path: Path) -> Lock:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise NotReady(
                f"another server already uses {path.parent}",
                f"pid {holder or 'unknown'} holds the lock",
                "stop it, or name another state folder; if it hangs and cannot be stopped, start with --takeover",
            ) from None
        lock = Lock(path, fd)
        if lock.held():
            return _sign(lock)
        lock.free()  # a takeover replaced the file between open and flock


def _replace(path: Path) -> Lock:
    fresh = path.with_name(f"{FILE}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock = _sign(Lock(path, fd, _holder(path)))
    fresh.replace(path)
    return lock


def _holder(path: Path) -> int:
    """Give the process id of whoever holds the lock now, as the kernel knows it; 0 where nobody does."""
    try:
        said = path.read_text().strip()
        there = path.stat()
        held = any(_same(one, there) for one in Path(f"/proc/{int(said)}/fd").iterdir())
    except (OSError, ValueError):
        return 0
    return int(said) if held else 0


def _same(fd: Path, there: os.stat_result) -> bool:
    try:
        found = fd.stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino)


def _sign(lock: Lock) -> Lock:
    os.ftruncate(lock.fd, 0)
    os.pwrite(lock.fd, f"{os.getpid()}\n".encode(), 0)
    return lock
