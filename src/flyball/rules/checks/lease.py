"""One session at a time changes a target: its own, and whatever else it acts on. Keeps two sessions from mending one dependency at once."""

from __future__ import annotations

from flyball.model.action import Action, Reach
from flyball.model.decision import Decision, Facts, Verdict

LONGEST_S = 900.0
"""How long a change waits for another session: two that wait for each other must not wait for ever."""


def check(action: Action, facts: Facts) -> Decision | None:
    """Hold a change while another session is at work there, then deny it: what it rests on was seen before that work."""
    if facts.spec is None or facts.spec.reach is Reach.READ or facts.spec.egress:
        return None  # a notice about a target does not change it
    if facts.others is None:
        return Decision(verdict=Verdict.DENY, check="lease", why="nobody knows who else is at work there")
    if facts.others and facts.now > action.proposed_at + LONGEST_S:
        return Decision(verdict=Verdict.DENY, check="lease", why=f"at work there for too long: {', '.join(facts.others)}")
    if facts.others:
        return Decision(verdict=Verdict.HOLD, check="lease", why=f"at work there: {', '.join(facts.others)}")
    if facts.waited:
        why = f"another session was at work on what {action.kind} changes: look again"
        return Decision(verdict=Verdict.DENY, check="lease", why=why)
    return None
