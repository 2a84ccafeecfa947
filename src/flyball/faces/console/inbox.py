"""The approvals inbox: the queue, one request with all that is needed to decide, and the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from flyball.core.house import House
from flyball.core.keys import Who
from flyball.errors import BadInput, NotFound, UserError
from flyball.faces.console import draw
from flyball.faces.console.page import Page, back, form, may, render
from flyball.faces.http.guard import Caller, TheHouse
from flyball.rules.decide import CHECKS
from flyball.rules.digest import NotCanonical, parse_strict
from flyball.views import approval as approvals
from flyball.views import session as sessions
from flyball.views import span

router = APIRouter(route_class=Page, include_in_schema=False)
SOON_S = 900.0
SHOWN = 200
VERBS = ("approve", "reject", "changes", "edit")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the queue is shown: state, zone, agent; it lives in the address."""

    state: str = "waiting"
    zone: str = ""
    agent: str = ""

    def rows(self, house: House) -> list[dict[str, Any]]:
        """Give the cards that match: waiting ones by deadline, decided ones newest first."""
        store, kinds = house.plugs.store, titles(house)
        if self.state == "waiting":
            cards = approvals.waiting(store, "waiting", SHOWN, kinds)
        else:
            cards = [one for one in approvals.waiting(store, "", 5 * SHOWN, kinds) if one["state"] != "waiting"]
            cards.sort(key=lambda one: one["requested_at"], reverse=True)
        return [one for one in cards if self.zone in ("", one["zone"]) and self.agent in ("", one["agent"])][:SHOWN]


TheAsked = Annotated[Asked, Depends()]


@router.get("/approvals")
async def queue(request: Request, who: Caller, house: TheHouse, asked: TheAsked) -> Response:
    """Show the queue, oldest deadline first, and its first request."""
    who.needs("read")
    rows = asked.rows(house)
    first = rows[0]["id"] if rows else ""
    return inbox(request, house, first, asked=asked)


@router.get("/approvals/{name}")
async def shown(request: Request, name: str, who: Caller, house: TheHouse, asked: TheAsked) -> Response:
    """Show one request beside the queue."""
    who.needs("read")
    card = find(house, name)
    state = "waiting" if card["state"] == "waiting" else "decided"
    return inbox(request, house, name, asked=Asked(state, asked.zone, asked.agent), wide=True)


@router.get("/part/rows")
async def rows_part(request: Request, who: Caller, house: TheHouse, asked: TheAsked) -> Response:
    """Give the queue alone: fetched when something was written. The request that is open stays marked."""
    who.needs("read")
    chosen = request.query_params.get("open", "")
    return render(request, "rows.html", asked=asked, rows=asked.rows(house), chosen=chosen, soon_s=SOON_S)


@router.get("/part/votes/{name}")
async def votes_part(request: Request, name: str, who: Caller, house: TheHouse) -> Response:
    """Give the answers so far and the state of one request: the form beside it is not touched."""
    who.needs("read")
    return render(request, "votes.html", card=find(house, name), why_not=why_not(house, who, name))


@router.post("/approvals/{name}/{verb}")
async def answer(request: Request, name: str, verb: str, who: Caller, house: TheHouse) -> Response:
    """Record an answer. What does not fit is said beside the form, with the typed text kept."""
    said = await form(request)
    try:
        if verb not in VERBS:
            raise NotFound(f"{verb!r} is no answer", f"an answer is one of {', '.join(VERBS)}", "go back to the inbox")
        doc: dict[str, Any] = {"digest": said.get("digest", ""), "reason": said.get("reason", "")}
        if verb == "edit":
            doc["args"] = arguments(said.get("args", ""))
        await house.approvals.answer(name, who, verb, doc)
    except UserError as fault:
        if isinstance(fault, NotFound):
            raise
        if fault.status == 403:  # noqa: PLR2004 a denial is recorded, wherever it is shown
            await house.keys.denied(who, f"{request.url.path}: {fault.why}")
        return inbox(request, house, name, asked=Asked(), wide=True, status=fault.status, fault=fault, typed={**said, "verb": verb})
    return back(f"/approvals/{name}")


def arguments(text: str) -> dict[str, Any]:
    """Parse edited arguments. Raises BadInput."""
    try:
        doc = parse_strict(text.encode())
    except (NotCanonical, ValueError) as fault:
        raise BadInput("the edited arguments are not JSON", str(fault)[:200], "mend the text and send it again") from fault
    if not isinstance(doc, dict):
        raise BadInput("the edited arguments are not an object", "all arguments stand in one { }", "mend the text and send it again")
    return doc


def titles(house: House) -> dict[str, str]:
    """Give what each kind does, in its own words."""
    return {name: kind.spec.title for name, kind in house.plugs.kinds.items()}


def find(house: House, name: str) -> dict[str, Any]:
    """Give one card. Raises NotFound."""
    card = approvals.find(house.plugs.store, name, titles(house))
    if card is None:
        raise NotFound(f"there is no approval {name!r}", "", "go back to the inbox")
    return card


def why_not(house: House, who: Who, name: str) -> str:
    """Say why somebody may not answer, or "" where they may."""
    approval = house.approvals.load(name)
    if approval.state.value != "waiting":
        return f"it is {approval.state.value}"
    if any(vote.by == who.principal.id for vote in approval.votes):
        return "you have answered already; every person counts once"
    return may(who, "approve") or house.door.facts.may_vote(approval, who.principal.id)


def inbox(request: Request, house: House, name: str, *, asked: Asked, **more: Any) -> Response:
    """Render the queue with one request open; `more` holds wide, status, fault and typed."""
    status = int(more.pop("status", 200))
    shown_: dict[str, Any] = {"wide": False, "fault": None, "typed": {}, "card": None, "detail": {}, "why_not": "", **more}
    if name:
        shown_["card"] = find(house, name)
        shown_["detail"] = detail(house, shown_["card"])
        shown_["why_not"] = why_not(house, request.state.who, name)
    decided = house.plugs.store.count("approval") - house.plugs.store.count("approval", "waiting")
    agents = sorted(house.plugs.rules.agents)
    return render(
        request,
        "inbox.html",
        status,
        asked=asked,
        rows=asked.rows(house),
        chosen=name,
        soon_s=SOON_S,
        decided=decided,
        agents=agents,
        **shown_,
    )


def detail(house: House, card: Mapping[str, Any]) -> dict[str, Any]:
    """Give what stands around a card: catalogue, budget, checks, place in its session."""
    store, rules = house.plugs.store, house.plugs.rules
    kind = house.plugs.kinds.get(str(card["kind"]))
    target = rules.catalogue.get(str(card["target"]))
    serves = sorted(one.name for one in rules.catalogue.values() if card["target"] in one.depends_on)
    doc = sessions.page(store, str(card["session"]))
    now = house.plugs.clock.now()
    entries = store.entries(action=str(card["id"]), name="action.decided")
    asked = [one for one in entries if one.entry.body.get("verdict") == "hold"]
    opinions = asked[-1].entry.body.get("opinions") if asked else []
    spent, held = store.counter(f"budget:{asked[-1].entry.body.get('grant')}") if asked else (0, 0)
    agent = rules.agents.get(str(card["agent"]))
    return {
        "spec": kind.spec if kind else None,
        "env": target.env if target else "",
        "owner": target.owner if target else "",
        "blast": blast(card, serves),
        "touched": draw.touched(str(card["agent"]), str(card["target"]), target.depends_on if target else (), serves),
        "cost": kind.spec.cost_micros if kind else 0,
        "spent": spent + held,
        "budget": agent.budget_micros if agent else 0,
        "opinions": opinions,
        "silent": len(CHECKS) - len(opinions) if isinstance(opinions, list | tuple) else 0,
        "index": asked[-1].index if asked else None,
        "session": doc["session"] if doc else None,
        "signal": doc["signals"][0] if doc and doc["signals"] else None,
        "line": span.timeline(doc, now) if doc else None,
        "args": json.dumps(_plain(card["args"]), indent=2, sort_keys=True),
    }


def blast(card: Mapping[str, Any], serves: list[str]) -> tuple[str, str]:
    """Give how far an action reaches: a headline and what stands behind it."""
    found = card["blast"] if isinstance(card["blast"], Mapping) else {}
    files, named = found.get("files"), found.get("targets")
    targets = [str(one) for one in named] if isinstance(named, list | tuple) else []
    parts = [f"touches {', '.join(targets[:5])}"] if len(targets) > 1 else []
    if isinstance(files, list | tuple):
        parts.append(f"{len(files)} {'file' if len(files) == 1 else 'files'}: {', '.join(str(one) for one in files[:3])}")
    if found.get("interrupts"):
        parts.append("interrupts it for a moment")
    counted = ("commits_since", "bytes", "count", "timeout_s", "cost_micros")
    parts.extend(f"{name.replace('_', ' ')}: {found[name]:.0f}" for name in counted if isinstance(found.get(name), int | float))
    parts.append(f"{', '.join(serves)} stand on it" if serves else "nothing else stands on it")
    return f"{max(1, len(targets))} service{'s' if len(targets) > 1 else ''}{f', {len(serves)} behind' if serves else ''}", "; ".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
