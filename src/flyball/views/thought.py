"""What a brain thought in a session, the thought that it closed with included: that one stands in the log, the others are steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flyball.views.word import shown_only, stood

SETTLED = ("chosen", "confirmed")
AWAY = ("ruled_out", "refuted")
STANDS = ("done", "running", "held", "allowed", "proposed", "unknown")
UNTRIED = ("denied", "failed")


def thoughts(doc: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every thought of a session's document (`session.page`), in order."""
    for step in doc["steps"]:
        yield (step.get("answer") or {}).get("thought") or {}
    for one in doc["log"]:
        if one["name"] == "session.closed":
            yield one["body"].get("thought") or {}


def hypotheses(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give every hypothesis as it stood last: tried ones first in the order tried, then the open ones, then what was ruled out.

    One that was acted on in vain is refuted, also where its brain did not think again before the session closed. One whose fix was
    denied or failed is open, whatever its brain says: nobody has found out. One that was acted on keeps the figures that it was
    chosen by: what its own outcome made of them came later.
    """
    last: dict[str, dict[str, Any]] = {}
    chosen: dict[str, str] = {}
    for thought in thoughts(doc):
        for noun in thought.get("hypotheses") or ():
            before = last.get(noun["name"])
            same = before is not None and before["state"] == "chosen" and noun["state"] in SETTLED
            last[noun["name"]] = {**before, "state": noun["state"]} if before and same else dict(noun)
            if noun["state"] == "chosen":
                chosen.setdefault(noun["name"], str(noun["because"]))
    order = list(dict.fromkeys(one["action"]["hypothesis"] for one in doc["deeds"] if one["action"]["purpose"] == "fix"))
    ranks = {"confirmed": 0, "chosen": 0, "open": 1, "refuted": 2, "ruled_out": 3}

    def place(one: Mapping[str, Any]) -> tuple[int, float, float]:
        tried = order.index(one["name"]) if one["name"] in order else len(order)
        return (tried, ranks.get(one["state"], 4), -float(one["confidence"]))

    return sorted((_judged(one, chosen.get(one["name"], ""), fixes_of(doc, one["name"])) for one in last.values()), key=place)


def fixes_of(doc: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Give the changes that were made for a hypothesis, in order."""
    return [one for one in doc["deeds"] if one["action"]["purpose"] == "fix" and one["action"]["hypothesis"] == name]


def stands(fixes: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the last of these changes stands, as far as anybody knows."""
    return bool(fixes) and fixes[-1]["verified"] is not False and fixes[-1]["status"] in STANDS


def _judged(one: dict[str, Any], chosen: str, fixes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Hold what a brain says of a hypothesis that it acted on against what became of its last fix."""
    if one["state"] not in (*SETTLED, "refuted") or not fixes:
        return one
    last = fixes[-1]
    if stands(fixes) or shown_only(last):
        return one if one["state"] != "confirmed" or last["verified"] else {**one, "state": "chosen"}
    if last["verified"] is False:
        state, note = "refuted", str(last["verify_note"])
    else:
        state, note = "open" if last["status"] in UNTRIED or one["state"] == "refuted" else str(one["state"]), stood(last)
        note = {"denied": f"not done: {note}", "undone": f"its fix was {note}"}.get(str(last["status"]), note)
    if one["state"] == state == "refuted":
        return one  # in its brain's own words
    return {**one, "state": state, "because": "; but ".join(filter(None, (chosen or str(one["because"]), note)))}


def suspected(doc: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the hypothesis that was to be acted on last and could not be, if there is one."""
    return next((one for one in reversed(hypotheses(doc)) if one["state"] == "open" and fixes_of(doc, one["name"])), None)


def settled(doc: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the hypothesis that a session holds to be the cause, if there is one."""
    return next((one for one in hypotheses(doc) if one["state"] in SETTLED), None)


def left_open(ranked: Sequence[Mapping[str, Any]], cause: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Give what may be the cause, or a part of it, as well: also what the evidence confirms and nothing was done about."""
    return [one for one in ranked if one["state"] not in AWAY and (cause is None or one["name"] != cause["name"])]


def counted(ranked: Sequence[Mapping[str, Any]]) -> str:
    """Say how many hypotheses were tried, ruled out and left open."""
    words = (("refuted", "tried and refuted"), ("ruled_out", "ruled out"), ("open", "left open"))
    found = [(sum(one["state"] in SETTLED for one in ranked), "confirmed as well")]
    found += [(sum(one["state"] == state for one in ranked), told) for state, told in words]
    return ", ".join(f"{count} {told}" for count, told in found if count)
