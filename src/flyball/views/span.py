"""What happened when, and how long it took: a session's spans on a line whose long waits are cut, and its figures in seconds.

A span is `{title, text, sort, start, end, x, width, cost_micros, going}`; `sort` is look, act, wait, check or undo; `x` and `width` are
thousandths of the line. A cut is `{x, width, seconds}`: its true length is told, so that a picture does not lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from flyball.views.explain import STEPPED
from flyball.views.word import looked, made

WIDTH = 1000.0
CUT = 46.0
CUT_FROM_S = 10.0
CUT_SHARE = 0.3
"""A stretch in which nothing but waiting happens is cut where it is longer than this share of the whole and than `CUT_FROM_S`."""
SAID = {"used": "approved", "changes": "changes asked for", "expired": "nobody answered in time", "void": "withdrawn"}
ANSWERED = ("approval.answered", "approval.expired", "approval.void")
HUMAN = ("approval.answered", "brain.answered", *STEPPED)


def timeline(doc: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Fold a session's document into spans on a line: `{spans, cuts, total_s}`."""
    spans = sorted(_spans(doc, now), key=lambda one: (one["start"], one["end"]))
    places, cuts = axis(spans)
    for one in spans:
        one["x"], one["width"] = places[one["start"]], max(places[one["end"]] - places[one["start"]], 3.0)
        one["x"] = min(one["x"], WIDTH - one["width"])
    total = max((one["end"] for one in spans), default=0.0) - min((one["start"] for one in spans), default=0.0)
    return {"spans": spans, "cuts": cuts, "total_s": total}


def axis(spans: Sequence[Mapping[str, Any]]) -> tuple[dict[float, float], list[dict[str, float]]]:
    """Map moments to places from 0 to 1000; a long stretch of mere waiting takes a fixed short width and is named with its length."""
    points = sorted({at for one in spans for at in (one["start"], one["end"])})
    if len(points) < 2:  # noqa: PLR2004 a line needs two ends
        return dict.fromkeys(points, 0.0), []
    whole = points[-1] - points[0]
    stretches = []
    for start, end in pairwise(points):
        busy = any(one["start"] <= start and one["end"] >= end and one["sort"] not in ("wait", "check") for one in spans)
        stretches.append((start, end, not busy and end - start > max(CUT_FROM_S, whole * CUT_SHARE)))
    real = sum(end - start for start, end, cut in stretches if not cut)
    scale = (WIDTH - CUT * sum(cut for *_, cut in stretches)) / real if real > 0 else 0.0
    place, places, cuts = 0.0, {points[0]: 0.0}, []
    for start, end, cut in stretches:
        width = CUT if cut else (end - start) * scale
        if cut:
            cuts.append({"x": place, "width": width, "seconds": end - start})
        place += width
        places[end] = min(place, WIDTH)
    return places, cuts


def _span(title: str, text: str, sort: str, when: tuple[float, float]) -> dict[str, Any]:
    return {"title": title, "text": text, "sort": sort, "start": when[0], "end": max(when), "cost_micros": 0, "going": False}


def _spans(doc: Mapping[str, Any], now: float) -> Iterator[dict[str, Any]]:
    """Give one span for each run of looks, each change, each wait, each verification and each undo."""
    looks: list[Mapping[str, Any]] = []
    for deed in doc["deeds"]:
        action = deed["action"]
        if action["purpose"] == "diagnose":
            looks.append(deed)
            continue
        if action["purpose"] == "verify":
            continue  # a part of the verification of the change before it
        if looks:
            yield _looked(looks, now)
            looks = []
        yield from _changed(doc, deed, now)
    if looks:
        yield _looked(looks, now)
    yield from _asked(doc, now)


def _looked(looks: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
    start = looks[0]["action"]["proposed_at"]
    going = any(one["status"] in ("running", "unknown", "held", "proposed", "allowed") for one in looks)
    end = now if going else max(one["settled_at"] or one["action"]["proposed_at"] for one in looks)
    names = [str(one["action"]["args"].get("command") or one["action"]["kind"]) for one in looks]
    return _span("Diagnose", ", ".join(names), "look", (start, end)) | {"cost_micros": sum(one["cost_micros"] for one in looks)}


def _changed(doc: Mapping[str, Any], deed: Mapping[str, Any], now: float) -> Iterator[dict[str, Any]]:
    action, entries = deed["action"], [one for one in doc["log"] if one["action"] == deed["action"]["id"]]
    found = {one["name"]: one["at"] for one in entries}
    if asked := found.get("approval.asked"):
        card: Mapping[str, Any] = next((one for one in doc["approvals"] if one["id"] == action["id"]), {})
        going = card.get("state") == "waiting"  # also where it was answered before and had to be asked again
        ended = [] if going else [one["at"] for one in entries if one["name"] in ANSWERED]
        stands = str(card.get("state", ""))
        said = SAID.get(stands, stands) if ended else f"{len(card.get('votes') or ())} of {card.get('quorum', 1)} answered"
        yield _span("Approval", said, "wait", (asked, max(ended) if ended else now)) | {"going": going}
    done = found.get("action.done") or found.get("action.failed") or deed["settled_at"]
    if deed["intended_at"] and "action.intended" in found:
        going = deed["status"] in ("running", "unknown")
        text = f"{action['kind']} on {action['target']}"
        yield _span(str(action["why"] or action["kind"]), text, "act", (found["action.intended"], done or now)) | {
            "cost_micros": deed["cost_micros"],
            "going": going,
        }
    proven = found.get("action.verified") or found.get("action.refuted")
    if done and (proven or (deed["status"] == "done" and deed["verified"] is None and action["purpose"] == "fix" and deed["checks"])):
        text = "held" if "action.verified" in found else "did not hold" if proven else f"{deed['checks']} looks so far"
        ended_at = proven or doc["session"]["closed_at"] or now
        yield _span("Verify", text, "check", (done, ended_at)) | {"going": not proven and not doc["session"]["closed_at"]}
    if begun := found.get("action.undoing"):
        undone = found.get("action.undone") or found.get("action.stuck") or now
        yield _span("Undo", f"{action['kind']} on {action['target']}", "undo", (begun, undone))


def _asked(doc: Mapping[str, Any], now: float) -> Iterator[dict[str, Any]]:
    for step in doc["steps"]:
        answer = step.get("answer") or {}
        if answer.get("is") == "ask":
            number = step["number"]
            told = [one["at"] for one in doc["log"] if one["name"] == "brain.answered" and one["body"].get("step") == number]
            ended = told[0] if told else doc["session"]["closed_at"] or now
            going = not told and not doc["session"]["closed_at"]
            yield _span("Question", str(answer.get("question", "")), "wait", (step["at"], ended)) | {"going": going}


def figures(doc: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Give the figures of a session: seconds to detect, decide, fix and waited for people; cost, confidence, interventions.

    `detect_s` runs from the time that the source states; it is None where it states none. `decide_s` runs from opening to the first
    change proposed, `fix_s` to the last verification that held of a change that stood then; both are None until then. `changes` were made.
    """
    head, log, deeds = doc["session"], doc["log"], doc["deeds"]
    opened, ended = head["opened_at"], head["closed_at"] or now
    started = min((one["at"] for one in doc["signals"] if one.get("at")), default=0.0)
    fixes = [one for one in deeds if one["action"]["purpose"] == "fix"]
    proven = [one for one in fixes if one["verified"] and (one["status"] == "done" or head["outcome"] == "fixed")]
    good = {one["action"]["id"] for one in proven if head["outcome"] in ("", "fixed")}
    held = [one["at"] for one in log if one["name"] == "action.verified" and one["action"] in good]
    by_people = [one for one in log if one["who"].startswith("person:") and one["name"] in HUMAN]
    waited = sum(one["end"] - one["start"] for one in _spans(doc, now) if one["sort"] == "wait")
    return {
        "detect_s": max(0.0, opened - started) if started else None,
        "decide_s": max(0.0, fixes[0]["action"]["proposed_at"] - opened) if fixes else None,
        "fix_s": held[-1] - opened if held else None,
        "total_s": max(0.0, ended - opened),
        "waited_s": waited,
        "cost_micros": head["cost_micros"],
        "confidence": fixes[-1]["action"]["confidence"] if fixes else None,
        "interventions": len(by_people),
        "looks": len(looked(doc)),
        "changes": sum(made(one) for one in fixes),
        "undone": sum(one["status"] == "undone" for one in deeds),
        "first_index": log[0]["index"] if log else None,
        "last_index": log[-1]["index"] if log else None,
    }
