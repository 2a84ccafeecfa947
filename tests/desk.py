"""A house with something to decide, on a real SQLite log, and a browser's view of it over ASGI: for the tests of views and console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from flyball import wire
from flyball.backends.freezer_file import FileFreezer
from flyball.backends.store.sqlite import SqliteStore
from flyball.backends.validator_jsonschema import JsonSchemaValidator
from flyball.core.house import House
from flyball.faces.console.link import mint_link
from flyball.faces.http.app import create
from flyball.model.action import Action, Deed, Expect, Outcome, Proposal, Purpose, Reach, Recipe, Status, Zone
from flyball.model.approval import Approval, Review
from flyball.model.grant import Agent, Principal, Sort, Target
from flyball.model.ids import ActionId, Digest, Doc, GrantId, PrincipalId, SessionId, ValueId
from flyball.model.log import Change, Entry, Put
from flyball.model.provenance import Integrity, Origin, Value
from flyball.model.session import Finish, Hypothesis, Phase, Propose, Session, Signal, Thought
from flyball.ports import Plugs, Rules
from sim.world import BEGIN, SimBox, SimCaller, SimClock, SimEngine, SimPolicy, SimTracer, spec

ORIGIN = "http://desk.test"
SCOPES = ("read", "approve", "review", "operate", "admin")
SID = SessionId("s-one")
NASTY = "\x1b[31mred\x1b[0m <img src=x onerror=alert(1)> \u202egnp.exe\u200b {{7*7}}"
"""What a log line or a label may hold: terminal codes, markup, bidirectional and zero-width characters, a template's own braces."""


class Shape:
    """A kind as far as pages look at it."""

    def __init__(self, name: str, reach: Reach) -> None:
        self.spec = spec(name, reach)


def house_at(folder: Path) -> House:
    """A house over a real store; nothing in it is ever carried out."""
    clock = SimClock(7)
    agent = Agent(
        name="mender",
        role="remediate",
        brain="runbook",
        owner="person:ada",
        kinds=("look.at", "conf.revert"),
        targets=("web",),
        envs=("prod",),
    )
    rules = Rules(
        catalogue={
            "web": Target(name="web", env="prod", owner="ada", depends_on=("store",)),
            "store": Target(name="store", env="prod"),
            "shop": Target(name="shop", env="prod", depends_on=("web",)),
        },
        agents={"mender": agent},
    )
    kinds: dict[str, Any] = {"look.at": Shape("look.at", Reach.READ), "conf.revert": Shape("conf.revert", Reach.WRITE)}
    return House(
        Plugs(
            store=SqliteStore.open(folder, now=clock.now),
            clock=clock,
            policy=SimPolicy({}),
            box=SimBox(),
            caller=SimCaller(),
            engine=SimEngine(clock),
            freezer=FileFreezer(folder),
            tracer=SimTracer(),
            validator=JsonSchemaValidator(),
            kinds=kinds,
            brains={},
            sources={},
            rules=rules,
        )
    )


def hypotheses(state: str) -> tuple[Hypothesis, ...]:
    """What the made-up brain considered: one tried and refuted, one chosen, one ruled out."""
    return (
        Hypothesis(
            name="down/stale",
            cause="The process hangs",
            state="refuted",
            confidence=0.33,
            prior=0.5,
            tried=1,
            because="it was done and did not help",
        ),
        Hypothesis(
            name="down/config",
            cause="The last change is wrong",
            state=state,
            confidence=0.62,
            prior=0.6,
            because="its log says so",
            evidence=("s-one.1.out",),
        ),
        Hypothesis(name="down/disk", cause="The disk is full", state="ruled_out", confidence=0.2, prior=0.2, because="42 % are free"),
    )


def action(number: int, kind: str, purpose: Purpose, **more: Any) -> Action:
    """One action of the session."""
    parts: dict[str, Any] = {
        "id": ActionId(f"{SID}.{number}"),
        "session": SID,
        "step": number,
        "agent": "mender",
        "kind": kind,
        "kind_digest": Digest("sha256:kind"),
        "target": "web",
        "args": {"service": "web"},
        "purpose": purpose,
        "why": "see what it said last",
        "confidence": 1.0,
        "evidence": (),
        "hypothesis": "down/config",
        "verify": (),
        "provenance": {"/service": Origin(origin="value:x", integrity=Integrity.OBSERVED, endorsed=True, endorser="catalogue:service")},
        "digest": Digest(f"sha256:{number:064x}"),
        "proposed_at": BEGIN + number * 10,
    }
    return Action(**{**parts, **more})


LOOKED = action(1, "look.at", Purpose.DIAGNOSE, args={"command": "tail"})
TRIED = action(2, "conf.revert", Purpose.FIX, hypothesis="down/stale", why="see whether a fresh start is enough", confidence=0.5)
WANTED = action(3, "conf.revert", Purpose.FIX, why="take the change back", confidence=0.62, evidence=("s-one.1.out",))
ANSWERED = BEGIN + 400
RECIPE = Recipe(
    before={"head": "aaaa"},
    undo={"do": "revert the revert"},
    argv=(("git", "revert", "a b; rm -rf /", NASTY),),
    diff='--- a/web.toml\n+++ b/web.toml\n@@ -1,2 +1,2 @@\n name = 1\n-wait = "30 s"\n+wait = 1.0\n',
    blast={"files": ["web.toml"]},
    keep_until=BEGIN + 90_000,
)


def deeds() -> tuple[Deed, ...]:
    """A look that gave evidence, a change that was undone, a change that waits."""
    ok = Outcome(ok=True, took_s=0.2, level="bubblewrap")
    return (
        Deed(
            action=LOOKED,
            status=Status.DONE,
            zone=Zone.GREEN,
            outcome=ok,
            result=ValueId("s-one.1.out"),
            intended_at=BEGIN + 10,
            settled_at=BEGIN + 11,
        ),
        Deed(
            action=TRIED,
            status=Status.UNDONE,
            zone=Zone.YELLOW,
            recipe=RECIPE,
            outcome=ok,
            verified=False,
            verify_note="not met: status eq 200: saw 0",
            checks=3,
            intended_at=BEGIN + 20,
            settled_at=BEGIN + 22,
        ),
        Deed(action=WANTED, status=Status.HELD, zone=Zone.RED, decision="approval", why="red: nobody has approved it", recipe=RECIPE),
    )


def entries() -> tuple[tuple[float, Entry], ...]:
    """The log of the session so far, with times."""

    def one(at: float, name: str, act: str = "", **body: Any) -> tuple[float, Entry]:
        who = "agent:observer" if name in ("action.verified", "action.refuted") else "agent:mender"
        return at, Entry(
            name=name, who=who, session=SID, action=f"{SID}.{act}" if act else "", behalf="person:ada", origin="engine", body=body
        )

    opinions = [["hold", "approval", "red: nobody has approved it"]]
    policy = ["sha256:policy", "rule.red", "ask", "reverts are red in prod"]
    return (
        one(0, "session.opened", signal="k1"),
        one(10, "action.decided", "1", verdict="allow", check="all", why="every check passed", opinions=[], policy=policy, grant="g"),
        one(11, "action.done", "1", ok=True, error=""),
        one(20, "action.decided", "2", verdict="allow", check="all", why="every check passed", opinions=[], policy=policy, grant="g"),
        one(20, "action.intended", "2"),
        one(22, "action.done", "2", ok=True, error=""),
        one(25, "action.refuted", "2", notes=["not met: status eq 200: saw 0"]),
        one(26, "action.undoing", "2", why="verification failed"),
        one(27, "action.undone", "2", error=""),
        one(
            30,
            "action.decided",
            "3",
            verdict="hold",
            check="approval",
            why="red: nobody has approved it",
            opinions=opinions,
            policy=policy,
            grant="g",
        ),
        one(30, "approval.asked", "3", quorum=1),
    )


def rows() -> tuple[Put, ...]:
    """The status rows of the session."""
    session = Session(
        id=SID,
        key="k1",
        title=f"web is down {NASTY}",
        agent="mender",
        target="web",
        trigger="alertmanager",
        phase=Phase.PARKED,
        epoch=1,
        opened_at=BEGIN,
        grant=GrantId("g"),
        observer_grant=GrantId("o"),
        step=3,
        current=WANTED.id,
        signals=("alertmanager:k1",),
        waiting="approval",
    )
    thought = Thought(
        summary=f"The last change is wrong {NASTY}", hypotheses=hypotheses("chosen"), runbook="down", runbook_digest="sha256:book"
    )
    approval = Approval(
        id=WANTED.id,
        session=SID,
        digest=WANTED.digest,
        before_digest=Digest("sha256:before"),
        policy_digest=Digest("sha256:policy"),
        requester="agent:mender",
        group="sre",
        rule="rule.red",
        why="reverts are red in prod",
        asked_at=BEGIN + 30,
        expires_at=BEGIN + 930,
        recipe=RECIPE,
        card={"thought": wire.dump(thought), "plan": []},
    )
    signal = Signal(
        source="alertmanager",
        id="d1",
        key="k1",
        name="WebDown",
        target="web",
        at=BEGIN - 5,
        summary=f"no answer {NASTY}",
        labels={"l": NASTY},
    )
    value = Value(
        id=ValueId("s-one.1.out"),
        digest=Digest("sha256:v"),
        origin="kind:look.at@web",
        integrity=Integrity.OBSERVED,
        body=f"line one {NASTY}",
    )
    review = Review(id=TRIED.id, session=SID, agent="mender", due_at=BEGIN + 86_400)
    puts = [
        Put(table="session", id=SID, expect=0, body=wire.dump(session), state="parked", session=SID),
        Put(table="approval", id=WANTED.id, expect=0, body=wire.dump(approval), state="waiting", session=SID, due_at=approval.expires_at),
        Put(table="review", id=review.id, expect=0, body=wire.dump(review), state="waiting", session=SID, due_at=review.due_at),
        Put(table="signal", id="alertmanager:k1", expect=0, body=wire.dump(signal), state="firing", session=SID),
        Put(table="value", id=value.id, expect=0, body=wire.dump(value), session=SID),
    ]
    for deed in deeds():
        puts.append(Put(table="action", id=deed.action.id, expect=0, body=wire.dump(deed), state=deed.status.value, session=SID))
        one = deed.action
        proposal = Proposal(
            kind=one.kind,
            target="web",
            args=one.args,
            purpose=one.purpose,
            why=one.why,
            confidence=one.confidence,
            hypothesis=one.hypothesis,
            evidence=one.evidence,
            verify=(Expect(kind="look.at"),),
        )
        body: Doc = {
            "number": one.step,
            "at": one.proposed_at,
            "answer": wire.dump(Propose(proposal=proposal, thought=thought)),
            "reply": "",
            "replied_by": "",
        }
        puts.append(Put(table="step", id=one.id, expect=0, body=body, session=SID))
    return tuple(puts)


async def seed(house: House) -> None:
    """Write the session, its log and two people: ada may answer, bob is in no group."""
    for name, groups in (("ada", ("sre",)), ("bob", ())):
        principal = Principal(id=PrincipalId(f"person:{name}"), sort=Sort.PERSON, groups=groups, owner=f"person:{name}")
        await house.keys.add(principal, by="test")
    clock: Any = house.plugs.clock
    for at, entry in entries():
        clock.at = BEGIN + at
        await house.plugs.store.commit(Change(entries=(entry,)))
    clock.at = BEGIN + 60
    await house.plugs.store.commit(Change(puts=rows()))


async def closed(house: House) -> None:
    """Let the waiting change have been approved, done and proven, and close the session."""
    clock, store = house.plugs.clock, house.plugs.store
    thought = Thought(summary="done", hypotheses=hypotheses("confirmed"))
    body: Doc = {
        "outcome": "fixed",
        "claimed": "fixed",
        "summary": "fixed",
        "thought": wire.dump(Finish(outcome="fixed", summary="", thought=thought).thought),
    }
    row = store.find("action", WANTED.id)
    assert row is not None
    done = {**row.body, "status": "done", "verified": True, "verify_note": "met", "intended_at": BEGIN + 401, "settled_at": BEGIN + 402}
    session = store.find("session", SID)
    assert session is not None
    shut = {
        **session.body,
        "phase": "closed",
        "outcome": "fixed",
        "summary": "fixed",
        "closed_at": BEGIN + 410,
        "waiting": "",
        "current": "",
    }
    for at, name, act in ((401, "action.intended", WANTED.id), (402, "action.done", WANTED.id), (409, "action.verified", WANTED.id)):
        clock.at = BEGIN + at  # type: ignore[attr-defined]  # the simulated clock is set by hand
        await store.commit(Change(entries=(Entry(name=name, who="agent:mender", session=SID, action=act, body={"notes": ["met"]}),)))
    puts = (
        Put(table="action", id=row.id, expect=row.version, body=done, state="done", session=SID),
        Put(table="session", id=SID, expect=session.version, body=shut, state="closed", session=SID),
    )
    await store.commit(Change(entries=(Entry(name="session.closed", who="agent:mender", session=SID, body=body),), puts=puts))


class Desk:
    """A house and browsers in front of it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app = create(house, house.plugs.store.checkpoint)  # type: ignore[attr-defined]  # the store of this house is SQLite's

    def browser(self, **headers: str) -> httpx.AsyncClient:
        """A browser without a cookie; it says where its forms come from as browsers do."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=ORIGIN, headers={"origin": ORIGIN, **headers})

    async def sign_in(self, name: str = "ada", scopes: tuple[str, ...] = SCOPES) -> httpx.AsyncClient:
        """A browser that came in by a link."""
        browser = self.browser()
        token = await mint_link(self.house, f"person:{name}", scopes, 600)
        answer = await browser.post(f"/login/{token}")
        assert answer.status_code == 303, answer.text
        return browser

    def log(self, name: str) -> list[Any]:
        """The bodies of the log's entries of one name."""
        return [one.entry.body for one in self.house.plugs.store.entries(name=name, limit=1000)]


@asynccontextmanager
async def desk_at(folder: Path) -> AsyncIterator[Desk]:
    """A desk with the session on it, closed at the end."""
    house = house_at(folder)
    try:
        await seed(house)
        yield Desk(house)
    finally:
        house.plugs.store.close()  # type: ignore[attr-defined]  # the store of this house is SQLite's
