"""Grant first, then ask: outside the grant is a deny without a question, so that nobody can be worn out by asking."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict
from flyball.rules.grant import fault, wider


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny what any grant of the chain does not cover, a broken chain, and a grant that is used up."""
    why = _why(action, facts)
    return Decision(verdict=Verdict.DENY, check="grant", why=why) if why else None


def _why(action: Action, facts: Facts) -> str:
    if not facts.chain or not facts.chain_whole or facts.key is None or facts.key.grant != facts.chain[0].id:
        return "no whole chain of grants stands behind the key"
    if facts.target is None:
        return "a grant covers only targets of the catalogue"
    if facts.chain[0].agent != action.agent:
        return f"grant {facts.chain[0].id} belongs to agent {facts.chain[0].agent!r}"
    for child, parent in zip(facts.chain, facts.chain[1:], strict=False):
        if loose := wider(parent, child):
            return f"grant {child.id} is wider than {parent.id}: {loose}"
    for grant in facts.chain:
        if outside := fault(grant, action, facts.target, facts.zone, facts.now):
            return outside
    return "" if facts.uses_left > 0 else f"grant {facts.chain[0].id} is used up"
