"""Stories of one session each, told through the House in a simulated world."""

from sim.world import UP, build, finish, propose, steps


async def test_a_green_fix_is_done_verified_and_closed_as_fixed() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    deed, session = world.deed(), world.session()
    assert (deed.status, deed.verified, session.outcome) == ("done", True, "fixed")
    assert world.effects.log == [("do", deed.action.id)]
    names = world.names(session.id)
    assert names.index("action.intended") < names.index("action.done") < names.index("action.verified") < names.index("session.closed")
