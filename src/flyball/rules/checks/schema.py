"""Arguments are validated before anything else may look at them: a bad one never reaches the sandbox."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny arguments that break the kind's schema, and a confidence outside 0..1."""
    if facts.args_fault:
        return Decision(verdict=Verdict.DENY, check="schema", why=facts.args_fault)
    if not 0.0 <= action.confidence <= 1.0:
        return Decision(verdict=Verdict.DENY, check="schema", why=f"confidence {action.confidence} is outside 0..1")
    return None
