"""CPU of a server per HTTP request: starts one, sends it requests over kept connections, reads its CPU time from outside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil

import child


class Line:
    """One kept connection that posts the same request again and again."""

    def __init__(self, key: str, said: child.Orders) -> None:
        """Write the request once."""
        body = json.dumps(said).encode()
        head = f"POST /v1/actions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        self._request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body

    async def send(self, port: int, count: int) -> list[float]:
        """Send so many requests one after the other; give how long each took, seconds."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        took_s = []
        for _ in range(count):
            began = time.perf_counter()
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(one[15:]) for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:"))
            body = await reader.readexactly(length)
            took_s.append(time.perf_counter() - began)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{head[:60]!r} {body[:500]!r}")
        writer.close()
        return took_s


async def measure(_folder: Path, orders: child.Orders) -> child.Orders:
    """Start a server, warm it up, measure it."""
    argv = [sys.executable, str(Path(__file__).with_name("server.py")), json.dumps(orders)]
    server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220 nothing else runs yet
    try:
        told = json.loads(await asyncio.to_thread(server.stdout.readline))
        lines = [Line(key, said) for key, said in told["seats"]]
        seen = psutil.Process(server.pid)
        await asyncio.gather(*(line.send(told["port"], max(2, orders["actions"] // 10)) for line in lines))
        before, began = seen.cpu_times(), time.perf_counter()
        took = await asyncio.gather(*(line.send(told["port"], orders["actions"]) for line in lines))
        wall, after = time.perf_counter() - began, seen.cpu_times()
    finally:
        server.communicate()
    took_s = [one for line in took for one in line]
    cpu = after.user + after.system - before.user - before.system
    return {"per_s": len(took_s) / wall, "cpu_ms": cpu / len(took_s) * 1e3, **child.spread(took_s)}


if __name__ == "__main__":
    child.run(measure)
