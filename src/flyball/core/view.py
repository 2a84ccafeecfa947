"""What a brain is shown, folded from the rows of its session. Called by `sessions` before every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flyball import wire
from flyball.model.action import Deed
from flyball.model.approval import Approval
from flyball.model.ids import ValueId
from flyball.model.log import Row
from flyball.model.provenance import Value
from flyball.model.session import Session, Signal, Step, View
from flyball.ports import Plugs, Store

SHOWN = ("log", "port", "paths", "rotated", "mountpoint", "quarantine", "repo", "config", "health_url")
"""Facts of a target that a brain may see: where things are, never how they are controlled."""


def signals_of(store: Store, session: Session) -> tuple[Signal, ...]:
    """Give the signals of a session as they stand now."""
    rows = (store.find("signal", key) for key in session.signals)
    return tuple(wire.parse(Signal, row.body) for row in rows if row)


def steps_of(store: Store, session: Session) -> tuple[Step, ...]:
    """Give every step with its deed and a person's words, in order."""
    deeds = {row.id: row for row in store.rows("action", session=session.id, limit=5000)}
    approvals = {row.id: wire.parse(Approval, row.body) for row in store.rows("approval", session=session.id)}
    found = [_step(row, deeds, approvals) for row in store.rows("step", session=session.id)]
    return tuple(sorted(found, key=lambda step: step.number))


def _step(row: Row, deeds: dict[str, Row], approvals: dict[str, Approval]) -> Step:
    body = row.body
    name = f"{row.session}.{body['number']}"
    while f"{name}e1" in deeds:  # an edit stands for what it superseded
        name = f"{name}e1"
    deed = replace(wire.parse(Deed, deeds[name].body), version=deeds[name].version) if name in deeds else None
    said = approvals[name].votes[-1:] if name in approvals else ()
    number, at, answer = body["number"], body["at"], body["answer"]
    return Step(
        number=number if isinstance(number, int) else 0,
        answer=wire.parse_answer(answer if isinstance(answer, Mapping) else {}),
        at=float(at) if isinstance(at, int | float) else 0.0,
        deed=deed,
        reply=str(body.get("reply", "")) or "".join(vote.reason for vote in said),
        replied_by=str(body.get("replied_by", "")) or "".join(vote.by for vote in said),
    )


def view_of(plugs: Plugs, session: Session) -> View:
    """Build the view of a session."""
    store, agent = plugs.store, plugs.rules.agents[session.agent]
    target = plugs.rules.catalogue.get(session.target)
    shown = {name: target.facts[name] for name in SHOWN if target and name in target.facts}
    known = {"name": target.name, "env": target.env, "depends_on": list(target.depends_on)} if target else {}
    return View(
        session=session,
        now=plugs.clock.now(),
        signals=signals_of(store, session),
        steps=steps_of(store, session),
        values={row.id: wire.parse(Value, row.body) for row in store.rows("value", session=session.id, limit=5000)},
        kinds=tuple(name for name in agent.kinds if name in plugs.kinds),
        target={**shown, **known},
        record={row.id: _tally(row) for row in store.rows("record")},
        signal_value=ValueId(f"{session.id}.signal"),
    )


def _tally(row: Row) -> tuple[int, int]:
    tried, worked = row.body.get("tried"), row.body.get("worked")
    return (tried if isinstance(tried, int) else 0, worked if isinstance(worked, int) else 0)
