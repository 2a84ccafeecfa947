"""A session's steps as rows with exactly agent_id, input_context, reasoning_summary, action, result, confidence, feedback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flyball.views.thought import settled
from flyball.views.word import superseded

FIELDS = ("agent_id", "input_context", "reasoning_summary", "action", "result", "confidence", "feedback")


def steps(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fold a session's document into one row per step, the one that closed it last. The shape is `defaults/schemas/step.schema.json`.

    An agent elsewhere has no steps: each action that it proposed is one.
    """
    deeds = {one["action"]["id"]: one for one in doc["deeds"]}
    said = {one["id"]: one for one in doc["approvals"]}
    reviews = {one["id"]: one for one in doc["reviews"]}
    own = [(step, _deed(deeds, f"{doc['session']['id']}.{step['number']}")) for step in doc["steps"]]
    found = own or [(_elsewhere(number, deed), deed) for number, deed in enumerate(_proposed(doc), 1)]
    number = max((int(step["number"]) for step, _ in found), default=0) + 1
    return [_row(doc, step, deed, (said, reviews)) for step, deed in (*found, *((end, None) for end in _end(doc, number)))]


def _proposed(doc: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in doc["deeds"] if one["action"]["purpose"] != "verify" and not superseded(one)]


def _elsewhere(number: int, deed: Mapping[str, Any]) -> Mapping[str, Any]:
    action = deed["action"]
    thought = {"summary": action["why"]}
    return {"number": number, "at": action["proposed_at"], "answer": {"is": "propose", "proposal": action, "thought": thought}}


def _end(doc: Mapping[str, Any], number: int) -> Iterator[Mapping[str, Any]]:
    """Give the step that closed a session: it stands in the log, because nothing came after it."""
    for one in doc["log"]:
        if one["name"] == "session.closed":
            body = one["body"]
            yield {"number": number, "at": one["at"], "answer": {"is": "finish", "summary": body["summary"], "thought": body["thought"]}}


def _deed(deeds: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    while f"{name}e1" in deeds:  # an edit stands for what it superseded
        name = f"{name}e1"
    return deeds.get(name)


def _row(
    doc: Mapping[str, Any], step: Mapping[str, Any], deed: Mapping[str, Any] | None, people: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> dict[str, Any]:
    answer, head = step["answer"], doc["session"]
    thought, proposal = answer.get("thought") or {}, answer.get("proposal") or {}
    held = settled(doc) if answer["is"] == "finish" else None
    return {
        "agent_id": f"agent:{head['agent']}",
        "input_context": {
            "session": head["id"],
            "step": step["number"],
            "at": step["at"],
            "target": head["target"],
            "signals": [one["name"] for one in doc["signals"]],
            "evidence": list((held or proposal).get("evidence") or ()),
            "runbook": thought.get("runbook", ""),
            "runbook_digest": thought.get("runbook_digest", ""),
        },
        "reasoning_summary": str(thought.get("summary", "")),
        "action": _action(answer, deed),
        "result": _result(deed),
        "confidence": float((held or proposal).get("confidence", 0.0)),
        "feedback": _feedback(step, deed, people),
    }


def _action(answer: Mapping[str, Any], deed: Mapping[str, Any] | None) -> dict[str, Any]:
    if answer.get("is") != "propose":
        return {"type": str(answer.get("is", "")), "text": str(answer.get("question") or answer.get("summary") or "")}
    proposal = deed["action"] if deed else answer["proposal"]
    return {
        "type": "propose",
        "id": deed["action"]["id"] if deed else "",
        "kind": proposal["kind"],
        "target": proposal["target"],
        "args": proposal["args"],
        "purpose": proposal["purpose"],
        "digest": deed["action"]["digest"] if deed else "",
        "zone": deed["zone"] if deed else "",
    }


def _result(deed: Mapping[str, Any] | None) -> dict[str, Any]:
    if deed is None:
        return {"status": "none", "ok": None, "value": "", "error": "", "verified": None, "verify_note": ""}
    outcome = deed.get("outcome") or {}
    error = str(outcome.get("error") or (deed["why"] if deed["status"] in ("denied", "stuck") else ""))
    return {
        "status": deed["status"],
        "ok": outcome.get("ok"),
        "value": deed["result"],
        "error": error,
        "verified": deed["verified"],
        "verify_note": deed["verify_note"],
    }


def _feedback(
    step: Mapping[str, Any], deed: Mapping[str, Any] | None, people: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    approvals, reviews = people
    name = deed["action"]["id"] if deed else ""
    names = [name.removesuffix("e1"), name] if name.endswith("e1") else [name]
    votes = [vote for one in names if one in approvals for vote in approvals[one]["votes"]]
    found = [{"by": one["by"], "verb": one["verb"], "text": one["reason"], "at": one["at"]} for one in votes]
    if step.get("reply") and step["answer"].get("is") == "ask":
        found.append({"by": step["replied_by"], "verb": "answer", "text": step["reply"], "at": None})
    review = reviews.get(name)
    if review and review["state"] != "waiting":
        text = f"{review['reason']} {review['correction']}".strip()
        found.append({"by": review["by"], "verb": review["state"], "text": text, "at": review["at"]})
    return found
