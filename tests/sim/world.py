"""A simulated world around the core: store, clock, kinds, policy, engine. Everything may crash; what was durable stays.

`build` makes a House in a fresh World, `World.reboot` a new House over what survived. A crash is a BaseException that no plug boundary
swallows, and after it the dead process can neither write nor touch the world. Points are numbered: one before and one after
every commit and every effect, so a test can crash at each of them in turn.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from flyball.backends.store.leaf import body_bytes
from flyball.backends.validator_jsonschema import JsonSchemaValidator
from flyball.core.house import House
from flyball.core.keys import Who
from flyball.errors import BadInput, Conflict, Fenced, NotReady, StoreFull
from flyball.model.action import Expect, Outcome, Proposal, Purpose, Reach, Recipe, Seen, Zone
from flyball.model.box import Level, Ran, Run
from flyball.model.call import Fetch, Fetched
from flyball.model.grant import Agent, Freeze, Principal, Sort, Target
from flyball.model.ids import Doc, Json, PrincipalId
from flyball.model.kind import KindSpec
from flyball.model.log import Change, Entry, Logged, Row
from flyball.model.money import Account, Bucket
from flyball.model.policy import PolicyAnswer
from flyball.model.provenance import Integrity
from flyball.model.session import Answer, Ask, Finish, Phase, Propose, Signal, Thought, View
from flyball.ports import Hands, Plugs, Rates, Rules
from flyball.rules.budget import draw, settle
from flyball.rules.pace import passes, take

BEGIN = 1_790_000_000.0
DAY_S = 86_400.0
LONG_S = 60.0
VALIDATOR = JsonSchemaValidator()
"""One for all worlds: schemas are compiled once."""
JUMPS = 5_000


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Life:
    """One process. `crash_at` counts points from 1; 0 never crashes. After the crash every point raises again."""

    crash_at: int = 0
    points: list[str] = field(default_factory=list)
    dead: bool = False

    def point(self, name: str) -> None:
        if self.dead:
            raise Crash(name)
        self.points.append(name)
        if len(self.points) == self.crash_at:
            self.dead = True
            raise Crash(name)


class Disk:
    """What survives: rows, entries, counters, buckets."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.entries: list[Logged] = []
        self.accounts: dict[str, Account] = {}
        self.buckets: dict[str, Bucket] = {}
        self.full = False


class SimStore:
    """Meets `ports.Store` over a Disk. One handle per process: after its crash it writes nothing."""

    def __init__(self, disk: Disk, life: Life, clock: SimClock) -> None:
        self.disk, self.life, self.clock = disk, life, clock
        self.calls: list[Callable[[int], None]] = []
        self.commits = 0
        self.before_commit: Callable[[Change], None] | None = None

    async def commit(self, change: Change) -> tuple[int, ...]:
        name = ",".join(entry.name for entry in change.entries) or ",".join(put.table for put in change.puts) or "counters"
        self.life.point(f"before commit {name}")
        await asyncio.sleep(0)  # the fsync: others run meanwhile
        if self.before_commit is not None:
            self.before_commit(change)
        self.life.point(f"at commit {name}") if self.life.dead else None
        if self.disk.full:
            raise StoreFull("no space left")
        indexes = self._apply(change)
        self.commits += 1
        self.life.point(f"after commit {name}")
        for call in tuple(self.calls):
            call(len(self.disk.entries))
        return indexes

    def _apply(self, change: Change) -> tuple[int, ...]:
        disk = self.disk
        if change.fence is not None:
            row = disk.rows.get(("session", change.fence[0]))
            if row is None or row.body.get("epoch") != change.fence[1]:
                raise Fenced(str(change.fence))
        rows: dict[tuple[str, str], Row] = {}
        for put in change.puts:
            key = (put.table, put.id)
            now = rows.get(key) or disk.rows.get(key)
            if (now.version if now else 0) != put.expect:
                raise Conflict(f"row:{put.table}/{put.id}")
            body = orjson.loads(orjson.dumps(put.body, default=dict))
            rows[key] = Row(
                table=put.table, id=put.id, version=put.expect + 1, body=body, state=put.state, session=put.session, due_at=put.due_at
            )
        accounts = self._money(change)
        buckets: dict[str, Bucket] = {}
        for one in change.passes:
            bucket = buckets.get(one.bucket) or disk.buckets.get(one.bucket) or Bucket(id=one.bucket)
            if not passes(bucket, one.now, one.burst, one.interval_s):
                raise Conflict(f"bucket:{one.bucket}")
            buckets[one.bucket] = take(bucket, one.now, one.interval_s)
        logged = [self._log(entry, len(disk.entries) + number) for number, entry in enumerate(change.entries)]
        disk.rows |= rows
        disk.accounts |= accounts
        disk.buckets |= buckets
        disk.entries += logged
        return tuple(one.index for one in logged)

    def _money(self, change: Change) -> dict[str, Account]:
        accounts: dict[str, Account] = {}

        def at(name: str) -> Account:
            return accounts.get(name) or self.disk.accounts.get(name) or Account(id=name)

        for one in change.draws:
            drawn = draw(at(one.account), one.amount, one.cap)
            if drawn is None:
                raise Conflict(f"account:{one.account}")
            accounts[one.account] = drawn
        for back in change.settles:
            accounts[back.account] = settle(at(back.account), back.held, back.spent)
        return accounts

    def _log(self, entry: Entry, index: int) -> Logged:
        raw = body_bytes(entry)
        return Logged(index=index, at=self.clock.now(), entry=replace(entry, body=orjson.loads(raw)), raw=raw)

    def find(self, table: str, row: str) -> Row | None:
        return self.disk.rows.get((table, row))

    def rows(self, table: str, *, state: str = "", session: str = "", due_by: float = 0.0, limit: int = 500) -> Sequence[Row]:
        found = [
            row
            for row in self.disk.rows.values()
            if row.table == table
            and (not state or row.state == state)
            and (not session or row.session == session)
            and (not due_by or 0 < row.due_at <= due_by)
        ]
        return sorted(found, key=lambda row: (row.due_at, row.id))[:limit]

    def count(self, table: str, state: str = "") -> int:
        return len(self.rows(table, state=state, limit=10**9))

    def counter(self, account: str) -> tuple[int, int]:
        found = self.disk.accounts.get(account)
        return (found.spent, found.held) if found else (0, 0)

    def bucket(self, name: str) -> float:
        found = self.disk.buckets.get(name)
        return found.due_at if found else 0.0

    def entries(self, *, session: str = "", action: str = "", after: int = -1, limit: int = 1000, name: str = "") -> Sequence[Logged]:
        found = [
            one
            for one in self.disk.entries
            if one.index > after
            and (not session or one.entry.session == session)
            and (not action or one.entry.action == action)
            and (not name or one.entry.name == name)
        ]
        return found[:limit]

    def size(self) -> int:
        return len(self.disk.entries)

    def watch(self, call: Callable[[int], None]) -> Callable[[], None]:
        self.calls.append(call)
        return lambda: self.calls.remove(call)


class SimClock:
    """Moves only when told, or slept on. Ids and salts come from the seed and never repeat, over reboots too."""

    def __init__(self, seed: int) -> None:
        self.at = BEGIN
        self.chance = random.Random(seed)
        self.ids = 0

    def now(self) -> float:
        return self.at

    def mono(self) -> float:
        return self.at

    def new_id(self, prefix: str) -> str:
        self.ids += 1
        return f"{prefix}{self.ids:04d}"

    def salt(self) -> bytes:
        return self.chance.randbytes(16)

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


class SimEngine:
    """A queue of wakes, run by the test: one at a time, in order of their time."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.due: dict[str, float] = {}
        self.heap: list[tuple[float, str]] = []
        self.wakes = 0

    def wake(self, session: str, at: float = 0.0) -> None:
        self.wakes += 1
        if session not in self.due or at < self.due[session]:
            self.due[session] = at
            heapq.heappush(self.heap, (at, session))

    def next_at(self) -> float | None:
        while self.heap and self.due.get(self.heap[0][1]) != self.heap[0][0]:
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    async def run_due(self, advance: Callable[[str], Awaitable[None]]) -> int:
        """Run what is due now; give how many ran."""
        ran = 0
        while (at := self.next_at()) is not None and at <= self.clock.at:
            _, name = heapq.heappop(self.heap)
            del self.due[name]
            ran += 1
            if ran > JUMPS:
                raise AssertionError(f"{name} is woken again and again")
            await advance(name)
        return ran

    async def run_until_idle(self, advance: Callable[[str], Awaitable[None]], *, until: float = 0.0) -> None:
        """Run what is due; move the clock on to what is due by `until`."""
        for _ in range(JUMPS):
            await self.run_due(advance)
            at = self.next_at()
            if at is None or at > until:
                self.clock.at = max(self.clock.at, until)
                return
            self.clock.at = max(self.clock.at, at)
        raise AssertionError("the engine never comes to rest")


class SimPolicy:
    """Answers from a table: kind -> answer. A kind that is not in it is met with silence, which the port turns into a deny."""

    def __init__(self, table: Mapping[str, PolicyAnswer], digest: str = "sha256:policy1") -> None:
        self.table, self.digest, self.count = dict(table), digest, 1
        self.asked: list[Doc] = []

    def ask(self, question: Doc) -> PolicyAnswer:
        self.asked.append(question)
        kind: Any = question["kind"]
        return self.table.get(kind["name"], PolicyAnswer(effect="deny", zone="red", reason="no rule says anything", rule="default"))


class SimBox:
    """Runs nothing: these kinds touch the World directly."""

    level = Level.BWRAP

    async def run(self, run: Run) -> Ran:
        raise NotReady(f"the simulated box runs nothing, not even {run.argv}")

    def read(self, name: str, after: int, most: int) -> bytes:
        return b""


class SimCaller:
    """Calls nothing."""

    async def fetch(self, fetch: Fetch, allowed: Sequence[str]) -> Fetched:
        return Fetched(status=0, body=b"", took_s=0.0, error=f"{fetch.url} is not there")


class SimFreezer:
    """The kill switch's files: they survive, and can be unreadable."""

    def __init__(self) -> None:
        self.on: dict[str, Freeze] = {}
        self.broken = False

    def freezes(self) -> tuple[Freeze, ...]:
        if self.broken:
            raise NotReady("freezes cannot be read")
        return tuple(self.on.values())

    def freeze(self, freeze: Freeze) -> None:
        self.on[freeze.id] = freeze

    def lift(self, freeze_id: str) -> None:
        self.on.pop(freeze_id, None)


class SimTracer:
    def span(self, name: str, **attributes: str | float) -> AbstractContextManager[None]:
        return nullcontext()


NUMBER: Doc = {"type": "object", "properties": {"by": {"type": "integer"}, "text": {"type": "string"}}, "additionalProperties": False}
ANYTHING: Doc = {}


def spec(name: str, reach: Reach, **more: Any) -> KindSpec:
    parts: dict[str, Any] = {"title": name, "args": NUMBER, "result": ANYTHING, "timeout_s": 5.0} | more
    return KindSpec(name=name, reach=reach, **parts)


class Effects:
    """The world outside: one number per target, and every effect that ever happened, in order."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.log: list[tuple[str, str]] = []  # (do or undo, key)
        self.calls: list[tuple[str, str]] = []
        self.broken: set[str] = set()  # targets on which nothing helps
        self.begun: list[str] = []  # deeds that went on
        self.going: dict[str, float] = {}  # those that still do, without any process, and when they end
        self.over: dict[str, Outcome] = {}  # how those ended

    def times(self, what: str, key: str) -> int:
        return self.log.count((what, key))


Twist = Callable[["SimKind", Hands], Outcome | None]


class SimKind:
    """A counter in the world. `twist` may replace what `do` does; `unsure` makes both probes say so."""

    def __init__(self, kind: KindSpec, world: World) -> None:
        self.spec, self.world, self.life = kind, world, world.life
        self.effects = world.effects
        self.twist: Twist | None = None
        self.plan_fault: Exception | None = None
        self.undo_fault: Outcome | None = None
        self.undo_empty = not kind.reversible
        self.blast: Doc = {}

    async def plan(self, hands: Hands) -> Recipe:
        self.life.point(f"plan {self.spec.name}")
        if self.plan_fault is not None:
            raise self.plan_fault
        before = {"count": self.effects.count.get(hands.target.name, 0)}
        undo: Doc = {} if self.undo_empty else {"count": before["count"]}
        argv = (("bump", hands.target.name),)
        return Recipe(before=before, undo=undo, argv=argv, blast=self.blast, keep_until=hands.now + hands.keep_s)

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:
        self.life.point(f"before do {self.spec.name}")
        self.effects.calls.append(("do", hands.key))
        if self.twist is not None and (said := self.twist(self, hands)) is not None:
            return said
        if self.spec.reach is Reach.READ:
            name = hands.target.name
            seen = {"count": self.effects.count.get(name, 0), "up": name not in self.effects.broken}
            self.life.point(f"after do {self.spec.name}")
            return Outcome(ok=True, result=seen)
        self.apply(hands)
        self.life.point(f"after do {self.spec.name}")
        return Outcome(ok=True, result={"bumped": hands.target.name})

    def apply(self, hands: Hands) -> None:
        if self.spec.idempotent and self.effects.times("do", hands.key):
            return
        name = hands.target.name
        by = hands.action.args.get("by", 1)
        self.effects.count[name] = self.effects.count.get(name, 0) + (by if isinstance(by, int) else 1)
        self.effects.log.append(("do", hands.key))

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:
        self.life.point(f"probe {self.spec.name}")
        if self.world.unsure:
            return Seen.UNSURE
        return Seen.HAPPENED if self.effects.times("do", hands.action.id) else Seen.ABSENT

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:
        self.life.point(f"before undo {self.spec.name}")
        self.effects.calls.append(("undo", hands.key))
        if self.undo_fault is not None:
            return self.undo_fault
        if not self.effects.times("undo", hands.key):
            was = recipe.undo["count"]
            self.effects.count[hands.target.name] = was if isinstance(was, int) else 0
            self.effects.log.append(("undo", hands.key))
        self.life.point(f"after undo {self.spec.name}")
        return Outcome(ok=True)

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:
        self.life.point(f"undone {self.spec.name}")
        if self.world.unsure:
            return Seen.UNSURE
        return Seen.HAPPENED if self.effects.times("undo", hands.key) else Seen.ABSENT


class SimLong(SimKind):
    """A deed that goes on for a minute, whatever becomes of the process that began it."""

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome | None:
        self.life.point("before do sim.long")
        self.effects.calls.append(("do", hands.key))
        if hands.key not in {**self.effects.going, **self.effects.over}:
            self.effects.begun.append(hands.key)
            self.effects.going[hands.key] = self.world.clock.at + LONG_S
        self.life.point("after do sim.long")
        return None

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen | Outcome:
        self.life.point("probe sim.long")
        key, effects = hands.action.id, self.effects
        if self.world.unsure:
            return Seen.UNSURE
        if key in effects.going and self.world.clock.at >= effects.going[key]:
            del effects.going[key]
            self.apply(hands)
            effects.over[key] = Outcome(ok=True, result={"bumped": hands.target.name})
        return effects.over.get(key, Seen.RUNNING if key in effects.going else Seen.ABSENT)

    async def end(self, hands: Hands, recipe: Recipe) -> None:
        self.life.point("before end sim.long")
        if self.effects.going.pop(hands.action.id, None):
            self.effects.over[hands.action.id] = Outcome(ok=False, error="it was called off")
        self.life.point("after end sim.long")


class SimSource:
    """JSON in, signals out; `poison` is refused as bad, `bomb` blows up."""

    name = "sim"

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:
        return headers.get("x-request-id") or raw.hex()[:64]

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:
        if raw.startswith(b"poison"):
            raise BadInput("the body is poison", "it does not parse", "send JSON")
        if raw.startswith(b"bomb"):
            raise RuntimeError("a bug in the source")
        doc = orjson.loads(raw)
        signals = doc if isinstance(doc, list) else [doc]
        return tuple(Signal(source="sim", id=str(one.get("id", "d")), **{k: v for k, v in one.items() if k != "id"}) for one in signals)


Move = Callable[[View], Answer]


class Script:
    """A brain that answers from a function of the view."""

    def __init__(self, move: Move, integrity: Integrity = Integrity.CONFIG) -> None:
        self.move, self.literal_integrity = move, int(integrity)

    async def next(self, view: View) -> Answer:
        return self.move(view)


def thought(text: str = "because") -> Thought:
    return Thought(summary=text)


def propose(kind: str, target: str = "web", **more: Any) -> Propose:
    plan = more.pop("plan", ())
    return Propose(proposal=proposal(kind, target, **more), thought=thought(), plan=plan)


def proposal(kind: str, target: str = "web", **more: Any) -> Proposal:
    parts: dict[str, Any] = {"purpose": Purpose.FIX, "why": "it may help", "confidence": 0.9, "hypothesis": "h"} | more
    return Proposal(kind=kind, target=target, **parts)


def finish(outcome: str = "fixed") -> Finish:
    return Finish(outcome=outcome, summary="that is all", thought=thought())


def ask(question: str = "shall I?") -> Ask:
    return Ask(question=question, thought=thought(), options=("yes", "no"))


def steps(*answers: Answer | Move) -> Script:
    """A brain that gives these answers in order, whatever became of them; the last one again at the end."""

    def move(view: View) -> Answer:
        answer = answers[min(len(view.steps), len(answers) - 1)]
        return answer(view) if callable(answer) else answer

    return Script(move)


def answer(effect: str, zone: str, **more: Any) -> PolicyAnswer:
    return PolicyAnswer(effect=effect, zone=zone, reason=f"{effect} in {zone}", rule=f"sim/{effect}-{zone}", **more)


POLICY = {
    "sim.read": answer("allow", "green"),
    "sim.green": answer("allow", "green"),
    "sim.once": answer("allow", "green"),
    "sim.yellow": answer("allow", "yellow"),
    "sim.red": answer("ask", "red", group="sre"),
    "sim.final": answer("ask", "red", group="sre"),
    "sim.long": answer("allow", "green"),
}
SPECS = {
    "sim.read": spec("sim.read", Reach.READ),
    "sim.green": spec("sim.green", Reach.WRITE),
    "sim.once": spec("sim.once", Reach.WRITE, idempotent=True),
    "sim.yellow": spec("sim.yellow", Reach.WRITE),
    "sim.red": spec("sim.red", Reach.WRITE, sinks=("/text",)),
    "sim.final": spec("sim.final", Reach.WRITE, reversible=False, destructive=True),
    "sim.long": spec("sim.long", Reach.WRITE, idempotent=True),
}
UP = Expect(kind="sim.read", at="/up", op="eq", value=True, within_s=5.0, every_s=1.0)


def rules(**more: Any) -> Rules:
    kinds = tuple(SPECS)
    agent = Agent(
        name="fixer",
        role="fix",
        brain="script",
        owner="person:emma",
        kinds=kinds,
        targets=("web", "db", "mail"),
        envs=("lab",),
        max_s=3600.0,
    )
    catalogue = {name: Target(name=name, env="lab", facts={"port": 80}) for name in ("web", "db", "mail")}
    catalogue["far"] = Target(name="far", env="prod")
    parts: dict[str, Any] = {"catalogue": catalogue, "agents": {"fixer": agent}, "routes": {"": "fixer"}, "rates": Rates()}
    return Rules(**(parts | more))


class World:
    """Everything that outlives a process, and the process that runs now."""

    def __init__(self, seed: int, brain: Any = None, **more: Any) -> None:
        self.seed, self.disk, self.clock = seed, Disk(), SimClock(seed)
        self.freezer, self.effects = SimFreezer(), Effects()
        self.policy = SimPolicy(POLICY)
        self.brain: Any = brain or steps(finish("escalated"))
        self.rules = rules(**more)
        self.specs = dict(SPECS)
        self.unsure = False
        self.boots = 0
        self.tune: Callable[[World], None] | None = None  # applied to the kinds of every process
        self.box = SimBox()
        self.lives: list[Life] = []
        self.boot()

    def boot(self, crash_at: int = 0) -> House:
        """Start a new process over what survived."""
        self.boots += 1
        self.life = Life(crash_at=crash_at)
        self.lives.append(self.life)
        self.store, self.engine = SimStore(self.disk, self.life, self.clock), SimEngine(self.clock)
        self.kinds = {name: (SimLong if name == "sim.long" else SimKind)(one, self) for name, one in self.specs.items()}
        if self.tune is not None:
            self.tune(self)
        plugs = Plugs(
            store=self.store,
            clock=self.clock,
            policy=self.policy,
            box=self.box,
            caller=SimCaller(),
            engine=self.engine,
            freezer=self.freezer,
            tracer=SimTracer(),
            validator=VALIDATOR,
            kinds=self.kinds,
            brains={"script": self.brain} if self.brain is not None else {},
            sources={"sim": SimSource()},
            rules=self.rules,
        )
        self.house = House(plugs)
        return self.house

    async def reboot(self, crash_at: int = 0) -> House:
        """Die and start again: memory is lost, the disk and the world are not."""
        self.life.dead = True
        house = self.boot(crash_at)
        await house.start()
        return house

    async def person(self, name: str = "emma", groups: tuple[str, ...] = ("sre",), scopes: tuple[str, ...] = ()) -> Who:
        """Give an authenticated person."""
        principal = Principal(id=PrincipalId(f"person:{name}"), sort=Sort.PERSON, groups=groups)
        if self.house.keys.find_principal(principal.id) is None:
            await self.house.keys.add(principal, by="test")
        text, _ = await self.house.keys.mint(principal, scopes or ("approve", "review", "operate"), ttl_s=30 * DAY_S, by="test")
        return self.house.keys.authenticate(text, "test")

    def service(self) -> Who:
        """Give the service that brings signals in."""
        from flyball.model.grant import Key
        from flyball.model.ids import KeyId

        principal = Principal(id=PrincipalId("service:sim"), sort=Sort.SERVICE)
        key = Key(id=KeyId("server"), hash="", principal=principal.id, sort=Sort.SERVICE, scopes=("signal",))
        return Who(principal=principal, key=key, origin="server")

    async def signal(self, name: str = "Down", target: str = "web", **more: Any) -> tuple[str, bool]:
        """Bring a signal in."""
        delivery = more.pop("delivery", f"{name}-{target}-{more}")
        doc = {"name": name, "target": target, "key": more.pop("key", f"{name}:{target}"), "at": self.clock.at, **more}
        return await self.house.inbox.accept("sim", orjson.dumps(doc), {"x-request-id": delivery}, self.service())

    async def run(self, until_s: float = 0.0) -> None:
        """Run what is due now, and within the next `until_s` seconds."""
        await self.engine.run_until_idle(self.house.advance, until=self.clock.at + until_s if until_s else 0.0)

    async def open(self, **more: Any) -> str:
        """Bring one signal in, run until nothing is due, give the session's id."""
        await self.signal(**more)
        await self.run()
        return next(row.id for row in self.store.rows("session"))

    def session(self, name: str = "") -> Any:
        return self.house.load_session(name or next(row.id for row in self.store.rows("session")))

    def deed(self, step: int = 1, session: str = "") -> Any:
        name = session or next(row.id for row in self.store.rows("session"))
        return self.house.load_deed(f"{name}.{step}")

    def names(self, session: str = "") -> list[str]:
        return [one.entry.name for one in self.store.entries(session=session, limit=10**6)]

    async def answer(self, who: Who, verb: str = "approve", name: str = "", **more: Any) -> Any:
        """Answer the approval that waits."""
        row = self.store.find("approval", name) if name else next(iter(self.store.rows("approval", state="waiting")))
        assert row is not None
        said = {"digest": row.body["digest"], "reason": "looked at it twice"} | more
        return await self.house.approvals.answer(row.id, who, verb, said)

    def closed(self) -> bool:
        rows = self.store.rows("session")
        return bool(rows) and all(row.state == Phase.CLOSED for row in rows)


def build(seed: int = 1, brain: Any = None, **more: Any) -> World:
    """Make a fresh world with a House running in it."""
    return World(seed, brain, **more)


def lying(_kind: SimKind, _hands: Hands) -> Outcome:
    """Say success without doing anything."""
    return Outcome(ok=True, result={"bumped": "nothing"})


def zone(name: str) -> Zone:
    return Zone(name)


Reply = Json
