"""Agents outside the server: their keys, their actions, and what happens to what they leave open. In process, all parts real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from flyball import compose
from flyball.compose import Server
from flyball.core.keys import Who
from flyball.errors import BadInput, Conflict, Denied, Fenced, Moved, NotReady, SignInNeeded, UserError
from flyball.model.action import Deed, Status
from flyball.model.grant import Principal, Sort
from flyball.model.ids import PrincipalId
from flyball.model.session import Session
from flyball.views import session as sessions
from flyball.views import span, tree
from flyball.views.explain import explain
from flyball.views.report import markdown
from flyball.views.steps import steps
from live import REASON, Live, count_of, counting, spec


@dataclass
class World:
    live: Live
    server: Server
    admin: Who
    second: Who
    session: str
    agent: Who
    token: str = ""

    @property
    def here(self) -> Session:
        return self.server.house.load_session(self.session)

    async def act(self, name: str = "", target: str = "unit0", **more: Any) -> Deed:
        said = {"name": name, "kind": "process.restart", "target": target, "args": {"service": target}, "confidence": 0.9, **more}
        return await self.server.house.act(self.agent, said)

    async def until(self, look: Callable[[], Any]) -> Any:
        async with asyncio.timeout(60):
            while not (found := look()):  # noqa: ASYNC110 the event is a row in the store
                await asyncio.sleep(0.02)
        return found

    def status(self, name: str) -> str:
        deed = self.server.house.door.find(f"{self.session}.{name}")
        return deed.status.value if deed else ""

    async def sign_in(self) -> None:
        self.token, _ = await self.server.house.remote.mint(self.admin, self.here)
        self.agent = self.server.house.keys.authenticate(self.token, "test")

    async def steer(self, verb: str, reason: str) -> None:
        """Steer the session; who loses a race against the server is told to look again."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.server.house.steer(self.admin, self.session, verb, reason)
                except Moved:
                    continue
                return

    def restarts(self) -> int:
        return count_of(self.live.folder.parent / "targets", "unit0")


async def who(server: Server, name: str, *scopes: str, groups: tuple[str, ...] = ()) -> Who:
    sort = Sort(name.partition(":")[0])
    principal = Principal(id=PrincipalId(name), sort=sort, groups=groups)
    await server.house.keys.add(principal, by="service:test")
    text, _ = await server.house.keys.mint(principal, scopes, ttl_s=600, by="service:test")
    return server.house.keys.authenticate(text, "test")


@pytest.fixture
def env() -> str:
    return "test"


@pytest.fixture
async def world(tmp_path: Path, env: str) -> AsyncIterator[World]:
    live = Live(tmp_path / "project")
    (tmp_path / "targets").mkdir()
    services = [{**one, "env": env, "sensitivity": "normal"} for one in counting(tmp_path / "targets", ("unit0", "unit1"))]
    live.write(services)
    live.edit("flyball.yaml", lambda doc: doc.update(pace={"default": {"burst": 1000, "every_s": 0.001}}))
    agent = (live.folder / "agents" / "remediator.yaml").read_text()
    (live.folder / "agents" / "outside.yaml").write_text(
        agent.replace("name: remediator", "name: outside").replace("brain: runbook", "brain: remote").replace("file.quarantine, ", "")
    )
    server = await compose.build(live.folder)
    admin = await who(server, "person:admin", *compose.ADMIN_SCOPES, groups=("admin", "sre"))
    second = await who(server, "person:second", "approve", "review", groups=("sre",))
    work = asyncio.create_task(server.work())
    await server.house.inbox.accept("spec", spec("work", "unit0", agent="outside"), {}, admin)
    world = World(live, server, admin, second, "", admin)
    row = await world.until(lambda: next((one for one in server.store.rows("session") if one.body["waiting"] == "brain"), None))
    world.session = row.id
    await world.sign_in()
    yield world
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await server.close()


async def refused(call: Any, sort: type[UserError], words: str) -> None:
    with pytest.raises(sort) as caught:
        await call
    assert words in caught.value.lines()


async def test_who_gets_a_key(world: World) -> None:
    remote = world.server.house.remote
    robot = await who(world.server, "service:robot", "admin")
    await refused(remote.mint(robot, world.here), Denied, "only a person gives an agent its key")
    await refused(remote.mint(world.second, world.here), Denied, "lacks the scope 'admin'")
    await refused(remote.mint(world.admin, world.here, 0), BadInput, "a key needs an end")
    await refused(remote.mint(world.admin, world.here, 1e9), BadInput, "a key needs an end")
    await refused(remote.mint(world.admin, replace(world.here, agent="remediator")), BadInput, "its brain is 'runbook'")
    await refused(remote.mint(world.admin, replace(world.here, epoch=99)), NotReady, "is being picked up")
    assert (world.agent.principal.id, world.agent.key.session) == ("agent:outside", world.session)
    await world.steer("pause", REASON)
    await refused(remote.mint(world.admin, world.here), Moved, "is paused")
    await refused(world.act("paused"), Moved, "is paused")
    await world.steer("resume", REASON)
    assert (await world.act("resumed")).status is Status.DONE
    await world.steer("cancel", REASON)
    await refused(world.act("late"), Moved, "is closed")


async def test_kinds_outside_the_grant_do_not_exist_for_an_agent(world: World) -> None:
    transport = httpx.ASGITransport(app=world.server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://flyball") as client:
        answer = await client.get("/v1/kinds", headers={"authorization": f"Bearer {world.token}"})
    seen = {one["name"] for one in answer.json()["kinds"]}
    assert seen == set(world.server.house.plugs.kinds) - {"file.quarantine"}
    assert (await world.act(kind="file.quarantine")).status is Status.DENIED


async def test_a_name_is_an_idempotency_key(world: World) -> None:
    assert (await world.act("once")).status is Status.DONE
    assert (await world.act("once")).status is Status.DONE
    assert world.restarts() == 1
    await world.act()
    assert world.restarts() == 2
    for name in ("a.b", "x" * 65, "ä", "a b"):
        await refused(world.act(name), BadInput, "name does not serve")
    both = await asyncio.gather(world.act("twin"), world.act("twin"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in both) == ["Deed", "Moved"]
    assert world.restarts() == 3


@pytest.mark.parametrize(("fault", "words"), [(Fenced("newer epoch"), "was taken over"), (Conflict("row:action/x"), "has just moved on")])
async def test_a_lost_race_is_told_in_one_line(world: World, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str) -> None:
    async def lose(*_: Any) -> Deed:
        raise fault

    monkeypatch.setattr(world.server.house.door, "submit", lose)
    await refused(world.act("lost"), Moved, words)
    assert world.server.house.loop.carry.abroad == set()


async def test_a_change_is_a_fix_whatever_it_is_called(world: World) -> None:
    assert (await world.act("look", purpose="diagnose")).action.purpose == "fix"
    assert (await world.act("check", purpose="verify")).action.purpose == "fix"
    read = await world.act("read", kind="host.read", args={"command": "unit-status"})
    assert (read.action.purpose, read.status) == ("diagnose", Status.DONE)


async def test_a_fix_is_proven_by_the_observer(world: World) -> None:
    good = {
        "kind": "host.read",
        "args": {"command": "unit-status"},
        "at": "/state",
        "op": "eq",
        "value": "running",
        "within_s": 5.0,
        "every_s": 0.1,
    }
    deed = await world.act("good", verify=[good])
    assert deed.status is Status.DONE
    await world.until(lambda: world.server.house.load_deed(f"{world.session}.good").verified)
    bad = {**good, "value": "flying", "within_s": 0.5}
    await world.act("bad", verify=[bad], hypothesis="outside/wrong")
    await world.until(lambda: world.status("bad") == "undone")
    assert world.server.house.load_deed(f"{world.session}.bad").verified is False
    await world.until(lambda: world.here.waiting == "brain")


@pytest.mark.parametrize("env", ["prod"])
async def test_yellow_is_reviewed_whatever_it_is_called(world: World) -> None:
    assert (await world.act("sly", purpose="notify")).status is Status.DONE
    assert world.server.store.count("review", "waiting") == 1


async def test_an_action_that_was_held_runs_once_it_is_approved(world: World) -> None:
    held = await world.act("unsure", confidence=0.4)
    assert held.status is Status.HELD
    await world.until(lambda: world.here.waiting == "approval")
    looked = await world.act("look", kind="host.read", args={"command": "unit-status"})
    assert looked.status is Status.DONE  # others go on meanwhile; a restart would change what was approved
    approval = world.server.house.approvals.load(held.action.id)
    await world.server.house.approvals.answer(held.action.id, world.second, "approve", {"digest": approval.digest, "reason": REASON})
    await world.until(lambda: world.status("unsure") == "done")
    assert world.restarts() == 1


async def test_an_action_whose_caller_is_gone_is_settled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    house, begun = world.server.house, asyncio.Event()

    async def hang(*_: Any) -> tuple[None, str]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(house.attempt, "_do", hang)
    caller = asyncio.create_task(world.act("cut"))
    await begun.wait()
    assert world.status("cut") == "running"
    await house.loop.advance(world.session)  # while its caller is at it, nobody else touches it
    assert world.status("cut") == "running"
    monkeypatch.undo()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await world.until(lambda: world.status("cut") == "failed")
    assert world.restarts() == 0
    assert (await world.act("again")).status is Status.DONE


async def slowly(world: World) -> asyncio.Task[Deed]:
    """An action of an agent elsewhere, in the middle of its effect: it goes on when `go` is there."""
    targets = world.live.folder.parent / "targets"
    program, home = targets / "count.sh", targets / "unit0"
    waits = 'if [ "$2" = restart ]; then : > "$1/begun"; until [ -e "$1/go" ]; do sleep 0.05; done; fi\n'
    program.write_text(waits + program.read_text())
    caller = asyncio.create_task(world.act("slow"))
    await world.until((home / "begun").exists)
    return caller


async def test_what_a_caller_is_still_doing_is_not_looked_at_when_its_session_is_cancelled(world: World) -> None:
    """A look in the middle would find that it did not happen, and write that down, and then it happens."""
    caller = await slowly(world)
    await world.steer("cancel", REASON)
    await world.server.house.advance(world.session)
    assert world.status("slow") == "running"
    (world.live.folder.parent / "targets" / "unit0" / "go").touch()
    await refused(caller, Moved, "was taken over")
    await world.until(lambda: world.status("slow") == "done")
    assert world.restarts() == 1


async def test_what_a_caller_is_still_doing_is_settled_after_its_session_has_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    house = world.server.house
    caller = await slowly(world)
    epoch = world.here.epoch
    monkeypatch.setitem(house.plugs.rules.agents, "outside", replace(house.plugs.rules.agents["outside"], max_s=0.0))
    await house.advance(world.session)
    assert (world.here.phase, world.status("slow")) == ("closed", "running")
    assert world.here.epoch > epoch  # an intent that was on its way is refused: nobody would free what it leases
    (world.live.folder.parent / "targets" / "unit0" / "go").touch()
    await refused(caller, Moved, "was taken over")
    await world.until(lambda: world.status("slow") == "done")
    assert world.restarts() == 1


async def test_what_was_left_open_is_settled_by_whoever_takes_the_session_over(world: World) -> None:
    house = world.server.house
    assert (await world.act("first")).status is Status.DONE
    await world.until(lambda: world.here.waiting == "brain")
    house.sessions.forget(world.session)  # as after a restart
    await refused(world.act("early"), NotReady, "is being picked up")
    await world.until(lambda: house.sessions.holds(world.here))
    with pytest.raises(SignInNeeded):
        house.keys.authenticate(world.token, "test")
    await world.sign_in()
    assert (await world.act("late")).status is Status.DONE


async def test_a_remote_session_ends_with_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = world.server.house.plugs.rules.agents["outside"]
    assert world.here.wake_at == pytest.approx(world.here.opened_at + agent.max_s)
    monkeypatch.setitem(world.server.house.plugs.rules.agents, "outside", replace(agent, max_s=0.0))
    world.server.engine.wake(world.session)
    await world.until(lambda: world.here.phase == "closed")
    assert world.here.outcome == "escalated"


async def test_a_signal_whose_name_is_too_large_for_the_log_holds_no_other_up(world: World) -> None:
    inbox, rows = world.server.house.inbox, world.server.store.rows
    alert = {"status": "firing", "labels": {"alertname": "Down"}, "fingerprint": "f" * 200_000}
    await inbox.accept("alertmanager", json.dumps({"version": "4", "alerts": [alert]}).encode(), {}, world.admin)
    await world.until(lambda: rows("signal", state="dead") or rows("signal", state="unrouted"))
    await inbox.accept("spec", spec("more", "unit1", agent="outside"), {}, world.admin)
    await world.until(lambda: "unit1" in [one.body["target"] for one in rows("session")])
    assert world.server.engine.faults == 0


async def test_views_tell_what_an_agent_outside_did_though_it_told_no_thought(world: World) -> None:
    store = world.server.store
    waits = sessions.page(store, world.session)
    assert waits is not None
    assert explain(waits)["what"].endswith("Nothing was changed. It waits for the next action of its agent.")
    assert explain(waits)["who"] == "agent:outside, has done nothing; nobody was asked"
    assert (await world.act("one", why="start it anew")).status is Status.DONE
    assert (await world.act("v1", kind="<b>`no", why="a name like a look of the observer")).status is Status.DENIED
    assert (await world.act("other", target="unit1", why="elsewhere")).status is Status.DENIED
    await world.server.house.roll_back(world.admin, f"{world.session}.one", REASON)
    await world.steer("cancel", REASON)
    doc = sessions.page(store, world.session)
    assert doc is not None
    told = explain(doc)
    assert (
        "What was done: process.restart on unit0 (put back (nothing to undo)). Not done: process.restart on unit1 (denied by grant"
        in told["what"]
    )
    assert told["why"] == "no hypothesis was told; of process.restart on unit0 its agent says: start it anew"
    did = f"person:admin rolled back {world.session}.one: {REASON}; person:admin cancelled: {REASON}"
    assert told["who"].endswith(f"nobody was asked; {did}")
    figures = span.figures(doc, doc["session"]["closed_at"])
    assert (figures["changes"], figures["undone"], figures["looks"], figures["interventions"]) == (1, 1, 0, 2)
    text = markdown(doc, figures)
    assert "\\<b\\>\\`no: a name like a look of the observer; deny by known" in text
    assert "still firing" not in text
    assert [one["title"] for one in tree.tree(doc)["nodes"][0]["nodes"]] == ["Cancelled", "No cause stated", "No cause stated"]
    assert [row["action"]["id"].partition(".")[2] for row in steps(doc)] == ["one", "v1", "other"]
