"""The server side of the soak: opens a folder, tells what it found, then acts without a pause and tells how it goes, line by line.

Ends when its standard input does.
"""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import asyncio
import json
import os
import sys
import time
import traceback
from pathlib import Path

import psutil

import child


def _held(folder: Path, house: desk.Desk) -> child.Orders:
    """Give what the process holds and what lies on the disk."""
    me, state = psutil.Process(os.getpid()), folder / "state"
    sizes = {"db_mb": state / "flyball.db", "wal_mb": state / "flyball.db-wal"}
    return {
        "rss_mb": me.memory_info().rss / 1e6,
        "threads": me.num_threads(),
        "files": me.num_fds(),
        "entries": house.store.size(),
        **{name: path.stat().st_size / 1e6 if path.exists() else 0.0 for name, path in sizes.items()},
    }


async def _act(house: desk.Desk, seat: desk.Seat, took_s: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await house.act(seat)
        took_s.append(time.perf_counter() - began)


async def _inherit(house: desk.Desk) -> None:
    """Cancel the sessions that the last server held when it ended: they lease what ours are to work on."""
    who = house.house.keys.authenticate(await house.person(), "bench")
    for row in house.store.rows("session", state="parked"):
        await house.house.steer(who, row.id, "cancel", "its server has ended")


async def main() -> None:
    """Open, act, tell."""
    orders = json.loads(sys.argv[1])
    folder, began = Path(orders["folder"]), time.perf_counter()
    house = desk.open_desk(folder, instant=orders["instant"])
    opened = time.perf_counter() - began
    zero = {"acked": 0, "per_s": 0.0, "cpu_ms": 0.0, "p50_ms": 0.0, "p99_ms": 0.0}
    print(json.dumps({"found": house.store.count("action", "done"), "open_s": opened, **zero, **_held(folder, house)}), flush=True)
    await _inherit(house)
    took_s: list[float] = []
    actors = [asyncio.create_task(_act(house, await house.seat(), took_s)) for _ in range(orders["sessions"])]
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    acked = 0
    while not ended.done():
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.wait((ended, *actors), timeout=orders["every_s"], return_when=asyncio.FIRST_COMPLETED)
        for actor in actors:
            if actor.done():
                traceback.print_exception(actor.exception())
                os._exit(1)  # the thread that reads our standard input would wait for its end
        seen, took_s[:] = tuple(took_s), ()
        acked += len(seen)
        if seen:
            per_s, cpu_ms = len(seen) / (time.perf_counter() - began), (time.process_time() - cpu) / len(seen) * 1e3
            told = {"acked": acked, "per_s": per_s, "cpu_ms": cpu_ms, **child.spread(seen), **_held(folder, house)}
            print(json.dumps(told), flush=True)
    for actor in actors:
        actor.cancel()
    await asyncio.gather(*actors, return_exceptions=True)
    house.close()


if __name__ == "__main__":
    asyncio.run(main())
