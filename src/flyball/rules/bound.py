"""The bounds of autonomy: how many steps, how long, how many fixes that failed, how much without anything new."""

from __future__ import annotations

from collections.abc import Sequence

from flyball.model.action import Purpose, Status
from flyball.model.grant import Agent
from flyball.model.session import Session, Step

IDLE_MOST = 6
"""Steps in a row that brought nothing new."""


def reached(session: Session, steps: Sequence[Step], agent: Agent, now: float) -> str:
    """Say which bound is reached, or ""."""
    fixes = [step.deed for step in steps if step.deed and step.deed.action.purpose is Purpose.FIX]
    failed = [deed for deed in fixes if deed.status is not Status.DONE or deed.verified is False]
    bounds = (
        (session.step >= agent.max_steps, f"{agent.max_steps} steps without an end"),
        (now >= session.opened_at + agent.max_s, f"{agent.max_s:g} s have passed"),
        (len(failed) >= agent.max_fixes, f"{len(failed)} fixes did not work"),
        (session.idle >= IDLE_MOST, f"{session.idle} steps brought nothing new"),
    )
    return next((f"stopped: {why}; a person must look" for over, why in bounds if over), "")
