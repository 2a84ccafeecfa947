"""A deed that goes on for longer than any process: parked meanwhile, begun once, found again after every crash, ended when called off."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from flyball.model.action import Expect, Outcome, Purpose, Seen, Status
from flyball.model.grant import Freeze
from sim.oracle import check_all
from sim.test_attack import remote
from sim.world import LONG_S, Crash, World, build, finish, propose, steps

SEED = 11
COUNTED = (Expect(kind="sim.read", at="/count", op="ge", value=1, within_s=0.0),)


def story() -> Any:
    return steps(propose("sim.long", verify=COUNTED), finish("fixed"))


async def begun() -> World:
    world = build(SEED, story())
    await world.open()
    assert world.deed().status is Status.RUNNING
    return world


async def test_the_session_parks_and_the_end_is_recorded_once() -> None:
    world = await begun()
    assert (world.session().phase, world.session().waiting) == ("parked", "running")
    writes = world.store.commits
    await world.run(until_s=LONG_S / 2)
    assert world.store.commits == writes, "waiting writes nothing"
    await world.run(until_s=LONG_S)
    assert world.session().outcome == "fixed"
    assert [name for name in world.names() if name.startswith("action.") and name != "action.decided"] == [
        "action.intended",
        "action.done",  # of the long one, and no `unknown` before it
        "action.done",  # of the observer's look
        "action.verified",
    ]
    assert world.house.load_deed(world.deed().action.id).result
    check_all(world)


async def test_a_process_that_dies_meanwhile_changes_nothing() -> None:
    world = await begun()
    for _ in range(3):
        await world.reboot()
        await world.run(until_s=1.0)
        assert world.deed().status is Status.RUNNING
    await world.run(until_s=LONG_S)
    assert world.session().outcome == "fixed"
    assert world.effects.begun == [world.deed().action.id]
    assert "action.unknown" not in world.names()
    check_all(world)


async def test_a_freeze_ends_it() -> None:
    world = await begun()
    world.freezer.freeze(Freeze(id="f1", scope="target:web", reason="stop", by="person:emma", at=world.clock.at))
    await world.run(until_s=3.0)
    assert (world.deed().status, world.deed().outcome.error) == (Status.FAILED, "it was called off")
    assert not world.effects.going
    check_all(world)


async def test_a_freeze_of_something_else_lets_it_go_on() -> None:
    world = await begun()
    world.freezer.freeze(Freeze(id="f1", scope="target:db", reason="stop", by="person:emma", at=world.clock.at))
    await world.run(until_s=3.0)
    assert world.deed().status is Status.RUNNING


async def test_a_cancel_ends_it() -> None:
    world = await begun()
    emma = await world.person()
    await world.house.steer(emma, world.session().id, "cancel", "it is not wanted any more")
    await world.run()
    assert (world.deed().status, world.deed().outcome.error) == (Status.FAILED, "it was called off")
    assert not world.effects.going
    check_all(world)


async def test_a_cancel_that_the_process_did_not_live_to_see_ends_it_at_the_next_start() -> None:
    world = await begun()
    emma = await world.person()
    await world.house.steer(emma, world.session().id, "cancel", "it is not wanted any more")
    await world.reboot()
    assert world.deed().status is Status.FAILED
    assert not world.effects.going
    check_all(world)


async def test_a_pause_lets_it_go_on() -> None:
    world = await begun()
    emma = await world.person()
    await world.house.steer(emma, world.session().id, "pause", "let me look at it first")
    await world.run(until_s=2 * LONG_S)
    assert world.deed().status is Status.RUNNING
    await world.house.steer(emma, world.session().id, "resume", "looked at it and it is fine")
    await world.run()
    assert world.session().outcome == "fixed"


async def test_what_cannot_be_ended_goes_on_under_a_freeze_and_is_settled_by_its_end() -> None:
    world = build(SEED, steps(propose("sim.green"), finish("fixed")))
    said: list[Any] = [Seen.RUNNING]

    async def goes_on(*_: Any) -> None:
        return None

    async def as_told(*_: Any) -> Any:
        return said[0]

    def tune(each: World) -> None:
        each.kinds["sim.green"].do = goes_on  # type: ignore[assignment]  # a deed that begins and gives no outcome
        each.kinds["sim.green"].probe = as_told  # type: ignore[method-assign]  # and whose end the test decides

    world.tune = tune
    world.boot()
    await world.open()
    world.freezer.freeze(Freeze(id="f1", scope="all", reason="stop", by="person:emma", at=world.clock.at))
    await world.run(until_s=10.0)
    assert world.deed().status is Status.RUNNING
    said[0] = Outcome(ok=True, result={"bumped": "web"})
    await world.run(until_s=10.0)
    assert world.deed().status is Status.DONE


async def test_an_end_that_breaks_its_contract_is_a_failure() -> None:
    world = build(SEED, story())
    world.specs["sim.long"] = replace(world.specs["sim.long"], result={"type": "string"})
    world.boot()
    await world.open()
    await world.run(until_s=2 * LONG_S)
    assert world.deed().status is Status.FAILED
    assert "breaks its contract" in world.deed().outcome.error


async def test_without_a_postcondition_its_end_counts() -> None:
    world = build(SEED, steps(propose("sim.long"), finish("fixed")))
    await world.open()
    await world.run(until_s=2 * LONG_S)
    assert (world.deed().verified, world.session().outcome) == (True, "fixed")
    assert "the kind's probe says it ended" in world.deed().verify_note


async def test_a_remote_brain_is_told_that_it_goes_on_and_it_is_carried_on() -> None:
    world = remote()
    name = await world.open()
    admin = await world.person(scopes=("admin",))
    text, _ = await world.house.remote.mint(admin, world.session(name), 600.0)
    who = world.house.keys.authenticate(text, "http")
    said = {"kind": "sim.long", "target": "web", "name": "long", "purpose": "fix", "hypothesis": "h"}
    assert (await world.house.act(who, dict(said))).status is Status.RUNNING
    assert (await world.house.act(who, dict(said))).status is Status.RUNNING
    await world.reboot()
    await world.run(until_s=2 * LONG_S)
    assert world.house.load_deed(f"{name}.long").status is Status.DONE
    assert world.effects.begun == [f"{name}.long"]


async def step(world: World) -> bool:
    await world.signal(delivery="d1")
    await world.run(until_s=20.0)
    return world.closed()


async def play(*crashes: int, unsure: bool) -> World:
    world = build(SEED, steps(propose("sim.read", purpose=Purpose.DIAGNOSE), propose("sim.long", verify=COUNTED), finish("fixed")))
    world.unsure = unsure
    left = list(crashes)
    world.life.crash_at = left.pop(0) if left else 0
    for _ in range(60):
        try:
            if world.boots > 1 and not world.life.points:
                await world.house.start()
            if await step(world):
                return world
        except Crash:
            world.boot(left.pop(0) if left else 0)
    raise AssertionError("the story never ends")


def told(*crashes: int, unsure: bool = False) -> World:
    world = asyncio.run(play(*crashes, unsure=unsure))
    check_all(world)
    assert not world.effects.going or unsure
    return world


@pytest.mark.parametrize("unsure", [False, True], ids=["sure", "unsure"])
def test_a_crash_at_every_point_and_again_while_recovering(unsure: bool) -> None:
    total = len(told(unsure=unsure).life.points)
    assert total > 30
    for first in range(1, total + 1):
        again = told(first, unsure=unsure).life.points
        for second in [number for number, name in enumerate(again, start=1) if name.startswith("after ")][:4]:
            told(first, second, unsure=unsure)
