"""The kill switch. Approved or not, nothing under a freeze starts."""

from __future__ import annotations

from collections.abc import Iterable

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict
from flyball.model.grant import Freeze

SORTS = ("agent", "target", "kind")
MOST_SCOPE = 300
"""Characters of a scope: it goes into entries of the log."""


def is_scope(scope: str) -> bool:
    """Say whether a text names what a freeze stops. One that is misspelt would stop nothing."""
    sort, _, name = scope.partition(":")
    return scope == "all" or (sort in SORTS and bool(name) and len(scope) <= MOST_SCOPE and scope.isprintable())


def in_force(freezes: Iterable[Freeze], action: Action, now: float, *, undo: bool = False) -> Freeze | None:
    """Give the freeze that covers the action now, if any; for an undo only those that stop undoing too."""
    scopes = {"all", f"agent:{action.agent}", f"target:{action.target}", f"kind:{action.kind}"}
    for freeze in freezes:
        if freeze.scope in scopes and freeze.thawed_until <= now and (freeze.undoing or not undo):
            return freeze
    return None


def check(action: Action, facts: Facts) -> Decision | None:
    """Hold what is frozen until it is thawed; where freezes cannot be read, deny."""
    if facts.freezes is None:
        return Decision(verdict=Verdict.DENY, check="freeze", why="freezes cannot be read, so nothing may run")
    freeze = in_force(facts.freezes, action, facts.now)
    if freeze is None:
        return None
    return Decision(verdict=Verdict.HOLD, check="freeze", why=f"frozen ({freeze.scope}) by {freeze.by}: {freeze.reason}")
