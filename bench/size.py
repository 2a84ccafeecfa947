"""Whether an action costs the same in a long log as in a short one: two stores side by side, measured in turns."""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import statistics
import time
from pathlib import Path

import child
from flyball.model.log import Change, Entry

AT_ONCE = 2_000  # entries per write
SHORT = 1_000


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Fill both logs, then act in each in turns; without policy cost, which does not depend on the log."""
    began = time.perf_counter()
    houses = [await _filled(folder / str(size), size) for size in (SHORT, orders["entries"])]
    filled = time.perf_counter() - began
    cpu: list[list[float]] = [[], []]
    wall: list[list[float]] = [[], []]
    for turn in range(orders["turns"]):
        for which in (0, 1) if turn % 2 else (1, 0):
            house = houses[which]
            for _ in range(orders["actions"]):
                at, spent = time.perf_counter(), time.process_time()
                await house.act(house.seats[0])
                cpu[which].append(time.process_time() - spent)
                wall[which].append(time.perf_counter() - at)
    sizes = [house.store.size() for house in houses]
    for house in houses:
        house.close()
    began = time.perf_counter()
    desk.open_desk(folder / str(orders["entries"]), instant=True).close()
    opened = time.perf_counter() - began
    short, long = (statistics.median(one) for one in cpu)
    return {
        "ratio": long / short,
        "short_cpu_ms": short * 1e3,
        "long_cpu_ms": long * 1e3,
        "short_p50_ms": child.share(wall[0], 0.5) * 1e3,
        "long_p50_ms": child.share(wall[1], 0.5) * 1e3,
        "entries": sizes[1],
        "fill_s": filled,
        "open_s": opened,
    }


async def _filled(folder: Path, size: int) -> desk.Desk:
    """Write entries of usual size through the store, spread over sessions of fifty entries, then take a seat."""
    house = desk.open_desk(folder, instant=True)
    body = {"verdict": "allow", "why": "every check passed", "reason": desk.PAYLOAD, "confidence": 0.9}
    for first in range(0, size, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, size))
        entries = tuple(
            Entry(
                name="action.decided",
                who="agent:bench",
                session=f"s-past{number // 50}",
                action=f"s-past{number // 50}.{number}",
                body=body,
            )
            for number in numbers
        )
        await house.store.commit(Change(entries=entries))
    await house.seat()
    for _ in range(20):
        await house.act(house.seats[0])
    return house


if __name__ == "__main__":
    child.run(measure)
