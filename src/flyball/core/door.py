"""The one door. Every action of every brain, face and observer comes through `submit`; `core.attempt` is what lies behind it.

authenticate -> admit -> gather -> decide -> record, then: deny tells why, hold asks a person, allow goes on to `Attempt.attempt`,
which gathers and decides again before anything happens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flyball import wire
from flyball.core.keys import Keys, Who
from flyball.core.question import question
from flyball.errors import NotReady
from flyball.model.action import Action, Deed, Proposal, Reach, Recipe, Status
from flyball.model.approval import Approval
from flyball.model.decision import Decision, Facts, Judged, Verdict
from flyball.model.grant import Freeze, Standing
from flyball.model.ids import ActionId, Digest, Doc
from flyball.model.log import Change, Entry, Put
from flyball.model.money import Account, Bucket
from flyball.model.provenance import Value
from flyball.model.session import Session
from flyball.ports import Plugs
from flyball.rules.decide import judge
from flyball.rules.digest import NotCanonical, commit, digest, even, freeze
from flyball.rules.lifecycle import move
from flyball.rules.provenance import BadRefError, Words, endorse, lowest, resolve
from flyball.rules.zone import zone_of

if TYPE_CHECKING:
    from flyball.core.approvals import Approvals
    from flyball.core.attempt import Attempt

ASKED_FOR = frozenset({"approval", "provenance", "breakpoint"})
"""Checks whose hold a person's yes can lift; freeze and pace lift by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One passage through the door: who, for which session, in which words, as part of which plan."""

    who: Who
    session: Session
    words: Words
    covers: tuple[Digest, ...] = ()
    card: Doc = field(default_factory=dict)


class Door:
    """Judges every action. `attempt` and `approvals` are set by `core.house` right after all three are made."""

    attempt: Attempt
    approvals: Approvals

    def __init__(self, plugs: Plugs, keys: Keys) -> None:
        """Keep the ports; kinds are pinned by digest here, once."""
        self.plugs, self.keys = plugs, keys
        self.pins = {name: pin(kind.spec) for name, kind in plugs.kinds.items()}

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
        agent = visit.who.principal.id.removeprefix("agent:")
        whole = {"agent": agent, "session": visit.session.id, "kind": proposal.kind, "kind_digest": pinned, "target": proposal.target}
        try:
            frozen = freeze(args)
            name_of_all = digest({**whole, "args": args, "purpose": proposal.purpose.value})
        except NotCanonical as bad:
            frozen, name_of_all, fault = {}, Digest(""), f"arguments: {bad}"
        action = Action(
            id=ActionId(name),
            session=visit.session.id,
            step=visit.session.step,
            agent=agent,
            kind=proposal.kind,
            kind_digest=pinned,
            target=proposal.target,
            args=frozen,
            purpose=proposal.purpose,
            why=proposal.why,
            confidence=proposal.confidence,
            evidence=proposal.evidence,
            hypothesis=proposal.hypothesis,
            verify=proposal.verify,
            provenance=labels,
            digest=name_of_all,
            proposed_at=self.plugs.clock.now(),
        )
        return action, fault

    def _value(self, name: str, session: Session) -> Value | None:
        """Give a value of this session only: what another session saw is not reachable by reference."""
        row = self.plugs.store.find("value", name)
        return wire.parse(Value, row.body) if row and row.session == session.id else None

    async def judge(self, deed: Deed, visit: Visit) -> Deed:
        """Decide on a proposed or held action and go on accordingly. Safe to call again after a crash."""
        with self.plugs.tracer.span("decide", kind=deed.action.kind):
            judged = judge(deed.action, self.gather(deed.action, visit, recipe=deed.recipe))
        if judged.decision.verdict is Verdict.DENY:
            return await self.deny(deed, judged, visit)
        if judged.decision.verdict is Verdict.ALLOW:
            return await self.attempt.attempt(deed, judged, visit)
        return await self.hold(deed, judged, visit)

    def gather(self, action: Action, visit: Visit, *, recipe: Recipe | None = None, attempt: int = 1) -> Facts:
        """Look everything up that a decision may look at: the only look-ups there are."""
        plugs, rules = self.plugs, self.plugs.rules
        now = plugs.clock.now()
        kind = plugs.kinds.get(action.kind)
        target = rules.catalogue.get(action.target)
        key = self.keys.load(visit.who.key.id)
        chain, whole = self.keys.chain(key.grant) if key else ((), False)
        approval = self.find_approval(action)
        agent = rules.agents.get(action.agent)
        cost = kind.spec.cost_micros if kind else 0
        blast = recipe.blast if recipe else {}
        targets = blast.get("targets", 1)
        standing = self._standing(action)
        facts = Facts(
            now=now,
            spec=kind.spec if kind else None,
            enabled=kind is not None and action.kind_digest == self.pins[action.kind],
            target=target,
            args_fault=plugs.validator.fault(kind.spec.args, wire.plain(action.args)) if kind else "",
            key=key,
            chain=chain,
            chain_whole=whole,
            uses_left=min((grant.uses - self._drawn(f"uses:{grant.id}") for grant in chain), default=0),
            freezes=self._freezes(),
            policy_digest=Digest(plugs.policy.digest),
            context=lowest(action.provenance),
            cost_micros=cost,
            budget=self._account(chain[0].id) if chain else None,
            budget_cap=chain[0].budget_micros if chain else 0,
            pace=tuple((Bucket(id=name, due_at=plugs.store.bucket(name)), *self.rate(action.kind)) for name in buckets(action)),
            approval=approval,
            approvers=self.approvals.standing_voters(approval) if approval else (),
            standing=standing,
            standing_left=standing.uses - self._drawn(f"standing:{standing.id}") if standing else 0,
            recipe=recipe,
            before_digest=pin(recipe.before) if recipe else Digest(""),
            level=plugs.box.level.value,
            overdue_reviews=sum(
                row.body.get("agent") == action.agent for row in plugs.store.rows("review", state="waiting", due_by=now, limit=100)
            ),
            breakpoints=rules.breakpoints if kind and kind.spec.reach is Reach.WRITE else (),
            attempt=attempt,
            shadow=rules.shadow or visit.session.shadow,
            extra={"cost_micros": float(cost), "targets": float(targets) if isinstance(targets, int | float) else 1.0},
        )
        if kind and target and not facts.args_fault and plugs.policy.count:
            answer = plugs.policy.ask(question(action, facts, visit.session, agent))
            zone = zone_of(kind.spec, target, answer, overdue=facts.overdue_reviews)
            facts = replace(facts, policy=answer, zone=zone)
        return facts

    def rate(self, kind: str) -> tuple[float, float]:
        """Give burst and interval of a kind."""
        return self.plugs.rules.rates.kinds.get(kind, self.plugs.rules.rates.default)

    def _freezes(self) -> tuple[Freeze, ...] | None:
        try:
            return self.plugs.freezer.freezes()
        except NotReady:
            return None

    def _drawn(self, account: str) -> int:
        return sum(self.plugs.store.counter(account))

    def _account(self, grant: str) -> Account:
        spent, held = self.plugs.store.counter(f"budget:{grant}")
        return Account(id=f"budget:{grant}", spent=spent, held=held)

    def _standing(self, action: Action) -> Standing | None:
        row = self.plugs.store.find("standing", f"{action.agent}|{action.kind}|{action.target}")
        return wire.parse(Standing, row.body) if row else None

    def find_approval(self, action: Action) -> Approval | None:
        """Give the approval of this action, or the one of the plan it belongs to."""
        row = self.plugs.store.find("approval", action.id)
        if row is None:
            for other in self.plugs.store.rows("approval", session=action.session, state="approved"):
                covers = other.body.get("covers")
                if isinstance(covers, list) and action.digest in covers:
                    row = other
        return replace(wire.parse(Approval, row.body), version=row.version) if row else None

    async def deny(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Record a no. The brain is told why."""
        deed = self.decided(deed, judged, Status.DENIED)
        entry = self.entry("action.decided", deed, visit, self.decision_body(deed, judged))
        await self.write(deed, (entry,), visit)
        return replace(deed, version=deed.version + 1)

    async def hold(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Record a hold; ask a person where a person can lift it. The session parks: a row, no task, no thread."""
        asks = any(one.verdict is Verdict.HOLD and one.check in ASKED_FOR for one in judged.opinions)
        approval = judged.facts.approval
        if not asks or (approval is not None and approval.id == deed.action.id and approval.state == "waiting"):
            if deed.status is Status.HELD:
                return deed
            deed = self.decided(deed, judged, Status.HELD)
            await self.write(deed, (self.entry("action.decided", deed, visit, self.decision_body(deed, judged)),), visit)
            return replace(deed, version=deed.version + 1)
        return await self.approvals.ask(deed, judged, visit)

    @staticmethod
    def decided(deed: Deed, judged: Judged, status: Status) -> Deed:
        """Give the deed with a decision and its next status."""
        facts = judged.facts
        to = deed.status if deed.status is status else move(deed.status, status)
        return replace(
            deed,
            status=to,
            zone=facts.zone,
            decision=judged.decision.check,
            why=judged.decision.why,
            policy_digest=facts.policy_digest,
            cost_micros=facts.cost_micros,
            recipe=facts.recipe or deed.recipe,
        )

    def decision_body(self, deed: Deed, judged: Judged) -> Doc:
        """Give what the log keeps of a decision: what, why, by which rule, on what authority."""
        action, facts, policy = deed.action, judged.facts, judged.facts.policy
        spec = facts.spec
        args = wire.plain(action.args)
        for at in spec.sensitive if spec else ():
            name = at.removeprefix("/")
            if name in args:
                args[name] = commit(self.plugs.clock.salt(), name, args[name])
        return {
            "verdict": judged.decision.verdict.name.lower(),
            "check": judged.decision.check,
            "why": judged.decision.why,
            "opinions": [[one.verdict.name.lower(), one.check, one.why] for one in judged.opinions],
            "zone": facts.zone.value,
            "kind": action.kind,
            "kind_digest": action.kind_digest,
            "target": action.target,
            "args": args,
            "digest": action.digest,
            "purpose": action.purpose.value,
            "reason": action.why,
            "confidence": float(action.confidence),
            "hypothesis": action.hypothesis,
            "evidence": list(action.evidence),
            "provenance": {at: [one.origin, one.integrity.name.lower(), one.endorsed] for at, one in action.provenance.items()},
            "policy": [facts.policy_digest, policy.rule, policy.effect, policy.reason] if policy else [facts.policy_digest],
            "grant": facts.chain[0].id if facts.chain else "",
            "level": facts.level,
        }

    @staticmethod
    def entry(name: str, deed: Deed, visit: Visit, body: Doc) -> Entry:
        """Give a log entry about a deed."""
        who = visit.who
        return Entry(
            name=name,
            who=who.principal.id,
            session=deed.action.session,
            action=deed.action.id,
            behalf=who.principal.owner,
            origin=who.origin,
            body=body,
        )

    async def write(self, deed: Deed, entries: tuple[Entry, ...], visit: Visit, *, more: Change | None = None) -> None:
        """Write a deed's row with its entries, fenced by the session's epoch; `more` rides in the same transaction."""
        more = more or Change()
        change = Change(
            entries=(*entries, *more.entries),
            puts=(row_of(deed), *more.puts),
            draws=more.draws,
            settles=more.settles,
            passes=more.passes,
            fence=(visit.session.id, visit.session.epoch),
        )
        await self.plugs.store.commit(change)


def pin(noun: object) -> Digest:
    """Give the digest of any noun: whole floats are written as integers, as RFC 8785 does."""
    return digest(even(wire.plain(noun)))


def buckets(action: Action) -> tuple[str, ...]:
    """Name the pace buckets of an action: one per agent and kind, one per target and kind."""
    return (f"pace:agent:{action.agent}:{action.kind}", f"pace:target:{action.target}:{action.kind}")


def row_of(deed: Deed) -> Put:
    """Give the row of a deed."""
    body = wire.dump(deed)
    return Put(table="action", id=deed.action.id, expect=deed.version, body=body, state=deed.status.value, session=deed.action.session)
