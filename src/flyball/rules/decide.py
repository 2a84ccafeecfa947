"""The decision: every check is asked, deny beats hold beats silence, a missing fact never widens.

`core.door` calls `judge` before an action is admitted to run and `core.attempt` calls it again right before the intent is written.
"""

from __future__ import annotations

from collections.abc import Callable

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Judged, Verdict
from flyball.rules.checks import (
    approval,
    breakpoint,  # noqa: A004 the check's own name; the builtin has no use here
    budget,
    freeze,
    grant,
    isolation,
    key,
    known,
    lease,
    pace,
    policy,
    provenance,
    schema,
    shadow,
)

Check = Callable[[Action, Facts], Decision | None]

CHECKS: tuple[Check, ...] = (
    known.check,
    schema.check,
    key.check,
    grant.check,
    freeze.check,
    lease.check,
    provenance.check,
    policy.check,
    isolation.check,
    budget.check,
    pace.check,
    approval.check,
    breakpoint.check,
    shadow.check,
)
"""All of them, always. The order only names which of several equal answers is told first."""


def opinions(action: Action, facts: Facts) -> tuple[Decision, ...]:
    """Ask every check; silence is left out."""
    return tuple(opinion for check in CHECKS if (opinion := check(action, facts)) is not None)


def decide(action: Action, facts: Facts) -> Decision:
    """Give the weightiest opinion; silence from all means allow."""
    return judge(action, facts).decision


def judge(action: Action, facts: Facts) -> Judged:
    """Decide and keep every opinion for the record."""
    asked = opinions(action, facts)
    passed = Decision(verdict=Verdict.ALLOW, check="all", why="every check passed")
    decision = max((passed, *asked), key=lambda one: one.verdict)
    return Judged(action=action, facts=facts, decision=decision, opinions=asked)
