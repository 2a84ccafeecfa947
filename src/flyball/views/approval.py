"""The approval card: what, why, exact argv and diff, blast radius, pre-state, undo, policy line, expiry. Facts the door computed first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flyball.model.log import Row
from flyball.ports import Store

SHOWN = 600
Titles = Mapping[str, str]


def waiting(store: Store, state: str = "waiting", limit: int = 200, titles: Titles | None = None) -> list[dict[str, Any]]:
    """Give approvals of one state (empty: of any), oldest deadline first."""
    return [card(store, row, titles) for row in store.rows("approval", state=state, limit=limit)]


def find(store: Store, name: str, titles: Titles | None = None) -> dict[str, Any] | None:
    """Give one card, or None."""
    row = store.find("approval", name)
    return card(store, row, titles) if row else None


def card(store: Store, row: Row, titles: Titles | None = None) -> dict[str, Any]:
    """Build the card of an approval from its row, its action's row and the evidence it names. `titles`: kind -> what it does."""
    body, deed = row.body, store.find("action", row.id)
    action = _map(deed.body, "action") if deed else {}
    recipe, extra = _map(body, "recipe"), _map(body, "card")
    thought = _map(extra, "thought")
    hypotheses = [one for one in thought.get("hypotheses", ()) if isinstance(one, Mapping)]
    cast_ = body.get("votes")
    votes: list[Mapping[str, Any]] = [one for one in cast_ if isinstance(one, Mapping)] if isinstance(cast_, list) else []
    return {
        "id": row.id,
        "session": row.session,
        "state": row.state,
        "title": _title(action, titles or {}),
        "kind": action.get("kind"),
        "target": action.get("target"),
        "agent": action.get("agent"),
        "zone": body.get("zone"),
        "args": action.get("args"),
        "provenance": action.get("provenance"),
        "why": action.get("why"),
        "confidence": action.get("confidence"),
        "hypothesis": next((one for one in hypotheses if one.get("name") == action.get("hypothesis")), None),
        "runbook": thought.get("runbook"),
        "runbook_digest": thought.get("runbook_digest"),
        "verify": action.get("verify") or [],
        "summary": thought.get("summary"),
        "evidence": [_evidence(store, str(name)) for name in action.get("evidence") or ()],
        "hypotheses": hypotheses,
        "ruled_out": [one for one in hypotheses if one.get("state") in ("ruled_out", "refuted")],
        "plan": extra.get("plan") or [],
        "argv": recipe.get("argv") or [],
        "diff": recipe.get("diff"),
        "blast": recipe.get("blast"),
        "before": recipe.get("before"),
        "undo": recipe.get("undo"),
        "undo_until": recipe.get("keep_until"),
        "rule": body.get("rule"),
        "policy_reason": body.get("why"),
        "policy_digest": body.get("policy_digest"),
        "digest": body.get("digest"),
        "covers": body.get("covers"),
        "requested_at": body.get("asked_at"),
        "expires_at": body.get("expires_at"),
        "on_expiry": "denied: the action does not run and the agent is told",
        "quorum": {
            "need": body.get("quorum"),
            "got": len({vote["by"] for vote in votes if vote.get("verb") == "approve"}),
            "group": body.get("group"),
        },
        "factor": body.get("factor"),
        "votes": votes,
        "requester": body.get("requester"),
        "edited_by": action.get("edited_by"),
    }


def _title(action: Mapping[str, Any], titles: Titles) -> str:
    kind, target = str(action.get("kind", "")), str(action.get("target", ""))
    return f"{titles[kind]}: {target}" if kind in titles else f"{kind} on {target}"


def _evidence(store: Store, name: str) -> dict[str, Any]:
    row = store.find("value", name)
    if row is None:
        return {"id": name, "origin": "", "text": "not kept any more"}
    deed = store.find("action", name.removesuffix(".out"))
    action = _map(deed.body, "action") if deed else {}
    body = row.body.get("body")
    text = body if isinstance(body, str) else json.dumps(body, default=_plain, ensure_ascii=False)
    return {
        "id": name,
        "origin": row.body.get("origin"),
        "digest": row.body.get("digest"),
        "command": _map(action, "args").get("command"),
        "why": action.get("why"),
        "text": text[:SHOWN],
        "cut": len(text) > SHOWN,
    }


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def _map(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}
