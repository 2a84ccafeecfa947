"""Untrusted text never chooses where a change goes: a hijacked model is assumed, not detected."""

from __future__ import annotations

from flyball.model.action import Action, Reach
from flyball.model.decision import Decision, Facts, Verdict
from flyball.rules.approval import flaw
from flyball.rules.provenance import untrusted


def check(action: Action, facts: Facts) -> Decision | None:
    """For kinds that change something: deny observed, unendorsed sinks; hold other observed arguments for a person."""
    if facts.spec is None or facts.spec.reach is Reach.READ:
        return None
    sinks, others = untrusted(facts.spec, action.args, action.provenance)
    if sinks:
        return Decision(verdict=Verdict.DENY, check="provenance", why=f"{', '.join(sinks)} would be chosen by untrusted text")
    if others and flaw(action, facts):
        return Decision(verdict=Verdict.HOLD, check="provenance", why=f"{', '.join(others)} come from untrusted text")
    return None
