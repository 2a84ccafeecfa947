"""Endpoints for a look back: explain, report, steps, feedback, shadow, permits. All folded by views; nothing is kept for them."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from flyball.core.house import House
from flyball.errors import NotFound
from flyball.faces.http.guard import Caller, TheHouse
from flyball.views import permit, span, tree
from flyball.views import session as sessions
from flyball.views.explain import explain
from flyball.views.feedback import feedback
from flyball.views.report import markdown
from flyball.views.shadow import shadow
from flyball.views.steps import steps

router = APIRouter(prefix="/v1", tags=["look"])


def load(house: House, name: str) -> dict[str, Any]:
    """Give a session's document. Raises NotFound."""
    doc = sessions.page(house.plugs.store, name)
    if doc is None:
        raise NotFound(f"there is no session {name!r}", "", "flyball sessions list")
    return doc


@router.get("/sessions/{name}")
async def shown(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Show a session: signals, steps, actions, decision tree, timeline, figures, approvals, log."""
    who.needs("read")
    doc, now = load(house, name), house.plugs.clock.now()
    return {**doc, "tree": tree.tree(doc), "timeline": span.timeline(doc, now), "figures": span.figures(doc, now)}


@router.get("/sessions/{name}/explain")
async def explained(name: str, who: Caller, house: TheHouse, action: str = "") -> dict[str, Any]:
    """Say what happened, why, and on whose word; of one action where it is named."""
    who.needs("read")
    if action:
        house.load_deed(action)
    return explain(load(house, name), action)


@router.get("/actions/{name}/explain")
async def explained_action(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Say what one action was, why, and on whose word."""
    who.needs("read")
    return explain(load(house, house.load_deed(name).action.session), name)


@router.get("/sessions/{name}/report")
async def report(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, str]:
    """Write the post-mortem of a session as Markdown."""
    who.needs("read")
    doc = load(house, name)
    return {"markdown": markdown(doc, span.figures(doc, house.plugs.clock.now()), request.app.state.checkpoint())}


@router.get("/sessions/{name}/steps")
async def stepped(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Give a session's steps as rows of agent_id, input_context, reasoning_summary, action, result, confidence, feedback."""
    who.needs("read")
    return {"steps": steps(load(house, name))}


@router.get("/feedback")
async def learnt(who: Caller, house: TheHouse, since: float = 0.0) -> Response:
    """Give one line of JSON per answer of a person: context, correction, rationale."""
    who.needs("read")
    lines = b"".join(orjson.dumps(row, default=_plain) + b"\n" for row in feedback(house.plugs.store, since))
    return Response(lines, media_type="application/jsonl")


@router.get("/shadow")
async def shadowed(who: Caller, house: TheHouse, since: float = 0.0) -> dict[str, Any]:
    """Count what shadow mode would have fixed, asked and been denied, over the sessions opened since a time."""
    who.needs("read")
    return shadow(house.plugs.store, since)


@router.get("/permits")
async def permitted(who: Caller, house: TheHouse) -> dict[str, Any]:
    """Say who may do what, where, up to which zone, until when, and why."""
    who.needs("read")
    plugs = house.plugs
    specs = {name: kind.spec for name, kind in plugs.kinds.items()}
    return {"permits": permit.permits(plugs.store, plugs.rules, specs, plugs.clock.now())}


def _plain(value: Any) -> Any:
    """Give orjson what a row's body is made of: mappings as objects, sequences as arrays."""
    return dict(value) if hasattr(value, "keys") else list(value)
