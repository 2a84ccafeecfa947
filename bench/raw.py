"""Raw durable commits: SQLite in WAL mode with synchronous=FULL, one row of 1 KB and one index entry per commit, one after the other."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import child


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Commit one row at a time."""
    conn = sqlite3.connect(folder / "raw.db", isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL)")
    conn.execute("CREATE INDEX one_name ON one (name)")
    took_s, body, count = [], b"x" * 1000, orders["commits"]
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(count):
        at = time.perf_counter()
        conn.execute("BEGIN IMMEDIATE")
        conn.execute("INSERT INTO one (name, body) VALUES (?, ?)", (f"name {number}", body))
        conn.execute("COMMIT")
        took_s.append(time.perf_counter() - at)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    conn.close()
    return {"per_s": count / wall, "cpu_ms": cpu / count * 1e3, **child.spread(took_s)}


if __name__ == "__main__":
    child.run(measure)
