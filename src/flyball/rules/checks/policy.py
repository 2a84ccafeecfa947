"""What policy says. Silence, an unknown word and no policy at all are a deny."""

from __future__ import annotations

from flyball.model.action import Action, Zone
from flyball.model.decision import Decision, Facts, Verdict


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny unless policy allows or asks, in so many words; an `ask` is held by the approval check."""
    answer = facts.policy
    if answer is None:
        return Decision(verdict=Verdict.DENY, check="policy", why=f"policy is silent on {action.kind!r}")
    if answer.effect == "deny":
        return Decision(verdict=Verdict.DENY, check="policy", why=f"{answer.rule}: {answer.reason}")
    if answer.effect not in ("allow", "ask") or answer.zone not in Zone.__members__.values():
        return Decision(verdict=Verdict.DENY, check="policy", why=f"policy gave {answer.effect!r} in zone {answer.zone!r}")
    return None
