"""What a brain wants (Proposal), what the door judges (Action) and what became of it (Status, Outcome)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from flyball.model.ids import ActionId, Digest, Doc, Json, SessionId, ValueId
from flyball.model.provenance import Origin


class Zone(StrEnum):
    """How much human attention an action needs."""

    GREEN = "green"  # runs, recorded
    YELLOW = "yellow"  # runs, then waits in the review inbox with a deadline
    RED = "red"  # needs a person's approval before


class Status(StrEnum):
    """Where an action stands. The moves between them are in `rules.lifecycle` and nowhere else."""

    PROPOSED = "proposed"
    HELD = "held"
    ALLOWED = "allowed"
    DENIED = "denied"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # an intent without an outcome: never guessed
    STUCK = "stuck"  # shown to a person
    UNDOING = "undoing"
    UNDONE = "undone"


class Purpose(StrEnum):
    """Why an action is proposed; policy sees it, and only `FIX` actions are unwound."""

    DIAGNOSE = "diagnose"
    FIX = "fix"
    VERIFY = "verify"
    NOTIFY = "notify"


class Reach(StrEnum):
    """What a kind may do to the world."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """A postcondition that the observer checks by its own action, never by what the executor said.

    `kind` is a read-only kind, or `signal.resolved` for "the alert has cleared". `at` is a JSON pointer into the result;
    `op` is one of eq, ne, lt, le, gt, ge, in, contains.
    """

    kind: str
    args: Doc = field(default_factory=dict)
    at: str = ""
    op: str = "eq"
    value: Json = None
    within_s: float = 30.0
    every_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a brain wants, unchecked. An argument may be `{"$ref": "<value id>#<JSON pointer>"}`."""

    kind: str
    target: str
    args: Doc = field(default_factory=dict)
    purpose: Purpose = Purpose.DIAGNOSE
    why: str = ""
    confidence: float = 0.0  # 0..1
    evidence: tuple[str, ...] = ()  # value ids
    hypothesis: str = ""
    verify: tuple[Expect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A proposal fully spelled out: references resolved, provenance known, one digest over all that will be done."""

    id: ActionId
    session: SessionId
    step: int
    agent: str
    kind: str
    kind_digest: Digest
    target: str
    args: Doc
    purpose: Purpose
    why: str
    confidence: float
    evidence: tuple[str, ...]
    hypothesis: str
    verify: tuple[Expect, ...]
    provenance: dict[str, Origin]  # JSON pointer of every argument leaf -> where it came from
    digest: Digest
    proposed_at: float
    edited_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to undo, written before the deed. `before` is the target's pre-state; `preview` is what a person is shown."""

    before: Doc
    undo: Doc  # empty: cannot be undone
    argv: tuple[tuple[str, ...], ...] = ()  # exactly what will run
    diff: str = ""
    blast: Doc = field(default_factory=dict)
    keep_until: float = 0.0  # the undo is offered until then


class Seen(StrEnum):
    """What a probe found when it looked whether an effect happened."""

    HAPPENED = "happened"
    ABSENT = "absent"
    UNSURE = "unsure"
    RUNNING = "running"  # it goes on, with or without this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a deed. Values, not exceptions: `ok` is the kind's word, `verified` the observer's."""

    ok: bool
    result: Json = None
    error: str = ""
    transient: bool = False  # worth a bounded retry where the kind is idempotent
    took_s: float = 0.0
    tries: int = 1
    level: str = ""  # isolation it ran under


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One row of the status view: an action, where it stands and all that is known of it. Rebuildable from the log."""

    action: Action
    status: Status
    zone: Zone = Zone.RED
    decision: str = ""  # check that decided
    why: str = ""  # its reason
    policy_digest: Digest = Digest("")
    recipe: Recipe | None = None
    outcome: Outcome | None = None
    result: ValueId = ValueId("")
    verified: bool | None = None
    verify_note: str = ""
    attempts: int = 0
    checks: int = 0  # looks of the observer so far
    cost_micros: int = 0
    intended_at: float = 0.0
    settled_at: float = 0.0
    version: int = 0
