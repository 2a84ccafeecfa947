"""The server side of the HTTP rows: a bare Starlette echo, or the real API over the real door, under the same uvicorn settings.

Prints one line of JSON when it listens (its port, and the key and the body of each client) and serves until its standard input ends.
"""

from __future__ import annotations

import desk  # first of all: it loads the policy engine

# isort: split

import asyncio
import contextlib
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

import child
from flyball.faces.http.app import create


async def echo(request: Request) -> Response:
    """Give the body back."""
    return Response(await request.body(), media_type="application/json")


Calls = Sequence[tuple[str, Mapping[str, Any]]]  # the key and the body of each client


async def serve(app: ASGIApp, seats: Calls) -> None:
    """Serve as `compose.serve` does, until nobody holds our standard input any more."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named: asyncio then turns Nagle's delay off
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    listener.setblocking(False)  # noqa: FBT003 the socket API's own flag
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    web = uvicorn.Server(config)
    running = asyncio.create_task(web.serve(sockets=[listener]))
    print(orjson.dumps({"port": listener.getsockname()[1], "seats": list(seats)}).decode(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    web.should_exit = True
    await running


async def measure(folder: Path, orders: child.Orders) -> child.Orders:
    """Serve what is ordered."""
    if orders["app"] == "echo":
        await serve(
            Starlette(routes=[Route("/v1/actions", echo, methods=["POST"])]), [("", desk.said(desk.target(0)))] * orders["sessions"]
        )
        return {}
    house = desk.open_desk(folder, instant=orders["instant"])
    with contextlib.closing(house):
        for _ in range(orders["sessions"]):
            await house.seat()
        await serve(create(house.house, house.store.checkpoint), [(seat.key, seat.said) for seat in house.seats])
    return {}


if __name__ == "__main__":
    child.run(measure)
