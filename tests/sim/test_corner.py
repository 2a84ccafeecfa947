"""What seldom happens: lost races, things that are gone, words that are missing. Each ends in one line, and nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from flyball.core import keys as keys_module
from flyball.core.guard import guard
from flyball.core.question import question
from flyball.errors import BadInput, Conflict, Denied, Fenced, Moved, NotFound, NotReady, StoreFull, TooLarge
from flyball.model.action import Expect, Outcome, Recipe, Seen, Status
from flyball.model.decision import Facts
from flyball.model.grant import Freeze, Sort
from flyball.model.log import Change
from sim.oracle import check_all, check_log
from sim.test_attack import remote, submit, waiting
from sim.test_story import REASON, at_least, held, red
from sim.world import DAY_S, SPECS, UP, World, build, finish, proposal, propose, steps


def refuse(world: World, name: str, fault: Exception, times: int = 10**6) -> None:
    """Let the store refuse changes with an entry of this name."""
    left = [times]

    def hook(change: Change) -> None:
        if left[0] and any(entry.name == name for entry in change.entries):
            left[0] -= 1
            raise fault

    world.store.before_commit = hook


async def test_what_is_not_there_is_told_in_one_line() -> None:
    world = await held()
    emma = await world.person()
    house = world.house
    with pytest.raises(NotFound):
        house.approvals.load("none")
    with pytest.raises(NotFound):
        await house.approvals.review("none", emma, {"verdict": "fine", "reason": REASON})
    with pytest.raises(NotFound):
        house.load_session("none")
    with pytest.raises(NotFound):
        house.load_deed("none")
    with pytest.raises(NotFound):
        await house.inbox.replay("none", emma)
    with pytest.raises(NotFound):
        await house.inbox.accept("pigeon", b"", {}, world.service())
    with pytest.raises(NotFound):
        await house.switch.lift(emma, "none", "it was never there")
    with pytest.raises(TooLarge):
        await house.inbox.accept("sim", b"x" * 1_048_577, {}, world.service())


async def test_two_answers_at_the_same_moment_are_one() -> None:
    world = await held()
    people = [await world.person(name) for name in ("emma", "otto")]
    name = world.deed().action.id
    said = await asyncio.gather(*(world.answer(one, name=name) for one in people), return_exceptions=True)
    assert sorted(type(one).__name__ for one in said) == ["Approval", "Moved"]


async def test_an_edit_in_a_session_that_is_gone_is_refused() -> None:
    world = await held()
    emma = await world.person()
    del world.disk.rows["session", world.session().id]
    with pytest.raises(NotFound):
        await world.answer(emma, "edit", args={"by": 2})


async def test_an_attempt_that_loses_every_race_is_denied() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))
    refuse(world, "action.intended", Conflict("account:budget"))
    await world.open()
    assert (world.deed().decision, world.effects.calls) == ("race", [])
    check_all(world)


@pytest.mark.parametrize("name", ["action.decided", "brain.proposed", "session.closed"])
async def test_a_row_that_somebody_else_wrote_in_between_is_looked_at_again(name: str) -> None:
    world = build(1, steps(propose("sim.read"), finish("escalated")))
    refuse(world, name, Conflict("row:session/x"), times=1)
    await world.open()
    assert world.session().outcome == "escalated"
    check_all(world)


async def test_a_recipe_without_a_digest_denies() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))

    async def plan(_hands: Any) -> Recipe:
        return Recipe(before={"load": float("nan")}, undo={})

    world.kinds["sim.green"].plan = plan
    await world.open()
    assert (world.deed().decision, "without a digest" in world.deed().why) == ("plan", True)


async def test_an_intent_without_a_recipe_is_a_bug_that_stops_before_the_deed() -> None:
    world = await held()
    deed = replace(world.deed(), recipe=None)
    with pytest.raises(LookupError):
        await world.house.attempt._run(world.kinds["sim.red"], deed, world.house.sessions.visit(world.session()))
    assert world.effects.calls == []


async def test_a_name_without_a_canonical_form_is_denied() -> None:
    world = waiting()
    deed = (await submit(world, proposal("sim.green", target="cafe\u0301")))[0]
    assert (deed.status, deed.decision) == ("denied", "admit")


async def test_a_freeze_needs_a_scope_a_reason_and_a_person_to_thaw() -> None:
    world = waiting()
    emma, switch = await world.person(), world.house.switch
    for scope in ("", "everything", "agent:", "All", "targets:web"):
        with pytest.raises(BadInput):
            await switch.freeze(emma, scope, "stop")
    with pytest.raises(BadInput):
        await switch.freeze(emma, "all", " ")
    freeze = await switch.freeze(emma, "all", "stop")
    with pytest.raises(BadInput):
        await switch.thaw(emma, freeze.id, "for no time", 0.0)
    with pytest.raises(BadInput):
        await switch.lift(emma, freeze.id, "")
    with pytest.raises(NotFound):
        await switch.thaw(emma, "f-none", "which one", 60.0)
    before = world.store.size()
    await switch.notice()
    assert world.store.size() == before  # known already
    refuse(world, "freeze.lifted", Conflict("row:freeze"), times=1)
    with pytest.raises(Moved):
        await switch.lift(emma, freeze.id, "it is over")
    assert list(world.freezer.on) == [freeze.id]  # still frozen
    refuse(world, "freeze.set", Conflict("row:freeze"), times=1)
    world.freezer.freeze(Freeze(id="f2", scope="all", reason="r", by="person:emma", at=world.clock.at))
    await switch.notice()  # somebody else has just recorded it
    await switch.lift(emma, freeze.id, "it is over")
    assert list(world.freezer.on) == ["f2"]
    await switch.lift(emma, "f2", "never recorded, lifted all the same")
    assert world.freezer.on == {}


async def test_a_fault_of_the_store_passes_every_guard() -> None:
    async def full() -> None:
        raise StoreFull("no space")

    with pytest.raises(StoreFull):
        await guard(full(), 1.0)


async def test_policy_is_never_asked_about_what_is_unknown() -> None:
    world = await held()
    deed = world.deed()
    with pytest.raises(LookupError):
        question(deed.action, Facts(now=0.0), world.session(), None)


async def test_steering_a_session_that_moves_says_so() -> None:
    world = await held()
    emma, name = await world.person(), world.session().id
    refuse(world, "session.pause", Conflict("row:session"), times=1)
    with pytest.raises(Moved, match="has just moved on"):
        await world.house.steer(emma, name, "pause", REASON)
    await world.house.steer(emma, name, "pause", REASON)
    await world.house.steer(emma, name, "resume", REASON)
    assert not world.session().paused


async def test_a_cancelled_session_without_its_lease_and_strays_that_are_written_meanwhile() -> None:
    world = await held()
    emma, name = await world.person(), world.session().id
    del world.disk.rows["lease", "web"]
    await world.house.steer(emma, name, "cancel", REASON)
    refuse(world, "action.decided", Conflict("row:action"), times=1)
    await world.run()
    assert world.deed().status == "denied"
    check_all(world)


async def test_strays_without_a_session_or_an_approval_are_left_or_denied() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))
    await world.house.switch.freeze(await world.person(), "all", "stop")
    await world.open()
    assert world.deed().decision == "freeze"  # held, and nobody was asked
    await world.house.steer(await world.person(), world.session().id, "cancel", REASON)
    await world.run()
    assert world.deed().status == "denied"
    key = ("action", world.deed().action.id)
    world.disk.rows[key] = replace(world.disk.rows[key], state="held", session="s-gone")
    await world.reboot()
    assert world.disk.rows[key].state == "held"


async def test_signals_that_nobody_is_routed_to_are_told_once() -> None:
    world = build(1, routes={"Other": "fixer"})
    await world.signal()
    await world.run()
    assert (world.store.count("session"), world.store.count("signal", "unrouted")) == (0, 1)
    assert "signal.unrouted" in world.names()
    await world.signal(delivery="again")
    await world.run()
    assert world.names().count("signal.unrouted") == 1


async def test_a_session_that_somebody_else_opens_at_the_same_moment_is_opened_once() -> None:
    world = build(1)
    refuse(world, "session.opened", Conflict("row:lease/web"), times=1)
    await world.signal()
    await world.run()
    assert world.store.count("session") == 0
    world.engine.wake("")
    await world.run()
    assert world.store.count("session") == 1


async def test_a_delivery_that_arrives_twice_at_once_is_one() -> None:
    world = build(1)
    refuse(world, "signal.received", Conflict("row:inbox"), times=1)
    assert (await world.signal(delivery="d"))[1] is False
    assert (await world.signal(delivery="d"))[1] is True
    assert (await world.signal(delivery="d"))[1] is False


async def test_a_dead_letter_replayed_twice_at_once_is_replayed_once() -> None:
    world = build(1)
    await world.house.inbox.accept("sim", b"poison", {}, world.service())
    await world.run()
    emma, name = await world.person(), world.store.rows("inbox")[0].id
    refuse(world, "signal.replayed", Conflict("row:inbox"), times=1)
    with pytest.raises(Moved):
        await world.house.inbox.replay(name, emma)
    await world.house.inbox.replay(name, emma)


async def test_a_trouble_that_fires_again_after_its_session_closed_is_new_and_a_repeat_is_not() -> None:
    world = build(1, steps(finish("escalated")))
    await world.open()
    at = world.clock.at
    raw = orjson.dumps({"name": "Down", "target": "web", "key": "Down:web", "at": at})
    await world.house.inbox.accept("sim", raw, {"x-request-id": "repeat"}, world.service())
    await world.run()
    assert world.store.count("session") == 1
    world.clock.at += 60
    await world.signal(delivery="anew")
    await world.run()
    assert world.store.count("session") == 2


async def test_an_unknown_target_opens_a_session_that_may_touch_nothing() -> None:
    world = build(1, steps(propose("sim.green", "toaster"), propose("sim.green", "web"), finish("escalated")))
    await world.open(target="toaster")
    assert [world.deed(1).decision, world.deed(2).decision] == ["known", "grant"]
    assert world.effects.calls == []


async def test_a_sensitive_argument_stands_in_the_log_as_a_commitment_only() -> None:
    world = build(1, steps(propose("sim.green", args={"text": "hunter2"}), finish("escalated")))
    world.specs["sim.green"] = replace(SPECS["sim.green"], sensitive=("/text", "/absent"))
    world.boot()
    await world.open()
    decided = [str(one.entry.body["args"]) for one in world.store.entries(name="action.decided")]
    assert decided
    assert [one.entry.name for one in world.store.entries() if "hunter2" in repr(one.entry.body)] == []
    asked = [one for one in world.policy.asked if one["kind"]["name"] == "sim.green"]
    assert asked
    assert "hunter2" not in repr(asked), "policy is shown it, and what policy is asked is kept"


async def test_a_session_whose_grant_is_gone_is_a_bug_that_is_loud() -> None:
    world = await held()
    with pytest.raises(LookupError):
        world.house.sessions.load_grant("g-none")


async def test_an_undo_needs_a_recipe_and_a_kind_that_is_still_there() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    emma, deed = await world.person(), world.deed()
    visit = replace(world.house.stray._visit(world.session()))
    assert (await world.house.unwind.undo(replace(deed, recipe=None), visit, REASON)).status == "done"
    del world.kinds["sim.green"]
    after = await world.house.roll_back(emma, deed.action.id, REASON)
    assert (after.status, "not configured any more" in after.why) == ("stuck", True)
    assert await world.house.unwind._seen(deed, Recipe(before={}, undo={})) is Seen.UNSURE


async def test_an_undo_that_worked_although_it_said_no_is_undone() -> None:
    world = build(1, steps(propose("sim.green", verify=at_least(9)), finish("escalated")))

    async def grumble(hands: Any, _recipe: Recipe) -> Outcome:
        world.effects.log.append(("undo", hands.key))
        world.effects.count["web"] = 0
        return Outcome(ok=False, error="timeout, but done")

    world.kinds["sim.green"].undo = grumble
    await world.open()
    assert world.deed().status == "undone"
    check_all(world)


async def test_a_roll_back_under_a_freeze_of_undoing_leaves_it_as_it_is() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    emma = await world.person()
    await world.house.switch.freeze(emma, "all", "stop everything", undoing=True)
    assert (await world.house.roll_back(emma, world.deed().action.id, REASON)).status == "done"


@pytest.mark.parametrize("purpose_read", [True, False])
async def test_a_fix_without_a_recipe_cannot_be_proven_and_a_record_is_kept_by_hypothesis_only(purpose_read: bool) -> None:
    kind = "sim.read" if purpose_read else "sim.green"
    world = build(1, steps(propose(kind, hypothesis=""), finish()))
    await world.open()
    assert world.deed().verified is (None if purpose_read and world.deed().verified is None else not purpose_read)
    assert world.store.count("record") == 0


async def test_a_look_of_the_observer_that_is_denied_does_not_prove_anything() -> None:
    expect = Expect(kind="sim.green", at="/count", op="ge", value=0, within_s=0.0)
    world = build(1, steps(propose("sim.green", verify=(expect,)), finish()))
    await world.open()
    assert (world.deed().verified, world.session().outcome) == (False, "unproven")
    assert world.effects.log[0][0] == "do"


async def test_the_record_of_a_hypothesis_that_everybody_writes_is_given_up() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))

    def hook(change: Change) -> None:
        if any(put.table == "record" for put in change.puts):
            raise Conflict("row:record")

    world.store.before_commit = hook
    await world.open()
    assert world.session().outcome == "fixed"


async def test_a_look_at_another_service_goes_there() -> None:
    expect = Expect(kind="sim.read", args={}, at="/count", op="eq", value=0, within_s=0.0)
    world = build(1, steps(propose("sim.green", "db", verify=(replace(expect, value=1),)), finish()), **_near())
    await world.open()
    assert world.deed().verified is True


def _near() -> dict[str, Any]:
    from sim.test_story import near

    return near()


async def test_an_unknown_deed_that_is_settled_again_is_looked_at_once_more() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))
    refuse(world, "action.done", StoreFull("full"), times=1)
    with pytest.raises(StoreFull):
        await world.open()
    refuse(world, "action.done", StoreFull("full"), times=1)
    with pytest.raises(StoreFull):
        await world.house.advance(world.session().id)
    assert world.deed().status is Status.UNKNOWN
    world.store.before_commit = None
    await world.house.advance(world.session().id)
    await world.run()
    assert world.deed().status is Status.DONE
    check_log(world)


async def test_a_key_for_an_agent_elsewhere_is_given_by_a_person_for_an_open_session_of_such_an_agent() -> None:
    world = remote()
    name = await world.open()
    admin = await world.person(scopes=("admin", "operate"))
    mint = world.house.remote.mint
    text, key = await mint(admin, world.session(name), 60.0)
    who = world.house.keys.authenticate(text, "http")
    assert (who.key.session, who.key.scopes) == (name, ("act",))
    for ttl_s in (0.0, -1.0, DAY_S):
        with pytest.raises(BadInput):
            await mint(admin, world.session(name), ttl_s)
    with pytest.raises(Denied):
        await mint(who, world.session(name))
    service = replace(admin, principal=replace(admin.principal, sort=who.principal.sort))
    with pytest.raises(Denied):
        await mint(service, world.session(name))
    with pytest.raises(BadInput):
        await world.house.act(who, {"kind": "sim.read", "target": "web", "name": "../1"})
    for fault in (Fenced("x"), Conflict("row:x")):
        refuse(world, "action.decided", fault, times=1)
        with pytest.raises(Moved):
            await world.house.act(who, {"kind": "sim.green", "target": "nowhere", "name": "n"})
    world.house.carry.abroad.add(f"{name}.busy")
    with pytest.raises(Moved, match="is being carried out"):
        await world.house.act(who, {"kind": "sim.read", "target": "web", "name": "busy"})
    world.house.carry.abroad.clear()
    await world.house.steer(admin, name, "pause", REASON)
    with pytest.raises(Moved, match="is paused"):
        await world.house.act(who, {"kind": "sim.read", "target": "web"})
    await world.house.steer(admin, name, "resume", REASON)
    world.boot()
    with pytest.raises(NotReady):
        await world.house.act(who, {"kind": "sim.read", "target": "web"})
    assert key.expires_at == world.clock.at + 60.0


async def test_no_key_elsewhere_for_an_agent_that_runs_here() -> None:
    world = await held()
    admin = await world.person(scopes=("admin",))
    with pytest.raises(BadInput, match="needs no key"):
        await world.house.remote.mint(admin, world.session())


async def test_what_a_remote_brain_leaves_open_is_carried_on() -> None:
    world = remote()
    name = await world.open()
    admin = await world.person(scopes=("admin", "approve"))
    text, _ = await world.house.remote.mint(admin, world.session(name), 600.0)
    who = world.house.keys.authenticate(text, "http")
    fix = {"kind": "sim.red", "target": "web", "name": "fix", "purpose": "fix", "hypothesis": "h"}
    verify = [{"kind": "sim.read", "at": "/count", "op": "ge", "value": 9, "within_s": 0.0}]
    held_deed = await world.house.act(who, {**fix, "verify": verify})
    assert held_deed.status == "held"
    world.house.carry.abroad.add(held_deed.action.id)
    await world.run()
    world.house.carry.abroad.clear()
    await world.answer(admin)
    await world.run()
    assert world.house.load_deed(f"{name}.fix").status == "undone"
    await world.house.advance(name)  # nothing is open any more
    await world.run(until_s=7_300.0)
    assert world.session(name).outcome == "escalated"
    check_log(world)


async def test_an_approval_by_a_red_step_that_stands_waits_no_more_than_its_time() -> None:
    world = await held(steps(red(), finish("escalated")))
    await world.run(until_s=2_000.0)
    assert world.session().outcome == "escalated"
    check_all(world)


async def test_a_session_whose_proposal_is_gone_is_a_bug_that_is_loud() -> None:
    world = build(1, steps(propose("sim.green"), finish()))
    refuse(world, "action.intended", StoreFull("full"), times=1)
    with pytest.raises(StoreFull):
        await world.open()
    del world.disk.rows["step", world.session().current]
    with pytest.raises(LookupError):
        await world.house.advance(world.session().id)


async def test_a_session_closes_without_its_lease() -> None:
    world = await held(steps(red(), finish("escalated")))
    del world.disk.rows["lease", "web"]
    await world.answer(await world.person(), "reject")
    await world.run()
    assert world.session().outcome == "escalated"


async def test_only_a_person_reviews() -> None:
    world = build(1, steps(propose("sim.yellow", verify=(UP,)), finish()))
    await world.open()
    emma = await world.person()
    robot = replace(emma, principal=replace(emma.principal, sort=Sort.SERVICE))
    with pytest.raises(Denied):
        await world.house.approvals.review(world.deed().action.id, robot, {"verdict": "fine", "reason": REASON})


async def test_keys_are_read_anew_where_too_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "MOST_KNOWN", 1)
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    assert world.session().outcome == "fixed"
