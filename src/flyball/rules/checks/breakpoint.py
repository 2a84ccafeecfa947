"""Breakpoints at thresholds: pause there, whatever policy says."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict
from flyball.rules.approval import flaw
from flyball.rules.expect import compare


def check(action: Action, facts: Facts) -> Decision | None:
    """Hold where a figure passes its threshold and nobody has approved this digest; an unknown figure holds too."""
    for point in facts.breakpoints:
        figure = facts.extra.get(point.field)
        reached = figure is None or compare(point.op, figure, point.value)
        if reached and flaw(action, facts):
            return Decision(verdict=Verdict.HOLD, check="breakpoint", why=f"breakpoint {point.field} {point.op} {point.value}")
    return None
