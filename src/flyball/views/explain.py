"""What, why, who: the first screen of any session or action. Folded from a session's document (`session.page`).

`what`, `why` and `who` are one sentence each; the rest is what they stand on: evidence with digests, alternatives ruled out, the policy
and runbook digests, every person's words, and the log entries (`chain`) that prove it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flyball.rules.digest import trace_of
from flyball.views.thought import AWAY, UNTRIED, counted, hypotheses, left_open, settled, suspected, thoughts
from flyball.views.word import UNANSWERED, began, claimed, clip, held, made, stood, superseded, waits

TOLD = {
    "session.opened": "opened",
    "brain.asked": "asked a person",
    "brain.answered": "answered the question",
    "approval.asked": "asked for approval",
    "approval.answered": "answered the approval",
    "approval.expired": "nobody answered in time",
    "approval.void": "the question was withdrawn",
    "action.intended": "intent written",
    "action.done": "carried out",
    "action.failed": "failed",
    "action.unknown": "nobody knows whether it happened",
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
SAID = {"approve": "approved", "reject": "rejected", "edit": "edited", "changes": "asked for changes"}
ANSWERS = ("approval.answered", "review.answered", "action.ruled")
STEPPED = ("session.pause", "session.resume", "session.cancel", "action.undoing", "action.ruled", "review.answered")
"""What a person does without being asked by the door."""


def explain(doc: Mapping[str, Any], action: str = "") -> dict[str, Any]:
    """Explain a session, or one action of it. An unknown action gives an explanation that says so in `what`."""
    deeds = [one for one in doc["deeds"] if one["action"]["purpose"] in ("fix", "notify")]
    chosen = [one for one in doc["deeds"] if one["action"]["id"] == action] if action else deeds
    names = {one["action"]["id"] for one in chosen}
    cards = [one for one in doc["approvals"] if not action or one["id"] in names or _covers(one, chosen)]
    entries = [one for one in doc["log"] if one["name"] in TOLD or one["name"] == "action.decided"]
    seen = names if action else names | {one["action"]["id"] for one in doc["deeds"] if one["status"] in ("denied", "held")} | {""}
    chain = [one for one in entries if one["action"] in seen]
    best = chosen[-1] if chosen else None
    ranked = hypotheses(doc)
    cause = _thought(doc, best) if action else settled(doc)
    proof = (best["action"]["evidence"] if best else ()) if action else _proof(doc, cause or suspected(doc), best)
    return {
        "what": _what_action(best) if action else _what(doc, deeds),
        "why": _why(cause, ranked, len(proof)) if cause else _own(best) if action else _without_cause(doc, ranked, deeds),
        "who": _who(doc, cards, chosen, whole=not action),
        "trace": trace_of(doc["session"]["id"]),
        "hypothesis": cause,
        "evidence": [_evidence(doc, name) for name in proof],
        "ruled_out": [one for one in ranked if one["state"] in AWAY],
        "open": left_open(ranked, settled(doc)),
        "policy": [_policy(one, doc) for one in chosen],
        "changes": [_change(one) for one in chosen if one["recipe"] and one["status"] not in UNTRIED],
        "runbook": _runbook(doc),
        "people": _people(doc, cards, names if action else None),
        "range": [doc["log"][0]["index"], doc["log"][-1]["index"]] if doc["log"] else [],
        "chain": [line_of(one) for one in chain if one["name"] != "action.decided" or one["body"].get("verdict") != "allow"],
    }


def _covers(card: Mapping[str, Any], deeds: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["action"]["digest"] in card["covers"] or one["action"]["id"] == f"{card['id']}e1" for one in deeds)


def _what(doc: Mapping[str, Any], deeds: Sequence[Mapping[str, Any]]) -> str:
    head, deeds = doc["session"], [one for one in deeds if not superseded(one)]
    changed = any(began(one) for one in deeds if one["action"]["purpose"] == "fix")
    parts = [f"{clip(head['title'])} ({clip(head['target'])}).", *([] if changed else ["Nothing was changed."])]
    for words, told in (("What was done", [one for one in deeds if made(one)]), ("Not done", [one for one in deeds if not made(one)])):
        if told:
            parts.append(f"{words}: {', then '.join(f'{_short(one)} ({stood(one)})' for one in told)}.")
    return " ".join((*parts, _end(doc)))


def _short(deed: Mapping[str, Any]) -> str:
    return clip(f"{deed['action']['kind']} on {deed['action']['target']}")


def _end(doc: Mapping[str, Any]) -> str:
    """Say how a session ended: what its brain claims of it counts only as far as it is proven."""
    head = doc["session"]
    if head["phase"] != "closed":
        return f"It {waits(head)}{f': {why}' if (why := held(doc)) else ''}."
    return f"It ended as {head['outcome']}{claimed(doc)}: {clip(head['summary'])}"


def _what_action(deed: Mapping[str, Any] | None) -> str:
    if deed is None:
        return "there is no such action in this session"
    return f"{_short(deed)}, {deed['zone']}: {stood(deed)}. {deed['verify_note']}".strip()


def _proof(doc: Mapping[str, Any], cause: Mapping[str, Any] | None, deed: Mapping[str, Any] | None) -> Sequence[str]:
    """Name the values that a session's explanation stands on: those of the cause and of what was done for it; else all that was seen."""
    if cause is None:
        return [one["result"] for one in doc["deeds"] if one["action"]["purpose"] == "diagnose" and one["value"] is not None]
    acted = deed["action"]["evidence"] if deed is not None and deed["action"]["hypothesis"] == cause["name"] else ()
    return list(acted or cause["evidence"])


def _thought(doc: Mapping[str, Any], deed: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Give the hypothesis that a change follows from, as it stood when it was chosen. A look has its own reason."""
    wanted = deed["action"]["hypothesis"] if deed is not None and deed["action"]["purpose"] in ("fix", "notify") else ""
    found = (one for thought in thoughts(doc) for one in thought.get("hypotheses") or ())
    return next((one for one in found if one["name"] == wanted and one["state"] == "chosen"), None)


def _why(cause: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]], proof: int) -> str:
    record = f"{cause['worked']} of {cause['tried']} times it worked before" if cause["tried"] else "no record yet"
    rest = counted([one for one in ranked if one["name"] != cause["name"]])
    return (
        f"{cause['cause']}: {cause['because']} (confidence {cause['confidence']:.2f}, prior {cause['prior']:.2f}, {record}); "
        f"{proof} {'piece' if proof == 1 else 'pieces'} of evidence{f'; others: {rest}' if rest else ''}"
    )


def _own(deed: Mapping[str, Any] | None) -> str:
    """Give the reason that an action states itself, where no hypothesis is known."""
    return str(deed["action"]["why"] or "no reason was given") if deed else "there is no such action in this session"


def said_of(deeds: Sequence[Mapping[str, Any]]) -> str:
    """Give what an agent that tells no hypotheses says of the last change that it made, or else wanted."""
    last = next((one for one in reversed(deeds) if made(one)), deeds[-1])
    return f"no hypothesis was told; of {_short(last)} its agent says: {_own(last)}"


def _without_cause(doc: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]], deeds: Sequence[Mapping[str, Any]]) -> str:
    if deeds and not ranked:
        return said_of(deeds)
    closed, held = doc["session"]["phase"] == "closed", suspected(doc)
    rest = counted([one for one in ranked if held is None or one["name"] != held["name"]])
    if held is not None:
        return f"not proven, suspected: {held['cause']}: {held['because']}{f'; others: {rest}' if rest else ''}"
    return f"no cause {'was settled on' if closed else 'has been settled on yet'}{f': {rest}' if rest else ''}"


def _who(doc: Mapping[str, Any], cards: Sequence[Mapping[str, Any]], deeds: Sequence[Mapping[str, Any]], *, whole: bool) -> str:
    agent, names = f"agent:{doc['session']['agent']}", {one["action"]["id"] for one in deeds}
    asks = [one for one in doc["steps"] if one["answer"].get("is") == "ask"] if whole else []
    about = [one for one in doc["log"] if one["name"] in STEPPED and (one["action"] in names or (whole and not one["action"]))]
    steps = [f"{one['who']} {did(one)}: {reason_of(one)}" for one in about if one["who"].startswith("person:")]
    asked = [*(_answers(one) for one in cards), *(_reply(one, doc["session"]) for one in asks)]
    given = [one["body"]["standing"] for one in doc["log"] if one["body"].get("standing") and one["action"] in names]
    if asked or given:
        by = [f"standing grant {one} said yes beforehand" for one in given]
        verb = "proposed" if cards or given else "asks" if doc["session"]["waiting"] == "answer" else "asked"
        return f"{agent} {verb}; {'; '.join(dict.fromkeys((*asked, *by, *steps)))}"
    zones = ", ".join(sorted({str(one["zone"]) for one in deeds if made(one)}))
    way = (
        f"by itself inside its grant ({zones})"
        if zones
        else "proposed what was not done"
        if deeds
        else "only looked"
        if _looked(doc)
        else "has done nothing"
    )
    return "; ".join((f"{agent}, {way}; nobody was asked", *steps))


def _looked(doc: Mapping[str, Any]) -> bool:
    return any(one["status"] == "done" for one in doc["deeds"])


def _answers(card: Mapping[str, Any]) -> str:
    """Say who answered an approval, and how it ended where nobody did or not enough."""
    votes = [f"{one['by']} {SAID.get(one['verb'], one['verb'])}: {one['reason']}" for one in card["votes"]]
    ended = {"waiting": "nobody has answered yet", **UNANSWERED}
    more = {
        "waiting": f"{len(votes)} of {card['quorum']} have answered",
        "expired": "then its time ran out",
        "void": "then it was withdrawn",
    }
    last = (more if votes else ended).get(card["state"])
    return "; ".join((*votes, *([last] if last else [])))


def _reply(step: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """Say what became of a question."""
    if step["reply"]:
        return f"{step['replied_by']} answered: {step['reply']}"
    return "nobody has answered yet" if head["waiting"] == "answer" else "nobody answered the question"


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
        "until": recipe["keep_until"] if recipe["undo"] and deed["status"] in ("done", "held") else 0.0,
        "level": outcome.get("level", ""),
        "took_s": outcome.get("took_s", 0.0),
    }


def _runbook(doc: Mapping[str, Any]) -> dict[str, Any]:
    for thought in reversed(list(thoughts(doc))):
        if thought.get("runbook"):
            return {"name": thought["runbook"], "digest": thought["runbook_digest"], "selection": thought.get("selection") or {}}
    return {}


def _people(doc: Mapping[str, Any], cards: Sequence[Mapping[str, Any]], names: set[str] | None) -> list[dict[str, Any]]:
    """Give what people said and did: about the actions of these names, or about the whole session."""
    votes = [{**one, "about": card["id"]} for card in cards for one in card["votes"]]
    kinds = ("brain.answered", *STEPPED)
    rest = [
        {"by": one["who"], "verb": _verb(one), "reason": reason_of(one), "about": one["action"], "at": one["at"]}
        for one in doc["log"]
        if one["name"] in kinds and one["who"].startswith("person:") and (names is None or one["action"] in names)
    ]
    return sorted([*votes, *rest], key=lambda one: one["at"])


def did(one: Mapping[str, Any]) -> str:
    """Say what a person did without being asked by the door."""
    return f"{_verb(one)} {one['action']}".strip()


def _verb(one: Mapping[str, Any]) -> str:
    return {"action.undoing": "rolled back", "action.ruled": "settled"}.get(one["name"], TOLD[one["name"]])


def reason_of(one: Mapping[str, Any]) -> str:
    """Give the words of a log entry: what was said, asked, found or wrong."""
    body, name = one["body"], one["name"]
    if name == "session.closed":
        return str(body.get("outcome", ""))  # its summary stands above
    if name in ("action.verified", "action.refuted"):
        return "; ".join(str(note) for note in body.get("notes") or ())
    if name == "brain.asked":
        return str((body.get("answer") or {}).get("question", ""))
    verb = str(body.get("verb") or body.get("verdict") or "") if name in ANSWERS else ""
    said = next((str(body[part]) for part in ("reason", "text", "error", "why") if body.get(part)), "")
    return ": ".join(filter(None, (SAID.get(verb, verb), said, str(body.get("correction") or ""))))


def line_of(one: Mapping[str, Any]) -> str:
    """Give a log entry as one line: when, who, about what, what happened and why."""
    body, at = one["body"], datetime.fromtimestamp(one["at"], UTC).strftime("%H:%M:%S")
    about = f" {one['action']}" if one["action"] else ""
    if one["name"] == "action.decided":
        return f"{at} [{one['index']}] {one['who']}{about}: {body.get('verdict')} by {body.get('check')}: {body.get('why')}"
    said = reason_of(one)
    return f"{at} [{one['index']}] {one['who']}{about}: {TOLD.get(one['name'], one['name'])}{f' ({said})' if said else ''}"
