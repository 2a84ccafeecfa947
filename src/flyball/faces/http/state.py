"""Endpoints about the server itself: health, status, log, agents, kinds, events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from flyball import __version__, wire
from flyball.errors import NotFound
from flyball.faces.http.guard import Caller, TheHouse
from flyball.model.grant import Sort
from flyball.views.session import entry_doc, handed_over, stuck

router = APIRouter(tags=["state"])
BEAT_S = 15.0


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Say that the process answers."""
    return {"live": "yes"}


@router.get("/readyz")
async def readyz(house: TheHouse) -> Response:
    """Say whether the server may act: policies loaded, isolation found, store writable."""
    faults = house_faults(house)
    return Response(orjson.dumps({"ready": not faults, "faults": faults}), 503 if faults else 200, media_type="application/json")


def house_faults(house: TheHouse) -> list[str]:
    """Name everything that keeps the server from acting."""
    plugs = house.plugs
    faults = []
    if not plugs.policy.count:
        faults.append(getattr(plugs.policy, "fault", "") or "0 policies are loaded")
    if plugs.box.level.value == "none":
        faults.append("no isolation level passed its self-test")
    if not plugs.kinds:
        faults.append("no kind is enabled")
    return faults


@router.get("/v1/status")
async def status(who: Caller, house: TheHouse) -> dict[str, Any]:
    """Show each layer and whether it is there."""
    who.needs("read")
    store, plugs = house.plugs.store, house.plugs
    return {
        "version": __version__,
        "ready": not house_faults(house),
        "faults": house_faults(house),
        "layers": {
            "sources": sorted(plugs.sources),
            "brains": sorted(plugs.brains),
            "kinds": sorted(plugs.kinds),
            "policy": {"digest": plugs.policy.digest, "rules": plugs.policy.count},
            "sandbox": plugs.box.level.value,
            "log": {"entries": store.size()},
            "agents": sorted(plugs.rules.agents),
        },
        "sessions": {phase: store.count("session", phase) for phase in ("open", "parked", "closed")},
        "approvals": store.count("approval", "waiting"),
        "reviews": store.count("review", "waiting"),
        "handed_over": [row.id for row in handed_over(store, plugs.clock.now())],
        "stuck": [row.id for row in stuck(store)],
        "dead_letters": store.count("inbox", "dead"),
        "freezes": [wire.dump(one) for one in plugs.freezer.freezes()],
        "shadow": plugs.rules.shadow,
        "now": plugs.clock.now(),
    }


@router.get("/v1/log")
async def log(
    who: Caller, house: TheHouse, after: int = -1, limit: int = 200, session: str = "", action: str = "", name: str = ""
) -> dict[str, Any]:
    """Page through the log."""
    who.needs("read")
    store = house.plugs.store
    found = store.entries(session=session, action=action, name=name, after=max(-1, min(after, 2**53)), limit=max(1, min(limit, 1000)))
    return {"entries": [entry_doc(one) for one in found], "size": store.size()}


@router.get("/v1/log/entry/{index}")
async def entry(index: int, who: Caller, house: TheHouse) -> Response:
    """Give one entry, byte for byte as it was hashed."""
    who.needs("read")
    found = house.plugs.store.entries(after=max(0, min(index, 2**53)) - 1, limit=1)
    if not found or found[0].index != index:
        raise NotFound(f"the log has no entry {index}", "", "flyball audit tail")
    return Response(found[0].raw, media_type="application/json")


@router.get("/v1/log/checkpoint")
async def checkpoint(who: Caller, request: Request) -> PlainTextResponse:
    """Give the newest signed checkpoint (C2SP tlog-checkpoint)."""
    who.needs("read")
    return PlainTextResponse(request.app.state.checkpoint())


@router.get("/v1/agents")
async def agents(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List agents with owner, kinds, targets and bounds."""
    who.needs("read")
    return {"agents": [wire.dump(one) for one in house.plugs.rules.agents.values()]}


@router.get("/v1/kinds")
async def kinds(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List kinds with their contracts; to an agent those that its grant holds, the others do not exist for it."""
    held = house.sessions.load_grant(who.key.grant).kinds if who.principal.sort is Sort.AGENT else ()
    if not held:
        who.needs("read")
    seen = {name: kind for name, kind in sorted(house.plugs.kinds.items()) if not held or name in held}
    return {"kinds": [{**wire.dump(kind.spec), "digest": house.door.pins[name]} for name, kind in seen.items()]}


@router.get("/v1/catalogue")
async def catalogue(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List the targets."""
    who.needs("read")
    return {"services": [wire.dump(one) for one in house.plugs.rules.catalogue.values()]}


@router.get("/v1/events")
async def events(request: Request, who: Caller, house: TheHouse) -> StreamingResponse:
    """Stream pointers, never content: `log` with the size it has reached. The browser fetches what it may see."""
    who.needs("read")
    seen = request.headers.get("last-event-id", "")
    return StreamingResponse(
        _pointers(house, int(seen) if seen.isdigit() else -1, request.app.state.streams),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


class Streams:
    """The open streams of a server: they have no end of their own, so whoever ends the server ends them first."""

    def __init__(self) -> None:
        """Start with none."""
        self.closing = False
        self.news: set[asyncio.Event] = set()

    def close(self) -> None:
        """Let every stream say goodbye."""
        self.closing = True
        for one in self.news:
            one.set()


async def _pointers(house: TheHouse, seen: int, streams: Streams) -> AsyncIterator[bytes]:
    news = asyncio.Event()
    streams.news.add(news)
    end = house.plugs.store.watch(lambda _size: news.set())
    try:
        yield b"retry: 1000\n\n"
        while not streams.closing:
            news.clear()
            size = house.plugs.store.size()
            if size != seen:
                seen = size
                yield b"id: %d\nevent: log\ndata: " % size + orjson.dumps({"size": size}) + b"\n\n"
            try:
                async with asyncio.timeout(BEAT_S):
                    await news.wait()
            except TimeoutError:
                yield b": still here\n\n"
    finally:
        streams.news.discard(news)
        end()
