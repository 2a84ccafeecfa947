"""What is committed, read on the event loop over a connection of its own. `SqliteStore` is a reader that also writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson

from flyball.backends.store import schema
from flyball.backends.store.audit import Proof, prove
from flyball.backends.store.leaf import parse_leaf
from flyball.backends.store.turn import Turn
from flyball.errors import NotReady
from flyball.model.log import Logged, Row

T = TypeVar("T")
Found = Sequence[tuple[Any, ...]]
"""Rows as SQLite gives them."""

MOST_SEEN = 1_000
"""What is kept of one turn's reads: one that goes through every session would hold all of their rows at once."""

_RAW = "SELECT raw FROM entry"
_INDEX = "SELECT idx FROM entry"
_ROW = "SELECT tbl, id, version, body, state, session, due_at FROM row"
_FIND = f"{_ROW} WHERE tbl = ? AND id = ?"


class Reader:
    """Reads of the log, its rows and its counters. Every method raises NotReady once the store is closed."""

    def __init__(self, state: Path, reading: sqlite3.Connection, turn: Turn) -> None:
        """Read through a connection that nothing else uses; reads of one turn of the event loop see one state."""
        self._state = state
        self._reading = reading
        self._turn = turn
        self._closed = False

    def find(self, table: str, row: str) -> Row | None:
        """See `ports.Store`."""
        return self._read(_FIND, (table, row), _first_row)

    def rows(self, table: str, *, state: str = "", session: str = "", due_by: float = 0.0, limit: int = 500) -> Sequence[Row]:
        """See `ports.Store`."""
        where = ["tbl = ?"]
        values: list[str | float] = [table]
        if state:
            where.append("state = ?")
            values.append(state)
        if session:
            where.append("session = ? AND session <> ''")
            values.append(session)
        if due_by:
            where.append("due_at > 0 AND due_at <= ?")
            values.append(due_by)
        return self._read(f"{_ROW} WHERE {' AND '.join(where)} ORDER BY due_at, id LIMIT ?", (*values, limit), _all_rows)

    def count(self, table: str, state: str = "") -> int:
        """See `ports.Store`."""
        if state:
            return self._read("SELECT count(*) FROM row WHERE tbl = ? AND state = ?", (table, state), _number)
        return self._read("SELECT count(*) FROM row WHERE tbl = ?", (table,), _number)

    def counter(self, account: str) -> tuple[int, int]:
        """See `ports.Store`."""
        return self._read("SELECT spent, held FROM account WHERE id = ?", (account,), _account)

    def bucket(self, name: str) -> float:
        """See `ports.Store`."""
        return self._read("SELECT due_at FROM bucket WHERE id = ?", (name,), _due_at)

    def entries(self, *, session: str = "", action: str = "", after: int = -1, limit: int = 1000, name: str = "") -> Sequence[Logged]:
        """See `ports.Store`. Without a session or an action, a name is found by reading on from `after`."""
        where = ["idx > ?"]
        values: list[str | float] = [after]
        if action and not session:
            where.append(f"idx IN ({_of_action(action)})")
            values += [*_sessions_of(action), action, action]
        for column, value in (("session", session), ("action", action), ("name", name)):
            if value:
                where.append(f"{column} = ? AND {column} <> ''")
                values.append(value)
        return self._read(f"{_RAW} WHERE {' AND '.join(where)} ORDER BY idx LIMIT ?", (*values, limit), _all_entries)

    def size(self) -> int:
        """See `ports.Store`."""
        return self._read("SELECT coalesce(max(idx) + 1, 0) FROM entry", (), _number)

    def checkpoint(self) -> str:
        """The newest signed checkpoint as a note; empty for a log without entries."""
        return self._read("SELECT value FROM meta WHERE key = 'checkpoint'", (), _text)

    def proof(self, index: int) -> Proof:
        """Prove that an entry is in the log at its newest checkpoint. Raises NotFound where there is no such entry."""
        self._refuse_closed()
        self._turn.end_snapshot()
        self._reading.execute("BEGIN")
        try:
            return prove(self._reading, index)
        finally:
            self._reading.execute("COMMIT")

    def _read(self, sql: str, values: Sequence[str | float], make: Callable[[Found], T]) -> T:
        """Ask once in a turn: asked again, its snapshot would give the same."""
        self._refuse_closed()
        try:
            seen = self._turn.begin_snapshot()
            if (sql, values) not in seen:
                if len(seen) >= MOST_SEEN:
                    seen.clear()
                seen[sql, values] = make(self._reading.execute(sql, values).fetchall())
        except sqlite3.Error as error:
            raise NotReady(f"the database in {self._state} cannot be read", str(error), "look at its disk") from None
        made: T = seen[sql, values]
        return made

    def _refuse_closed(self) -> None:
        if self._closed:
            raise NotReady("the store is closed", "the server is stopping", "start it again")


def _sessions_of(action: str) -> list[str]:
    """The sessions that an action may belong to by its name, <session>.<step>."""
    return [action[:at] for at, one in enumerate(action) if one == "." and at]


def _of_action(action: str) -> str:
    """The query for an action's entries: through its session's index, and through that of odd names."""
    among = ", ".join("?" for _ in _sessions_of(action))
    by_session = f"{_INDEX} WHERE session IN ({among}) AND session <> '' AND action = ?"
    return f"{by_session} UNION ALL {_INDEX} WHERE action = ? AND {schema.ODD_ACTION}"


def _number(found: Found) -> int:
    return int(found[0][0])


def _text(found: Found) -> str:
    return str(found[0][0]) if found else ""


def _account(found: Found) -> tuple[int, int]:
    return (found[0][0], found[0][1]) if found else (0, 0)


def _due_at(found: Found) -> float:
    return float(found[0][0]) if found else 0.0


def _all_entries(found: Found) -> tuple[Logged, ...]:
    return tuple(parse_leaf(one[0]) for one in found)


def _all_rows(found: Found) -> tuple[Row, ...]:
    return tuple(_row(one) for one in found)


def _first_row(found: Found) -> Row | None:
    return _row(found[0]) if found else None


def _row(found: tuple[Any, ...]) -> Row:
    table, name, version, body, state, session, due_at = found
    return Row(table=table, id=name, version=version, body=orjson.loads(body), state=state, session=session, due_at=due_at)
