"""What a brain thought in a session, the thought that it closed with included: that one stands in the log, the others are steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SETTLED = ("chosen", "confirmed")
AWAY = ("ruled_out", "refuted")
STANDS = ("done", "running", "held", "allowed", "proposed", "unknown")


def thoughts(doc: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every thought of a session's document (`session.page`), in order."""
    for step in doc["steps"]:
        yield (step.get("answer") or {}).get("thought") or {}
    for one in doc["log"]:
        if one["name"] == "session.closed":
            yield one["body"].get("thought") or {}


def hypotheses(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give every hypothesis as it stood last: tried ones first in the order tried, then the open ones, then what was ruled out.

    One that was acted on in vain is refuted, also where its brain did not think again before the session closed.
    """
    last: dict[str, dict[str, Any]] = {}
    for thought in thoughts(doc):
        for noun in thought.get("hypotheses") or ():
            before = last.get(noun["name"])
            same = before is not None and before["state"] == "chosen" and noun["state"] in SETTLED
            kept = before["because"] if before and same else noun["because"]  # why it was chosen, not that it was
            last[noun["name"]] = {**noun, "because": kept}
    order = list(dict.fromkeys(one["action"]["hypothesis"] for one in doc["deeds"] if one["action"]["purpose"] == "fix"))
    ranks = {"confirmed": 0, "chosen": 0, "open": 1, "refuted": 2, "ruled_out": 3}

    def place(one: Mapping[str, Any]) -> tuple[int, float, float]:
        tried = order.index(one["name"]) if one["name"] in order else len(order)
        return (tried, ranks.get(one["state"], 4), -float(one["confidence"]))

    return sorted((_judged(one, fixes_of(doc, one["name"])) for one in last.values()), key=place)


def fixes_of(doc: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Give the changes that were made for a hypothesis, in order."""
    return [one for one in doc["deeds"] if one["action"]["purpose"] == "fix" and one["action"]["hypothesis"] == name]


def stands(fixes: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the last of these changes stands, as far as anybody knows."""
    return bool(fixes) and fixes[-1]["verified"] is not False and fixes[-1]["status"] in STANDS


def _judged(one: dict[str, Any], fixes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if one["state"] not in SETTLED or not fixes or stands(fixes):
        return one
    note = str(fixes[-1]["verify_note"] or fixes[-1]["why"])
    return {**one, "state": "refuted", "because": f"{one['because']}{f'; but {note}' if note else ''}"}


def settled(doc: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the hypothesis that a session holds to be the cause, if there is one."""
    return next((one for one in hypotheses(doc) if one["state"] in SETTLED), None)


def counted(ranked: list[dict[str, Any]]) -> str:
    """Say how many hypotheses were tried, ruled out and left open."""
    words = (("refuted", "tried and refuted"), ("ruled_out", "ruled out"), ("open", "left open"))
    found = [(sum(one["state"] == state for one in ranked), told) for state, told in words]
    return ", ".join(f"{count} {told}" for count, told in found if count)
