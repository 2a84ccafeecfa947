"""The store on one SQLite file: `SqliteStore` meets `ports.Store` for one server on one machine.

Reads run on the event loop over their own connection and see what is committed. Writes go through `writer.Writer`. Both work in
turns of the event loop (`turn.Turn`): reads of one turn share a snapshot, changes of one turn go to the writer together. The folder
holds `flyball.db`, `lock`, `log.key`, `log.vkey` and `checkpoint`; the first three belong to the server alone.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Self

import orjson

from flyball.backends.store import schema
from flyball.backends.store.batch import Job
from flyball.backends.store.check import edge, find_flaw, inside_mark, outside_mark
from flyball.backends.store.guard import SESSION
from flyball.backends.store.leaf import body_bytes, plain
from flyball.backends.store.lock import Lock, take_lock
from flyball.backends.store.reader import Reader
from flyball.backends.store.seal import CHECKPOINT_FILE, KEY_FILE, Outside, Seal, load_seal, make_seal
from flyball.backends.store.turn import Turn
from flyball.backends.store.writer import Tail, Writer
from flyball.errors import BadInput, NotReady, ProofFailed
from flyball.model.log import Change, Put
from flyball.rules.merkle import Head

MOST_BEHIND_S = 5.0
"""How far the clock may stand behind the last entry when the store opens, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What an open store holds of its folder."""

    state: Path
    lock: Lock
    seal: Seal
    writing: sqlite3.Connection
    reading: sqlite3.Connection
    boot: int


class SqliteStore(Reader):
    """The log and its status rows in `<state>/flyball.db`. Made by `open`; every method but `close` raises NotReady once it is closed."""

    def __init__(self, files: _Files, writer: Writer, now: Callable[[], float]) -> None:
        """Use `open` instead."""
        super().__init__(files.state, files.reading, Turn(files.reading, writer.put))
        self._files = files
        self._writer = writer
        self._now = now
        self._calls: list[Callable[[int], None]] = []
        writer.on_written, writer.before_answer = self._tell, self._turn.end_snapshot

    @classmethod
    def open(cls, state: Path, *, now: Callable[[], float], takeover: bool = False, accept: Collection[str] = (), origin: str = "") -> Self:
        """Open the state folder, making it if need be; the log is verified before anything may be written.

        Args:
            state: the folder.
            now: gives Unix seconds, UTC; asked on the event loop for every commit.
            takeover: push aside a server that holds the lock. Whatever it still tries to write is refused (Fenced).
            accept: what to go on in spite of: "clock" (it stands behind the log), "checkpoint" (there is none outside).
            origin: the name of a new log, such as "flyball.example.com/ops"; a log that exists keeps its own.

        Raises NotReady (folder not writable, in use, newer schema, key missing, clock behind) and ProofFailed (the log does not
        verify, or is older than the checkpoint outside).
        """
        with ExitStack() as stack:
            try:
                files = _open_files(stack, state, takeover=takeover, origin=origin)
                tail = _verified_tail(files, accept)
                _refuse_clock(tail.last_at, now(), accept)
                outside = Outside(files.state, files.lock.held)
                outside.write(_newest_note(files, tail))
            except OSError as error:
                fix = "give this user write access to it, or name another folder"
                raise NotReady(f"the state folder {state} cannot be used", str(error), fix) from None
            except sqlite3.Error as error:
                locked = "another process is within a write, perhaps stopped there: end that process"
                fix = locked if "locked" in str(error) else "look at its disk, or put the folder back from a backup"
                raise NotReady(f"the database {state / schema.FILE} cannot be opened", str(error), fix) from None
            writer = Writer(files.writing, tail, files.seal, outside, files.boot)
            writer.start()
            stack.pop_all()
        return cls(files, writer, now)

    def close(self) -> None:
        """Write what is queued, let go of the files and the lock. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._turn.end()
        self._writer.stop()
        self._files.reading.close()
        self._files.writing.close()  # the last one to close folds the WAL into the file
        self._files.lock.free()

    @property
    def vkey(self) -> str:
        """The log's public key as people hand it on."""
        return self._files.seal.key.text

    def held(self) -> bool:
        """Whether the state folder still is this store's; a takeover ends that for good."""
        return self._files.lock.held()

    @property
    def pushed(self) -> int:
        """Process id of the server that this one pushed aside by a takeover, or 0."""
        return self._files.lock.pushed

    @property
    def commits(self) -> int:
        """How many transactions this store has written since it was opened."""
        return self._writer.commits

    async def commit(self, change: Change) -> tuple[int, ...]:
        """See `ports.Store`. Raises BadInput or TooLarge, too, where an entry or row cannot be stored at all."""
        self._refuse_closed()
        job = _prepare(change, self._now(), asyncio.get_running_loop().create_future())
        self._turn.put(job)
        return await job.future

    def watch(self, call: Callable[[int], None]) -> Callable[[], None]:
        """See `ports.Store`."""
        self._calls.append(call)

        def end() -> None:
            if call in self._calls:
                self._calls.remove(call)

        return end

    def _tell(self, size: int) -> None:
        for call in tuple(self._calls):
            call(size)


def _prepare(change: Change, at: float, future: asyncio.Future[tuple[int, ...]]) -> Job:
    """Encode a change. Raises BadInput or TooLarge."""
    bodies = [body_bytes(entry) for entry in change.entries]
    rows = []
    epochs = {}
    for put in change.puts:
        rows.append(_put_bytes(put))
        if put.table == SESSION:
            epochs[put.id] = _epoch(put, rows[-1])
    return Job(change, round(at, 6), bodies, rows, epochs, future)


def _epoch(put: Put, raw: bytes) -> int:
    epoch = orjson.loads(raw).get("epoch", 0)
    if not isinstance(epoch, int):
        raise BadInput(f"the epoch of session {put.id!a} is {epoch!a}", "an epoch is a whole number")
    return epoch


def _put_bytes(put: Put) -> bytes:
    try:
        raw = orjson.dumps(put.body, plain)
    except orjson.JSONEncodeError as error:
        raise BadInput(f"the {put.table} row {put.id!a} cannot be written as JSON", str(error)) from None
    if not isfinite(put.due_at):
        raise BadInput(f"the {put.table} row {put.id!a} is due at {put.due_at}", "a time is a finite number of Unix seconds")
    return raw


def _open_files(stack: ExitStack, state: Path, *, takeover: bool, origin: str) -> _Files:
    """Lock the folder and open what is in it; the database then belongs to this store. The stack closes what was opened."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take_lock(state, takeover=takeover)
    stack.callback(lock.free)
    path = state / schema.FILE
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    writing = schema.connect(path)
    stack.callback(writing.close)
    schema.migrate(writing, path)
    seal = _seal(state, writing, origin)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("UPDATE meta SET value = value + 1 WHERE key = 'boot'")
    boot = int(writing.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()[0])
    writing.execute("COMMIT")
    reading = schema.connect(path)
    stack.callback(reading.close)
    reading.execute("PRAGMA wal_autocheckpoint = 0")
    reading.execute("PRAGMA query_only = 1")
    return _Files(state=state, lock=lock, seal=seal, writing=writing, reading=reading, boot=boot)


def _seal(state: Path, conn: sqlite3.Connection, origin: str) -> Seal:
    """Load the log's key, or make it where neither key nor log exist yet."""
    if (state / KEY_FILE).exists() or inside_mark(conn) is not None or outside_mark(state) is not None:
        return load_seal(state, origin)
    return make_seal(state, origin)


def _verified_tail(files: _Files, accept: Collection[str]) -> Tail:
    """Hold the log against its checkpoints and give its end. Raises ProofFailed: nothing may be signed on top of what is wrong."""
    conn, state = files.writing, files.state
    inside, outside = inside_mark(conn), outside_mark(state)
    flaw = find_flaw(conn, [mark for mark in (inside, outside) if mark is not None], files.seal.key)
    if flaw is not None:
        raise ProofFailed(
            f"the log in {state} does not verify: {flaw.what} at entry {flaw.index}",
            flaw.why,
            "flyball audit verify; then put the folder back from a copy that verifies",
        )
    frontier = edge(conn)
    if frontier.size and outside is None and "checkpoint" not in accept:
        raise ProofFailed(
            f"the checkpoint {state / CHECKPOINT_FILE} is missing or empty",
            "without it a database put back from an older copy would not be noticed",
            "put the file back, or start with --accept checkpoint if you know why it is gone",
        )
    found = conn.execute("SELECT at FROM entry ORDER BY idx DESC LIMIT 1").fetchone()
    return Tail(frontier, 0.0 if found is None else float(found[0]))


def _newest_note(files: _Files, tail: Tail) -> str:
    """The checkpoint inside the database. A new log has its empty tree signed: from then on, a missing checkpoint means something."""
    found = inside_mark(files.writing)
    if found is not None:
        return found.raw.decode()
    note = files.seal.checkpoint(Head(tail.frontier.size, tail.frontier.root()))
    files.writing.execute("INSERT INTO meta (key, value) VALUES ('checkpoint', ?)", (note,))
    return note


def _refuse_clock(last_at: float, now: float, accept: Collection[str]) -> None:
    """Raises NotReady where the clock stands well behind the last entry: deadlines and approvals would live on."""
    behind = last_at - now
    if behind > MOST_BEHIND_S and "clock" not in accept:
        raise NotReady(
            f"the clock is {behind:.0f} s behind the log",
            "the last entry was written later than now, so deadlines that have passed would count again",
            "set the clock; if the clock is right and the log was written with a wrong one, start with --accept clock",
        )
