"""The one door. Every action of every brain, face and observer comes through `submit`; `core.attempt` is what lies behind it.

authenticate -> admit -> gather -> decide -> record, then: deny tells why, hold asks a person, allow goes on to `Attempt.attempt`,
which gathers and decides again before anything happens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flyball import wire
from flyball.core.gather import Gather
from flyball.core.keys import Keys
from flyball.core.record import Record, pin, sealed
from flyball.core.visit import Visit
from flyball.model.action import Action, Deed, Proposal, Status
from flyball.model.decision import Decision, Facts, Judged, Verdict
from flyball.model.ids import ActionId, Digest
from flyball.model.provenance import Value
from flyball.model.session import Session
from flyball.ports import Plugs
from flyball.rules.decide import judge
from flyball.rules.digest import NotCanonical, even, freeze
from flyball.rules.provenance import BadRefError, endorse, resolve

if TYPE_CHECKING:
    from flyball.core.approvals import Approvals
    from flyball.core.attempt import Attempt

ASKED_FOR = frozenset({"approval", "provenance", "breakpoint"})
"""Checks whose hold a person's yes can lift; freeze and pace lift by themselves."""


class Door:
    """Judges every action. `attempt` and `approvals` are set by `core.house` right after all three are made."""

    attempt: Attempt
    approvals: Approvals

    def __init__(self, plugs: Plugs, keys: Keys) -> None:
        """Keep the ports; kinds are pinned by digest here, once."""
        self.plugs, self.keys = plugs, keys
        self.pins = {name: pin(kind.spec) for name, kind in plugs.kinds.items()}
        self.facts, self.record = Gather(plugs, keys, self.pins), Record(plugs)

    async def submit(self, proposal: Proposal, visit: Visit, name: str) -> Deed:
        """Judge a proposal and, if allowed, carry it out. `name` is its idempotency key: the same name is the same action."""
        found = self.find(name)
        if found is not None:
            return await self.judge(found, visit) if found.status is Status.HELD else found
        with self.plugs.tracer.span("action", kind=proposal.kind, target=proposal.target, session=visit.session.id):
            action, fault = self.admit(proposal, visit, name)
            deed = Deed(action=action, status=Status.PROPOSED)
            if fault:
                no = Decision(verdict=Verdict.DENY, check="admit", why=fault)
                return await self.deny(
                    deed, Judged(action=action, facts=Facts(now=self.plugs.clock.now()), decision=no, opinions=(no,)), visit
                )
            return await self.judge(deed, visit)

    def find(self, name: str) -> Deed | None:
        """Give a deed as it stands, or None."""
        row = self.plugs.store.find("action", name)
        return replace(wire.parse(Deed, row.body), version=row.version) if row else None

    def admit(self, proposal: Proposal, visit: Visit, name: str) -> tuple[Action, str]:
        """Spell a proposal out: references resolved, leaves labelled and endorsed, one digest. Also gives what is wrong with it."""
        rules, fault = self.plugs.rules, ""
        try:
            raw, labels = resolve(proposal.args, lambda value: self._value(value, visit.session), visit.words)
            args = even(raw)
        except (BadRefError, NotCanonical) as bad:
            args, labels, fault = {}, {}, f"arguments: {bad}"
        kind, target = self.plugs.kinds.get(proposal.kind), rules.catalogue.get(proposal.target)
        if kind and target:
            labels = endorse(kind.spec, args, labels, target, rules.catalogue)
        pinned = self.pins.get(proposal.kind, Digest(""))
        action = Action(
            id=ActionId(name),
            session=visit.session.id,
            step=visit.session.step,
            agent=visit.who.principal.id.removeprefix("agent:"),
            kind=proposal.kind,
            kind_digest=pinned,
            target=proposal.target,
            args={},
            purpose=proposal.purpose,
            why=proposal.why,
            confidence=proposal.confidence,
            evidence=proposal.evidence,
            hypothesis=proposal.hypothesis,
            verify=proposal.verify,
            provenance=labels,
            digest=Digest(""),
            proposed_at=self.plugs.clock.now(),
        )
        try:
            return sealed(replace(action, args=freeze(args))), fault
        except NotCanonical as bad:
            return action, f"arguments: {bad}"

    def _value(self, name: str, session: Session) -> Value | None:
        """Give a value of this session only: what another session saw is not reachable by reference."""
        row = self.plugs.store.find("value", name)
        return wire.parse(Value, row.body) if row and row.session == session.id else None

    async def judge(self, deed: Deed, visit: Visit) -> Deed:
        """Decide on a proposed or held action and go on accordingly. Safe to call again after a crash."""
        with self.plugs.tracer.span("decide", kind=deed.action.kind):
            judged = judge(deed.action, self.facts.gather(deed, visit))
        if judged.decision.verdict is Verdict.DENY:
            return await self.deny(deed, judged, visit)
        if judged.decision.verdict is Verdict.ALLOW:
            return await self.attempt.attempt(deed, judged, visit)
        return await self.hold(deed, judged, visit)

    async def deny(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Record a no. The brain is told why."""
        deed = self.record.decided(deed, judged, Status.DENIED)
        entry = self.record.entry("action.decided", deed, visit, self.record.decision_body(deed, judged))
        return await self.record.write(deed, (entry,), visit)

    async def hold(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Record a hold; ask a person where a person can lift it. The session parks: a row, no task, no thread."""
        asks = any(one.verdict is Verdict.HOLD and one.check in ASKED_FOR for one in judged.opinions)
        approval = judged.facts.approval
        if not asks or (approval is not None and approval.id == deed.action.id and approval.state == "waiting"):
            if deed.status is Status.HELD and deed.decision == judged.decision.check:
                return deed
            deed = self.record.decided(deed, judged, Status.HELD)
            entry = self.record.entry("action.decided", deed, visit, self.record.decision_body(deed, judged))
            return await self.record.write(deed, (entry,), visit)
        return await self.approvals.ask(deed, judged, visit)
