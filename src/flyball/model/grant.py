"""Who may do what, where, until when: principals, keys, grants, the service catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from flyball.model.action import Zone
from flyball.model.ids import Doc, GrantId, KeyId, PrincipalId, SessionId

OBSERVER = "observer"
"""The agent name of the observer: no manifest may take it."""


class Sort(StrEnum):
    """People, agents and services are different principals and never share a key."""

    PERSON = "person"
    AGENT = "agent"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who can present a key."""

    id: PrincipalId
    sort: Sort
    groups: tuple[str, ...] = ()
    owner: str = ""  # the accountable person of an agent or service
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Authority narrowed to one piece of work. Every field is exact; zero means zero; nothing is a wildcard.

    `constraints`: kind -> JSON pointer -> one of {"const": x}, {"enum": [...]}, {"prefix": "/a/"}, {"min": a, "max": b}.
    """

    id: GrantId
    agent: str
    session: SessionId
    kinds: tuple[str, ...]
    targets: tuple[str, ...]
    envs: tuple[str, ...]
    regions: tuple[str, ...] = ("",)  # "": targets of which no region is known
    ceiling: Zone
    uses: int
    budget_micros: int
    not_before: float
    expires_at: float
    constraints: Doc = field(default_factory=dict)
    parent: GrantId = GrantId("")
    depth: int = 0
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A credential as stored: only the SHA-256 of the secret. `scopes` bind what a person or service may call."""

    id: KeyId
    hash: str  # hex SHA-256 of the secret part
    principal: PrincipalId
    sort: Sort
    scopes: tuple[str, ...]
    grant: GrantId = GrantId("")
    session: SessionId = SessionId("")
    not_before: float = 0.0
    expires_at: float = 0.0
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that can be acted on, from the operator's catalogue. `facts` are what kinds need to reach it."""

    name: str
    env: str
    region: str = ""
    sensitivity: str = "normal"  # low, normal, high
    owner: str = ""
    depends_on: tuple[str, ...] = ()
    facts: Doc = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A named, owned holder of grants, from its manifest."""

    name: str
    role: str
    brain: str
    owner: str
    oncall: str = ""
    kinds: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # none: those of its targets
    ceiling: Zone = Zone.RED
    max_steps: int = 40
    max_s: float = 3600.0
    max_fixes: int = 4
    budget_micros: int = 1_000_000
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """The kill switch, scoped. `undoing` stops the undo as well; a thaw is a recorded pause with an end."""

    id: str
    scope: str  # all, agent:<name>, target:<name>, kind:<name>
    reason: str
    by: str
    at: float
    undoing: bool = False
    thawed_until: float = 0.0
    thawed_by: str = ""
    thaw_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A standing yes: one agent, one kind, one exact target, bounded by time and count; never for destructive kinds."""

    id: str
    agent: str
    kind: str
    target: str
    uses: int
    expires_at: float
    by: str
    reason: str
    revoked: bool = False
