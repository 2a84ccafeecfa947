"""Red, or asked for by policy: a person's yes to exactly this digest, or it does not run."""

from __future__ import annotations

from flyball.model.action import Action, Zone
from flyball.model.decision import Decision, Facts, Verdict
from flyball.rules.approval import flaw, settled_no, standing


def check(action: Action, facts: Facts) -> Decision | None:
    """Hold without a good approval; deny after a no. A standing grant answers for what is not destructive."""
    no = settled_no(facts)
    if no:
        return Decision(verdict=Verdict.DENY, check="approval", why=no)
    asked = facts.policy is None or facts.policy.effect != "allow"
    if facts.zone is not Zone.RED and not asked:
        return None
    why = flaw(action, facts)
    if not why or standing(action, facts):
        return None
    return Decision(verdict=Verdict.HOLD, check="approval", why=f"{facts.zone}: {why}")
