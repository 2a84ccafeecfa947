"""No isolation, no action; the read-only level is for reads."""

from __future__ import annotations

from flyball.model.action import Action, Reach
from flyball.model.box import Level
from flyball.model.decision import Decision, Facts, Verdict

STRONG = (Level.BWRAP.value, Level.SANDLOCK.value)


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny writes below a full sandbox, and everything where there is no isolation at all."""
    read = facts.spec is not None and facts.spec.reach is Reach.READ
    if facts.level in STRONG or (read and facts.level == Level.LANDLOCK.value):
        return None
    return Decision(verdict=Verdict.DENY, check="isolation", why=f"{action.kind} may not run at isolation level {facts.level!r}")
