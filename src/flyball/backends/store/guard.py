"""What stands between a change and the disk: versions, epochs, caps and paces. The writer asks it for each change, in order.

It keeps in memory what it has read and what the writer is about to write, so a change sees those before it in the same
batch. Only the writer's thread touches it. After a failed write it must `forget`, since memory then runs ahead of the disk.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

from flyball.errors import Conflict, Fenced
from flyball.model.log import Change, Pass
from flyball.model.money import Account, Bucket
from flyball.rules.budget import draw, settle
from flyball.rules.pace import passes, take

SESSION = "session"
"""The table whose rows carry the epoch, as `epoch` in their body (0 where it says nothing)."""

_MOST_KNOWN = 200_000

Key: TypeAlias = tuple[str, str]
"""Table and id of a row."""

Place: TypeAlias = tuple[str, str, float]
"""State, session and due time of a row: the columns that have indexes."""


@dataclass(slots=True)
class Granted:
    """What a change that may be written sets: new versions, and counters as they will be."""

    versions: dict[Key, int] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)


class Guard:
    """The newest versions, epochs and counters, read through the writer's connection when they are first asked for."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        """Know nothing yet."""
        self._conn = conn
        self.forget()

    def forget(self) -> None:
        """Drop everything: the disk is the truth."""
        self._versions: dict[Key, int] = {}
        self._places: dict[Key, Place] = {}
        self._epochs: dict[str, int | None] = {}
        self._accounts: dict[str, Account] = {}
        self._buckets: dict[str, Bucket] = {}

    def trim(self) -> None:
        """Keep memory bounded. Called between batches, when nothing known is ahead of the disk."""
        if len(self._versions) + len(self._epochs) + len(self._accounts) + len(self._buckets) > _MOST_KNOWN:
            self.forget()

    def check(self, change: Change) -> Granted:
        """Ask every guard of a change, and change nothing. Raises Fenced or Conflict."""
        if change.fence is not None:
            self._check_fence(*change.fence)
        granted = Granted()
        versions = granted.versions
        for put in change.puts:
            key = (put.table, put.id)
            if key not in versions:
                versions[key] = self._version(key)
            if versions[key] != put.expect:
                raise Conflict(f"row:{put.table}/{put.id}")
            versions[key] = put.expect + 1
        if change.draws or change.settles:
            self._check_money(change, granted.accounts)
        for one in change.passes:
            self._check_pass(one, granted.buckets)
        return granted

    def grant(self, granted: Granted, epochs: dict[str, int]) -> None:
        """Take in what a change sets, for the changes after it. `epochs` are those that its puts give to sessions."""
        self._versions.update(granted.versions)
        if epochs:
            self._epochs.update(epochs)
        if granted.accounts:
            self._accounts.update(granted.accounts)
        if granted.buckets:
            self._buckets.update(granted.buckets)

    def stays(self, key: Key, place: Place) -> bool:
        """Whether a row about to be written keeps its place on the disk, so that no index changes; `place` is taken in."""
        if self._places.get(key) == place:
            return True
        self._places[key] = place
        return False

    def _check_fence(self, session: str, epoch: int) -> None:
        if session not in self._epochs:
            found = self._conn.execute("SELECT body FROM row WHERE tbl = ? AND id = ?", (SESSION, session)).fetchone()
            self._epochs[session] = None if found is None else int(orjson.loads(found[0]).get("epoch", 0))
        now = self._epochs[session]
        if now != epoch:
            raise Fenced(f"session {session} is at epoch {now}, not {epoch}" if now is not None else f"there is no session {session}")

    def _version(self, key: Key) -> int:
        known = self._versions.get(key)
        if known is None:
            found = self._conn.execute("SELECT version, state, session, due_at FROM row WHERE tbl = ? AND id = ?", key).fetchone()
            known = self._versions[key] = 0 if found is None else found[0]
            if found is not None:
                self._places[key] = found[1:]
        return known

    def _check_money(self, change: Change, accounts: dict[str, Account]) -> None:
        """Draws come before settles, so that what one change gives back is not lent within it."""
        for one in change.draws:
            drawn = draw(accounts.get(one.account) or self._account(one.account), one.amount, one.cap)
            if drawn is None:
                raise Conflict(f"account:{one.account}")
            accounts[one.account] = drawn
        for back in change.settles:
            accounts[back.account] = settle(accounts.get(back.account) or self._account(back.account), back.held, back.spent)

    def _account(self, name: str) -> Account:
        known = self._accounts.get(name)
        if known is None:
            found = self._conn.execute("SELECT spent, held FROM account WHERE id = ?", (name,)).fetchone()
            known = self._accounts[name] = Account(id=name, spent=found[0], held=found[1]) if found else Account(id=name)
        return known

    def _check_pass(self, one: Pass, buckets: dict[str, Bucket]) -> None:
        bucket = buckets.get(one.bucket) or self._bucket(one.bucket)
        if not passes(bucket, one.now, one.burst, one.interval_s):
            raise Conflict(f"bucket:{one.bucket}")
        buckets[one.bucket] = take(bucket, one.now, one.interval_s)

    def _bucket(self, name: str) -> Bucket:
        known = self._buckets.get(name)
        if known is None:
            found = self._conn.execute("SELECT due_at FROM bucket WHERE id = ?", (name,)).fetchone()
            known = self._buckets[name] = Bucket(id=name, due_at=found[0]) if found else Bucket(id=name)
        return known
