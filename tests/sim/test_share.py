"""What several sessions share: a dependency that one at a time may change, figures that breakpoints and policy look at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from flyball.model.action import Status
from flyball.model.decision import Breakpoint
from flyball.model.grant import Target
from flyball.model.session import Phase, View
from sim.oracle import check_all
from sim.world import DAY_S, POLICY, World, answer, ask, build, finish, proposal, propose, rules, steps

CATALOGUE = {
    "web": Target(name="web", env="lab", depends_on=("db",)),
    "mail": Target(name="mail", env="lab", depends_on=("db",)),
    "db": Target(name="db", env="lab"),
}


def estate(brain: Any, **more: Any) -> World:
    world = build(3, brain)
    world.rules = replace(rules(**more), catalogue=CATALOGUE)
    world.boot()
    return world


def acting(kind: str, target: str = "db", **blast: Any) -> World:
    """A world whose sessions change one target, with a recipe that says how far it reaches."""
    world = estate(steps(propose(kind, target), finish("fixed")))

    def tune(each: World) -> None:
        for one in each.kinds.values():
            one.blast = blast

    world.tune = tune
    world.boot()
    return world


def of(world: World, target: str) -> str:
    return next(row.id for row in world.store.rows("session") if row.body["target"] == target)


def held(world: World, target: str) -> str:
    row = world.store.find("lease", target)
    return row.session if row and row.state == "held" else ""


# one dependency, two sessions -----------------------------------------------------------------------------------------


def looks_again(view: View) -> Any:
    """Mend db; where that was denied because somebody else was at it, look, and find it well."""
    deed = view.steps[-1].deed if view.steps else None
    if deed is None:
        return propose("sim.long", "db")
    return finish("resolved" if deed.decision == "lease" else "fixed")


async def test_two_sessions_do_not_change_one_dependency_at_once() -> None:
    world = estate(steps(looks_again))
    await world.signal(target="web")
    await world.run()
    assert held(world, "db") == of(world, "web")
    await world.signal(target="mail")
    await world.run()
    second = world.deed(session=of(world, "mail"))
    assert (second.status, second.decision) == (Status.HELD, "lease")
    assert of(world, "web") in second.why
    await world.run(until_s=200.0)
    second = world.deed(session=of(world, "mail"))
    assert (second.status, second.decision) == (Status.DENIED, "lease")
    assert "look again" in second.why
    assert world.effects.begun == [f"{of(world, 'web')}.1"]
    check_all(world)


def explains_nothing(view: View) -> Any:
    """Mend db where it is the target; on what depends on it, find nothing: a person's, unless the alert is over."""
    if view.session.target == "db":
        return finish("fixed") if view.steps else propose("sim.long", "db")
    return finish("escalated" if any(one.firing for one in view.signals) else "resolved")


@pytest.mark.parametrize("over", [True, False])
async def test_nobody_is_called_while_another_session_mends_what_the_target_depends_on(over: bool) -> None:
    world = estate(steps(explains_nothing))
    await world.signal(target="db")
    await world.run()
    await world.signal(target="web")
    await world.run(until_s=5.0)
    web = world.session(of(world, "web"))
    assert (web.phase, web.waiting, held(world, "db")) == (Phase.PARKED, "others", of(world, "db"))
    if over:
        await world.signal(target="web", firing=False, delivery="web-over")
    await world.run(until_s=200.0)
    assert world.session(of(world, "web")).outcome == ("resolved" if over else "escalated")
    assert 59 < world.session(of(world, "web")).closed_at - web.opened_at < 62 or over
    check_all(world)


async def test_what_others_did_to_a_dependency_takes_a_moment_to_show_before_a_person_is_called() -> None:
    world = estate(steps(explains_nothing))
    await world.signal(target="db")
    await world.run(until_s=1.0)
    while held(world, "db"):
        await world.run(until_s=1.0)
    mended = world.session(of(world, "db"))
    await world.signal(target="web")
    await world.run(until_s=2.0)
    web = world.session(of(world, "web"))
    assert (web.phase, web.waiting) == (Phase.PARKED, "others")
    await world.run(until_s=60.0)
    web = world.session(of(world, "web"))
    assert web.outcome == "escalated"
    assert 10 <= web.closed_at - mended.closed_at < 13


async def test_a_person_is_called_at_once_where_nobody_works_on_what_the_target_depends_on() -> None:
    world = estate(steps(explains_nothing))
    await world.signal(target="web")
    await world.run()
    assert world.session(of(world, "web")).outcome == "escalated"


async def test_a_signal_about_a_dependency_waits_for_the_session_that_mends_it() -> None:
    world = estate(steps(looks_again))
    await world.signal(target="web")
    await world.run()
    await world.signal(target="db")
    await world.run()
    assert [row.body["target"] for row in world.store.rows("session")] == ["web"]
    await world.run(until_s=200.0)
    assert {row.body["target"] for row in world.store.rows("session")} == {"web", "db"}


async def test_what_a_session_did_takes_a_moment_to_show_before_the_next_alert_is_taken_up() -> None:
    world = estate(steps(propose("sim.long", "web"), finish("fixed")))
    await world.open(target="web")
    for name in ("Slow", "Errors"):
        await world.signal(name=name, target="web")
    await world.run(until_s=65.0)
    assert [row.body["outcome"] for row in world.store.rows("session")] == ["fixed"]
    await world.signal(name="Slow", target="web", firing=False, delivery="slow-over")
    await world.signal(name="New", target="web")  # a trouble that began after that work
    await world.run(until_s=1.0)
    assert [row.body["key"] for row in world.store.rows("session")][1:] == ["sim:New:web"]
    await world.run(until_s=200.0)
    assert {row.body["key"] for row in world.store.rows("session")} == {"sim:Down:web", "sim:New:web", "sim:Errors:web"}


async def test_the_loser_of_a_race_for_a_dependency_is_held() -> None:
    world = estate(steps(ask()))
    for target in ("web", "mail"):
        await world.signal(target=target)
    await world.run()
    visits = [world.house.sessions.visit(world.session(of(world, target))) for target in ("web", "mail")]
    one = proposal("sim.green", "db")
    deeds = await asyncio.gather(*(world.house.door.submit(one, each, f"{each.session.id}.x") for each in visits))
    assert sorted(deed.status for deed in deeds) == [Status.DONE, Status.HELD]


async def test_two_that_wait_for_each_other_do_not_wait_for_ever() -> None:
    world = estate(steps(lambda view: ask() if view.session.target == "db" else propose("sim.green", "db")))
    await world.signal(target="db")
    await world.run()
    await world.signal(target="web")
    await world.run(until_s=DAY_S / 24)
    deed = world.deed(session=of(world, "web"))
    assert (deed.status, deed.decision) == (Status.DENIED, "lease")
    assert "for too long" in deed.why


async def test_a_cancelled_session_lets_go_of_all_it_held() -> None:
    world = estate(steps(propose("sim.long", "db")))
    await world.open(target="web")
    emma = await world.person()
    await world.house.steer(emma, of(world, "web"), "cancel", "it is not wanted any more")
    assert (held(world, "web"), held(world, "db")) == ("", "")


async def test_what_a_recipe_names_is_leased_and_what_depends_on_it_is_not() -> None:
    world = acting("sim.long", "db", targets=["mail"], interrupts=True)
    await world.open(target="db")
    assert {name: held(world, name) != "" for name in CATALOGUE} == {"db": True, "mail": True, "web": False}


# breakpoints ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "blast"),
    [
        (Breakpoint(field="targets", op="gt", value=2), {"targets": ["web", "mail"]}),
        (Breakpoint(field="targets", op="gt", value=2), {"interrupts": True}),
        (Breakpoint(field="share", op="ge", value=0.9), {"interrupts": True}),
        (Breakpoint(field="cost_micros", op="gt", value=1000), {"cost_micros": 1001}),
    ],
)
async def test_a_breakpoint_pauses_and_a_person_lets_it_go_on(point: Breakpoint, blast: dict[str, Any]) -> None:
    world = acting("sim.green", **blast)
    world.rules = replace(world.rules, breakpoints=(point,))
    world.boot()
    await world.open(target="db")
    assert (world.deed().status, world.deed().decision) == (Status.HELD, "breakpoint")
    assert world.session().waiting == "approval"
    assert not world.effects.log
    await world.answer(await world.person())
    await world.run()
    assert world.session().outcome == "fixed"
    assert world.effects.times("do", world.deed().action.id) == 1
    check_all(world)


@pytest.mark.parametrize("blast", [{}, {"targets": ["web"]}, {"interrupts": False}, {"cost_micros": 1000}, {"targets": "web,mail"}])
async def test_below_the_thresholds_nothing_pauses(blast: dict[str, Any]) -> None:
    world = acting("sim.green", **blast)
    points = (Breakpoint(field="targets", op="gt", value=2), Breakpoint(field="cost_micros", op="gt", value=1000))
    world.rules = replace(world.rules, breakpoints=points)
    world.boot()
    await world.open(target="db")
    assert world.session().outcome == "fixed"


async def test_what_a_recipe_costs_is_spent_and_what_it_may_not_cost_is_denied() -> None:
    world = acting("sim.green", cost_micros=400_000)
    await world.open(target="db")
    assert world.store.counter(f"budget:{world.session().grant}") == (400_000, 0)
    world = acting("sim.green", cost_micros=2_000_000)
    await world.open(target="db")
    assert (world.deed().status, world.deed().decision) == (Status.DENIED, "budget")


# what policy sees -----------------------------------------------------------------------------------------------------


def asked(world: World, name: str) -> list[Any]:
    found: list[Any] = [one[name] for one in world.policy.asked]
    return found


async def test_policy_sees_targets_and_their_share() -> None:
    world = acting("sim.green", interrupts=True)
    await world.open(target="db")
    assert asked(world, "blast") == [{"targets": 1, "share": 1 / 3}, {"targets": 3, "share": 1.0}]


async def test_policy_sees_how_many_changes_an_agent_made_in_ten_minutes() -> None:
    world = estate(steps(propose("sim.read", "web"), propose("sim.green", "web"), propose("sim.green", "web"), finish("fixed")))
    await world.open(target="web")
    assert [one["last_10m"] for one in asked(world, "pace")] == [0, 0, 0, 1, 1]
    began = world.clock.at
    for minutes, least, most in ((9, 1, 2), (10, 1, 2), (21, 0, 0)):
        world.clock.at = began + 60 * minutes
        assert least <= world.house.door.facts._changes("fixer", world.clock.at) <= most, minutes
    assert world.house.door.facts._changes("other", began) == 0


async def test_policy_sees_whether_the_plan_was_approved() -> None:
    plan = (proposal("sim.red", args={"by": 1}), proposal("sim.green", args={"by": 2}))
    second = propose("sim.green", args={"by": 2}, plan=plan[1:])
    world = estate(steps(propose("sim.red", args={"by": 1}, plan=plan), second, propose("sim.green", args={"by": 3}), finish("fixed")))
    await world.open(target="web")
    assert {one["plan"]["approved"] for one in asked(world, "session")} == {False}
    world.policy.asked.clear()
    await world.answer(await world.person())
    await world.run()
    said = [(one["kind"]["name"], one["call"]["args"], one["session"]["plan"]["approved"]) for one in world.policy.asked]
    assert said[0] == ("sim.red", {"by": 1}, True)
    assert said[-1] == ("sim.green", {"by": 3}, False)


# what policy wants ----------------------------------------------------------------------------------------------------


async def wanting(kind: str, **more: Any) -> World:
    world = estate(steps(propose(kind, "web"), finish("fixed")))
    said = POLICY[kind]
    world.policy.table[kind] = answer(said.effect, said.zone, group=said.group, **more)
    await world.open(target="web")
    return world


@pytest.mark.parametrize("more", [{"obligations": ("notarise",)}, {"constraints": {"max_rows": 5}}])
async def test_what_nobody_sees_to_is_denied(more: dict[str, Any]) -> None:
    world = await wanting("sim.green", **more)
    assert (world.deed().status, world.deed().decision) == (Status.DENIED, "policy")
    assert "nobody here sees to" in world.deed().why


async def test_a_way_back_that_policy_wants_must_be_there() -> None:
    assert (await wanting("sim.green", obligations=("recipe",))).session().outcome == "fixed"
    world = estate(steps(propose("sim.final", "web"), finish("fixed")))
    world.policy.table["sim.final"] = answer("allow", "green", obligations=("recipe",))
    await world.open(target="web")
    assert (world.deed().status, world.deed().decision) == (Status.DENIED, "policy")


@pytest.mark.parametrize(("within_s", "ends"), [(60, 60.0), (5000, 900.0)])
async def test_policy_shortens_the_time_for_an_answer_and_never_lengthens_it(within_s: int, ends: float) -> None:
    world = await wanting("sim.red", constraints={"approve_within_s": within_s})
    row = next(iter(world.store.rows("approval")))
    assert float(str(row.body["expires_at"])) - world.clock.at == ends


@pytest.mark.parametrize(("keep_s", "kept"), [(10 * DAY_S, 10 * DAY_S), (1.0, DAY_S)])
async def test_an_undo_is_kept_as_long_as_policy_wants_at_the_least(keep_s: float, kept: float) -> None:
    world = await wanting("sim.green", constraints={"keep_s": keep_s})
    recipe = world.deed().recipe
    assert recipe.keep_until - world.deed().intended_at == kept
