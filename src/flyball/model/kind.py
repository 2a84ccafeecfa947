"""The contract of a kind, pinned by digest: schemas, sinks, limits, how it may be retried and undone."""

from __future__ import annotations

from dataclasses import dataclass, field

from flyball.model.action import Reach
from flyball.model.ids import Doc


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSpec:
    """Labels and sinks come from here, the operator's registry, never from arguments, results or a tool's own word."""

    name: str  # noun.verb
    title: str  # one line in the catalogue
    reach: Reach
    args: Doc  # JSON Schema 2020-12 of the arguments, additionalProperties false
    result: Doc  # JSON Schema of the result: garbage never reaches the next step
    sinks: tuple[str, ...] = ()  # JSON pointers of arguments that choose where a change goes
    endorse: dict[str, str] = field(default_factory=dict)  # pointer -> validator, for example catalogue:service
    reversible: bool = True
    destructive: bool = False
    idempotent: bool = False  # twice with one key has one effect
    egress: bool = False
    timeout_s: float = 30.0
    cost_micros: int = 0
    search: bool = False  # true: an index, never current state
    sensitive: tuple[str, ...] = ()  # argument pointers kept out of the log but for a salted digest
    errors: tuple[str, ...] = ()  # documented error conditions
    version: int = 1
