"""A person's yes to exactly one digest, with an end time; and the review of what already ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from flyball.model.action import Recipe, Zone
from flyball.model.ids import ActionId, Digest, Doc, SessionId


class ApprovalState(StrEnum):
    """Waiting moves to exactly one of the others; none of them moves again."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EDITED = "edited"
    CHANGES = "changes"
    EXPIRED = "expired"
    USED = "used"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's answer."""

    by: str
    verb: str  # approve, reject, edit, changes
    reason: str
    at: float
    factor: str = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The question and its answers. Its id is the action's id; `covers` are digests of the later steps of the same plan."""

    id: ActionId
    session: SessionId
    digest: Digest
    before_digest: Digest
    policy_digest: Digest
    covers: tuple[Digest, ...] = ()
    used: tuple[Digest, ...] = ()
    requester: str = ""
    group: str = ""
    quorum: int = 1
    factor: str = "none"
    rule: str = ""
    why: str = ""
    zone: Zone = Zone.RED
    asked_at: float = 0.0
    expires_at: float = 0.0
    state: ApprovalState = ApprovalState.WAITING
    votes: tuple[Vote, ...] = ()
    recipe: Recipe | None = None
    card: Doc = field(default_factory=dict)  # title, evidence, ruled_out, plan: what the door computed for the person
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A yellow action that ran and waits for a person's look."""

    id: ActionId
    session: SessionId
    agent: str
    due_at: float
    state: str = "waiting"  # waiting, fine, wrong
    by: str = ""
    reason: str = ""
    correction: str = ""
    at: float = 0.0
    version: int = 0
