"""What policy says. Silence, an unknown word and no policy at all are a deny."""

from __future__ import annotations

from flyball.model.action import Action, Zone
from flyball.model.decision import Decision, Facts, Verdict
from flyball.model.policy import PolicyAnswer

DUTIES = frozenset({"verify", "recipe", "review"})
"""Obligations that are seen to: every fix is verified, every yellow action reviewed; a recipe without an undo is refused below."""
BOUNDS = frozenset({"approve_within_s", "keep_s"})
"""Constraints that are kept: when an approval ends at the latest, how long an undo is kept at the least."""


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny unless policy allows or asks, in so many words; an `ask` is held by the approval check."""
    answer = facts.policy
    if answer is None:
        return Decision(verdict=Verdict.DENY, check="policy", why=f"policy is silent on {action.kind!r}")
    if answer.effect == "deny":
        return Decision(verdict=Verdict.DENY, check="policy", why=f"{answer.rule}: {answer.reason}")
    if answer.effect not in ("allow", "ask") or answer.zone not in Zone.__members__.values():
        return Decision(verdict=Verdict.DENY, check="policy", why=f"policy gave {answer.effect!r} in zone {answer.zone!r}")
    unknown = {*answer.obligations} - DUTIES | {*answer.constraints} - BOUNDS
    if unknown:
        return Decision(verdict=Verdict.DENY, check="policy", why=f"policy wants what nobody here sees to: {', '.join(sorted(unknown))}")
    if "recipe" in answer.obligations and facts.recipe is not None and not facts.recipe.undo:
        return Decision(verdict=Verdict.DENY, check="policy", why="policy wants a way back, and the recipe has none")
    return None


def bound(answer: PolicyAnswer | None, name: str, other: float) -> float:
    """Give a bound that policy puts on an answer, or another figure where it puts none."""
    found = answer.constraints.get(name) if answer else None
    return float(found) if isinstance(found, int | float) else other
