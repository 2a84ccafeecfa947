"""One undo at a time: a person's roll-back and the engine's unwinding meet on one deed."""

from __future__ import annotations

import asyncio
from typing import Any

from flyball.model.action import Expect, Outcome, Status
from sim.oracle import check_log
from sim.world import World, build, finish, propose, steps

LATER = (Expect(kind="sim.read", at="/count", op="ge", value=99, within_s=50.0),)


class Gate:
    """Keeps the undo of a world's kinds waiting until it is opened."""

    def __init__(self, world: World) -> None:
        self.begun, self.open, self.undos = asyncio.Event(), asyncio.Event(), 0
        for kind in world.kinds.values():
            kind.undo = self._slowed(kind.undo)  # type: ignore[method-assign]  # the test stands in its way

    def _slowed(self, undo: Any) -> Any:
        async def slow(hands: Any, recipe: Any) -> Outcome:
            self.undos += 1
            self.begun.set()
            await self.open.wait()
            said: Outcome = await undo(hands, recipe)
            return said

        return slow


async def test_the_engine_leaves_an_undo_alone_that_a_person_has_under_way() -> None:
    world = build(5, steps(propose("sim.green", verify=LATER), finish("escalated")))
    emma = await world.person()
    await world.open()
    gate, name = Gate(world), world.deed().action.id
    rolling = asyncio.create_task(world.house.roll_back(emma, name, "it made things worse"))
    await gate.begun.wait()
    assert world.deed().status is Status.UNDOING
    engine = asyncio.create_task(world.house.advance(world.session().id))
    done, _ = await asyncio.wait({engine}, timeout=5)
    assert done, "the engine waits inside a second undo"
    assert (gate.undos, world.deed().status) == (1, Status.UNDOING)
    assert world.session().waiting == "freeze"
    gate.open.set()
    assert (await rolling).status is Status.UNDONE
    await world.run(until_s=200.0)
    assert gate.undos == 1
    assert world.effects.times("undo", f"{name}:undo") == 1
    check_log(world)


async def test_a_second_roll_back_meanwhile_changes_nothing() -> None:
    world = build(5, steps(propose("sim.green", verify=LATER), finish("escalated")))
    await world.open()
    gate, deed = Gate(world), world.deed()
    visit = world.house.sessions.visit(world.session())
    first = asyncio.create_task(world.house.unwind.undo(deed, visit, "first"))
    await gate.begun.wait()
    second = await asyncio.wait_for(world.house.unwind.undo(world.deed(), visit, "second"), 5)
    assert (second.status, gate.undos) == (Status.UNDOING, 1)
    gate.open.set()
    assert (await first).status is Status.UNDONE
