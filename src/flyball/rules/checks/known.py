"""Only exact registry names exist: a variant in case, width, spaces or zero-width characters is unknown, and unknown is denied."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny kinds that are not registered or not enabled, and targets that are not in the catalogue."""
    if facts.spec is None or facts.spec.name != action.kind:
        return Decision(verdict=Verdict.DENY, check="known", why=f"no kind is named {action.kind!r}")
    if not facts.enabled:
        return Decision(verdict=Verdict.DENY, check="known", why=f"kind {action.kind!r} is not enabled")
    if facts.target is None or facts.target.name != action.target:
        return Decision(verdict=Verdict.DENY, check="known", why=f"the catalogue has no target {action.target!r}")
    return None
