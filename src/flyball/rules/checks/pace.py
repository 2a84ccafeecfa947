"""How often: a token bucket per agent, target and kind."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict
from flyball.rules.pace import passes


def check(action: Action, facts: Facts) -> Decision | None:
    """Hold until every bucket has a token again; unknown buckets deny."""
    if facts.pace is None:
        return Decision(verdict=Verdict.DENY, check="pace", why="no pace is known")
    for bucket, burst, interval_s in facts.pace:
        if not passes(bucket, facts.now, burst, interval_s):
            return Decision(verdict=Verdict.HOLD, check="pace", why=f"{action.kind}: {bucket.id} has no token left")
    return None
