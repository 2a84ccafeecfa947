"""The process dies at every durable point and around every call of a kind; then it dies again while it recovers and unwinds."""

from __future__ import annotations

import asyncio

import pytest

from flyball.core.keys import Who
from flyball.model.action import Expect, Purpose
from sim.oracle import check_all
from sim.world import Crash, World, build, finish, propose, steps

SEED = 7
SECONDS = 4
"""Changes of the recovering process after which it dies again: what comes later is as after one crash."""


def count(op: str, value: int) -> tuple[Expect, ...]:
    return (Expect(kind="sim.read", at="/count", op=op, value=value, within_s=0.0),)


def brain() -> object:
    """A red fix that is refuted and undone; three more of one hypothesis, the last refuted: all three are unwound, latest first."""
    return steps(
        propose("sim.read", purpose=Purpose.DIAGNOSE),
        propose("sim.red", args={"by": 1}, hypothesis="a", verify=count("ge", 9)),
        propose("sim.green", args={"by": 2}, hypothesis="b", verify=count("ge", 2)),
        propose("sim.once", args={"by": 4}, hypothesis="b", verify=count("ge", 4)),
        propose("sim.yellow", args={"by": 8}, hypothesis="b", verify=count("ge", 99)),
        finish("escalated"),
    )


async def step(world: World, emma: Who) -> bool:
    """Whoever waits is answered; give whether the story has ended. The sender repeats its delivery until it is taken."""
    await world.signal(delivery="d1")
    await world.run()
    if world.closed():
        return True
    if world.store.rows("approval", state="waiting"):
        await world.answer(emma)
    else:
        await world.run(until_s=60.0)
    return False


async def play(*crashes: int, unsure: bool = False) -> World:
    """Tell the story with a crash at the given point of each process in turn. Gives the world at its end."""
    world = build(SEED, brain())
    world.unsure = unsure
    emma = await world.person()
    world.life.points.clear()
    left = list(crashes)
    world.life.crash_at = left.pop(0) if left else 0
    for _ in range(100):
        try:
            if world.boots > 1 and not world.life.points:
                await world.house.start()
            if await step(world, emma):
                return world
        except Crash:
            world.boot(left.pop(0) if left else 0)
    raise AssertionError("the story never ends")


def told(*crashes: int, unsure: bool = False) -> World:
    try:
        world = asyncio.run(play(*crashes, unsure=unsure))
        check_all(world)
    except BaseException:
        print(f"seed {SEED}, crashes at {crashes}, unsure {unsure}")
        raise
    return world


def points_of(*crashes: int, unsure: bool = False) -> int:
    """How many points the process after these crashes has."""
    return len(told(*crashes, unsure=unsure).life.points)


def test_the_story_without_a_crash_unwinds_latest_first() -> None:
    world = told()
    undone = [key for what, key in world.effects.log if what == "undo"]
    assert [key.rsplit(".", 1)[1] for key in undone] == ["2:undo", "5:undo", "4:undo", "3:undo"]
    assert world.effects.count == {"web": 0}
    assert world.session().outcome == "escalated"


@pytest.mark.parametrize("unsure", [False, True], ids=["sure", "unsure"])
def test_a_crash_at_every_point(unsure: bool) -> None:
    total = points_of(unsure=unsure)
    assert total > 60
    for first in range(1, total + 1):
        told(first, unsure=unsure)


def changes(points: list[str]) -> list[int]:
    """The points right after something durable changed: a crash anywhere else leaves the same world as one of these."""
    return [1, *(number for number, name in enumerate(points, start=1) if name.startswith("after "))]


@pytest.mark.parametrize("unsure", [False, True], ids=["sure", "unsure"])
def test_a_second_crash_while_recovering_or_unwinding(unsure: bool) -> None:
    runs = 0
    for first in changes(told(unsure=unsure).life.points):
        for second in changes(told(first, unsure=unsure).life.points)[:SECONDS]:
            told(first, second, unsure=unsure)
            runs += 1
    assert runs > 120, runs


def test_a_third_crash_after_two_in_the_unwinding() -> None:
    points = told().life.points
    first = next(number for number, name in enumerate(points, start=1) if name == "after commit action.undoing")
    for second in range(1, 16):
        for third in (3, 7):
            told(first, second, third)
