"""Where a value came from and how far it is trusted (DESIGN section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from flyball.model.ids import Digest, Json, ValueId


class Integrity(IntEnum):
    """How far the origin of a value is trusted; a join is the minimum."""

    OBSERVED = 0  # alert labels, logs, tickets, web pages, a model's own words over such a context
    SYSTEM = 1  # produced by the platform itself
    CONFIG = 2  # the operator's files
    PRINCIPAL = 3  # an authenticated person


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The label of one argument leaf."""

    origin: str  # brain:runbook, value:<id>, principal:<id>
    integrity: Integrity
    endorsed: bool = False
    endorser: str = ""  # catalogue:service, person:emma
    secrecy: str = "internal"  # public, internal, secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a kind returned or a source brought, stored once. The log holds only its salted digest."""

    id: ValueId
    digest: Digest
    origin: str  # kind:<name>@<target>, source:<name>
    integrity: Integrity
    body: Json
    salt: str = ""  # base64, 16 bytes; erased together with the body
    readers: tuple[str, ...] = ()
    via: tuple[str, ...] = field(default_factory=tuple)
