"""What became of an action, and what a session waits for, in the words that every view uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MADE = ("running", "unknown", "done", "undoing", "undone", "stuck")
LONGEST = 300
WAITS = {
    "": "is at work",
    "approval": "waits for a person's yes or no",
    "answer": "waits for a person's answer",
    "verify": "waits for the observer's proof",
    "running": "waits for its action to end",
    "brain": "waits for the next action of its agent",
    "freeze": "waits for the end of a freeze",
    "pace": "waits for its pace",
    "lease": "waits for another session that works there",
    "others": "waits for another session that works on what its target depends on",
}
UNANSWERED = {"expired": "nobody answered in time", "void": "withdrawn before anybody answered"}
WORDS = {
    "done": "done",
    "proposed": "not judged yet",
    "allowed": "about to run",
    "running": "runs",
    "unknown": "nobody knows yet whether it happened",
    "undoing": "is being put back",
}


def made(deed: Mapping[str, Any]) -> bool:
    """Say whether a change was made, or may have been: not where it waits, was denied or failed."""
    return deed["status"] in MADE


def began(deed: Mapping[str, Any]) -> bool:
    """Say whether a change may have left something behind: also one that failed on its way."""
    return made(deed) or (deed["status"] == "failed" and not (deed["outcome"] or {}).get("transient"))


def looked(doc: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the looks of a session's agent that were taken, with or without a result: not those that wait or were denied."""
    looks = (one for one in doc["deeds"] if one["action"]["purpose"] == "diagnose")
    return [one for one in looks if one["status"] not in ("proposed", "held", "denied")]


def superseded(deed: Mapping[str, Any]) -> bool:
    """Say whether a person's edit took an action's place."""
    return str(deed["status"]) == "denied" and str(deed["why"]).startswith("superseded by ")


def shown_only(deed: Mapping[str, Any]) -> bool:
    """Say whether nothing but shadow mode stopped an action."""
    return (str(deed["status"]), str(deed["decision"])) == ("denied", "shadow")


def stood(deed: Mapping[str, Any]) -> str:
    """Say in few words what became of an action."""
    status, verified = str(deed["status"]), deed["verified"]
    if status == "done" and deed["action"]["purpose"] == "fix":
        return {True: "verified", False: "did not help, not put back"}.get(verified, "not verified")
    if status == "undone":
        nothing = " (nothing to undo)" if ((deed["recipe"] or {}).get("undo") or {}).get("do") == "nothing" else ""
        return f"{'did not help, put back' if verified is False else 'put back'}{nothing}"
    if status == "stuck":
        return clip(f"stuck: {deed['why']}")
    if status == "held":
        return "waits for approval" if deed["decision"] == "approval" else clip(f"waits: {deed['why']}")
    if status == "failed":
        return clip(f"failed: {(deed['outcome'] or {}).get('error') or 'no reason given'}")
    return _denied(deed) if status == "denied" else WORDS.get(status, status)


def _denied(deed: Mapping[str, Any]) -> str:
    if superseded(deed):
        return str(deed["why"])
    if shown_only(deed):
        return "shadow mode: only shown"
    if deed["decision"] == "approval":
        return clip(str(deed["why"]))
    if deed["decision"] == "session":
        return "withdrawn: the session was closed"
    return clip(f"denied by {deed['decision']}: {deed['why']}")


def waits(head: Mapping[str, Any]) -> str:
    """Say what a session that is not closed does now."""
    waiting = str(head["waiting"])
    return "is paused" if head["paused"] or waiting == "paused" else WAITS.get(waiting, f"is held by {waiting}")


def claimed(doc: Mapping[str, Any]) -> str:
    """Say what its brain claimed of a session that ended unproven; else nothing."""
    claims = [one["body"].get("claimed") for one in doc["log"] if one["name"] == "session.closed"]
    return f", claimed to be {claims[-1]}" if doc["session"]["outcome"] == "unproven" and claims else ""


def held(doc: Mapping[str, Any]) -> str:
    """Say why a session's action is held where that is not for a person's answer: a freeze, a pace, another session; else nothing."""
    found = [one for one in doc["deeds"] if one["status"] == "held" and one["decision"] != "approval"]
    return clip(str(found[-1]["why"])) if found and doc["session"]["phase"] != "closed" else ""


def clip(text: str, most: int = LONGEST) -> str:
    """Give a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
