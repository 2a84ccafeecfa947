"""What is written about an action: its decision, its entries, its row. One transaction, fenced by the session's epoch."""

from __future__ import annotations

from dataclasses import replace

from flyball import wire
from flyball.core.visit import Visit
from flyball.model.action import Action, Deed, Status
from flyball.model.decision import Judged
from flyball.model.ids import Digest, Doc
from flyball.model.log import Change, Entry, Put
from flyball.ports import Plugs
from flyball.rules.digest import commit, digest
from flyball.rules.lifecycle import move


class Record:
    """Writes what the door and what lies behind it decided and did."""

    def __init__(self, plugs: Plugs) -> None:
        """Keep the ports."""
        self.plugs = plugs

    @staticmethod
    def decided(deed: Deed, judged: Judged, *path: Status, intended_at: float = 0.0, attempts: int = 0) -> Deed:
        """Give the deed with a decision, moved along its next statuses."""
        facts, now = judged.facts, deed.status
        for to in path:
            now = now if now is to else move(now, to)
        return replace(
            deed,
            status=now,
            zone=facts.zone,
            decision=judged.decision.check,
            why=judged.decision.why,
            policy_digest=facts.policy_digest,
            cost_micros=facts.cost_micros,
            recipe=facts.recipe or deed.recipe,
            intended_at=intended_at or deed.intended_at,
            attempts=attempts or deed.attempts,
        )

    def decision_body(self, deed: Deed, judged: Judged) -> Doc:
        """Give what the log keeps of a decision: what, why, by which rule, on what authority."""
        action, facts, policy = deed.action, judged.facts, judged.facts.policy
        spec = facts.spec
        hidden, salt = spec.sensitive if spec else (), self.plugs.clock.salt
        args = {name: commit(salt(), name, one) if f"/{name}" in hidden else one for name, one in wire.plain(action.args).items()}
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
            "policy": [facts.policy_digest, policy.rule, policy.effect, policy.reason, policy.asked] if policy else [facts.policy_digest],
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

    async def write(self, deed: Deed, entries: tuple[Entry, ...], visit: Visit, *, more: Change | None = None) -> Deed:
        """Write a deed's row with its entries, fenced by the session's epoch; `more` rides along. Give the deed as it then stands."""
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
        return replace(deed, version=deed.version + 1)


def pin(noun: object) -> Digest:
    """Give the digest of any noun: whole floats are written as integers, as RFC 8785 does."""
    return digest(wire.plain(noun), fold=True)


def sealed(action: Action) -> Action:
    """Give an action with the digest over all that will be done, and for whom. Raises NotCanonical."""
    whole = {name: getattr(action, name) for name in ("agent", "session", "kind", "kind_digest", "target", "args")}
    return replace(action, digest=digest({**whole, "purpose": action.purpose.value, "verify": wire.plain(action.verify)}, fold=True))


def row_of(deed: Deed) -> Put:
    """Give the row of a deed."""
    return Put(table="action", id=deed.action.id, expect=deed.version, body=deed, state=deed.status.value, session=deed.action.session)
