"""The ordered, Merkle-hashed list of events, and the one way anything is written: a Change, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from flyball.model.ids import Doc


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, named in the past tense. The log adds its index and a time that never runs backwards."""

    name: str  # session.opened, action.decided, action.intended, approval.answered, ...
    who: str  # principal id
    session: str = ""
    action: str = ""
    behalf: str = ""  # on whose behalf
    origin: str = ""  # http 127.0.0.1, cli, engine, recovery
    body: Doc = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An entry as it stands in the log. `raw` is the leaf, byte for byte."""

    index: int
    at: float
    entry: Entry
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A status row: a view that is written in the same transaction as the entries it follows from."""

    table: str
    id: str
    version: int
    body: Doc
    state: str = ""
    session: str = ""
    due_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write a row if its version still is `expect` (0: must not exist yet). The new version is `expect` + 1."""

    table: str
    id: str
    expect: int
    body: object  # a noun or a JSON object
    state: str = ""
    session: str = ""
    due_at: float = 0.0  # 0: never due


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Set `amount` aside on an account if spent + held + amount stays within `cap`."""

    account: str
    amount: int
    cap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Give back `held` and book `spent`."""

    account: str
    held: int
    spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Take one token from a bucket at `now` if burst and rate allow it."""

    bucket: str
    now: float
    burst: float
    interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """All or nothing, durable when acknowledged. `fence` = (session id, epoch): refused where the epoch has moved on."""

    entries: tuple[Entry, ...] = ()
    puts: tuple[Put, ...] = ()
    draws: tuple[Draw, ...] = ()
    settles: tuple[Settle, ...] = ()
    passes: tuple[Pass, ...] = ()
    fence: tuple[str, int] | None = None
