"""Whoever acts presents a key of its own that counts now."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.decision import Decision, Facts, Verdict
from flyball.model.grant import Sort


def check(action: Action, facts: Facts) -> Decision | None:
    """Deny a missing, revoked, early or expired key, one of a person, and one of another session."""
    key = facts.key
    if key is None:
        why = "no key was presented"
    elif key.sort is not Sort.AGENT or key.principal != f"agent:{action.agent}":
        why = f"key {key.id} does not belong to agent {action.agent!r}"
    elif key.revoked or not key.not_before <= facts.now < key.expires_at:
        why = f"key {key.id} does not count any more"
    elif key.session != action.session:
        why = f"key {key.id} belongs to another session"
    else:
        return None
    return Decision(verdict=Verdict.DENY, check="key", why=why)
