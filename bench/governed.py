"""Governed actions through the real door, in one process: so many sessions at once, so many actions each."""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import asyncio
import time
from pathlib import Path

import child


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Warm up, then let every session do its actions one after the other."""
    house = desk.open_desk(folder, instant=orders["instant"])
    try:
        for _ in range(orders["sessions"]):
            await house.seat()
        await _together(house, max(2, orders["actions"] // 10))
        commits, cpu, began = house.store.commits, time.process_time(), time.perf_counter()
        took_s = await _together(house, orders["actions"])
        wall = time.perf_counter() - began
        cpu, commits = time.process_time() - cpu, house.store.commits - commits
    finally:
        house.close()
    count = len(took_s)
    return {"per_s": count / wall, "cpu_ms": cpu / count * 1e3, "commits": commits / count, **child.spread(took_s)}


async def _together(house: desk.Desk, actions: int) -> list[float]:
    async def one(seat: desk.Seat) -> list[float]:
        took_s = []
        for _ in range(actions):
            began = time.perf_counter()
            await house.act(seat)
            took_s.append(time.perf_counter() - began)
        return took_s

    return [one_took for took in await asyncio.gather(*(one(seat) for seat in house.seats)) for one_took in took]


if __name__ == "__main__":
    child.run(measure)
