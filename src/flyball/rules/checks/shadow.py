"""Shadow mode: plans and verdicts only."""

from __future__ import annotations

from flyball.model.action import Action, Reach
from flyball.model.decision import Decision, Facts, Verdict


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny every write in shadow mode; what the other checks would have said is recorded beside it."""
    if not facts.shadow or (facts.spec is not None and facts.spec.reach is Reach.READ):
        return None
    return Decision(verdict=Verdict.DENY, check="shadow", why=f"shadow mode: {action.kind} is not carried out")
