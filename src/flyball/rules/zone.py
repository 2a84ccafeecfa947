"""Zones only ever escalate: nothing here makes an action need less attention."""

from __future__ import annotations

from flyball.model.action import Reach, Zone
from flyball.model.grant import Target
from flyball.model.kind import KindSpec
from flyball.model.policy import PolicyAnswer


def zone_of(spec: KindSpec | None, target: Target | None, policy: PolicyAnswer | None, *, overdue: int) -> Zone:
    """Give the zone of an action. Policy names it; a missing answer is red; an overdue review turns yellow to red."""
    if spec is None or target is None or policy is None or policy.zone not in Zone.__members__.values():
        return Zone.RED
    zone = Zone(policy.zone)
    if spec.reach is Reach.WRITE and not spec.reversible and zone is Zone.GREEN:
        zone = Zone.YELLOW  # what cannot be put back is looked at
    if zone is Zone.YELLOW and overdue:
        zone = Zone.RED
    return zone
