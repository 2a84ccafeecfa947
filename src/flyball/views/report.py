"""The post-mortem of a session as Markdown. Folded from its document; text from outside is fenced or escaped, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flyball.views.thought import AWAY, hypotheses, settled
from flyball.views.word import waits

TIMES = (("detect_s", "time to detect"), ("decide_s", "time to decide"), ("fix_s", "time to fix"), ("waited_s", "waited for people"))
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~])")
_HUMAN = ("approval.answered", "brain.answered", "review.answered", "session.pause", "session.resume", "session.cancel", "action.ruled")


def markdown(doc: Mapping[str, Any], figures: Mapping[str, Any], checkpoint: str = "") -> str:
    """Write the post-mortem. `figures` are those of `span.figures`; `checkpoint` the log's newest signed head."""
    parts = (_head(doc), _summary(doc), _impact(doc, figures), _figures(figures), _cause(doc), _done(doc), _people(doc), _line(doc))
    return "\n".join(line for part in (*parts, _proof(doc, checkpoint), _follow(doc)) for line in part) + "\n"


def _plain(text: object) -> str:
    """Give a text on one line with everything that Markdown or HTML would read taken as a letter."""
    flat = " ".join("".join(one if one.isprintable() else " " for one in str(text)).split())
    return _MARKUP.sub(r"\\\1", flat)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "not yet"


def _lasting(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"  # noqa: PLR2004 seconds of a minute


def _head(doc: Mapping[str, Any]) -> Iterator[str]:
    head = doc["session"]
    yield f"# {_plain(head['title'])}"
    yield ""
    yield f"Session `{head['id']}` on `{head['target']}` by agent `{head['agent']}`, opened {_when(head['opened_at'])}."


def _summary(doc: Mapping[str, Any]) -> Iterator[str]:
    head = doc["session"]
    yield "\n## Summary\n"
    if head["phase"] == "closed":
        yield f"Closed as **{_plain(head['outcome'])}** at {_when(head['closed_at'])}. {_plain(head['summary'])}"
    else:
        yield f"Still open: it {waits(head)}."


def _impact(doc: Mapping[str, Any], figures: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Impact\n"
    for one in doc["signals"]:
        state = "resolved" if one["state"] == "resolved" else "still firing"
        since = f"since {_when(one['at'])}, seen {one['seen']} times, {state}"
        yield f"- {_plain(one['name'])} on `{one['target']}`: {_plain(one['summary'])} ({since})"
    yield f"- {figures['changes']} changes were made, {figures['undone']} of them put back."


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
            yield f"- evidence `{name}`: {asked}{_plain(value.get('origin', 'a value no longer kept'))}, `{value.get('digest', '')}`"
    else:
        yield "No cause was settled on."
    for title, states in (("Left open", ("open",)), ("Ruled out", AWAY)):
        found = [one for one in ranked if one["state"] in states]
        if found:
            yield f"\n{title}:\n"
        for one in found:
            word = "tried and refuted, " if one["state"] == "refuted" else ""
            yield f"- {_plain(one['cause'])}: {word}{_plain(one['because'])}"


def _done(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## What was done\n"
    fixes = [one for one in doc["deeds"] if one["action"]["purpose"] in ("fix", "notify")]
    for one in fixes:
        action, state = one["action"], one["status"]
        proof = {True: "verified", False: "not verified"}.get(one["verified"], "not looked at")
        yield f"- `{action['id']}` {action['kind']} on `{action['target']}` ({one['zone']}): {state}, {proof}. {_plain(one['verify_note'])}"
    if not fixes:
        yield "Nothing was changed."


def _people(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## People\n"
    said = [one for one in doc["log"] if one["name"] in _HUMAN]
    for one in said:
        word = one["body"].get("verb") or one["body"].get("verdict") or one["name"].partition(".")[2]
        reason = one["body"].get("reason") or one["body"].get("text") or ""
        yield f"- {_when(one['at'])} `{one['who']}` {_plain(word)} {_plain(one['action'])}: {_plain(reason)}"
    if not said:
        yield "Nobody was asked and nobody stepped in."


def _line(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Timeline\n"
    skipped = ("key.issued", "key.revoked", "principal.set", "brain.proposed")
    asked = {one["action"]["id"]: f"{one['action']['kind']}: {_plain(one['action']['why'])}" for one in doc["deeds"]}
    for one in doc["log"]:
        looked = one["name"] in ("action.decided", "action.done") and ".v" in one["action"]
        if one["name"] not in skipped and not looked:
            about = f" {one['action']}" if one["action"] else ""
            what = f": {asked[one['action']]}" if one["name"] == "action.decided" and one["action"] in asked else ""
            yield f"- {_when(one['at'])} [{one['index']}] {one['name']}{about} ({one['who']}){what}"


def _proof(doc: Mapping[str, Any], checkpoint: str) -> Iterator[str]:
    yield "\n## Proof\n"
    if doc["log"]:
        yield f"Log entries {doc['log'][0]['index']} to {doc['log'][-1]['index']}. Check them with `flyball audit verify`."
    if checkpoint:
        yield f"\nNewest signed checkpoint:\n\n```\n{checkpoint.strip()}\n```"


def _follow(doc: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Follow-ups\n"
    found = [f"Review `{one['id']}`, due {_when(one['due_at'])}." for one in doc["reviews"] if one["state"] == "waiting"]
    found += [f"Settle `{one['action']['id']}`: it is stuck." for one in doc["deeds"] if one["status"] == "stuck"]
    found += [f"Correction of `{one['id']}`: {_plain(one['correction'])}" for one in doc["reviews"] if one["correction"]]
    if doc["session"]["outcome"] not in ("fixed", "resolved", "") or (doc["session"]["phase"] == "closed" and not doc["steps"]):
        found.append("A person must look: the session did not end with a proven fix.")
    yield from (f"- {one}" for one in found or ("None that the record shows.",))
