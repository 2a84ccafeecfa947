"""What, why, who: the first screen of any session or action. Folded from a session's document (`session.page`).

`what`, `why` and `who` are one sentence each; the rest is what they stand on: evidence with digests, alternatives ruled out, the policy
and runbook digests, every person's words, and the log entries (`chain`) that prove it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flyball.rules.digest import trace_of
from flyball.views.thought import AWAY, counted, hypotheses, settled, thoughts

TOLD = {
    "session.opened": "opened",
    "brain.asked": "asked a person",
    "brain.answered": "answered the question",
    "approval.asked": "asked for approval",
    "approval.answered": "answered the approval",
    "approval.expired": "the approval expired",
    "action.intended": "intent written",
    "action.done": "carried out",
    "action.failed": "failed",
    "action.verified": "verified by the observer",
    "action.refuted": "verification failed",
    "action.undoing": "undo begun",
    "action.undone": "put back",
    "action.stuck": "stuck",
    "action.ruled": "settled by a person",
    "review.answered": "reviewed",
    "session.pause": "paused",
    "session.resume": "resumed",
    "session.cancel": "cancelled",
    "session.closed": "closed",
}


def explain(doc: Mapping[str, Any], action: str = "") -> dict[str, Any]:
    """Explain a session, or one action of it. An unknown action gives an explanation that says so in `what`."""
    deeds = [one for one in doc["deeds"] if one["action"]["purpose"] in ("fix", "notify")]
    chosen = [one for one in doc["deeds"] if one["action"]["id"] == action] if action else deeds
    names = {one["action"]["id"] for one in chosen}
    cards = [one for one in doc["approvals"] if one["id"] in names or (action and _covers(one, chosen))]
    entries = [one for one in doc["log"] if one["name"] in TOLD or one["name"] == "action.decided"]
    chain = [one for one in entries if (one["action"] in names) or (not action and not one["action"])]
    best = chosen[-1] if chosen else None
    ranked = hypotheses(doc)
    thought = _thought(doc, best) if action else _cause(doc, best)
    proof = (best["action"]["evidence"] if best else ()) if action else _proof(doc, thought, best)
    return {
        "what": _what_action(best) if action else _what(doc, deeds),
        "why": _why(doc, thought, best if action or not ranked else None),
        "who": _who(doc, cards, chosen),
        "trace": trace_of(doc["session"]["id"]),
        "hypothesis": thought,
        "evidence": [_evidence(doc, name) for name in proof],
        "ruled_out": [one for one in ranked if one["state"] in AWAY],
        "open": [one for one in ranked if one["state"] == "open"],
        "policy": [_policy(one, doc) for one in chosen],
        "changes": [_change(one) for one in chosen if one["recipe"]],
        "runbook": _runbook(doc),
        "people": _people(doc, cards),
        "range": [doc["log"][0]["index"], doc["log"][-1]["index"]] if doc["log"] else [],
        "chain": [_line(one) for one in chain if one["name"] != "action.decided" or one["body"].get("verdict") != "allow"],
    }


def _covers(card: Mapping[str, Any], deeds: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["action"]["digest"] in card["covers"] for one in deeds)


def _what(doc: Mapping[str, Any], deeds: Sequence[Mapping[str, Any]]) -> str:
    head = doc["session"]
    done = [f"{one['action']['kind']} on {one['action']['target']} ({_stood(one)})" for one in deeds]
    did = f" What was done: {', then '.join(done)}." if done else " Nothing was changed."
    end = (
        f"It ended as {head['outcome']}: {head['summary']}"
        if head["phase"] == "closed"
        else f"It is {head['phase']}, waiting for {head['waiting'] or 'nothing'}."
    )
    return f"{head['title']} ({head['target']}).{did} {end}"


def _stood(deed: Mapping[str, Any]) -> str:
    if deed["status"] == "done":
        return "verified" if deed["verified"] else "not verified" if deed["verified"] is None else "did not help"
    return {"undone": "did not help, put back", "held": "waits"}.get(str(deed["status"]), str(deed["status"]))


def _what_action(deed: Mapping[str, Any] | None) -> str:
    if deed is None:
        return "there is no such action in this session"
    action = deed["action"]
    return f"{action['kind']} on {action['target']}, {deed['zone']}: {_stood(deed)}. {deed['verify_note']}".strip()


def _cause(doc: Mapping[str, Any], deed: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Give the hypothesis that a session holds to be the cause: as it stood when its last action was proposed, if that follows from it."""
    held = settled(doc)
    if held is None or deed is None or deed["action"]["hypothesis"] != held["name"]:
        return held
    return _thought(doc, deed) or held


def _proof(doc: Mapping[str, Any], cause: Mapping[str, Any] | None, deed: Mapping[str, Any] | None) -> Sequence[str]:
    """Name the values that a session's explanation stands on: those of the cause and of what was done for it; else all that was seen."""
    if cause is None:
        return [one["result"] for one in doc["deeds"] if one["action"]["purpose"] == "diagnose" and one["value"] is not None]
    acted = deed["action"]["evidence"] if deed is not None and deed["action"]["hypothesis"] == cause["name"] else ()
    return list(acted or cause["evidence"])


def _thought(doc: Mapping[str, Any], deed: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Give the hypothesis that an action follows from, as it stood when the action was proposed."""
    if deed is None:
        return None
    wanted, found = deed["action"]["hypothesis"], None
    for step in doc["steps"]:
        for one in (step["answer"].get("thought") or {}).get("hypotheses") or ():
            if one["name"] == wanted and (one["state"] == "chosen" and (found is None or found["state"] != "chosen")):
                found = one
    return found


def _why(doc: Mapping[str, Any], thought: Mapping[str, Any] | None, action: Mapping[str, Any] | None) -> str:
    ranked = hypotheses(doc)
    if thought is None:
        if action is not None:
            return str(action["action"]["why"])
        closed = doc["session"]["phase"] == "closed"
        rest = counted(ranked)
        return f"no cause {'was settled on' if closed else 'has been settled on yet'}{f': {rest}' if rest else ''}"
    record = f"{thought['worked']} of {thought['tried']} times it worked before" if thought["tried"] else "no record yet"
    away = sum(one["state"] in AWAY for one in ranked)
    proof = len(thought["evidence"])
    return (
        f"{thought['cause']}: {thought['because']} (confidence {thought['confidence']:.2f}, prior {thought['prior']:.2f}, {record}); "
        f"{proof} {'piece' if proof == 1 else 'pieces'} of evidence, {away} {'alternative' if away == 1 else 'alternatives'} ruled out"
    )


def _who(doc: Mapping[str, Any], cards: Sequence[Mapping[str, Any]], deeds: Sequence[Mapping[str, Any]]) -> str:
    agent = doc["session"]["agent"]
    votes = [f"{one['by']} {_said(one['verb'])}: {one['reason']}" for card in cards for one in card["votes"]]
    if votes:
        return f"agent:{agent} proposed; {'; '.join(votes)}"
    if any(card["state"] == "waiting" for card in cards):
        return f"agent:{agent} proposed; nobody has answered yet"
    if doc["session"]["waiting"] == "answer":
        return f"agent:{agent} asks; nobody has answered yet"
    replied = [str(one["replied_by"]) for one in doc["steps"] if one.get("replied_by")]
    if replied:
        return f"agent:{agent} asked; {', '.join(sorted(set(replied)))} answered"
    zones = sorted({str(one["zone"]) for one in deeds})
    return f"agent:{agent}, by itself inside its grant ({', '.join(zones) or 'green'}); nobody was asked"


def _said(verb: str) -> str:
    return {"approve": "approved", "reject": "rejected", "edit": "edited", "changes": "asked for changes"}.get(verb, verb)


def _evidence(doc: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = doc["values"].get(name, {})
    deed = next((one for one in doc["deeds"] if one["result"] == name), None)
    return {
        "id": name,
        "asked": deed["action"]["why"] if deed else "",
        "origin": value.get("origin", ""),
        "digest": value.get("digest", ""),
        "body": value.get("body"),
    }


def _policy(deed: Mapping[str, Any], doc: Mapping[str, Any]) -> dict[str, Any]:
    found = [one for one in doc["log"] if one["name"] == "action.decided" and one["action"] == deed["action"]["id"]]
    policy = found[-1]["body"].get("policy") if found else None
    rule = policy[1:] if isinstance(policy, list | tuple) else ()
    return {
        "action": deed["action"]["id"],
        "zone": deed["zone"],
        "digest": deed["policy_digest"],
        "rule": rule[0] if rule else "",
        "effect": rule[1] if len(rule) > 1 else "",
        "because": rule[2] if len(rule) > 2 else deed["why"],  # noqa: PLR2004 digest, rule, effect, reason
        "decisions": [{"index": one["index"], "verdict": one["body"].get("verdict"), "check": one["body"].get("check")} for one in found],
    }


def _change(deed: Mapping[str, Any]) -> dict[str, Any]:
    """Give how a change is put back, and where and how long it ran."""
    recipe, outcome = deed["recipe"], deed["outcome"] or {}
    return {
        "action": deed["action"]["id"],
        "kind": deed["action"]["kind"],
        "kind_digest": deed["action"]["kind_digest"],
        "status": deed["status"],
        "undo": recipe["undo"],
        "until": recipe["keep_until"] if recipe["undo"] else 0.0,
        "level": outcome.get("level", ""),
        "took_s": outcome.get("took_s", 0.0),
    }


def _runbook(doc: Mapping[str, Any]) -> dict[str, Any]:
    for thought in reversed(list(thoughts(doc))):
        if thought.get("runbook"):
            return {"name": thought["runbook"], "digest": thought["runbook_digest"], "selection": thought.get("selection") or {}}
    return {}


def _people(doc: Mapping[str, Any], cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    votes = [{**one, "about": card["id"]} for card in cards for one in card["votes"]]
    kinds = ("brain.answered", "session.pause", "session.resume", "session.cancel", "action.ruled", "review.answered")
    rest = [
        {"by": one["who"], "verb": one["name"], "reason": one["body"].get("reason") or one["body"].get("text", ""), "at": one["at"]}
        for one in doc["log"]
        if one["name"] in kinds
    ]
    return sorted([*votes, *rest], key=lambda one: one["at"])


def _line(one: Mapping[str, Any]) -> str:
    body, at = one["body"], datetime.fromtimestamp(one["at"], UTC).strftime("%H:%M:%S")
    told = TOLD.get(one["name"]) or f"{body.get('verdict')} by {body.get('check')}: {body.get('why')}"
    said = body.get("reason") or body.get("text") or body.get("error") or ""
    if one["name"] == "session.closed":
        said = body.get("outcome", "")  # the summary stands above
    if one["name"] in ("action.verified", "action.refuted"):
        said = "; ".join(str(note) for note in body.get("notes") or ())
    about = f" {one['action']}" if one["action"] else ""
    return f"{at} [{one['index']}] {one['who']}{about}: {told}{f' ({said})' if said else ''}"
