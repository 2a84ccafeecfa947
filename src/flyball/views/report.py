"""The post-mortem of a session as Markdown. Folded from its document; text from outside is fenced or escaped, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flyball.views.explain import STEPPED, did, reason_of, said_of
from flyball.views.session import CAME_BACK, ENDED, UNRESOLVED
from flyball.views.thought import AWAY, hypotheses, left_open, settled, suspected
from flyball.views.word import began, claimed, clip, held, stood, waits

HOUR_S = 3600
LONGEST = 2000
"""Characters of one text; what was brought in from outside may be long."""
OVER = ("resolved", CAME_BACK)
PEOPLE = ("approval.asked", "approval.answered", "approval.expired", "approval.void", "brain.asked", "brain.answered")

TIMES = (("detect_s", "time to detect"), ("decide_s", "time to decide"), ("fix_s", "time to fix"), ("waited_s", "waited for people"))
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~])")
_SKIPPED = ("key.issued", "key.revoked", "principal.set", "brain.proposed")


def markdown(doc: Mapping[str, Any], figures: Mapping[str, Any], checkpoint: str = "") -> str:
    """Write the post-mortem. `figures` are those of `span.figures`; `checkpoint` the log's newest signed head."""
    parts = (_head(doc), _summary(doc), _impact(doc, figures), _figures(figures), _cause(doc), _done(doc), _people(doc), _line(doc))
    return "\n".join(line for part in (*parts, _proof(doc, checkpoint), _follow(doc)) for line in part) + "\n"


def _plain(text: object) -> str:
    """Give a text on one line, clipped, with everything that Markdown or HTML would read taken as a letter."""
    flat = " ".join("".join(one if one.isprintable() else " " for one in clip(str(text), LONGEST)).split())
    return _MARKUP.sub(r"\\\1", flat)


def _code(text: object) -> str:
    """Give a name as code on one line: what could end the code early is taken out."""
    return f"`{''.join(one if one.isprintable() and one != '`' else ' ' for one in clip(str(text))).strip() or ' '}`"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "not known"


def _lasting(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    whole = int(seconds)
    if whole < HOUR_S:
        return f"{seconds:.1f} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"  # noqa: PLR2004 seconds of a minute
    hours, minutes = whole // HOUR_S, whole % HOUR_S // 60
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"  # noqa: PLR2004 hours of two days


def _head(doc: Mapping[str, Any]) -> Iterator[str]:
    head = doc["session"]
    yield f"# {_plain(head['title'])}"
    yield ""
    yield f"Session `{head['id']}` on {_code(head['target'])} by agent {_code(head['agent'])}, opened {_when(head['opened_at'])}."


def _summary(doc: Mapping[str, Any]) -> Iterator[str]:
    head = doc["session"]
    yield "\n## Summary\n"
    if head["phase"] == "closed":
        yield f"Closed as **{_plain(head['outcome'])}**{_plain(claimed(doc))} at {_when(head['closed_at'])}. {_plain(head['summary'])}"
    else:
        yield f"Still open: it {waits(head)}{f': {_plain(why)}' if (why := held(doc)) else ''}."


def _impact(doc: Mapping[str, Any], figures: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Impact\n"
    for one in doc["signals"]:
        state = one["state"] if one["state"] in OVER else "still firing"
        told = [f"since {_when(one['at'])}"] if one["at"] else []
        told += [f"seen {_times(one['seen'])} in all", *([] if one["source"] in UNRESOLVED else [state])]
        yield f"- {_plain(one['name'])} on {_code(one['target'])}: {_plain(one['summary'])} ({', '.join(told)})"
    made, undone = figures["changes"], figures["undone"]
    was = f"{made} changes were made" if made != 1 else "1 change was made"
    yield f"- {was}, {undone} put back." if made else "- Nothing was changed."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Figures\n\n| figure | value |\n|---|---|"
    for name, title in TIMES:
        yield f"| {title} | {_lasting(figures[name])} |"
    yield f"| interventions by people | {figures['interventions']} |"
    yield f"| cost | ${figures['cost_micros'] / 1_000_000:.4f} |"
    if figures["confidence"] is not None:
        yield f"| confidence of the last change | {figures['confidence']:.2f} |"


def _cause(doc: Mapping[str, Any]) -> Iterator[str]:
    ranked, held = hypotheses(doc), settled(doc)
    yield "\n## Root cause\n"
    if held:
        record = f"{held['worked']} of {held['tried']}" if held["tried"] else "no record yet"
        figures = f"confidence {held['confidence']:.2f}, prior {held['prior']:.2f}, own record: {record}"
        yield f"**{_plain(held['cause'])}**: {_plain(held['because'])} (`{held['name']}`, {figures})."
        for name in held["evidence"]:
            value = doc["values"].get(name, {})
            deed = next((one for one in doc["deeds"] if one["result"] == name), None)
            asked = f"{_plain(deed['action']['why'])}; " if deed else ""
            yield f"- evidence {_code(name)}: {asked}{_plain(value.get('origin', 'a value no longer kept'))}, `{value.get('digest', '')}`"
    else:
        deeds = [one for one in doc["deeds"] if one["action"]["purpose"] in ("fix", "notify")]
        told = _plain(said_of(deeds)).capitalize() if deeds and not ranked else "No cause was settled on."
        yield "No cause was proven." if suspected(doc) else told
    away = [one for one in ranked if one["state"] in AWAY]
    for title, found in (("Left open", left_open(ranked, held)), ("Ruled out", away)):
        if found:
            yield f"\n{title}:\n"
        for one in found:
            word = "tried and refuted, " if one["state"] == "refuted" else ""
            yield f"- {_plain(one['cause'])}: {word}{_plain(one['because'])}"


def _done(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## What was done\n"
    deeds = [one for one in doc["deeds"] if one["action"]["purpose"] in ("fix", "notify")]
    for one in deeds:
        action, note = one["action"], f" {_plain(one['verify_note'])}" if one["verify_note"] else ""
        yield f"- {_code(action['id'])} {_plain(action['kind'])} on {_code(action['target'])} ({one['zone']}): {_plain(stood(one))}.{note}"
    if not any(began(one) for one in deeds if one["action"]["purpose"] == "fix"):
        yield "\nNothing was changed." if deeds else "Nothing was changed."


def _people(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## People\n"
    said = [one for one in doc["log"] if one["name"] in PEOPLE or (one["name"] in STEPPED and one["who"].startswith("person:"))]
    for one in said:
        words = _plain(reason_of(one))
        yield f"- {_when(one['at'])} {_code(one['who'])} {_plain(did(one))}{f': {words}' if words else ''}"
    if not said:
        yield "Nobody was asked and nobody stepped in."


def _line(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Timeline\n"
    asked = {one["action"]["id"]: f"{one['action']['kind']}: {one['action']['why']}" for one in doc["deeds"]}
    looks = {one["action"]["id"] for one in doc["deeds"] if one["action"]["purpose"] == "verify"}
    for one in doc["log"]:
        if one["name"] in _SKIPPED or one["action"] in looks:
            continue
        about = f" {_code(one['action'])}" if one["action"] else ""
        yield f"- {_when(one['at'])} [{one['index']}] {one['name']}{about} ({_plain(one['who'])}){_said(one, asked)}"


def _said(one: Mapping[str, Any], asked: Mapping[str, str]) -> str:
    """Give what an entry of the timeline says beside its name: a decision what was decided on, and why not where it was no yes."""
    body, words = one["body"], reason_of(one)
    if one["name"] == "action.decided":
        no = f"{body.get('verdict')} by {body.get('check')}: {body.get('why')}" if body.get("verdict") != "allow" else ""
        words = "; ".join(filter(None, (asked.get(one["action"], ""), no)))
    return f": {_plain(words)}" if words else ""


def _proof(doc: Mapping[str, Any], checkpoint: str) -> Iterator[str]:
    yield "\n## Proof\n"
    if doc["log"]:
        yield f"Log entries {doc['log'][0]['index']} to {doc['log'][-1]['index']}. Check them with `flyball audit verify`."
    if checkpoint:
        yield f"\nNewest signed checkpoint:\n\n```\n{checkpoint.strip()}\n```"


def _follow(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Follow-ups\n"
    yield from (f"- {one}" for one in _wanted(doc) or ["None that the record shows."])


def _wanted(doc: Mapping[str, Any]) -> list[str]:
    """Give what a person must still do."""
    head = doc["session"]
    firing = [_plain(one["name"]) for one in doc["signals"] if one["state"] not in OVER and one["source"] not in UNRESOLVED]
    ruled = {one["action"] for one in doc["log"] if one["name"] == "action.ruled"}
    found = [f"Answer approval {_code(one['id'])} by {_when(one['expires_at'])}." for one in doc["approvals"] if one["state"] == "waiting"]
    if head["phase"] != "closed":
        found += ["Answer the question of the session."] if head["waiting"] == "answer" else []
        found += [f"Look why it is held: {_plain(why)}."] if (why := held(doc)) else []
        found += ["Resume or cancel the session: it is paused."] if head["paused"] else []
    found += [f"Review {_code(one['id'])}, due {_when(one['due_at'])}." for one in doc["reviews"] if one["state"] == "waiting"]
    for one in doc["deeds"]:
        name, stuck = one["action"]["id"], one["status"] == "stuck"
        found += [f"Settle {_code(name)}: {_plain(stood(one))}."] if stuck and name not in ruled else []
        found += [f"Put {_code(name)} back by hand: {stood(one)}."] if one["status"] == "done" and one["verified"] is False else []
        found += [f"Look again: {_code(name)} had helped and was put back."] if one["status"] == "undone" and one["verified"] else []
    found += [f"Correction of {_code(one['id'])}: {_plain(one['correction'])}" for one in doc["reviews"] if one["correction"]]
    if head["phase"] == "closed" and head["outcome"] not in ENDED:
        found.append(f"A person must look: it ended as {_plain(head['outcome'])}, without a proven fix.")
    if head["phase"] == "closed" and firing:
        found.append(f"Not resolved yet: {', '.join(firing)}.")
    return found
