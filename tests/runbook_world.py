"""A small made-up estate and the loop around a brain: answers every proposal as the core would, from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from flyball import wire
from flyball.brains.runbook import Runbook, RunbookBrain, load
from flyball.brains.runbook.refer import settle
from flyball.model.action import Action, Deed, Outcome, Proposal, Purpose, Reach, Status
from flyball.model.ids import ActionId, Digest, Doc, GrantId, Json, SessionId, ValueId
from flyball.model.kind import KindSpec
from flyball.model.provenance import Integrity, Value
from flyball.model.session import Answer, Ask, Finish, Phase, Propose, Session, Signal, Step, View
from flyball.rules.digest import canonical, even

NOW = 1_790_000_000.0
SHIPPED = Path(__file__).parents[1] / "src" / "flyball" / "defaults" / "runbooks"
KINDS = ("host.read", "http.probe", "process.restart", "file.quarantine", "git.revert", "notify")


@cache
def shipped() -> tuple[Runbook, ...]:
    return load({path.name: path.read_bytes() for path in sorted(SHIPPED.glob("*.yaml"))})


def spec(name: str, reach: Reach = Reach.WRITE, *, reversible: bool = True) -> KindSpec:
    return KindSpec(name=name, title=name, reach=reach, args={}, result={}, reversible=reversible)


SPECS = {name: spec(name, Reach.READ if name in {"host.read", "http.probe"} else Reach.WRITE) for name in KINDS[:-1]}
SPECS["notify"] = spec("notify", reversible=False)


@dataclass(frozen=True)
class Reply:
    """What becomes of one proposal."""

    body: Json = None
    status: Status = Status.DONE
    verified: bool | None = None
    note: str = ""
    words: str = ""  # a person's
    decision: str = ""  # the check that decided
    transient: bool = False  # it did not begin


World = Callable[[Proposal, Doc], Reply]


def name_of(proposal: Proposal, args: Doc) -> str:
    """Name a read by its command, a probe of another service as `http.probe@<target>`."""
    if proposal.kind == "host.read":
        return str(args.get("command", ""))
    return proposal.kind if proposal.target == "web" else f"{proposal.kind}@{proposal.target}"


def table(reads: Mapping[str, Json], fixes: Mapping[str, Reply] | None = None) -> World:
    """Answer reads from `reads` by name (what is missing there fails), changes from `fixes` by kind (else all is well)."""

    def world(proposal: Proposal, args: Doc) -> Reply:
        name = name_of(proposal, args)
        if proposal.purpose is Purpose.DIAGNOSE:
            return Reply(body=reads[name]) if name in reads else Reply(status=Status.FAILED, note="not there")
        return (fixes or {}).get(name, Reply(body={}, verified=True))

    return world


def signal(name: str = "ServiceDown", **parts: object) -> Signal:
    first = Signal(
        source="alertmanager",
        id="d1",
        key="k1",
        name=name,
        target="web",
        at=NOW,
        summary="web gives no answer to its probe",
        labels={"alertname": name, "service": "web", "env": "lab"},
    )
    return replace(first, **parts)  # type: ignore[arg-type]  # the caller's fields are the noun's


def session() -> Session:
    return Session(
        id=SessionId("s-1"),
        key="k1",
        title="t",
        agent="remediator",
        target="web",
        trigger="alertmanager",
        phase=Phase.OPEN,
        epoch=1,
        opened_at=NOW,
        grant=GrantId("g"),
        observer_grant=GrantId("o"),
    )


def value(name: str, body: Json, origin: str = "kind:host.read@web") -> Value:
    return Value(id=ValueId(name), digest=Digest(f"sha256:{name}"), origin=origin, integrity=Integrity.OBSERVED, body=body)


def view(first: Signal, **parts: object) -> View:
    body: Json = {"name": first.name, "labels": dict(first.labels), "annotations": dict(first.annotations), "body": dict(first.body)}
    plain = View(
        session=session(),
        now=NOW,
        signals=(first,),
        steps=(),
        values={"s-1.signal": value("s-1.signal", body, "source:alertmanager")},
        kinds=KINDS,
        target={"name": "web", "depends_on": ["store"], "log": "/var/log/web.log"},
        signal_value=ValueId("s-1.signal"),
    )
    return replace(plain, **parts)  # type: ignore[arg-type]  # the caller's fields are the noun's


def deed_of(proposal: Proposal, args: Doc, number: int, reply: Reply) -> Deed:
    action = Action(
        id=ActionId(f"s-1.{number}"),
        session=SessionId("s-1"),
        step=number,
        agent="remediator",
        kind=proposal.kind,
        kind_digest=Digest("sha256:k"),
        target=proposal.target,
        args=args,
        purpose=proposal.purpose,
        why=proposal.why,
        confidence=proposal.confidence,
        evidence=proposal.evidence,
        hypothesis=proposal.hypothesis,
        verify=proposal.verify,
        provenance={},
        digest=Digest("sha256:a"),
        proposed_at=NOW,
    )
    done = reply.status is Status.DONE
    return Deed(
        action=action,
        status=reply.status,
        decision=reply.decision,
        why=reply.note if reply.status is Status.DENIED else "",
        outcome=Outcome(ok=done, result=reply.body, error=reply.note if not done else "", transient=reply.transient),
        result=ValueId(f"s-1.{number}.out") if done else ValueId(""),
        verified=reply.verified,
        verify_note=reply.note if reply.verified is False else "",
    )


def after(seen: View, answer: Answer, world: World) -> View:
    """Give the view after one answer."""
    number = len(seen.steps) + 1
    answer = wire.parse_answer(wire.plain(wire.dump(answer)))  # as the log gives it back
    if not isinstance(answer, Propose):
        return replace(seen, steps=(*seen.steps, Step(number=number, answer=answer, at=seen.now)), now=seen.now + 1)
    args = settle(answer.proposal.args, {name: one.body for name, one in seen.values.items()})
    assert isinstance(args, Mapping)
    reply = world(answer.proposal, args)
    deed = deed_of(answer.proposal, args, number, reply)
    step = Step(number=number, answer=answer, at=seen.now, deed=deed, reply=reply.words, replied_by="person:emma" if reply.words else "")
    values = {**seen.values, deed.result: value(deed.result, reply.body)} if deed.result else seen.values
    return replace(seen, steps=(*seen.steps, step), values=values, now=seen.now + 1)


@dataclass
class Run:
    """A whole session, played to its end."""

    answers: list[Answer] = field(default_factory=list)
    view: View | None = None  # as the last answer was given

    @property
    def last(self) -> Answer:
        return self.answers[-1]

    @property
    def finish(self) -> Finish:
        assert isinstance(self.last, Finish), self.last
        return self.last

    def proposals(self, *purposes: Purpose) -> list[Proposal]:
        wanted = purposes or tuple(Purpose)
        return [one.proposal for one in self.answers if isinstance(one, Propose) and one.proposal.purpose in wanted]

    def fixes(self) -> list[str]:
        return [name_of(one, one.args) for one in self.proposals(Purpose.FIX, Purpose.NOTIFY)]

    def reads(self) -> list[str]:
        return [name_of(one, one.args) for one in self.proposals(Purpose.DIAGNOSE)]

    def states(self) -> dict[str, str]:
        """Give the state of every hypothesis at the end, by its short name."""
        return {one.name.partition("/")[2]: one.state for one in self.last.thought.hypotheses}


async def play(brain: RunbookBrain, start: View, world: World, limit: int = 80) -> Run:
    """Play until the brain finishes or asks."""
    run, seen = Run(), start
    for _ in range(limit):
        answer = await brain.next(seen)
        assert answer == await brain.next(seen), "the same view gave two answers"
        canonical(even(wire.plain(wire.dump(answer))))  # else the log could not take it
        run.answers.append(answer)
        run.view = seen
        if isinstance(answer, Finish | Ask):
            return run
        seen = after(seen, answer, world)
    raise AssertionError(f"no end after {limit} steps")
