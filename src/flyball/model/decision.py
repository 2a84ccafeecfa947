"""All that a decision may look at (Facts) and what came of it (Verdict, Decision)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from flyball.model.action import Action, Recipe, Zone
from flyball.model.approval import Approval
from flyball.model.grant import Freeze, Grant, Key, Standing, Target
from flyball.model.ids import Digest, Doc, Json
from flyball.model.kind import KindSpec
from flyball.model.money import Account, Bucket
from flyball.model.policy import PolicyAnswer
from flyball.model.provenance import Integrity


class Verdict(IntEnum):
    """Deny beats hold, hold beats allow."""

    ALLOW = 0
    HOLD = 1
    DENY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One answer of one check, or of all of them."""

    verdict: Verdict
    check: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoint:
    """Pause the session where a figure passes a threshold, for example cost_micros > 1000000 or targets > 3."""

    field: str
    op: str
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a decision may look at, gathered once. A fact that is missing never widens."""

    now: float
    spec: KindSpec | None = None
    enabled: bool = False
    target: Target | None = None
    args_fault: str = "not validated"
    key: Key | None = None
    chain: tuple[Grant, ...] = ()  # the grant in use first, then its parents up to the root
    chain_whole: bool = False
    uses_left: int = 0
    freezes: tuple[Freeze, ...] | None = None
    policy: PolicyAnswer | None = None
    policy_digest: Digest = Digest("")
    zone: Zone = Zone.RED
    context: Integrity = Integrity.OBSERVED
    cost_micros: int = 0
    budget: Account | None = None
    budget_cap: int = 0
    pace: tuple[tuple[Bucket, float, float], ...] | None = None  # bucket, burst, interval_s
    approval: Approval | None = None
    approvers: tuple[str, ...] = ()  # who of the voters still counts now
    standing: Standing | None = None
    standing_left: int = 0
    recipe: Recipe | None = None
    recipe_digest: Digest = Digest("")
    before_digest: Digest = Digest("")  # of the recipe but for how long its undo is kept
    level: str = "none"
    overdue_reviews: int = 0
    changes: int = 0  # of this agent in the last ten minutes
    others: tuple[str, ...] | None = None  # sessions at work on what this acts on; None: nobody knows
    waited: bool = False  # it was held because of them
    breakpoints: tuple[Breakpoint, ...] = ()
    attempt: int = 1
    shadow: bool = False
    extra: dict[str, float] = field(default_factory=dict)
    asked: Doc = field(default_factory=dict)  # the question that policy answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An action with the facts it was judged by and every opinion, for the record."""

    action: Action
    facts: Facts
    decision: Decision
    opinions: tuple[Decision, ...] = ()
