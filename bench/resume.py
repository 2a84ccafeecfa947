"""From a person's yes to the deed: the time from the call that approves until the kind is reached, one session after the other."""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import orjson

import child

PATIENCE_S = 10.0


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Open a session, wait until it asks, answer, wait until it acts."""
    house = desk.open_desk(folder, instant=orders["instant"])
    engine = asyncio.create_task(house.engine.run(house.house.advance))
    try:
        person = await house.person()
        took_s = [await _once(house, person, number) for number in range(orders["actions"])]
    finally:
        engine.cancel()
        await asyncio.gather(engine, return_exceptions=True)
        house.close()
    return child.spread(took_s[len(took_s) // 10 :])


async def _once(house: desk.Desk, person: str, number: int) -> float:
    """Bring one signal in and answer what it leads to."""
    who, store = house.house.keys.authenticate(person, "bench"), house.store
    name = await ask(house, person, number)
    reached = asyncio.Event()
    house.kinds[desk.RED].on_do = reached.set
    row = store.find("approval", name)
    said = {"digest": row.body["digest"] if row else "", "reason": "looked at by the bench"}
    began = time.perf_counter()
    await house.house.approvals.answer(name, who, "approve", said)
    async with asyncio.timeout(PATIENCE_S):
        await reached.wait()
    took = time.perf_counter() - began
    await _until(lambda: store.count("session", "closed") > number)
    return took


async def ask(house: desk.Desk, person: str, number: int) -> str:
    """Open a session and give the name of the approval that it waits for."""
    who = house.house.keys.authenticate(person, "bench")
    signal = {"id": f"d{number}", "key": f"trouble {number}", "name": "Bench", "target": desk.target(0), "at": time.time()}
    await house.house.inbox.accept("bench", orjson.dumps(signal), {}, who)
    await _until(lambda: bool(waits(house)))
    return waits(house)[0]


def waits(house: desk.Desk) -> list[str]:
    """Give the approvals of sessions that have parked for them."""
    parked = {row.id for row in house.store.rows("session", state="parked")}
    return [row.id for row in house.store.rows("approval", state="waiting") if row.session in parked]


async def _until(met: Callable[[], bool]) -> None:
    """Look every millisecond: parking writes no entry, so the log's watchers are not told."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():  # noqa: ASYNC110 there is no event to wait for
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    child.run(measure)
