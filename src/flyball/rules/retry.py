"""Bounded retry with exponential back-off and full jitter."""

from __future__ import annotations

from flyball.model.action import Outcome, Reach, Zone
from flyball.model.kind import KindSpec

ATTEMPTS = 3
FIRST_S = 0.2
LONGEST_S = 5.0


def again(spec: KindSpec, zone: Zone, outcome: Outcome, attempt: int) -> bool:
    """Say whether the same deed may be tried again: transient, few so far, harmless twice, and never red."""
    harmless = spec.reach is Reach.READ or spec.idempotent
    return not outcome.ok and outcome.transient and harmless and zone is not Zone.RED and attempt < ATTEMPTS


def pause_s(attempt: int, jitter: float) -> float:
    """Give the wait before attempt `attempt` + 1; `jitter` is uniform in 0..1."""
    return min(LONGEST_S, FIRST_S * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)
