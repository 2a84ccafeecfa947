"""Questions in SQL to a state folder: read-only, over a few plain tables, while a server runs or not. Called by `flyball audit query`.

`entries` is the log; the other tables are what it has been folded into. Documents are JSON: `json_extract(args, '$.service')`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.backends.store.audit import reading
from flyball.errors import BadInput

STEPS_MOST = 200_000  # of a thousand instructions of SQLite's machine: some seconds
RESULT = """(SELECT json_quote(json_extract(held.body, '$.body')) FROM row AS held
    WHERE held.tbl = 'value' AND held.id = json_extract(row.body, '$.result')) AS result"""


def _fields(*names: str, under: str = "") -> str:
    return ", ".join(f"json_extract(body, '$.{under}{name}') AS \"{name.rpartition('.')[2]}\"" for name in names)


def _view(table: str, *columns: str) -> str:
    return f"SELECT {', '.join(columns)} FROM row WHERE tbl = '{table}'"  # noqa: S608 - every part stands in this file


VIEWS = {
    "entries": """SELECT idx, at, name, who, json_extract(raw, '$.behalf') AS behalf, json_extract(raw, '$.origin') AS origin,
        session, action, json_extract(raw, '$.body') AS body FROM entry""",
    "calls": _view(
        "action",
        "id AS action, session, state AS status",
        _fields("agent", "kind", "target", "purpose", "args", "why", "confidence", under="action."),
        _fields("zone", "verified", "intended_at", "settled_at", "cost_micros"),
        _fields("ok", "error", "tries", "level", "took_s", under="outcome."),
        RESULT,
    ),
    "steps": _view(
        "step",
        "id AS step, session, json_extract(body, '$.answer.is') AS answered",
        _fields("number", "at", "reply", "replied_by", "answer"),
        _fields("thought.summary", "outcome", under="answer."),
    ),
    "sessions": _view(
        "session",
        "id AS session, state AS phase",
        _fields("agent", "target", "trigger", "title", "opened_at", "closed_at", "outcome", "summary", "waiting", "step"),
    ),
    "approvals": _view(
        "approval",
        "id AS action, session, state",
        _fields("requester", "zone", "rule", "why", "asked_at", "expires_at", "votes"),
    ),
    "reviews": _view(
        "review",
        "id AS action, session, state, json_extract(body, '$.by') AS who",
        _fields("agent", "due_at", "reason", "correction"),
    ),
    "signals": _view(
        "signal",
        "id AS signal, session, state",
        _fields("source", "name", "target", "at", "summary", "labels", "seen"),
    ),
}
TABLES = f"tables: {', '.join(VIEWS)}; with `*` and -o json a row shows its columns"


@dataclass(frozen=True, slots=True)
class Found:
    """What a query gave. `more` says that rows were left off."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


def query(state: Path, sql: str, most: int = 1000) -> Found:
    """Ask one question of the newest committed state. Raises BadInput for what is no single SELECT, is wrong, or takes too long."""
    try:
        with reading(state) as conn:
            for name, view in VIEWS.items():
                conn.execute(f"CREATE TEMP VIEW {name} AS {view}")
            conn.execute("PRAGMA query_only = ON")
            conn.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # attaching a file that is not there would make it
            left = iter(range(STEPS_MOST))
            conn.set_progress_handler(lambda: next(left, None) is None, 1000)
            cursor = conn.execute(sql)
            if cursor.description is None:
                raise BadInput("that is no question", "only SELECT gives an answer", TABLES)
            rows = cursor.fetchmany(most + 1)
            return Found(tuple(one[0] for one in cursor.description), tuple(rows[:most]), len(rows) > most)
    except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as fault:
        why = "it takes too long" if "interrupted" in str(fault) else str(fault)
        raise BadInput("the question cannot be answered", why, TABLES) from fault
