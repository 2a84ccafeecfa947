"""What a policy engine answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from flyball.model.ids import Doc


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """`effect` is allow, deny or ask; `zone` green, yellow or red. Anything malformed has become a deny before it gets here."""

    effect: str
    zone: str
    reason: str
    rule: str
    group: str = ""
    quorum: int = 1
    factor: str = "none"
    obligations: tuple[str, ...] = ()
    constraints: Doc = field(default_factory=dict)
    asked: str = ""  # names the question, or is the foreign engine's own id of its decision
