"""How long the event loop of a real server is held up while it loads its policies again, against the same server when it does not.

A heartbeat on the server's own loop asks policy for a decision every millisecond. What it waits beyond its millisecond is counted twice: in
CPU of this process, which what other programs do cannot spoil, and in time that passed, which also counts what this process waits for.
Stretches with and without reloads follow each other. Run by `policy.py`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import yaml

import child
from flyball import compose, project

BEAT_S = 0.001
QUIET_S = 1.0
LISTED = """package flyball

import rego.v1

listed if data.benched[input.target.name]

yellow contains [99, "benched.listed", "listed", 0, "none"] if listed
"""


class Heart:
    """Beats and asks; keeps what each beat waited, in CPU and in time, in seconds."""

    def __init__(self, server: compose.Server, question: Any) -> None:
        self.ask, self.question = server.house.plugs.policy.ask, question
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.effects: set[str] = set()

    async def beat(self) -> None:
        """Beat until cancelled."""
        while True:
            cpu, wall = time.process_time(), time.perf_counter()
            await asyncio.sleep(BEAT_S)
            self.cpu.append(max(0.0, time.process_time() - cpu))
            self.wall.append(max(0.0, time.perf_counter() - wall - BEAT_S))
            self.effects.add(self.ask(self.question).effect)

    def take(self) -> tuple[list[float], list[float]]:
        """Give what was waited since the last time."""
        found = self.cpu, self.wall
        self.cpu, self.wall = [], []
        return found


async def reload(port: int, key: str) -> Any:
    """Ask the server over HTTP to load its policies again."""
    source, sink = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v1/policy/reload HTTP/1.1\r\nHost: flyball\r\nAuthorization: Bearer {key}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    sink.write(head.encode())
    answer = await source.read()
    sink.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def grown(folder: Path, grants: int) -> None:
    """Give the policies a table of this many grants more, and a rule that reads it."""
    path = folder / "policies" / "data.yaml"
    more = {
        f"g{number}": {"agent": f"a{number % 100}", "kinds": ["a.b", "c.d"], "targets": [f"t{number}"], "cap": number}
        for number in range(grants)
    }
    path.write_text(path.read_text() + "\nbenched: " + json.dumps(more) + "\n")
    (folder / "policies" / "data.schema.json").unlink()
    (folder / "policies" / "benched.rego").write_text(LISTED)


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Serve, and load again and again."""
    project.write(folder / "p")
    if orders.get("grants"):
        grown(folder / "p", orders["grants"])
    base = yaml.safe_load((folder / "p" / "policies" / "cases" / "base.yaml").read_text())["base"]
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    server = await compose.build(folder / "p")
    key = await compose.people(server)
    ready = asyncio.Event()
    serving = asyncio.create_task(compose.serve(server, f"127.0.0.1:{port}", ready))
    await ready.wait()
    heart = Heart(server, base)
    beating = asyncio.create_task(heart.beat())
    await reload(port, key)  # the first request of a server loads what answers it
    heart.take()
    found: dict[str, list[float]] = {name: [] for name in ("cpu", "wall", "quiet_cpu", "quiet_wall")}
    rules, took = folder / "p" / "policies" / "own.rego", []
    for number in range(orders["reloads"]):
        await asyncio.sleep(QUIET_S)
        cpu, wall = heart.take()
        found["quiet_cpu"] += cpu
        found["quiet_wall"] += wall
        rules.write_text(f"# {number}\npackage flyball\n\nimport rego.v1\n")
        began = time.perf_counter()
        said = await reload(port, key)
        took.append(time.perf_counter() - began)
        if not said.get("changed"):
            raise SystemExit(f"the policies were not loaded again: {said}")
        cpu, wall = heart.take()
        found["cpu"] += cpu
        found["wall"] += wall
    beating.cancel()
    serving.cancel()
    await asyncio.gather(beating, serving, return_exceptions=True)
    if heart.effects != {"allow"}:
        raise SystemExit(f"decisions went wrong meanwhile: {heart.effects}")
    ms = {f"{name}_longest_ms": max(waited) * 1e3 for name, waited in found.items()}
    ms |= {f"{name}_p99_ms": child.share(waited, 0.99) * 1e3 for name, waited in found.items()}
    return {**ms, "reload_s": child.share(took, 0.5)}


if __name__ == "__main__":
    child.run(measure)
