"""One transaction's worth of changes: taken in one by one as their guards let them, then written table by table.

The writer makes a batch for each transaction. A change that is refused has put nothing into it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field

from flyball.backends.store.guard import Guard, Key
from flyball.backends.store.leaf import leaf_bytes
from flyball.model.log import Change

_ROW = """INSERT INTO row (tbl, id, version, state, session, due_at, body) VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (tbl, id) DO UPDATE SET version = excluded.version, state = excluded.state, session = excluded.session,
          due_at = excluded.due_at, body = excluded.body"""
_STAYING_ROW = "UPDATE row SET version = ?, body = ? WHERE tbl = ? AND id = ?"  # touches no index: a third of the work
_ACCOUNT = "INSERT OR REPLACE INTO account (id, spent, held) VALUES (?, ?, ?)"
_BUCKET = "INSERT OR REPLACE INTO bucket (id, due_at) VALUES (?, ?)"


@dataclass(slots=True)
class Job:
    """One change on its way, encoded by the caller's thread so that nobody can alter it while it waits."""

    change: Change
    at: float
    bodies: list[bytes]  # of its entries
    rows: list[bytes]  # bodies of its puts
    epochs: dict[str, int]  # session -> epoch, where it writes session rows
    future: asyncio.Future[tuple[int, ...]]
    answer: tuple[int, ...] | Exception = ()


@dataclass(slots=True)
class Batch:
    """Rows to be written at the end of a transaction, one statement per table, and where the log then ends."""

    size: int
    at: float
    entries: list[tuple[int, float, str, str, str, str, bytes]] = field(default_factory=list)
    rows: dict[Key, tuple[str, str, int, str, str, float, bytes]] = field(default_factory=dict)
    accounts: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    buckets: dict[str, tuple[str, float]] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.entries or self.rows or self.accounts or self.buckets)

    def take(self, job: Job, guard: Guard) -> tuple[int, ...]:
        """Take in one change if every guard lets it; give its entries' indexes. Raises Fenced or Conflict."""
        change = job.change
        granted = guard.check(change)
        indexes = self._log(job) if change.entries else ()
        guard.grant(granted, job.epochs)
        for put, body in zip(change.puts, job.rows, strict=True):
            row = (put.table, put.id, put.expect + 1, put.state, put.session, put.due_at, body)
            self.rows[put.table, put.id] = row
        for account in granted.accounts.values():
            self.accounts[account.id] = (account.id, account.spent, account.held)
        for bucket in granted.buckets.values():
            self.buckets[bucket.id] = (bucket.id, bucket.due_at)
        return indexes

    def _log(self, job: Job) -> tuple[int, ...]:
        first, at = self.size, max(self.at, job.at)
        entries = [
            (index, at, entry.name, entry.session, entry.action, entry.who, leaf_bytes(entry, body, index, at))
            for index, (entry, body) in enumerate(zip(job.change.entries, job.bodies, strict=True), first)
        ]
        self.entries += entries
        self.size, self.at = first + len(entries), at
        return tuple(range(first, self.size))

    def write_rows(self, conn: sqlite3.Connection, guard: Guard) -> None:
        """Run the statements for rows and counters, within the caller's transaction."""
        moving, staying = [], []
        for key, row in self.rows.items():
            if guard.stays(key, row[3:6]):
                staying.append((row[2], row[6], *key))
            else:
                moving.append(row)
        many = conn.executemany
        if moving:
            many(_ROW, moving)
        if staying:
            many(_STAYING_ROW, staying)
        if self.accounts:
            many(_ACCOUNT, self.accounts.values())
        if self.buckets:
            many(_BUCKET, self.buckets.values())
