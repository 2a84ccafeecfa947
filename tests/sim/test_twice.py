"""What is asked twice on the way through the door, and what is not: policy's answer to one question stands for a second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flyball.core import gather, keys
from flyball.model.action import Recipe
from flyball.ports import Hands
from sim.world import World, answer, build, finish, propose, steps


async def played(world: World) -> list[Any]:
    await world.open()
    return [asked for asked in world.policy.asked if asked["kind"]["name"] == "sim.green"]


def green() -> World:
    return build(3, steps(propose("sim.green"), finish("escalated")))


def slow(world: World, seconds: float) -> None:
    plan = world.kinds["sim.green"].plan

    async def later(hands: Hands) -> Recipe:
        world.clock.at += seconds
        return await plan(hands)

    world.kinds["sim.green"].plan = later


async def test_the_same_question_is_asked_once() -> None:
    world = green()
    assert len(await played(world)) == 1
    assert world.deed().status == "done"


async def test_a_second_later_it_is_asked_again() -> None:
    world = green()
    slow(world, 1.0)
    first, second = await played(world)
    assert second["now"] - first["now"] == 1.0


async def test_within_the_second_time_alone_makes_no_other_question() -> None:
    world = green()
    slow(world, 0.9)
    assert len(await played(world)) == 1


async def test_another_policy_is_asked_for_itself() -> None:
    world = green()
    plan = world.kinds["sim.green"].plan

    async def swapped(hands: Hands) -> Recipe:
        world.policy.digest = "sha256:policy2"
        world.policy.table["sim.green"] = answer("deny", "red")
        return await plan(hands)

    world.kinds["sim.green"].plan = swapped
    assert len(await played(world)) == 2
    assert world.deed().status == "denied"


async def test_another_fact_is_another_question() -> None:
    world = green()
    plan = world.kinds["sim.green"].plan

    async def wide(hands: Hands) -> Recipe:
        return replace(await plan(hands), blast={"targets": 3})

    world.kinds["sim.green"].plan = wide
    first, second = await played(world)
    assert (first["blast"]["targets"], second["blast"]["targets"]) == (1, 3)


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MOST_ASKED", 0)
    monkeypatch.setattr(keys, "MOST_KNOWN", 1)
    world = green()
    assert len(await played(world)) == 1
    assert len(world.house.keys._known) == 1


async def test_a_revoked_key_is_noticed_between_the_two_looks() -> None:
    world = green()
    plan = world.kinds["sim.green"].plan

    async def revoked(hands: Hands) -> Recipe:
        for row in world.store.rows("key", session=hands.action.session, state="live"):
            await world.house.keys.revoke(row.id, by="person:emma", reason="it was lost")
        return await plan(hands)

    world.kinds["sim.green"].plan = revoked
    await played(world)
    assert (world.deed().status, world.deed().decision) == ("denied", "key")
