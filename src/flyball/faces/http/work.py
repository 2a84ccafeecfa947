"""Endpoints that bring work in and show it: signals, sessions, actions."""

from __future__ import annotations

import codecs
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from flyball import wire
from flyball.core.remote import KEY_S
from flyball.errors import BadInput, NotFound
from flyball.faces.http.body import said
from flyball.faces.http.guard import Caller, TheHouse, house_of, who_of
from flyball.model.action import Status
from flyball.views import session as sessions

router = APIRouter(prefix="/v1", tags=["work"])
CODES = {Status.DENIED: 403, Status.HELD: 202, Status.RUNNING: 202, Status.UNKNOWN: 202, Status.STUCK: 202}
AT_ONCE = 65_536
LOOK_S, LONGEST_WAIT_S = 0.25, 25.0


@router.post("/signals/{source}", status_code=202)
async def signal(source: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Take a delivery in: durable when answered. Authentic input is always answered with 2xx, also when it cannot be understood."""
    name, new = await house.inbox.accept(source, await request.body(), request.headers, who)
    return {"inbox": name, "new": new}


@router.get("/sessions")
async def listed(who: Caller, house: TheHouse, phase: str = "", limit: int = 200) -> dict[str, Any]:
    """List sessions, newest first."""
    who.needs("read")
    return {"sessions": sessions.listed(house.plugs.store, phase, max(1, min(limit, 1000)))}


@router.post("/sessions/{name}/answer")
async def answer(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Answer the question that a session waits with."""
    doc = await said(request)
    await house.reply(who, name, str(doc.get("text", "")))
    return {"session": name}


@router.post("/sessions/{name}/key")
async def key(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Make a key for the remote agent of an open session. Its text is in this answer and nowhere else."""
    ttl_s = (await said(request)).get("ttl_s", KEY_S)
    if not isinstance(ttl_s, int | float):
        raise BadInput("a key needs an end", "ttl_s is a number of seconds", "give ttl_s")
    text, made = await house.remote.mint(who, house.load_session(name), float(ttl_s))
    return {"key": text, "id": made.id, "expires_at": made.expires_at}


@router.post("/sessions/{name}/{verb}")
async def steer(name: str, verb: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Pause, resume or cancel a session."""
    if verb not in ("pause", "resume", "cancel"):
        raise NotFound(f"a session cannot {verb!r}", "it can pause, resume and cancel", "flyball sessions --help")
    session = await house.steer(who, name, verb, str((await said(request)).get("reason", "")))
    return wire.dump(session)


@router.post("/actions")
async def act(request: Request, who: Caller, house: TheHouse) -> Response:
    """Submit an action with an agent's key. 200 settled, 202 held, running or unknown, 403 denied; the body says what and why."""
    doc = await said(request)
    if who.key.session == "":
        raise BadInput("this key belongs to no session", "actions are submitted with the key of an agent's session", "flyball keys create")
    deed = await house.act(who, doc)
    return Response(orjson.dumps(deed, dict), CODES.get(deed.status, 200), media_type="application/json")


async def act_at_once(request: Request) -> Response:
    """Answer `act` without the framework's routing and dependencies, which would cost as much as the door."""
    return await act(request, await who_of(request), house_of(request))


@router.get("/actions/{name}")
async def deed(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Show an action and what became of it."""
    who.needs("read")
    return wire.dump(house.load_deed(name))


@router.get("/actions/{name}/output")
async def output(name: str, request: Request, who: Caller, house: TheHouse, after: int = 0, wait_s: float = 0.0) -> dict[str, Any]:
    """Give what a long action has said, from byte `after` on; `next` is where to go on. Waits for more up to `wait_s` while it runs."""
    who.needs("read")
    clock, after = house.plugs.clock, max(0, min(after, 2**53))
    ends = clock.mono() + min(LONGEST_WAIT_S, wait_s)  # in this order: what is no number waits no longer either
    while True:
        going = house.load_deed(name).status in (Status.RUNNING, Status.UNKNOWN)
        text, size = decoded(house.plugs.box.read(name, after, AT_ONCE), final=not going)
        if text or not going or clock.mono() >= ends or request.app.state.streams.closing:
            return {"text": text, "next": after + size, "going": going}
        await clock.sleep(LOOK_S)


def decoded(raw: bytes, *, final: bool) -> tuple[str, int]:
    """Give bytes as text, and how many of them: a character of which only the beginning is there is left for the next look."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    text = decoder.decode(raw, final)
    return text, len(raw) - len(decoder.getstate()[0])


@router.post("/actions/{name}/undo")
async def undo(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Roll one action back while its undo is kept."""
    return wire.dump(await house.roll_back(who, name, str((await said(request)).get("reason", ""))))


@router.post("/actions/{name}/settle")
async def settle(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Record what a person found out about a stuck action."""
    doc = await said(request)
    await house.settle(who, name, str(doc.get("outcome", "")), str(doc.get("reason", "")))
    return wire.dump(house.load_deed(name))
