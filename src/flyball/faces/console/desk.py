"""The rest of the desk: what needs me now, reviews of what already ran, dead letters, agents, the freeze, the log."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from flyball import wire
from flyball.core.house import House
from flyball.errors import BadInput, Denied, UserError
from flyball.faces.console.inbox import titles
from flyball.faces.console.page import Page, back, form, may, render
from flyball.faces.http.guard import Caller, TheHouse, house_of
from flyball.faces.http.state import house_faults
from flyball.rules.merkle import leaf_hash, root_of
from flyball.views import approval as approvals
from flyball.views import permit
from flyball.views import session as sessions

router = APIRouter(route_class=Page, include_in_schema=False)
PAGE = 100
SHOWN = 50
CHECKED_MOST = 50_000
"""Entries that the log page hashes itself; for a longer log the terminal does it."""
THAW_S = {"15": 900.0, "60": 3600.0, "480": 28_800.0}


@router.get("/")
async def home(request: Request, who: Caller, house: TheHouse) -> Response:
    """Show what needs me."""
    who.needs("read")
    return render(request, "now.html", **needs(house))


@router.get("/part/now")
async def home_part(request: Request, who: Caller, house: TheHouse) -> Response:
    """Give what needs me alone."""
    who.needs("read")
    return render(request, "nowlive.html", **needs(house))


@router.get("/part/rail")
async def rail(request: Request, who: Caller) -> Response:
    """Give the counts of the navigation and the door."""
    who.needs("read")
    return render(request, "rail.html", here=request.query_params.get("here", ""))


def needs(house: House) -> dict[str, Any]:
    """Give everything that waits for a person, and what works by itself."""
    store, now = house.plugs.store, house.plugs.clock.now()
    going = [*sessions.listed(store, "parked", SHOWN), *sessions.listed(store, "open", SHOWN)]
    today = sessions.closed_since(store, now - sessions.DAY_S)
    return {
        "cards": approvals.waiting(store, "waiting", 50, titles(house)),
        "questions": [one for one in going if one["waiting"] == "answer"],
        "stuck": [row.body for row in sessions.stuck(store)[:SHOWN]],
        "reviews": [{**row.body, "deed": _deed(house, row.id)} for row in store.rows("review", state="waiting", limit=50)],
        "handed": [sessions.brief(store, row) for row in sessions.handed_over(store, now)[:SHOWN]],
        "counted": store.count("approval", "waiting") + store.count("review", "waiting"),
        "going": going,
        "today": [sessions.brief(store, row) for row in today[:12]],
        "closed": len(today),
        "fixed": sum(row.body["outcome"] == "fixed" for row in today),
        "letters": store.count("inbox", "dead"),
        "faults": house_faults(house),
    }


@router.get("/reviews")
async def reviews(request: Request, who: Caller, house: TheHouse, state: str = "waiting") -> Response:
    """Show yellow actions that ran and wait for a look, earliest deadline first."""
    who.needs("read")
    return _reviews(request, house, state)


@router.post("/reviews/{name}")
async def review(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Record the look: fine or wrong, with a reason and, where wrong, what would have been right."""
    said = await form(request)
    try:
        await house.approvals.review(name, who, said)
    except (BadInput, Denied) as fault:
        await noted(request, fault)
        return _reviews(request, house, "waiting", fault, {**said, "name": name})
    return back("/reviews")


def _reviews(request: Request, house: House, state: str, fault: UserError | None = None, typed: dict[str, str] | None = None) -> Response:
    store = house.plugs.store
    rows = [{**row.body, "deed": _deed(house, row.id)} for row in store.rows("review", state="" if state == "all" else state, limit=200)]
    why_not = may(request.state.who, "review")
    status = fault.status if fault else 200
    return render(request, "reviews.html", status, rows=rows, state=state, fault=fault, typed=typed or {}, why_not=why_not)


def _deed(house: House, name: str) -> dict[str, Any]:
    row = house.plugs.store.find("action", name)
    return {**row.body, "status": row.state} if row else {}


async def noted(request: Request, fault: UserError) -> None:
    """Record a denial that is shown in place."""
    if isinstance(fault, Denied):
        await house_of(request).keys.denied(request.state.who, f"{request.url.path}: {fault.why}")


@router.get("/letters")
async def letters(request: Request, who: Caller, house: TheHouse) -> Response:
    """Show deliveries that were authentic and could not be understood."""
    who.needs("read")
    rows = [{"id": row.id, **row.body} for row in house.plugs.store.rows("inbox", state="dead", limit=200)]
    return render(request, "letters.html", rows=rows, why_not=may(who, "operate"))


@router.post("/letters/{name}/replay")
async def replay(name: str, who: Caller, house: TheHouse) -> Response:
    """Put a dead letter back in line."""
    await house.inbox.replay(name, who)
    return back("/letters")


@router.get("/agents")
async def agents(request: Request, who: Caller, house: TheHouse) -> Response:
    """Show who may do what, where, up to which zone, until when, and why."""
    who.needs("read")
    plugs = house.plugs
    rows = permit.permits(plugs.store, plugs.rules, {name: kind.spec for name, kind in plugs.kinds.items()}, plugs.clock.now())
    return render(request, "agents.html", agents=[wire.dump(one) for one in plugs.rules.agents.values()], rows=rows, policy=plugs.policy)


@router.get("/freeze")
async def freezes(request: Request, who: Caller, house: TheHouse) -> Response:
    """Show every freeze, and stop or go on."""
    who.needs("read")
    return _freezes(request, house)


@router.post("/freeze")
async def freeze(request: Request, who: Caller, house: TheHouse) -> Response:
    """Freeze a scope at once."""
    said = await form(request)
    try:
        await house.switch.freeze(who, said.get("scope", ""), said.get("reason", ""), undoing=said.get("undoing") == "on")
    except (BadInput, Denied) as fault:
        await noted(request, fault)
        return _freezes(request, house, fault)
    return back("/freeze")


@router.post("/freeze/{name}/{verb}")
async def thaw(request: Request, name: str, verb: str, who: Caller, house: TheHouse) -> Response:
    """Thaw for a while, or lift for good."""
    said = await form(request)
    try:
        if verb == "lift":
            await house.switch.lift(who, name, said.get("reason", ""))
        else:
            await house.switch.thaw(who, name, said.get("reason", ""), THAW_S.get(said.get("minutes", ""), 0.0))
    except (BadInput, Denied) as fault:
        await noted(request, fault)
        return _freezes(request, house, fault)
    return back("/freeze")


def _freezes(request: Request, house: House, fault: UserError | None = None) -> Response:
    rules = house.plugs.rules
    scopes = [
        ("all", "all: everything"),
        *((f"agent:{one}", f"agent {one}") for one in sorted(rules.agents)),
        *((f"target:{one}", f"target {one}") for one in sorted(rules.catalogue)),
        *((f"kind:{one}", f"kind {one}") for one in sorted(house.plugs.kinds)),
    ]
    rows = [wire.dump(one) for one in house.plugs.freezer.freezes()]
    why_not, chosen = may(request.state.who, "operate"), request.query_params.get("scope", "all")
    return render(
        request, "freeze.html", fault.status if fault else 200, rows=rows, scopes=scopes, fault=fault, why_not=why_not, chosen=chosen
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the log is shown: entries below `before`, of one session, of one name; it lives in the address."""

    before: int = -1
    session: str = ""
    name: str = ""
    check: str = ""


@router.get("/log")
async def log(request: Request, who: Caller, house: TheHouse, asked: Annotated[Shown, Depends()]) -> Response:
    """Page through the log, newest first; `check` hashes it and holds it against the signed checkpoint."""
    who.needs("read")
    store = house.plugs.store
    checkpoint = str(request.app.state.checkpoint())
    size = store.size()
    end = size if asked.before < 0 else min(asked.before, size)
    if asked.session or asked.name:
        found = [one for one in store.entries(session=asked.session, name=asked.name, limit=5000) if one.index < end][-PAGE:]
    else:
        found = list(store.entries(after=max(-1, end - PAGE - 1), limit=min(PAGE, end)))
    older = found[0].index if found and found[0].index > 0 else -1
    return render(
        request,
        "log.html",
        entries=[sessions.entry_doc(one) for one in reversed(found)],
        older=older,
        asked=asked,
        names=sorted({one.entry.name for one in store.entries(after=max(-1, size - 500), limit=500)}),
        checkpoint=checkpoint,
        verdict=await checked(house, checkpoint) if asked.check else None,
    )


async def checked(house: House, checkpoint: str) -> tuple[bool, str]:
    """Hash every entry that the checkpoint signs and compare the roots."""
    lines = checkpoint.split("\n")
    if len(lines) < 3 or not lines[1].isdigit():  # noqa: PLR2004 origin, size, root
        return False, "there is no checkpoint yet"
    size = int(lines[1])
    if size > CHECKED_MOST:
        return False, f"{size} entries are too many for a page: flyball audit verify"
    hashes: list[bytes] = []
    while len(hashes) < size:
        found = house.plugs.store.entries(after=len(hashes) - 1, limit=min(1000, size - len(hashes)))
        if not found:
            return False, f"entry {len(hashes)} is missing"
        hashes.extend(leaf_hash(one.raw) for one in found)
        await asyncio.sleep(0)
    good = b64encode(root_of(hashes)).decode() == lines[2]
    return good, f"{size} entries hash to the root that the checkpoint signs" if good else "the entries do not hash to the signed root"
