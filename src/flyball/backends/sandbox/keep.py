"""Runs that outlive the server: a box that also keeps long runs, each with a folder below the state. Made by `compose`.

A run is told apart by its name, and a folder is made once: so a name is begun once, whoever asks. Whoever holds the folder's lock lives:
first the server that begins, then the runner (`runner.py`) that inherits it. A free lock with an `end` is a run that ended; with
`began` alone one whose runner was killed or whose machine went down, and nobody can tell how far it came; with neither it never began.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from flyball.backends.sandbox.spawn import BoxRefused, Ended, Walls, memory_file
from flyball.model.action import Seen
from flyball.model.box import Level, Ran, Run
from flyball.ports import Box

KEPT_S = 30 * 86_400.0  # how long the folder of a run whose end was told is kept
TAIL = 65_536  # bytes of what it said that a run's end is told with
LOOK_S = 0.01
GRACE_S = 5.0  # between the request to end a run and its end
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


class Keep:
    """A box, and the runs that go on without the server. Meets `ports.Keeper`; does nothing more once `held` says no."""

    def __init__(self, box: Box, folder: Path, held: Callable[[], bool]) -> None:
        """Wrap a box; `folder` is made when it is needed, `held` says whether the state is still this server's."""
        self._box, self._folder, self._held = box, folder, held
        self.level: Level = box.level

    async def run(self, run: Run) -> Ran:
        """Run one program to its end. Raises BoxRefused where another server has taken the state over, and as the box does."""
        self._mine(run.argv[0])
        return await self._box.run(run)

    async def begin(self, name: str, run: Run) -> None:
        """Start a run that outlives this server; a name that has been begun is left as it is. Raises BoxRefused, OSError."""
        self._mine(run.argv[0])
        if not isinstance(self._box, Walls):
            raise BoxRefused(f"{run.argv[0]} was not run", f"the level {self.level} keeps no runs", "run flyball doctor")
        self._box.check(run)
        await asyncio.to_thread(self._begin, self._box, self._place(name), run)

    def find(self, name: str) -> Ran | Seen:
        """Give how a run ended, or RUNNING; ABSENT where it never began, UNSURE where nobody knows how far it came."""
        place = self._place(name)
        if _locked(place):
            return Seen.RUNNING
        if not (place / "began").exists():
            return Seen.ABSENT
        with suppress(OSError, ValueError):
            ended = self._ended(place, json.loads((place / "end").read_bytes().rstrip(b"\0")))
            with suppress(OSError):  # a full disk keeps the folder longer
                (place / "told").touch(mode=0o600)
            return ended
        return Seen.UNSURE

    def read(self, name: str, after: int, most: int) -> bytes:
        """Give at most `most` bytes of what a run has said, from byte `after` on (negative: from the end); nothing where there is none."""
        with suppress(FileNotFoundError), (self._place(name) / "out").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size + after) if after < 0 else after)
            return file.read(most)
        return b""

    async def end(self, name: str) -> None:
        """End a run that goes on; waits until it has. One that ended already is left as it is."""
        self._mine(name)
        place = self._place(name)
        if await _end(place):
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S):
                    while _locked(place):  # noqa: ASYNC110 - a child that it had just forked may hold the lock a moment longer
                        await asyncio.sleep(LOOK_S)

    def _mine(self, what: str) -> None:
        if not self._held():
            raise BoxRefused(f"{what} was not run", "another server has taken this state over", "look there")

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BoxRefused(f"{name!r} names no run", "it would not be a folder's name", "name it otherwise")
        return self._folder / name

    def _begin(self, walls: Walls, place: Path, run: Run) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            return
        with ExitStack() as stack:
            lock, note = (os.open(place / one, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for one in ("lock", "note"))
            lock_here = stack.enter_context(ExitStack())
            lock_here.callback(os.close, lock)
            stack.callback(os.close, note)
            fcntl.flock(lock, fcntl.LOCK_EX)
            _sync(self._folder)
            start = walls.start(run, note)
            told = {"place": str(place), "argv": start.argv, "fds": [*start.fds, note]}
            plan = memory_file(json.dumps({**told, "timeout_s": run.timeout_s, "max_output": run.max_output}).encode())
            for fd in (*start.fds, plan):
                stack.callback(os.close, fd)
            argv = (os.path.realpath(sys.executable), "-I", "-S", str(Path(__file__).with_name("runner.py")), str(plan))
            with (place / "fault").open("wb") as fault:
                popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=fault,
                    env={},
                    cwd="/",
                    pass_fds=(plan, lock, note, *start.fds),
                    start_new_session=True,
                )
            lock_here.close()  # at once: a server that stands still here would hold the lock of a run that has ended
            popen.wait()  # it forks and ends
        self._tidy(place)

    def _tidy(self, fresh: Path) -> None:
        """Remove the folders of runs that ended long before this one began, and were told: a clock that jumps makes no end go unheard."""
        now = fresh.stat().st_mtime
        for place in self._folder.iterdir():
            end = place / "end"
            if (place / "told").exists() and end.exists() and now - end.stat().st_mtime > KEPT_S and not _locked(place):
                shutil.rmtree(place, ignore_errors=True)

    def _ended(self, place: Path, told: Mapping[str, Any]) -> Ran | Seen:
        if not isinstance(self._box, Walls):
            return Seen.UNSURE
        kept = (place / "out").stat().st_size
        ended = Ended(
            status=None if told["why"] else int(told["status"]),
            out=self.read(place.name, -TAIL, TAIL),
            err=b"",
            out_truncated=told["said"] > kept,
            err_truncated=False,
            note=(place / "note").read_bytes(),
            took_s=max(0.0, (place / "end").stat().st_mtime - (place / "began").stat().st_mtime),
        )
        try:
            ran = self._box.read(Run((place.name,)), ended)
        except BoxRefused:
            return Seen.ABSENT  # the box could not be set up: the program never began
        return replace(ran, signal=signal.SIGTERM.value, timed_out=False) if told["why"] == "asked" else ran


def going(folder: Path) -> list[str]:
    """Name the runs below a folder that go on. Needs no server."""
    return sorted(one.name for one in folder.glob("*") if _locked(one))


async def end_by_hand(folder: Path, name: str) -> bool:
    """End one of the runs that `going` has named, past the server that began it; says whether it has ended. Raises PermissionError."""
    return await _end(folder / name)


async def _end(place: Path) -> bool:
    """Ask a run's runner to end it and wait until it has, for `GRACE_S` seconds at most; says whether it has.

    The end of the runner is what counts: a server that stands still may hold the lock of a run that it has just begun.
    """
    with ExitStack() as stack:
        try:
            fd = os.pidfd_open(int((place / "began").read_text()))
        except ProcessLookupError:
            return True
        except (OSError, ValueError):
            return not _locked(place)
        stack.callback(os.close, fd)
        if not _locked(place):
            return True
        # So the runner lives, and the descriptor is its own.
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(fd, gone.set)
        stack.callback(loop.remove_reader, fd)
        with suppress(ProcessLookupError):  # it has ended by itself meanwhile
            signal.pidfd_send_signal(fd, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await gone.wait()
        return gone.is_set()


def _locked(place: Path) -> bool:
    """Say whether somebody holds the lock of a run's folder."""
    try:
        lock = os.open(place / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)
