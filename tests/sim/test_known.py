"""What is known of keys between the two looks of the door: kept parsed by version, looked up every time."""

from __future__ import annotations

import pytest

from flyball.core import keys
from flyball.model.action import Recipe
from flyball.ports import Hands
from sim.world import World, build, finish, propose, steps


def green() -> World:
    return build(3, steps(propose("sim.green"), finish("escalated")))


async def test_a_key_revoked_between_the_two_looks_is_noticed() -> None:
    world = green()
    plan = world.kinds["sim.green"].plan

    async def revoked(hands: Hands) -> Recipe:
        for row in world.store.rows("key", session=hands.action.session, state="live"):
            await world.house.keys.revoke(row.id, by="person:emma", reason="it was lost")
        return await plan(hands)

    world.kinds["sim.green"].plan = revoked  # type: ignore[method-assign]  # somebody revokes while the target is looked at
    await world.open()
    assert (world.deed().status, world.deed().decision) == ("denied", "key")


async def test_what_is_kept_parsed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_KNOWN", 1)
    world = green()
    await world.open()
    assert world.deed().status == "done"
    assert len(world.house.keys._known) == 1
