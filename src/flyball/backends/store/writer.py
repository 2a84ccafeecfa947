"""The one thread that writes: it takes all changes that queued during the last fsync and writes them in one transaction.

`SqliteStore` starts it and hands it jobs. Every change is all or nothing by itself: its guards are asked before any of it is
put into the batch, so a refused change leaves no trace and needs no savepoint. Callers are answered after the fsync.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from flyball.backends.store.batch import Batch, Job
from flyball.backends.store.guard import Guard
from flyball.backends.store.schema import node_place
from flyball.backends.store.seal import Outside, Seal
from flyball.errors import BadInput, Fenced, StoreError, StoreFull
from flyball.rules.merkle import Frontier, Head, leaf_hash

_MOST_JOBS = 4096  # of one batch: bounds its memory and how long the first of it waits
_IDLE_S = 0.02  # how long nothing must come before the checkpoint outside is written
_MOST_UNSHOWN = 16  # batches after which it is written even if more is coming

_FAULTS_OF_DATA = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError)

_ENTRY = "INSERT INTO entry (idx, at, name, session, action, who, raw) VALUES (?, ?, ?, ?, ?, ?, ?)"
_NODE = "INSERT INTO node (place, hash) VALUES (?, ?)"
_META = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"


@dataclass(slots=True)
class Tail:
    """Where the log ends: its tree's edge and the time of its last entry, Unix seconds."""

    frontier: Frontier
    last_at: float


class Writer:
    """Owns the writing connection, the tree's edge and the checkpoint outside."""

    def __init__(self, conn: sqlite3.Connection, tail: Tail, seal: Seal, outside: Outside, boot: int) -> None:
        """Take over the connection; `start` begins writing."""
        self._conn, self._tail, self._seal, self._outside, self._boot = conn, tail, seal, outside, boot
        self._guard = Guard(conn)
        self._queue: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="flyball-writer", daemon=True)
        self._note = ""
        self._unshown = 0  # batches that the checkpoint outside does not cover yet
        self.commits = 0
        self.on_written: Callable[[int], None] = lambda _size: None
        self.before_answer: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, jobs: Sequence[Job]) -> None:
        """Queue jobs that are to be written together; each future is answered on its own loop."""
        self._queue.put(jobs)

    def stop(self) -> None:
        """Write what is queued, then end the thread. Returns when it has ended."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            jobs: list[Job] = []
            more = self._drain(self._next(), jobs)
            if jobs:
                self._serve(jobs)
        self._show()

    def _next(self) -> Sequence[Job] | None:
        """Wait for jobs. While nothing comes, bring the checkpoint outside up to date: off the path of whoever waits for an answer."""
        if self._unshown:
            try:
                return self._queue.get(timeout=_IDLE_S)
            except Empty:
                self._show()
        return self._queue.get()

    def _show(self) -> None:
        if self._unshown:
            with contextlib.suppress(OSError):  # what it covers is durable in the database; the next one covers more
                self._outside.write(self._note)
            self._unshown = 0

    def _drain(self, first: Sequence[Job] | None, jobs: list[Job]) -> bool:
        """Collect what is queued; False where the end was among it."""
        one = first
        while one is not None:
            jobs += one
            if len(jobs) >= _MOST_JOBS:
                return True
            try:
                one = self._queue.get_nowait()
            except Empty:
                return True
        return False

    def _serve(self, jobs: list[Job]) -> None:
        size = self._tail.frontier.size
        self._write(jobs)
        grown = self._tail.frontier.size
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, served in by_loop.items():
            with contextlib.suppress(RuntimeError):  # that loop has ended, and with it everybody who waited
                loop.call_soon_threadsafe(self._answer, served, grown if grown > size else 0)
        if self._unshown >= _MOST_UNSHOWN:
            self._show()

    def _answer(self, jobs: list[Job], grown: int) -> None:
        """Answer callers, then watchers. Runs on the event loop; what they read from now on is what was written."""
        self.before_answer()
        for job in jobs:
            if job.future.done():
                continue  # the caller was cancelled; what it asked for is written nonetheless
            if isinstance(job.answer, tuple):
                job.future.set_result(job.answer)
            else:
                job.future.set_exception(job.answer)
        if grown:
            self.on_written(grown)

    def _write(self, jobs: Sequence[Job]) -> None:
        """Write a batch, giving every job its answer. A disk that fails refuses all of it; a change that cannot be stored, itself."""
        self._guard.trim()
        try:
            self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - the thread's loop boundary: every caller must be answered whatever happened
            self._undo()
            if isinstance(error, sqlite3.Error) and not isinstance(error, _FAULTS_OF_DATA):
                for job in jobs:
                    job.answer = StoreFull(f"nothing was written: {error}")
            elif len(jobs) == 1:
                bad = isinstance(error, (ValueError, OverflowError, *_FAULTS_OF_DATA))
                jobs[0].answer = BadInput("a change cannot be stored", f"{type(error).__name__}: {error}") if bad else error
            else:
                for job in jobs:  # one at a time, so that only the one at fault is refused
                    self._write([job])

    def _transact(self, jobs: Sequence[Job]) -> None:
        self._conn.execute("BEGIN IMMEDIATE")
        boot = self._conn.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()
        if boot is None or boot[0] != self._boot:
            self._conn.execute("ROLLBACK")
            for job in jobs:
                job.answer = Fenced("another server has taken this state over")
            return
        batch = Batch(self._tail.frontier.size, self._tail.last_at)
        for job in jobs:
            try:
                job.answer = batch.take(job, self._guard)
            except StoreError as error:  # raised before any of the change is in the batch
                job.answer = error
        if batch.is_empty():
            self._conn.execute("ROLLBACK")
            return
        batch.write_rows(self._conn, self._guard)
        tail, note = self._flush_log(batch) if batch.entries else (self._tail, self._note)
        self._conn.execute("COMMIT")
        self.commits += 1
        if batch.entries:
            self._tail, self._note = tail, note
            self._unshown += 1

    def _flush_log(self, batch: Batch) -> tuple[Tail, str]:
        """Write entries, nodes and a new signed checkpoint; give where the log then ends, and the checkpoint."""
        frontier, nodes = self._tail.frontier.extend([leaf_hash(row[6]) for row in batch.entries])
        place = node_place(0, self._tail.frontier.size)
        self._conn.executemany(_ENTRY, batch.entries)
        self._conn.executemany(_NODE, enumerate((one for _level, _index, one in nodes), place))
        note = self._seal.checkpoint(Head(frontier.size, frontier.root()))
        self._conn.execute(_META, ("checkpoint", note))
        return Tail(frontier, batch.at), note

    def _undo(self) -> None:
        """Put memory back to what is on the disk."""
        self._guard.forget()
        with contextlib.suppress(sqlite3.Error):  # a failed COMMIT may have ended the transaction itself
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
