"""Three incidents, played and told: break something for real, follow the session through the API, answer or wait for the answer.

`demo` calls it. What it prints comes from the API; the only thing it knows by itself is what it broke, and when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from flyball.backends.clock import SystemClock
from flyball.errors import UserError
from flyball.faces.cli import show
from flyball.faces.cli.card import card
from flyball.faces.cli.client import Api, part
from flyball.lab import child, estate

OPEN_S, CLOSE_S, ANSWER_S, HEAL_S = 90.0, 300.0, 1800.0, 60.0
STEP_S = 0.3
SETTLED = ("done", "failed", "undone", "stuck", "denied")
SHOWN = 3
STATES = {"chosen": "chosen", "confirmed": "confirmed", "refuted": "refuted", "open": "open", "ruled_out": "ruled out"}
VERDICTS = {"True": "verified", "False": "NOT verified"}
REASON = "read the card: the digest, the diff and the undo are as expected"
LOOKED = "looked at the service: it answers, and nothing else was touched"


@dataclass(frozen=True, slots=True)
class Incident:
    """One stop of the tour."""

    name: str
    zone: str
    title: str


INCIDENTS = (
    Incident("disk", "green", "The log file system is full"),
    Incident("kill", "yellow", "The web service was killed"),
    Incident("config", "red", "A bad commit makes the web service crash-loop"),
)


def incidents(only: Sequence[str] = ()) -> list[Incident]:
    """Give the incidents of the tour, or those that are named."""
    return [one for one in INCIDENTS if not only or one.name in only]


@dataclass(slots=True)
class Tour:
    """Plays incidents. `second` answers approvals where nobody shall be waited for."""

    api: Api
    second: Api | None
    lab: Path
    project: Path
    clock: SystemClock = field(default_factory=SystemClock)
    told: set[str] = field(default_factory=set)

    def play(self, one: Incident) -> dict[str, Any]:
        """Play one incident to its end and give its row of the table."""
        before = {row["id"] for row in self._sessions()}
        click.echo(click.style(f"\n{one.name} ({one.zone}): {one.title}", bold=True))
        at = self.clock.now()
        story = str(estate.break_(self.lab, one.name)["story"]).partition("\n\n")[2] or one.title
        for line in story.splitlines():
            click.echo(f"  {line}")
        result: dict[str, Any] = {"incident": one.name, "zone": "", "outcome": "no session", "session": "", "people": 0, "well": False}
        result |= {"detect_s": None, "decide_s": None, "fix_s": None}
        session = self._opened(before)
        if session:
            self._say(at, f"session {session} opened")
            result |= self._followed(session, at)
        result["well"] = self._well(one.name)
        self._say(at, f"closed: {result['outcome']}; the service {'is well' if result['well'] else 'is NOT well'}")
        self._calm()
        return result

    def _sessions(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.api.get("/v1/sessions", limit=1000)["sessions"]
        return rows

    def _opened(self, before: set[str]) -> str:
        """Wait for the session that the alert opens; empty where none comes."""
        found: list[str] = []

        def look() -> bool:
            found.extend(row["id"] for row in reversed(self._sessions()) if row["id"] not in before)
            return bool(found)

        return found[0] if child.wait_until(look, OPEN_S, STEP_S) else ""

    def _followed(self, session: str, at: float) -> dict[str, Any]:
        """Tell a session until it is closed; give what the table needs of it."""
        docs: list[dict[str, Any]] = []

        def look() -> bool:
            doc = self.api.get(f"/v1/sessions/{part(session)}")
            docs[:] = [doc]
            for key, line in news(doc):
                if key not in self.told:
                    self.told.add(key)
                    self._say(at, line)
            self._answered(doc)
            return bool(doc["session"]["phase"] == "closed")

        closed = child.wait_until(look, CLOSE_S if self.second else ANSWER_S, STEP_S)
        head, deeds = docs[0]["session"], docs[0]["deeds"]
        self._reviewed(docs[0])
        begun = min((deed["intended_at"] for deed in deeds if deed["action"]["purpose"] == "fix" and deed["intended_at"]), default=None)
        return {
            "zone": head["zone"],
            "outcome": head["outcome"] if closed else "timed out",
            "session": session,
            "people": sum(len(one.get("votes") or ()) for one in docs[0]["approvals"]),
            "detect_s": head["opened_at"] - at,
            "decide_s": begun - head["opened_at"] if begun else None,
            "fix_s": head["closed_at"] - begun if begun and closed else None,
        }

    def _answered(self, doc: dict[str, Any]) -> None:
        """Show what waits, once; then answer as the second person, or say how a person answers."""
        for row in doc["approvals"]:
            if row["state"] != "waiting" or f"asked {row['id']}" in self.told:
                continue
            self.told.add(f"asked {row['id']}")
            found = self.api.get(f"/v1/approvals/{part(row['id'])}")
            click.echo("\n" + "\n".join(f"    {line}" for line in card(found, self.api.now).splitlines()) + "\n")
            if self.second is None:
                click.echo(f"  This waits for you. Answer at {self.api.url}/approvals/{part(row['id'])}, or in another terminal:")
                click.echo(f'    flyball approve {row["id"]} --project {self.project} --reason "the diff is what I expect"')
                continue
            answer = self.second.post(f"/v1/approvals/{part(row['id'])}/approve", {"digest": found["digest"], "reason": REASON})
            click.echo(f"  person:second says yes to {found['digest']}: {answer['state']}")

    def _reviewed(self, doc: dict[str, Any]) -> None:
        """Tell of the review inbox; the second person looks at what lies there."""
        for row in doc["reviews"]:
            if row["state"] != "waiting":
                continue
            click.echo(f"  in the review inbox until {show.when(row['due_at'])}: {row['id']}")
            if self.second is None:
                click.echo(f'    flyball reviews answer {row["id"]} fine --project {self.project} --reason "it was right to restart"')
            else:
                self.second.post(f"/v1/reviews/{part(row['id'])}", {"verdict": "fine", "reason": LOOKED})

    def _well(self, fault: str) -> bool:
        """Look at the estate itself, not at what the session says of it."""
        return child.wait_until(lambda: fault not in estate.status(self.lab)["broken"], 10.0, STEP_S)

    def _calm(self) -> None:
        """Heal what is still broken and wait until nothing is at work, so that the next incident starts from a well estate."""
        for name in estate.heal(self.lab):
            click.echo(f"  healed by the tour itself: {name}")

        def calm() -> bool:
            return all(row["phase"] == "closed" for row in self._sessions())

        if not child.wait_until(calm, HEAL_S, STEP_S):
            for row in self._sessions():
                if row["phase"] != "closed":
                    self._cancel(row["id"])

    def _cancel(self, session: str) -> None:
        try:
            self.api.post(f"/v1/sessions/{part(session)}/cancel", {"reason": "the tour goes on to its next incident"})
        except UserError as fault:
            show.say(fault.lines())

    def _say(self, at: float, line: str) -> None:
        click.echo(f"  {self.clock.now() - at:6.1f} s  {line}")


def news(doc: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give what is worth telling of a session, each with a key by which it is told once."""
    name = doc["session"]["id"]
    for step in doc["steps"]:
        yield from _thought(name, (step.get("answer") or {}).get("thought") or {})
        if (step.get("answer") or {}).get("is") == "ask":
            yield f"{name} ask {step['number']}", f"asks: {show.plain(step['answer'].get('question'))}"
    if doc["session"]["waiting"] == "verify":
        yield f"{name} verify {doc['session']['current']}", "verifying: the observer looks by itself"
    for deed in doc["deeds"]:
        yield from _deed(deed)
    if doc["session"]["phase"] == "closed":
        yield f"{name} closed", f"summary: {show.plain(doc['session']['summary'])}"


def _thought(session: str, thought: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Tell the ranking when a hypothesis changes its state: the open ones first, then what was chosen, ruled out, refuted."""
    ranked = sorted(thought.get("hypotheses") or (), key=lambda one: -float(one.get("confidence") or 0))
    if not ranked:
        return
    parts = []
    for state, word in STATES.items():
        names = [_hypothesis(one) for one in ranked if one.get("state") == state]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        if names:
            parts.append(f"{word} {', '.join(names[:SHOWN])}{more}")
    key = " ".join(f"{one.get('name')}={one.get('state')}" for one in ranked)
    yield f"{session} thought {key}", f"hypotheses: {'; '.join(parts)}"


def _hypothesis(one: dict[str, Any]) -> str:
    return f"{show.plain(one.get('name')).rpartition('/')[2]} {float(one.get('confidence') or 0):.2f}"


def _deed(deed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    action, status = deed["action"], deed["status"]
    name, purpose = action["id"], action["purpose"]
    what = f"{action['kind']} {_object(action)}".rstrip()
    if purpose in ("diagnose", "verify"):
        if status in SETTLED:
            line = f"{'evidence' if purpose == 'diagnose' else 'check'}: {what}: {_result(deed)}"
            looked_at = name.rpartition(".v")[0]  # the observer looks again and again: told when it sees something else
            yield f"{looked_at} {line}" if looked_at else f"{name} {status}", line
        return
    if status in ("held", "denied"):
        yield f"{name} {status}", f"{status}: {what} [{deed['zone']}]: {show.plain(deed['why'])}"
    elif deed["intended_at"]:
        yield f"{name} do", f"action: {what} [{deed['zone']}]: {show.plain(action['why'])}"
    if status in SETTLED and status != "denied":
        yield f"{name} {status} {deed['verified']}", f"{status}: {what}{_said(deed)}"


def _object(action: dict[str, Any]) -> str:
    args = action.get("args") or {}
    found = args.get("command") or args.get("url") or args.get("channel") or ""
    return show.plain(found)


def _said(deed: dict[str, Any]) -> str:
    outcome = deed.get("outcome") or {}
    verdict = VERDICTS.get(str(deed.get("verified")), "")
    words = [verdict, show.plain(deed.get("verify_note")), show.plain(outcome.get("error"))]
    if deed["status"] == "denied":
        words.append(show.plain(deed.get("why")))
    said = "; ".join(word for word in words if word)
    return f": {said}" if said else ""


def _result(deed: dict[str, Any]) -> str:
    """Give what an action found in few words: its plain values, the end of its lines, else how many items there are."""
    return show.gist(deed.get("value")) if deed["status"] == "done" else f"{deed['status']}{_said(deed)}"
