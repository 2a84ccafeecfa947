"""The shape of the database: numbered migrations, applied when the store opens it.

A migration, once released, is never edited: a new one is added at the end of `MIGRATIONS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from flyball.errors import NotReady

FILE = "flyball.db"
"""Name of the database inside the state folder."""

SQLITE, SQLITE_LEAST = sqlite3.sqlite_version_info, (3, 35, 0)
"""The library's version, and the oldest that the statements here are written for."""

ODD_ACTION = "action <> '' AND (session = '' OR substr(action, 1, length(session) + 1) <> session || '.')"
"""Entries whose action is not named <session>.<step>."""


def node_place(level: int, index: int) -> int:
    """The number of a tree's node, counting from 0 in the order of completion.

    Before leaf n comes, 2n - popcount(n) nodes are complete; leaf n then completes one node per level.
    """
    leaf = ((index + 1) << level) - 1
    return 2 * leaf - leaf.bit_count() + level


def _first(conn: sqlite3.Connection) -> None:
    """The log, its tree, the status rows and the counters.

    Leaf hashes are nodes of level 0 and stand apart from the entries: they still say what was there when an entry is gone.
    Nodes are numbered as they are completed (`node_place`), so that appending touches only the last page. An action's entries
    are found through its session, since an action's id begins with its session's; `ODD_ACTION` says which need an index.
    """
    for statement in (
        """CREATE TABLE entry (idx INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL, session TEXT NOT NULL,
           action TEXT NOT NULL, who TEXT NOT NULL, raw BLOB NOT NULL)""",
        "CREATE INDEX entry_session ON entry (session) WHERE session <> ''",
        f"CREATE INDEX entry_action ON entry (action) WHERE {ODD_ACTION}",
        "CREATE TABLE node (place INTEGER PRIMARY KEY, hash BLOB NOT NULL)",
        """CREATE TABLE row (tbl TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL,
           session TEXT NOT NULL, due_at REAL NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tbl, id))""",
        "CREATE INDEX row_state ON row (tbl, state, due_at)",
        "CREATE INDEX row_session ON row (tbl, session) WHERE session <> ''",
        "CREATE TABLE account (id TEXT PRIMARY KEY, spent INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE bucket (id TEXT PRIMARY KEY, due_at REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        "INSERT INTO meta VALUES ('boot', 0)",
    ):
        conn.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first,)


def refuse_newer(conn: sqlite3.Connection, path: Path) -> int:
    """Give the schema's version. Raises NotReady where a newer Flyball wrote the database."""
    version = int(conn.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise NotReady(
            f"{path} was written by a newer Flyball",
            f"its schema is version {version}, this Flyball knows versions up to {len(MIGRATIONS)}",
            "start the newer Flyball, or put back the backup made before the upgrade",
        )
    return version


def migrate(conn: sqlite3.Connection, path: Path) -> None:
    """Bring the database up to the newest version, each step in its own transaction. Raises NotReady for a newer database."""
    for number in range(refuse_newer(conn, path), len(MIGRATIONS)):
        conn.execute("BEGIN IMMEDIATE")
        MIGRATIONS[number](conn)
        conn.execute(f"PRAGMA user_version = {number + 1}")
        conn.execute("COMMIT")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection as the server needs it: no implicit transactions, WAL, durable on COMMIT.

    It may be used from several threads (the library is built serialized); the store gives each connection to one.
    """
    conn = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        conn.execute("PRAGMA page_size = 2048")  # of a new file: a change touches four or five scattered pages, all go to the WAL
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("PRAGMA wal_autocheckpoint = 8000")  # pages: 16 MB
        conn.execute("PRAGMA cache_size = -32768")  # KiB
    except sqlite3.Error:
        conn.close()
        raise
    return conn
