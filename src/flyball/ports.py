"""The sockets. Every method's promise stands in its docstring; `core` talks to nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from flyball.model.action import Action, Outcome, Recipe, Seen

if TYPE_CHECKING:
    from flyball.model.box import Level, Ran, Run
    from flyball.model.call import Fetch, Fetched
    from flyball.model.decision import Breakpoint
    from flyball.model.grant import Agent, Freeze, Target
    from flyball.model.ids import Doc, Json
    from flyball.model.kind import KindSpec
    from flyball.model.log import Change, Logged, Row
    from flyball.model.policy import PolicyAnswer
    from flyball.model.session import Answer, Signal, View


class Clock(Protocol):
    """The only source of time, ids and randomness."""

    def now(self) -> float:
        """Give Unix seconds, UTC. Never runs backwards within a process."""
        ...

    def mono(self) -> float:
        """Give seconds of a monotonic clock, for durations."""
        ...

    def new_id(self, prefix: str) -> str:
        """Give `<prefix><random>`: ASCII, unguessable, short enough to type."""
        ...

    def salt(self) -> bytes:
        """Give 16 random bytes."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; the simulated clock moves instead."""
        ...


class Store(Protocol):
    """The log and its status rows: one ordered truth, one transaction."""

    async def commit(self, change: Change) -> tuple[int, ...]:
        """Write all of `change` or nothing; return its entries' indexes once durable (fsync done).

        Changes that arrive while one is being written share the next write (group commit); each is still all or nothing by itself.
        Raises Conflict (version or cap), Fenced (epoch), StoreFull (nothing written).
        """
        ...

    def find(self, table: str, row: str) -> Row | None:
        """Give the last committed version of a row, or None."""
        ...

    def rows(self, table: str, *, state: str = "", session: str = "", due_by: float = 0.0, limit: int = 500) -> Sequence[Row]:
        """Give committed rows, filtered by the parts given (`due_by`: 0 < due_at <= due_by), by due time then id."""
        ...

    def count(self, table: str, state: str = "") -> int:
        """Count rows of a table, in one state if given."""
        ...

    def counter(self, account: str) -> tuple[int, int]:
        """Give (spent, held) of an account; (0, 0) where it was never drawn on."""
        ...

    def bucket(self, name: str) -> float:
        """Give `due_at` of a pace bucket; 0.0 where it was never used."""
        ...

    def entries(self, *, session: str = "", action: str = "", after: int = -1, limit: int = 1000, name: str = "") -> Sequence[Logged]:
        """Give log entries with index > `after`, oldest first, filtered by the parts given."""
        ...

    def size(self) -> int:
        """Count the entries in the log."""
        ...

    def watch(self, call: Callable[[int], None]) -> Callable[[], None]:
        """Call `call(size)` on the event loop after each write that added entries; the returned function ends it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """All that a kind is given to reach the world with, for one action."""

    action: Action
    target: Target
    box: Keeper
    caller: Caller
    key: str  # idempotency key: the action's id, an undo adds ":undo"
    now: float
    keep_s: float = 86_400.0  # how long an undo is kept


class Box(Protocol):
    """Where a kind runs programs."""

    level: Level

    async def run(self, run: Run) -> Ran:
        """Run one argv vector; children die with it. Raises NotReady where this level may not run it."""
        ...


class Keeper(Box, Protocol):
    """A box that also keeps runs which outlive this server, each under a name of its own. A name is begun once."""

    async def begin(self, name: str, run: Run) -> None:
        """Start one and return; a name that was begun is left as it is. Raises NotReady where this level may not run it."""
        ...

    def find(self, name: str) -> Ran | Seen:
        """Give how one ended, or RUNNING, ABSENT, UNSURE. `out` is then the end of all it said, `out_truncated` that not all was kept."""
        ...

    def read(self, name: str, after: int, most: int) -> bytes:
        """Give what one has said so far, from byte `after` (negative: from the end), at most `most` bytes."""
        ...

    async def end(self, name: str) -> None:
        """End one that goes on, and wait until it has ended."""
        ...


class Caller(Protocol):
    """How a kind speaks HTTP: only to what its target's catalogue entry names."""

    async def fetch(self, fetch: Fetch, allowed: Sequence[str]) -> Fetched:
        """Make one call to a URL whose scheme, host and port equal one of `allowed`; never raises for network faults."""
        ...


class Kind(Protocol):
    """One sort of action. Every method may be called twice; a crash may come after any of them."""

    spec: KindSpec

    async def plan(self, hands: Hands) -> Recipe:
        """Look at the target (reads only) and write down the pre-state, the exact argv, the preview and how to undo."""
        ...

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome | None:
        """Do it. Known failures are an Outcome with ok=False. None: it may go on without this process; `probe` says how it stands."""
        ...

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen | Outcome:
        """Look whether the effect happened, without changing anything. The Outcome, where the world still tells the whole of it."""
        ...

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Put the pre-state back; done already is ok. Compares the world with what the deed left before touching it."""
        ...

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:
        """Look whether the pre-state is back."""
        ...


@runtime_checkable
class Lasting(Kind, Protocol):
    """A kind whose deeds go on after `do`: its probe says RUNNING until they have ended."""

    async def end(self, hands: Hands, recipe: Recipe) -> None:
        """End what goes on, because it was called off; ended already is well."""
        ...


class Brain(Protocol):
    """Chooses the next step from a view and nothing else."""

    literal_integrity: int  # Integrity of what it writes itself: CONFIG for operator files, OBSERVED for models

    async def next(self, view: View) -> Answer:
        """Answer Propose, Ask or Finish. Same view, same answer."""
        ...


class Source(Protocol):
    """Turns raw bytes from outside into signals."""

    name: str

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:
        """Give the identity of a delivery, stable over redelivery; never raises: unusable input has the digest of its bytes."""
        ...

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:
        """Parse. Raises BadInput: the delivery becomes a dead letter."""
        ...


class Policy(Protocol):
    """Who may, how many, with which factor. Silence is a deny."""

    digest: str  # over every file of the set
    count: int  # rules loaded; 0 is not ready

    def ask(self, question: Doc) -> PolicyAnswer:
        """Answer; every fault (undefined, error, timeout, malformed) is a deny that says so. Never raises."""
        ...


class Engine(Protocol):
    """Who calls `advance`."""

    def wake(self, session: str, at: float = 0.0) -> None:
        """See to it that `advance(session)` runs once at or after `at` (0: now). Wakes of one session coalesce."""
        ...


class Freezer(Protocol):
    """The kill switch's own small store: files, so that it works with the server down."""

    def freezes(self) -> tuple[Freeze, ...]:
        """Give every freeze on file, thawed ones too. Raises NotReady where it cannot be read: then nothing may run."""
        ...

    def freeze(self, freeze: Freeze) -> None:
        """Write one, durable on return."""
        ...

    def lift(self, freeze_id: str) -> None:
        """Remove one for good."""
        ...


class Tracer(Protocol):
    """Telemetry."""

    def span(self, name: str, **attributes: str | float) -> AbstractContextManager[object]:
        """Open a span around a block."""
        ...


class Validator(Protocol):
    """Checks values against JSON Schemas, compiled once per schema."""

    def fault(self, schema: Doc, value: Json) -> str:
        """Give one line that names the first fault with its JSON pointer, or an empty string."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Pace limits: burst and seconds between calls, by kind name; `default` for the rest."""

    default: tuple[float, float] = (60.0, 0.05)
    kinds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The operator's settings that the core looks at."""

    catalogue: Mapping[str, Target]
    agents: Mapping[str, Agent]
    routes: Mapping[str, str] = field(default_factory=dict)  # signal name -> agent; "" is the default
    rates: Rates = field(default_factory=Rates)
    breakpoints: tuple[Breakpoint, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shadow: bool = False
    approve_s: float = 900.0
    execute_s: float = 600.0
    review_s: float = 86_400.0
    undo_keep_s: float = 86_400.0
    key_s: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugs:
    """Every plug, composed once by `compose` and handed to the core."""

    store: Store
    clock: Clock
    policy: Policy
    box: Keeper
    caller: Caller
    engine: Engine
    freezer: Freezer
    tracer: Tracer
    validator: Validator
    kinds: Mapping[str, Kind]
    brains: Mapping[str, Brain]
    sources: Mapping[str, Source]
    rules: Rules
