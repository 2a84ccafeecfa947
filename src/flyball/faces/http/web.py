"""The web server: one listening socket, uvicorn on it, until a signal ends both the web and the work. `compose` calls it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn

from flyball.errors import NotReady
from flyball.faces.http.app import App

BACKLOG = 512


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """Listen on "host:port". Raises NotReady where that cannot be."""
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
        except OSError as fault:
            why = fault.strerror or str(fault)
            raise NotReady(f"{address} cannot be listened on", why, "set `listen` in flyball.yaml, or --listen") from fault
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 the socket API's own flag
        yield listener
    finally:
        listener.close()


async def serve(app: App, listener: socket.socket, work: Callable[[], Awaitable[None]]) -> None:
    """Serve and work until SIGINT or SIGTERM, or until one of the two ends by itself."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=3, server_header=False)
    server, stop = uvicorn.Server(config), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    both = [asyncio.ensure_future(server.serve(sockets=[listener])), asyncio.ensure_future(work())]
    waiting = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait((*both, waiting), return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        app.state.streams.close()  # a page that is open would hold the server up
        server.should_exit = True
        both[1].cancel()
        waiting.cancel()
        await asyncio.gather(*both, waiting, return_exceptions=True)
