"""Signals, sessions and what a brain is shown and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from flyball.model.action import Deed, Proposal
from flyball.model.ids import Doc, GrantId, SessionId, ValueId
from flyball.model.provenance import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A fact from outside that says "look". `key` names the thing that is wrong, `id` this delivery of it."""

    source: str
    id: str  # identity of the delivery: equal ids are one delivery
    key: str  # identity of the trouble: repeats and `resolved` share it
    name: str  # alert name, spec name
    target: str  # as claimed by the source; an exact catalogue name or it is unknown
    firing: bool = True
    at: float = 0.0
    summary: str = ""
    labels: Doc = field(default_factory=dict)
    annotations: Doc = field(default_factory=dict)
    body: Doc = field(default_factory=dict)  # task spec, schedule entry
    agent: str = ""  # asked for by a task spec or schedule; routes choose otherwise
    seen: int = 1


class Phase(StrEnum):
    """Where a session stands."""

    OPEN = "open"
    PARKED = "parked"  # a row: no task, no thread
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One piece of work opened by a signal, until closed. `epoch` fences every intent written for it."""

    id: SessionId
    key: str
    title: str
    agent: str
    target: str
    trigger: str  # alertmanager, schedule, spec, tail
    phase: Phase
    epoch: int
    opened_at: float
    grant: GrantId
    observer_grant: GrantId
    step: int = 0
    current: str = ""  # action id in hand
    plan: tuple[str, ...] = ()  # digests of the plan in hand
    signals: tuple[str, ...] = ()  # signal keys
    waiting: str = ""  # approval, verify, answer, freeze, person: why it is parked
    wake_at: float = 0.0
    idle: int = 0  # steps without progress
    outcome: str = ""  # fixed, resolved, escalated, refused, failed, shadow
    summary: str = ""
    closed_at: float = 0.0
    paused: bool = False
    shadow: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One branch of the decision tree."""

    name: str
    cause: str
    state: str  # open, chosen, ruled_out, refuted, confirmed
    confidence: float
    prior: float
    tried: int = 0  # its own record: outcomes counted
    worked: int = 0
    because: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """Why a brain answered as it did: its hypotheses ranked, in its own short words."""

    summary: str
    hypotheses: tuple[Hypothesis, ...] = ()
    runbook: str = ""
    runbook_digest: str = ""
    selection: Doc = field(default_factory=dict)  # candidates with scores, the margin and what it decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Do this next. `plan` holds every step that belongs to it, this one first: it is approved as one."""

    proposal: Proposal
    thought: Thought
    plan: tuple[Proposal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question to a person, instead of a guess."""

    question: str
    thought: Thought
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing left to do. `outcome` is fixed, resolved, escalated, refused or failed."""

    outcome: str
    summary: str
    thought: Thought


Answer = Propose | Ask | Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One answer of a brain and what became of it."""

    number: int
    answer: Answer
    at: float
    deed: Deed | None = None
    reply: str = ""  # a person's answer to an Ask, or the changes asked for
    replied_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a brain is shown. A brain is a function of this: same view, same answer."""

    session: Session
    now: float
    signals: tuple[Signal, ...]
    steps: tuple[Step, ...]
    values: dict[str, Value]
    kinds: tuple[str, ...]
    target: Doc  # the catalogue's facts of the target, as the brain may see them
    record: dict[str, tuple[int, int]] = field(default_factory=dict)  # "<runbook>/<hypothesis>" -> tried, worked
    signal_value: ValueId = ValueId("")
