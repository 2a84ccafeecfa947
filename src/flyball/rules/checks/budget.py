"""Money is set aside before it is spent."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny what would pass the cap; no account and a cap of zero mean no money."""
    if facts.budget is None:
        return Decision(verdict=Verdict.DENY, check="budget", why="no budget is known")
    left = facts.budget_cap - facts.budget.spent - facts.budget.held
    if facts.cost_micros < 0 or facts.cost_micros > left:
        why = f"{action.kind} costs {facts.cost_micros} micros, {left} are left"
        return Decision(verdict=Verdict.DENY, check="budget", why=why)
    return None
