"""The decision tree of a session, folded from its document: signal, evidence, hypotheses, actions, gate, verification, outcome.

A node is `{sort, title, note, state, confidence, chosen, detail, nodes}`; `sort` is one of signal, evidence, hypothesis, action, gate,
check, outcome. The faces draw it; nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from flyball.views.thought import fixes_of, hypotheses, stands
from flyball.views.word import UNANSWERED, looked, shown_only

SAID = {
    "done": "ran",
    "undone": "ran, put back",
    "held": "waits",
    "unknown": "outcome unknown",
    "proposed": "proposed",
    "allowed": "about to run",
    "denied": "not done",
    "undoing": "is being put back",
}
MOST_AWAY = 5
"""Alternatives that are drawn one by one; the rest is folded into one node and stays in the table."""


def tree(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Fold a session's document (`session.page`) into its tree."""
    head, deeds = doc["session"], doc["deeds"]
    root = _node("signal", ", ".join(str(one["name"]) for one in doc["signals"]) or str(head["title"]), f"on {head['target']}")
    reads = looked(doc)
    gave = sum(one["value"] is not None for one in reads)
    look = _node(
        "evidence",
        "Diagnose",
        f"{len(reads)} {'look' if len(reads) == 1 else 'looks'}, {gave} gave evidence" if reads else "nothing looked at yet",
    )
    look["detail"] = {"evidence": [one["action"]["id"] for one in reads]}
    root["nodes"] = [look]
    ranked = hypotheses(doc)
    acted = {one["action"]["hypothesis"] for one in deeds if one["action"]["purpose"] == "fix"}
    known = {one["name"] for one in ranked}
    look["nodes"] = [_branch(doc, one, acted=one["name"] in acted) for one in ranked]
    look["nodes"] += [_unnamed(doc, fixes) for fixes in _told_nowhere(doc, known)]
    away = [one for one in look["nodes"] if not one["nodes"] and not one["chosen"]]
    if len(away) > MOST_AWAY:
        folded = {id(one) for one in away[MOST_AWAY - 1 :]}
        look["nodes"] = [one for one in look["nodes"] if id(one) not in folded]
        look["nodes"].append(_node("hypothesis", f"{len(folded)} more", "ruled out, see the table", chosen=False, state="ruled_out"))
    if head["phase"] == "closed" and not any(one["sort"] == "outcome" for one in below(look)):
        held = next((one for one in look["nodes"] if one["state"] == "chosen"), look)
        held["nodes"] = [_outcome(head), *held["nodes"]]
    return root


def below(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every node under a node."""
    for one in node["nodes"]:
        yield one
        yield from below(one)


def short(name: str) -> str:
    """Give the speaking part of a hypothesis' name: `service-down/bad-config` is "bad config"."""
    return name.rpartition("/")[2].replace("-", " ").replace("_", " ")


def _node(sort: str, title: str, note: str, *, chosen: bool = True, state: str = "") -> dict[str, Any]:
    return {"sort": sort, "title": title, "note": note, "state": state, "confidence": None, "chosen": chosen, "detail": {}, "nodes": []}


def _branch(doc: Mapping[str, Any], one: Mapping[str, Any], *, acted: bool) -> dict[str, Any]:
    fixes = fixes_of(doc, one["name"])
    state = _state(one, fixes)
    title, note = short(one["name"]).capitalize(), str(one["because"] or one["cause"])
    node = _node("hypothesis", title, note, chosen=state in ("chosen", "open"), state=state)
    node["confidence"], node["detail"] = one["confidence"], dict(one)
    if acted:
        node["nodes"] = _chain(doc, fixes, good=state == "chosen")
    return node


def _told_nowhere(doc: Mapping[str, Any], known: set[str]) -> Iterator[list[Mapping[str, Any]]]:
    """Give the changes of which no hypothesis is known, as an agent elsewhere makes them: those that name the same one together."""
    fixes = [one for one in doc["deeds"] if one["action"]["purpose"] == "fix" and one["action"]["hypothesis"] not in known]
    yield from ([one] for one in fixes if not one["action"]["hypothesis"])
    for name in dict.fromkeys(one["action"]["hypothesis"] for one in fixes if one["action"]["hypothesis"]):
        yield fixes_of(doc, name)


def _unnamed(doc: Mapping[str, Any], fixes: list[Mapping[str, Any]]) -> dict[str, Any]:
    good, name = stands(fixes), str(fixes[-1]["action"]["hypothesis"])
    state = "chosen" if good else "refuted" if fixes[-1]["verified"] is False else "open"
    note = str(fixes[-1]["action"]["why"] or "no reason was given")
    node = _node("hypothesis", short(name).capitalize() or "No cause stated", note, chosen=state != "refuted", state=state)
    node["nodes"] = _chain(doc, fixes, good=good)
    return node


def _state(one: Mapping[str, Any], fixes: Sequence[Mapping[str, Any]]) -> str:
    return "chosen" if stands(fixes) or one["state"] == "confirmed" else str(one["state"])


def _chain(doc: Mapping[str, Any], fixes: Sequence[Mapping[str, Any]], *, good: bool) -> list[dict[str, Any]]:
    """Give the actions of one hypothesis as a chain: each with its gate where it had one, one verification at the end."""
    nodes: list[dict[str, Any]] = []
    for deed in fixes:
        action = deed["action"]
        one = _node("action", action["kind"], f"{SAID.get(deed['status'], deed['status'])} on {action['target']}", chosen=good)
        one["state"] = deed["status"]
        one["confidence"] = action["confidence"]
        one["detail"] = {"action": action["id"], "why": action["why"]}
        nodes.append(one)
        gate = _gate(doc, deed)
        if gate:
            nodes.append(gate | {"chosen": good})
    last = fixes[-1]
    if good and doc["session"]["phase"] == "closed":
        nodes.append(_outcome(doc["session"]) | {"detail": {"verified": last["verified"], "note": last["verify_note"]}})
    elif last["verified"] is not None:
        text = "Verified" if last["verified"] else "Refuted and put back" if last["status"] == "undone" else "Refuted"
        nodes.append(_node("check", text, str(last["verify_note"]), chosen=good, state="met" if last["verified"] else "refuted"))
    for left, right in pairwise(nodes):
        left["nodes"] = [right]
    return nodes[:1]


def _gate(doc: Mapping[str, Any], deed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give what stood between an action and its doing: policy's zone, the people asked, and who or what said no."""
    name, zone, status = deed["action"]["id"], str(deed["zone"]), deed["status"]
    asked = next((one for one in doc["approvals"] if one["id"] == name), None)
    votes = [f"{_person(vote['by'])} {_said(vote['verb'])}" for vote in asked["votes"]] if asked else []
    if status == "denied" and deed["decision"] != "approval":
        title = "Shadow mode" if shown_only(deed) else f"Denied by {deed['decision']}"
        return _node("gate", title, "; ".join((*votes, str(deed["why"]))), state="red")
    if asked is not None:
        who = ", ".join(votes) or {"waiting": f"waits for {asked['group'] or 'a person'}"}.get(
            asked["state"], UNANSWERED.get(asked["state"], "")
        )
        if asked["state"] != "waiting" and status == "held":
            who = ", ".join(filter(None, (who, f"waits: {deed['why']}")))
        gate = _node("gate", f"Policy: {asked['zone']} zone", who, state="asks" if asked["state"] == "waiting" else zone)
        gate["detail"] = {"rule": asked["rule"], "why": asked["why"], "policy": asked["policy_digest"], "approval": name}
        return gate
    if status == "denied":
        return _node("gate", f"Denied by {deed['decision']}", str(deed["why"]), state="red")
    if status == "held":
        return _node("gate", f"Held by {deed['decision']}", str(deed["why"]), state="asks")
    if zone == "green" or any(deed["action"]["digest"] in one["covers"] for one in doc["approvals"]):
        return None  # nothing to ask, or approved as a part of the plan
    return _node("gate", f"Policy: {zone} zone", "runs, then is reviewed" if zone == "yellow" else "allowed beforehand", state=zone)


def _said(verb: str) -> str:
    return {"approve": "approved", "reject": "rejected", "edit": "edited", "changes": "asked for changes"}.get(verb, verb)


def _person(name: str) -> str:
    return name.partition(":")[2] or name


def _outcome(head: Mapping[str, Any]) -> dict[str, Any]:
    title = {"fixed": "Fixed and verified"}.get(str(head["outcome"]), str(head["outcome"]).capitalize())
    return _node("outcome", title, str(head["summary"]), state=str(head["outcome"]))
