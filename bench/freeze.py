"""Seconds from `flyball freeze all` at a terminal until nothing starts any more: with a server that is busy, and with one that hangs.

The server is a process of its own that does governed actions without end and writes down when each deed began. To hang, it is stopped
(SIGSTOP); the freeze is then in force once the command says so, and no deed may begin after the server goes on.
"""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import child

BUSY_S = 0.5  # how long the server works before it is frozen, and how long it is watched afterwards
COMMAND = ("freeze", "all", "--reason", "the bench pulls the brake")
SEATS = 4


async def serve(folder: Path) -> None:
    """Act without end; a deed that is held ends its session's part."""
    house = desk.open_desk(folder)
    with contextlib.closing(house), (folder / "deeds").open("a", encoding="ascii", buffering=1) as deeds:
        house.kinds[desk.GREEN].on_do = lambda: print(time.monotonic(), file=deeds)

        async def act(seat: desk.Seat) -> None:
            with contextlib.suppress(RuntimeError):
                while True:
                    await house.act(seat)

        await asyncio.gather(*[act(await house.seat()) for _ in range(SEATS)])


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Freeze a server that is busy, or one that hangs, so many times; each time anew."""
    took_s, late = [], 0
    for number in range(orders["times"]):
        place = folder / str(number)
        place.mkdir()
        took, begun = await asyncio.to_thread(_once, place, hangs=orders["hangs"])
        took_s.append(took)
        late += begun
    return {"late": late, **child.spread(took_s)}


def _once(folder: Path, *, hangs: bool) -> tuple[float, int]:
    """Give the seconds until the last deed began or, for one that hangs, until the freeze was in force; and the deeds begun after that."""
    (folder / "flyball.yaml").write_text("apiVersion: flyball/v1\nkind: Project\n")
    server = subprocess.Popen([sys.executable, __file__, "serve", str(folder)])
    try:
        while len(_deeds(folder)) < SEATS:
            if server.poll() is not None:
                raise RuntimeError("the server has ended")
            time.sleep(0.05)
        time.sleep(BUSY_S)
        if hangs:
            server.send_signal(signal.SIGSTOP)
        began, in_force = _freeze(folder)
        server.send_signal(signal.SIGCONT)
        time.sleep(BUSY_S)
        deeds = _deeds(folder)
        return (in_force if hangs else max(deeds)) - began, sum(at > in_force for at in deeds)
    finally:
        server.kill()
        server.wait()


def _freeze(folder: Path) -> tuple[float, float]:
    """Freeze as a person does; give when the command was begun and when it said that the freeze is in force."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLYBALL_")}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "flyball", *COMMAND], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as ran:
        if b"in force" not in ran.stdout.readline():
            raise RuntimeError("the freeze was not set")
        return began, time.monotonic()


def _deeds(folder: Path) -> list[float]:
    """Give when each deed began, on the clock that all processes share."""
    path = folder / "deeds"
    return [float(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(Path(sys.argv[2])))
    else:
        child.run(measure)
