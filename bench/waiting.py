"""What sessions cost while they wait for a person: CPU and memory of a process that holds many of them and has nothing else to do.

One session is brought to its question by the whole path; the others are copies of its rows under other names.
"""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import asyncio
import gc
import os
import time
from pathlib import Path

import orjson
import psutil

import child
import resume
from flyball.model.log import Change, Put, Row
from flyball.ports import Store

TABLES = ("session", "action", "approval", "step", "value", "grant", "key", "signal")
AT_ONCE = 200  # sessions per write


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Fill a folder, then open it anew and watch it do nothing."""
    await _fill(folder, orders["count"])
    house = desk.open_desk(folder)
    began = time.perf_counter()
    await house.house.start()
    started = time.perf_counter() - began
    engine, beat = asyncio.create_task(house.engine.run(house.house.advance)), asyncio.create_task(_beat(house))
    try:
        await asyncio.sleep(1.5)  # what starting leaves behind is not waiting
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.sleep(orders["seconds"])
        busy = (time.process_time() - cpu) / (time.perf_counter() - began)
        rss = psutil.Process(os.getpid()).memory_info().rss
        waiting = house.engine.waiting()
    finally:
        engine.cancel()
        beat.cancel()
        await asyncio.gather(engine, beat, return_exceptions=True)
        house.close()
    if waiting != orders["count"]:
        raise RuntimeError(f"{waiting} sessions wait, not {orders['count']}")
    return {"cpu_percent": busy * 100, "rss_mb": rss / 1e6, "start_s": started}


async def _beat(house: desk.Desk) -> None:
    """Look for freezes once a second, as a server does."""
    while True:
        await house.house.switch.notice()
        await asyncio.sleep(1.0)


async def _fill(folder: Path, count: int) -> None:
    """Bring one session to its question, then copy it."""
    house = desk.open_desk(folder)
    engine = asyncio.create_task(house.engine.run(house.house.advance))
    person = await house.person()
    name = (await resume.ask(house, person, 0)).partition(".")[0]
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    rows = [row for table in TABLES for row in house.store.rows(table, session=name)]
    for first in range(1, count, AT_ONCE):
        puts = tuple(put for number in range(first, min(first + AT_ONCE, count)) for put in _copies(rows, name, number))
        await house.store.commit(Change(puts=puts))
    if (found := _parked(house.store)) != count:
        raise RuntimeError(f"{found} sessions were parked, not {count}")
    house.close()


def _copies(rows: list[Row], name: str, number: int) -> list[Put]:
    """Give the rows of one more session: every name of the first one replaced."""
    names = {name: f"{name}x{number}"} | {row.id: f"{row.id}x{number}" for row in rows if name not in row.id}

    def renamed(text: str) -> str:
        for old, new in names.items():
            text = text.replace(old, new)
        return text

    return [
        Put(
            table=row.table,
            id=renamed(row.id),
            expect=0,
            body=orjson.loads(renamed(orjson.dumps(row.body).decode())),
            state=row.state,
            session=renamed(row.session),
            due_at=row.due_at,
        )
        for row in rows
    ]


def _parked(store: Store) -> int:
    return store.count("session", "parked")


if __name__ == "__main__":
    child.run(measure)
