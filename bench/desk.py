"""The real door over the real store, with one kind that does nothing: what the measuring processes share.

Nothing in here stands in for a part of the path but what lies outside it: the kind has no effect, the box runs nothing, and
"instant" swaps the policy engine for an answer that is ready, to show what the rest costs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from flyball import defaults, wire
from flyball.backends.clock import SystemClock
from flyball.backends.engine_asyncio import AsyncioEngine
from flyball.backends.freezer_file import FileFreezer
from flyball.backends.policy_native import load as load_policy
from flyball.backends.store.sqlite import SqliteStore
from flyball.backends.tracer_otel import OtelTracer
from flyball.backends.validator_jsonschema import JsonSchemaValidator
from flyball.core.house import House
from flyball.core.keys import Who, agent_principal
from flyball.core.sessions import row_of
from flyball.errors import NotReady
from flyball.model.action import Outcome, Proposal, Purpose, Reach, Recipe, Seen
from flyball.model.box import Level, Ran, Run
from flyball.model.call import Fetch, Fetched
from flyball.model.grant import Agent, Grant, Principal, Sort, Target
from flyball.model.ids import Doc, GrantId, PrincipalId, SessionId
from flyball.model.kind import KindSpec
from flyball.model.log import Change, Entry, Put
from flyball.model.policy import PolicyAnswer
from flyball.model.provenance import Integrity
from flyball.model.session import Answer, Finish, Phase, Propose, Session, Signal, Thought, View
from flyball.ports import Hands, Plugs, Policy, Rates, Rules

AGENT = "bench"
GREEN, RED = "bench.noop", "bench.red"
PAYLOAD = "x" * 200  # bytes, as much as a bare step of an opponent returns
DAY_S = 86_400.0
PLENTY = 10**9
TARGETS = 64

ARGS: Doc = {
    "type": "object",
    "properties": {"service": {"type": "string", "maxLength": 101}},
    "required": ["service"],
    "additionalProperties": False,
}
RESULT: Doc = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"], "additionalProperties": False}


class NoopKind:
    """A kind that changes nothing but is governed as if it did; `on_do` is called when it is reached."""

    def __init__(self, name: str) -> None:
        """Make its contract: a reversible change with one argument that names a service."""
        sinks, endorse = ("/service",), {"/service": "catalogue:service"}
        self.spec = KindSpec(
            name=name, title=name, reach=Reach.WRITE, args=ARGS, result=RESULT, sinks=sinks, endorse=endorse, cost_micros=1
        )
        self.on_do: Callable[[], None] = lambda: None

    async def plan(self, hands: Hands) -> Recipe:
        """Write a recipe of usual size."""
        service = str(hands.action.args["service"])
        argv = (("/usr/bin/true", service),)
        return Recipe(before={"service": service}, undo={"argv": ["/usr/bin/true"]}, argv=argv, blast={"targets": 1})

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 the port's shape
        """Do nothing."""
        self.on_do()
        return Outcome(ok=True, result={"said": PAYLOAD})

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 the port's shape
        """Nothing was to be seen, and that is there."""
        return Seen.HAPPENED

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 the port's shape
        """Undo nothing."""
        return Outcome(ok=True)

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 the port's shape
        """See nothing undone."""
        return Seen.HAPPENED


class IdleBox:
    """Runs nothing; says the level that policy wants for a change."""

    level = Level.BWRAP

    async def run(self, run: Run) -> Ran:
        """Refuse."""
        raise NotReady(f"the bench runs no programs, not even {run.argv}")


class IdleCaller:
    """Calls nobody."""

    async def fetch(self, fetch: Fetch, allowed: Any) -> Fetched:  # noqa: ARG002 the port's shape
        """Refuse."""
        return Fetched(status=0, body=b"", took_s=0.0, error="the bench calls nobody")


class InstantPolicy:
    """Answers at once: green is allowed, red is asked for. It stands for a policy engine that costs nothing."""

    digest, count = "sha256:instant", 1

    def __init__(self) -> None:
        """Make both answers."""
        self._allow = PolicyAnswer(effect="allow", zone="green", reason="it is the bench", rule="bench.green")
        self._ask = PolicyAnswer(effect="ask", zone="red", reason="it is the bench", rule="bench.red", group="sre")

    def ask(self, question: Doc) -> PolicyAnswer:
        """Answer by kind."""
        kind: Any = question["kind"]
        return self._ask if kind["name"] == RED else self._allow

    def close(self) -> None:
        """Nothing is held."""


class OneSource:
    """A signal per delivery, as JSON of its fields."""

    name = "bench"

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:  # noqa: ARG002 the port's shape
        """Give the id within."""
        return str(orjson.loads(raw)["id"])

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:  # noqa: ARG002 the port's shape
        """Read one signal."""
        return (Signal(source=self.name, **orjson.loads(raw)),)


class OneStepBrain:
    """Proposes one red action, then ends the session."""

    literal_integrity = int(Integrity.CONFIG)

    async def next(self, view: View) -> Answer:
        """Propose first, finish after."""
        if view.steps:
            return Finish(outcome="escalated", summary="done", thought=Thought(summary="done"))
        return Propose(proposal=proposal(RED), thought=Thought(summary=PAYLOAD))


class NoExporter(SpanExporter):
    """Takes spans and drops them: what is measured is making and batching them."""

    def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002 the port's shape
        """Drop them."""
        return SpanExportResult.SUCCESS


def target(number: int) -> str:
    """Name what a session works on: a change leases it, so that sessions with one target between them would wait for each other."""
    return f"web-{number % TARGETS}"


def proposal(kind: str = GREEN, on: str = "web-0") -> Proposal:
    """Give the action of the bench as a proposal."""
    return Proposal(kind=kind, target=on, args={"service": on}, purpose=Purpose.FIX, why=PAYLOAD, confidence=0.9, hypothesis="the bench")


def policies(folder: Path) -> Path:
    """Copy the shipped policies and name the bench's kinds in their tables."""
    target = folder / "policies"
    shutil.copytree(Path(defaults.__file__).parent / "policies", target)
    tables = (target / "data.yaml").read_text()
    one = "{low: %s, normal: %s, high: %s}"
    zones = "".join(f"  {name}: {{prod: {one}, other: {one}}}\n" % ((zone,) * 6) for name, zone in ((GREEN, "green"), (RED, "red")))
    for above, more in (("  remediate:\n", f"    - {GREEN}\n    - {RED}\n"), ("\nzones:\n", zones)):
        if tables.count(above) != 1:
            raise LookupError(f"data.yaml has no single {above!r}")
        tables = tables.replace(above, above + more)
    often = target / "cases" / "raise.yaml"  # one agent of the bench changes more in ten minutes than policy lets pass unasked
    often.write_text(often.read_text().replace("last_10m: 20}", "last_10m: 1000000000}"))
    tables = tables.replace("changes_10m: 20 ", "changes_10m: 1000000000 ")
    (target / "data.yaml").write_text(tables)
    return target


def rules() -> Rules:
    """Give settings under which nothing is scarce: what is measured is asking, not waiting."""
    catalogue = {name: Target(name=name, env="prod") for name in map(target, range(TARGETS))}
    agent = Agent(
        name=AGENT,
        role="remediate",
        brain="one",
        owner="person:owner",
        kinds=(GREEN, RED),
        targets=tuple(catalogue),
        envs=("prod",),
        max_steps=PLENTY,
        max_s=DAY_S,
        max_fixes=PLENTY,
        budget_micros=PLENTY,
    )
    return Rules(
        catalogue=catalogue,
        agents={AGENT: agent},
        routes={"": AGENT},
        rates=Rates(default=(1e6, 1e-6)),
        approve_s=DAY_S,
        key_s=DAY_S,
    )


@dataclass(frozen=True, slots=True)
class Seat:
    """One session, the key of its agent, and the body of the action that it does, as a client posts it."""

    session: Session
    key: str
    said: Mapping[str, Any]


@dataclass(slots=True)
class Desk:
    """A house in a folder of its own."""

    house: House
    store: SqliteStore
    engine: AsyncioEngine
    policy: Any
    kinds: Mapping[str, NoopKind]
    seats: list[Seat] = field(default_factory=list)

    async def seat(self) -> Seat:
        """Open a session for an agent outside, with a grant and a key of its own."""
        house, clock = self.house, self.house.plugs.clock
        on = target(self.store.count("session"))  # one that is free, and was when the last one ended
        name, grant_id = SessionId(clock.new_id("s-")), GrantId(clock.new_id("g"))
        agent, now = house.plugs.rules.agents[AGENT], clock.now()
        grant = Grant(
            id=grant_id,
            agent=AGENT,
            session=name,
            kinds=agent.kinds,
            targets=(on,),
            envs=agent.envs,
            ceiling=agent.ceiling,
            uses=PLENTY,
            budget_micros=PLENTY,
            not_before=now,
            expires_at=now + DAY_S,
        )
        session = Session(
            id=name, key=name, title=name, agent=AGENT, target=on, trigger="bench", phase=Phase.PARKED, epoch=1, opened_at=now,
            grant=grant_id, observer_grant=grant_id,
        )  # fmt: skip
        entry = Entry(name="session.opened", who="service:bench", session=name)
        puts = (row_of(session), Put(table="grant", id=grant_id, expect=0, body=wire.dump(grant), session=name))
        await self.store.commit(Change(entries=(entry,), puts=puts))
        principal = agent_principal(AGENT, agent.owner)
        if house.keys.find_principal(principal.id) is None:
            await house.keys.add(principal, by="service:bench")
        text, key = await house.keys.mint(principal, ("act",), ttl_s=DAY_S, by="service:bench", grant=grant)
        who = Who(principal=principal, key=key, origin="bench")
        house.sessions.adopt(session, (who, who))
        made = Seat(session=session, key=text, said=said(on))
        self.seats.append(made)
        return made

    async def person(self) -> str:
        """Make somebody who may approve and operate, unless they are there, and give a key of theirs."""
        emma = Principal(id=PrincipalId("person:emma"), sort=Sort.PERSON, groups=("sre",), owner="person:emma")
        if self.house.keys.find_principal(emma.id) is None:
            await self.house.keys.add(emma, by="service:bench")
        text, _ = await self.house.keys.mint(emma, ("read", "signal", "approve", "operate"), ttl_s=DAY_S, by="service:bench")
        return text

    async def act(self, seat: Seat) -> None:
        """Do one governed action as the API does it: authenticate the key, then the door."""
        deed = await self.house.act(self.house.keys.authenticate(seat.key, "bench"), dict(seat.said))
        if deed.status.value != "done":
            raise RuntimeError(f"{deed.action.id} is {deed.status.value}: {deed.decision}: {deed.why}")

    def close(self) -> None:
        """Let go of everything."""
        self.policy.close()
        self.store.close()


def said(on: str) -> dict[str, Any]:
    """Give the body of the bench's action as a client posts it."""
    return {name: value for name, value in wire.dump(proposal(on=on)).items() if name not in {"evidence", "verify"}}


@cache
def tracing() -> None:
    """Set OpenTelemetry's SDK up, once per process: real spans, batched, exported to nowhere."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(NoExporter()))
    trace.set_tracer_provider(provider)


def open_desk(folder: Path, *, instant: bool = False) -> Desk:
    """Build a house in a folder; what the folder holds already is gone on with."""
    tracing()
    clock = SystemClock()
    held: Any = InstantPolicy()
    if not instant:
        held = load_policy(folder / "policies" if (folder / "policies").exists() else policies(folder))
    policy: Policy = held
    store = SqliteStore.open(folder / "state", now=clock.now)
    engine = AsyncioEngine(clock)
    kinds = {name: NoopKind(name) for name in (GREEN, RED)}
    plugs = Plugs(
        store=store,
        clock=clock,
        policy=policy,
        box=IdleBox(),
        caller=IdleCaller(),
        engine=engine,
        freezer=FileFreezer(folder / "state"),
        tracer=OtelTracer(),
        validator=JsonSchemaValidator(),
        kinds=kinds,
        brains={"one": OneStepBrain()},
        sources={"bench": OneSource()},
        rules=rules(),
    )
    return Desk(House(plugs), store, engine, held, kinds)
