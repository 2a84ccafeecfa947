"""Signals to learn from: one row `{context, correction, rationale}` per answer of a person, whether an approval or a review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flyball.model.log import Row
from flyball.ports import Store


def feedback(store: Store, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Give a row per answer at or after `since`, oldest first. The shape is `defaults/schemas/feedback.schema.json`."""
    found: list[tuple[float, dict[str, Any]]] = []
    for row in store.rows("approval", limit=100_000):
        votes = row.body.get("votes")
        cast = [one for one in votes if isinstance(one, Mapping)] if isinstance(votes, list | tuple) else []
        found.extend((float(str(vote["at"])), _vote(store, row, vote)) for vote in cast)
    looked = [row for row in store.rows("review", limit=100_000) if row.state != "waiting"]
    found.extend((float(str(row.body.get("at"))), _review(store, row)) for row in looked)
    yield from (doc for at, doc in sorted(found, key=lambda one: one[0]) if at >= since)


def _vote(store: Store, row: Row, vote: Mapping[str, Any]) -> dict[str, Any]:
    verb = str(vote["verb"])
    correction: dict[str, Any] = {"verdict": verb, "by": vote["by"], "at": vote["at"]}
    edited = store.find("action", f"{row.id}e1") if verb == "edit" else None
    if edited is not None:
        correction["args"] = _action(edited)["args"]
    if verb in ("reject", "changes"):
        correction["text"] = vote["reason"]
    return {"context": _context(store, row.id), "correction": correction, "rationale": str(vote["reason"])}


def _review(store: Store, row: Row) -> dict[str, Any]:
    body = row.body
    correction: dict[str, Any] = {"verdict": row.state, "by": body.get("by"), "at": body.get("at")}
    if body.get("correction"):
        correction["text"] = body.get("correction")
    return {"context": _context(store, row.id), "correction": correction, "rationale": str(body.get("reason", ""))}


def _context(store: Store, name: str) -> dict[str, Any]:
    """Give what the person had before them: the action, its evidence by reference, why it was proposed."""
    deed = store.find("action", name)
    if deed is None:
        return {"action": name, "known": False}
    action = _action(deed)
    kept = ("id", "session", "agent", "kind", "target", "args", "purpose", "why", "confidence", "hypothesis", "evidence", "digest")
    zone, status, verified = deed.body.get("zone"), deed.state, deed.body.get("verified")
    return {"action": name, "known": True, **{one: action.get(one) for one in kept}, "zone": zone, "status": status, "verified": verified}


def _action(deed: Row) -> Mapping[str, Any]:
    found = deed.body.get("action")
    return found if isinstance(found, Mapping) else {}
