"""Sessions: the list, and one as a tree, a line of time, steps, evidence, signals and log entries; what a person may do to it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from flyball.core.house import House
from flyball.errors import BadInput, Denied, NotFound, UserError
from flyball.faces.console import draw
from flyball.faces.console.page import Page, back, form, may, render
from flyball.faces.http.guard import Caller, TheHouse
from flyball.views import explain, span, thought, tree
from flyball.views import report as reports
from flyball.views import session as sessions

router = APIRouter(route_class=Page, include_in_schema=False)
SHOWN = 100
TAIL = 4_000  # bytes of what a running action has said
STEERED = ("pause", "resume", "cancel")


@router.get("/sessions")
async def listed(request: Request, who: Caller, house: TheHouse, phase: str = "", q: str = "") -> Response:
    """List sessions, newest first; `q` is looked for in title, target, agent and id."""
    who.needs("read")
    return render(request, "sessions.html", rows=found(house, phase, q), phase=phase, q=q)


@router.get("/part/sessions")
async def listed_part(request: Request, who: Caller, house: TheHouse, phase: str = "", q: str = "") -> Response:
    """Give the list alone."""
    who.needs("read")
    return render(request, "sessionrows.html", rows=found(house, phase, q), phase=phase, q=q)


def found(house: House, phase: str, text: str) -> list[dict[str, Any]]:
    """Give the sessions that match."""
    rows = sessions.listed(house.plugs.store, phase, SHOWN)
    wanted = text.strip().lower()
    return [
        one for one in rows if not wanted or any(wanted in str(one[name]).lower() for name in ("id", "title", "target", "agent", "outcome"))
    ]


@router.get("/sessions/{name}")
async def shown(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Show one session."""
    who.needs("read")
    return page(request, house, name)


@router.get("/part/sessions/{name}")
async def shown_part(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Give the part of a session that changes while it runs: the forms beside it are not touched."""
    who.needs("read")
    return render(request, "live.html", **story(house, name))


@router.get("/sessions/{name}/report")
async def report(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Give the post-mortem as Markdown."""
    who.needs("read")
    doc = load(house, name)
    text = reports.markdown(doc, span.figures(doc, house.plugs.clock.now()), request.app.state.checkpoint())
    return Response(text, media_type="text/markdown; charset=utf-8", headers={"Content-Disposition": f'inline; filename="{name}.md"'})


@router.post("/sessions/{name}/answer")
async def answer(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Answer the question that a session waits with."""
    said = await form(request)
    try:
        await house.reply(who, name, said.get("text", ""))
    except (BadInput, Denied) as fault:
        return await refused(request, house, name, fault)
    return back(f"/sessions/{name}")


@router.post("/sessions/{name}/{verb}")
async def steer(request: Request, name: str, verb: str, who: Caller, house: TheHouse) -> Response:
    """Pause, resume or cancel a session."""
    said = await form(request)
    if verb not in STEERED:
        raise NotFound(f"a session cannot {verb!r}", "it can pause, resume and cancel", "go back to the session")
    try:
        await house.steer(who, name, verb, said.get("reason", ""))
    except (BadInput, Denied) as fault:
        return await refused(request, house, name, fault)
    return back(f"/sessions/{name}")


@router.post("/actions/{name}/undo")
async def undo(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Roll one action back while its undo is kept."""
    said, session = await form(request), name.partition(".")[0]
    try:
        await house.roll_back(who, name, said.get("reason", ""))
    except (BadInput, Denied) as fault:
        return await refused(request, house, session, fault)
    return back(f"/sessions/{session}")


@router.post("/actions/{name}/settle")
async def settle(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Record what a person found out about a stuck action."""
    said, session = await form(request), name.partition(".")[0]
    try:
        await house.settle(who, name, said.get("outcome", ""), said.get("reason", ""))
    except (BadInput, Denied) as fault:
        return await refused(request, house, session, fault)
    return back(f"/sessions/{session}")


async def refused(request: Request, house: House, name: str, fault: UserError) -> Response:
    """Show the session again with what was wrong; a denial is recorded."""
    if isinstance(fault, Denied):
        await house.keys.denied(request.state.who, f"{request.url.path}: {fault.why}")
    return page(request, house, name, fault)


def page(request: Request, house: House, name: str, fault: UserError | None = None) -> Response:
    """Render a session's page."""
    reasons = {scope: may(request.state.who, scope) for scope in ("operate", "approve")}
    return render(request, "session.html", fault.status if fault else 200, fault=fault, reasons=reasons, **story(house, name))


def load(house: House, name: str) -> dict[str, Any]:
    """Give a session's document. Raises NotFound."""
    doc = sessions.page(house.plugs.store, name)
    if doc is None:
        raise NotFound(f"there is no session {name!r}", "", "go back to the list of sessions")
    return doc


def story(house: House, name: str) -> dict[str, Any]:
    """Give all that a session's page shows."""
    doc, now = load(house, name), house.plugs.clock.now()
    ranked, root = thought.hypotheses(doc), tree.tree(doc)
    chosen = thought.settled(doc)
    said = f"Decision tree: {len(ranked)} causes were considered" + (f"; chosen: {chosen['cause']}, {chosen['because']}" if chosen else "")
    last = doc["steps"][-1] if doc["steps"] else None
    asks = (
        last["answer"]
        if last and last["answer"].get("is") == "ask" and not last["reply"] and doc["session"]["waiting"] == "answer"
        else None
    )
    deeds = [one for one in doc["deeds"] if one["action"]["purpose"] != "verify"]
    for one in (going := [one for one in deeds if one["status"] == "running"]):
        one["tail"] = house.plugs.box.read(one["action"]["id"], -TAIL, TAIL).decode("utf-8", "replace")
    return {
        "doc": doc,
        "head": doc["session"],
        "tree": draw.tree(root, said),
        "ranked": ranked,
        "line": span.timeline(doc, now),
        "figures": span.figures(doc, now),
        "told": explain.explain(doc),
        "asks": asks,
        "deeds": deeds,
        "going": going,
        "looks": [one for one in doc["deeds"] if one["action"]["purpose"] == "verify"],
        "evidence": [one for one in deeds if one["value"] is not None and one["action"]["purpose"] == "diagnose"],
        "working": [(deed["result"], doc["values"][deed["result"]]) for deed in deeds if deed["result"] in doc["values"]],
        "undoable": [one for one in deeds if undoable(one, now)],
        "stuck": [one for one in deeds if one["status"] == "stuck"],
        "waiting": [one for one in doc["approvals"] if one["state"] == "waiting"],
    }


def undoable(deed: dict[str, Any], now: float) -> bool:
    """Say whether a person may still roll an action back."""
    recipe = deed.get("recipe") or {}
    return deed["status"] == "done" and bool(recipe.get("undo")) and (not recipe.get("keep_until") or now <= recipe["keep_until"])
