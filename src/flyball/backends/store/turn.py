"""One turn of the event loop as the store sees it: its reads share one snapshot, its changes are handed to the writer together.

`SqliteStore` uses it for every read and every commit. A read by itself costs SQLite the taking and giving back of locks, several
times what the look-up costs; a writer that starts with the first change of a turn leaves the others to the next fsync, and fights
the event loop for the interpreter meanwhile. A turn ends when the loop has run everything that was ready: the snapshot is let
go, so that nobody reads the past for longer, and the writer gets what has gathered.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from flyball.backends.store.batch import Job

Seen = dict[tuple[str, Sequence[str | float]], Any]
"""Query and values -> what was read."""


class Turn:
    """What is open in the loop's present turn. Outside of a loop nothing is shared: every read stands for itself."""

    def __init__(self, reading: sqlite3.Connection, hand_over: Callable[[Sequence[Job]], None]) -> None:
        """Keep the reading connection and the way to the writer."""
        self._reading, self._hand_over = reading, hand_over
        self._loop: asyncio.AbstractEventLoop | None = None  # whose turn it is; None between turns
        self._jobs: list[Job] = []
        self._read: Seen = {}

    def begin_snapshot(self) -> Seen:
        """See to it that reads share a snapshot until the turn ends; give what has been read from it. May raise sqlite3.Error."""
        if self._loop is not None and self._loop.is_running() and self._reading.in_transaction:
            return self._read  # asked for many times in a turn: without a system call
        loop = _running()
        if loop is not self._loop:  # a loop that was closed in mid-turn never ended it
            self.end()
        if loop is not None and not self._reading.in_transaction:
            self._begin(loop)
            self._reading.execute("BEGIN")
        return self._read if loop is not None else {}

    def end_snapshot(self) -> None:
        """Let go of the snapshot and what was read from it: the next read sees all that is committed. Ending none is fine."""
        self._read = {}
        with contextlib.suppress(sqlite3.Error):  # closed, or ended by the fault that its reader was told of
            if self._reading.in_transaction:
                self._reading.execute("COMMIT")

    def put(self, job: Job) -> None:
        """Take a change for the writer, which gets it when the turn ends."""
        loop = job.future.get_loop()
        if loop is not self._loop:
            self.end()
        self._begin(loop)
        self._jobs.append(job)

    def end(self) -> None:
        """End the turn: no snapshot, nothing kept back from the writer."""
        self._loop = None
        self.end_snapshot()
        if self._jobs:
            jobs, self._jobs = self._jobs, []
            self._hand_over(jobs)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is None:
            self._loop = loop
            loop.call_soon(self.end)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
