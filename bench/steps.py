"""Bare DBOS steps: workflows at once, async steps that return 200 bytes, nothing else. On its default SQLite, on WAL, or on PostgreSQL.

The process holds no Flyball: DBOS brings greenlet, which the policy engine of the governed side does not bear.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sqlalchemy
from dbos import DBOS

import child

PAYLOAD = "x" * 200


@DBOS.step()
async def nothing() -> str:
    """Return as much as the governed action does."""
    return PAYLOAD


@DBOS.workflow()
async def story(steps: int) -> list[float]:
    """Do the steps one after the other; give how long each took, seconds."""
    took_s = []
    for _ in range(steps):
        began = time.perf_counter()
        await nothing()
        took_s.append(time.perf_counter() - began)
    return took_s


def wal(url: str) -> sqlalchemy.Engine:
    """Give the set-up that serves DBOS best on SQLite: WAL, FULL, one connection."""
    engine = sqlalchemy.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=60)

    @sqlalchemy.event.listens_for(engine, "connect")
    def tune(conn: Any, _record: Any) -> None:
        conn.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 30000", "foreign_keys = ON"):
            conn.execute(f"PRAGMA {pragma}")

    return engine


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Launch, warm up, run."""
    url = orders.get("url") or f"sqlite:///{folder / 'steps.db'}"
    config: Any = {"name": "bench", "system_database_url": url, "log_level": "ERROR", "console_log_level": "ERROR"}
    if orders["setup"] == "wal":
        config["system_database_engine"] = wal(url)
    DBOS(config=config)
    DBOS.launch()
    try:
        await _together(orders["sessions"], max(2, orders["actions"] // 10))
        cpu, began = time.process_time(), time.perf_counter()
        took_s = await _together(orders["sessions"], orders["actions"])
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    finally:
        DBOS.destroy()
    return {"per_s": len(took_s) / wall, "cpu_ms": cpu / len(took_s) * 1e3, **child.spread(took_s)}


async def _together(workflows: int, steps: int) -> list[float]:
    handles = [await DBOS.start_workflow_async(story, steps) for _ in range(workflows)]
    return [took for handle in handles for took in await handle.get_result()]


if __name__ == "__main__":
    child.run(measure)
