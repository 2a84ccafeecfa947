"""Stories of one session each, told through the House in a simulated world."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from flyball.core import advance
from flyball.errors import BadInput, Denied, Fenced, Moved
from flyball.model.action import Expect, Outcome, Purpose, Reach
from flyball.model.grant import Freeze
from flyball.model.log import Change, Entry
from flyball.model.session import View
from flyball.ports import Hands, Rates
from sim.oracle import check_all, check_log
from sim.world import (
    DAY_S,
    SPECS,
    UP,
    SimKind,
    World,
    answer,
    ask,
    build,
    finish,
    lying,
    proposal,
    propose,
    spec,
    steps,
)

REASON = "looked at it twice"


def at_least(value: int) -> tuple[Expect, ...]:
    return (Expect(kind="sim.read", at="/count", op="ge", value=value, within_s=0.0),)


def red(**more: Any) -> Any:
    return propose("sim.red", verify=(UP,), **more)


async def held(brain: Any = None, **more: Any) -> World:
    """A world whose first action waits for a person."""
    world = build(1, brain or steps(red(), finish()), **more)
    await world.open()
    assert world.session().waiting == "approval"
    return world


async def test_a_green_fix_is_done_verified_and_closed_as_fixed() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    deed, session = world.deed(), world.session()
    assert (deed.status, deed.verified, session.outcome) == ("done", True, "fixed")
    assert world.effects.log == [("do", deed.action.id)]
    names = world.names(session.id)
    assert names.index("action.intended") < names.index("action.done") < names.index("action.verified") < names.index("session.closed")
    check_all(world)


async def test_an_approved_action_runs_once_and_uses_its_approval_up() -> None:
    world = await held()
    await world.answer(await world.person())
    await world.run()
    assert (world.deed().status, world.session().outcome) == ("done", "fixed")
    assert world.store.rows("approval")[0].state == "used"
    check_all(world)


@pytest.mark.parametrize(("verb", "state"), [("reject", "rejected"), ("changes", "changes")])
async def test_a_no_denies_and_the_brain_reads_the_reason(verb: str, state: str) -> None:
    heard: list[str] = []

    def listen(view: View) -> Any:
        heard.append(view.steps[-1].reply)
        return finish("refused")

    world = await held(steps(red(), listen))
    await world.answer(await world.person(), verb, reason="the database first, please")
    await world.run()
    assert (world.deed().status, world.deed().why) == ("denied", f"the approval is {state}")
    assert heard == ["the database first, please"]
    assert world.effects.calls == []
    check_all(world)


async def test_an_approval_that_nobody_answers_expires_and_denies() -> None:
    world = await held()
    await world.run(until_s=world.rules.approve_s + 1)
    assert (world.deed().status, world.deed().why) == ("denied", "the approval is expired")
    with pytest.raises(Moved, match="is expired"):
        await world.answer(await world.person(), name=world.deed().action.id)
    check_all(world)


async def test_a_yes_ends_too_where_the_action_cannot_run_in_time() -> None:
    world = await held()
    await world.house.switch.freeze(await world.person("otto"), "all", "change window")
    await world.answer(await world.person())
    await world.run(until_s=world.rules.execute_s + 10)
    assert (world.deed().status, world.deed().why) == ("denied", "the approval is expired")
    assert world.effects.calls == []
    check_all(world)


async def test_a_yes_after_the_end_time_comes_too_late_even_before_the_clock_has_been_looked_at() -> None:
    world = await held()
    emma = await world.person()
    world.clock.at += world.rules.approve_s
    with pytest.raises(Moved, match="has expired"):
        await world.answer(emma)


async def test_an_edit_is_a_new_action_with_a_new_digest_that_asks_anew() -> None:
    world = await held(steps(red(args={"by": 1, "text": "soft"}), finish()))
    emma, first = await world.person(), world.deed()
    await world.answer(emma, "edit", args={"by": 5, "text": "soft"})
    await world.run()
    edited = world.house.load_deed(f"{first.action.id}e1")
    assert (world.deed().status, edited.status) == ("denied", "held")
    assert edited.action.digest != first.action.digest
    assert edited.action.provenance["/by"].origin == "principal:person:emma"
    assert edited.action.provenance["/text"] == first.action.provenance["/text"]
    await world.answer(emma)
    await world.run()
    assert world.effects.count["web"] == 5
    check_all(world)


@pytest.mark.parametrize("args", [None, [1], {"by": float("nan")}, {"schön": 1}])
async def test_an_edit_without_good_arguments_is_refused_in_one_line(args: Any) -> None:
    world = await held()
    with pytest.raises(BadInput):
        await world.answer(await world.person(), "edit", args=args)
    assert world.deed().status == "held"


async def test_an_edit_beyond_the_schema_is_denied() -> None:
    world = await held()
    await world.answer(await world.person(), "edit", args={"by": "many"})
    await world.run()
    assert world.house.load_deed(f"{world.deed().action.id}e1").decision == "schema"
    check_all(world)


async def test_a_quorum_takes_distinct_people_and_one_veto_kills() -> None:
    world = build(1, steps(red(), finish()))
    world.policy.table["sim.red"] = answer("ask", "red", group="sre", quorum=2)
    await world.open()
    emma, otto, nina = [await world.person(name) for name in ("emma", "otto", "nina")]
    assert (await world.answer(emma)).state == "waiting"
    with pytest.raises(Denied, match="has answered already"):
        await world.answer(emma)
    with pytest.raises(Denied, match="has answered already"):
        await world.answer(await world.person("emma"))  # the same person by another key
    await world.run()
    assert world.deed().status == "held"
    assert (await world.answer(nina, "reject")).state == "rejected"
    with pytest.raises(Moved):
        await world.answer(otto, name=world.deed().action.id)
    await world.run()
    assert world.deed().status == "denied"
    check_all(world)


async def test_a_quorum_of_two_runs_after_two() -> None:
    world = build(1, steps(red(), finish()))
    world.policy.table["sim.red"] = answer("ask", "red", group="sre", quorum=2)
    await world.open()
    for name in ("emma", "otto"):
        await world.answer(await world.person(name))
        await world.run()
    assert world.deed().status == "done"
    check_all(world)


async def test_whoever_left_the_group_since_does_not_count() -> None:
    world = build(1, steps(red(), finish()))
    world.policy.table["sim.red"] = answer("ask", "red", group="sre", quorum=2)
    await world.open()
    emma = await world.person()
    await world.answer(emma)
    await world.house.keys.add(replace(emma.principal, groups=()), by="test")
    await world.answer(await world.person("otto"))
    await world.run()
    assert world.deed().status == "held"  # one of two
    await world.answer(await world.person("nina"))
    await world.run()
    assert world.deed().status == "done"


@pytest.mark.parametrize(
    ("name", "said", "fault"),
    [
        ("emma", {"verb": "bless"}, BadInput),
        ("emma", {"reason": "ok"}, BadInput),
        ("emma", {"digest": "sha256:other"}, Moved),
    ],
)
async def test_an_answer_that_is_not_one_is_refused(name: str, said: dict[str, Any], fault: type[Exception]) -> None:
    world = await held()
    with pytest.raises(fault):
        await world.answer(await world.person(name), **said)
    assert world.store.rows("approval")[0].state == "waiting"


async def test_one_approval_resumed_by_32_at_once_is_exactly_one_intent() -> None:
    world = await held()
    await world.answer(await world.person())
    session = world.session().id
    await asyncio.gather(*(world.house.advance(session) for _ in range(32)))
    await world.run(until_s=60)
    assert world.names().count("action.intended") == 1
    assert world.effects.calls.count(("do", world.deed().action.id)) == 1
    check_all(world)


def plan() -> tuple[Any, ...]:
    return (
        proposal("sim.red", args={"by": 1}, verify=(UP,)),
        proposal("sim.red", target="db", args={"by": 2}, verify=(UP,)),
    )


def planned(*later: Any) -> Any:
    return steps(
        propose("sim.red", args={"by": 1}, verify=(UP,), plan=plan()),
        *(later or (propose("sim.red", "db", args={"by": 2}, verify=(UP,)),)),
        finish(),
    )


def near(**more: Any) -> dict[str, Any]:
    from sim.world import rules

    catalogue = dict(rules().catalogue)
    catalogue["web"] = replace(catalogue["web"], depends_on=("db",))
    return {"catalogue": catalogue} | more


async def test_a_plan_approved_once_covers_its_later_steps() -> None:
    world = await held(planned(), **near())
    await world.answer(await world.person())
    await world.run()
    assert (world.deed(1).status, world.deed(2).status, world.session().outcome) == ("done", "done", "fixed")
    assert world.effects.count == {"web": 1, "db": 2}
    assert len(world.store.rows("approval")) == 1
    check_all(world)


@pytest.mark.parametrize(
    "other",
    [
        propose("sim.red", "db", args={"by": 3}, verify=(UP,)),
        propose("sim.red", "web", args={"by": 2}, verify=(UP,)),
        propose("sim.final", "db", args={"by": 2}, verify=(UP,)),
        propose("sim.red", "db", args={"by": 2}, verify=(UP,), purpose=Purpose.NOTIFY),
        propose("sim.red", "db", args={"by": 2}),
    ],
    ids=["argument", "target", "kind", "purpose", "postcondition"],
)
async def test_a_deviation_from_the_plan_asks_anew(other: Any) -> None:
    world = await held(planned(other), **near())
    await world.answer(await world.person())
    await world.run()
    assert (world.deed(1).status, world.deed(2).status, world.session().waiting) == ("done", "held", "approval")
    assert world.effects.count == {"web": 1}


async def test_a_step_of_a_plan_runs_once_and_then_asks() -> None:
    again = propose("sim.red", "db", args={"by": 2}, verify=(UP,))
    world = await held(planned(again, again), **near())
    await world.answer(await world.person())
    await world.run()
    assert (world.deed(2).status, world.deed(3).status) == ("done", "held")


async def test_a_plan_step_whose_reference_leads_nowhere_yet_is_not_covered() -> None:
    """Its digest would be that of an action without arguments: a yes to the plan must not let that one pass."""
    later = proposal("sim.red", target="db", args={"by": {"$ref": "nothing#/yet"}})
    first = propose("sim.red", args={"by": 1}, plan=(proposal("sim.red", args={"by": 1}), later))
    world = await held(steps(first, propose("sim.red", "db"), finish()), **near())
    await world.answer(await world.person())
    await world.run()
    assert (world.deed(1).status, world.deed(2).status) == ("done", "held")


async def test_a_target_that_changed_after_the_approval_asks_again() -> None:
    world = await held()
    emma = await world.person()
    await world.answer(emma)
    world.effects.count["web"] = 77
    await world.run()
    assert (world.deed().status, world.deed().why) == ("held", "red: the target changed since the approval")
    assert world.effects.calls == []
    await world.answer(emma)
    await world.run()
    assert world.deed().status == "done"


async def test_a_policy_that_changed_after_the_approval_asks_again() -> None:
    world = await held()
    await world.answer(await world.person())
    world.policy.digest = "sha256:policy2"
    await world.run()
    assert (world.deed().status, world.deed().why) == ("held", "red: the policy changed since the approval")


async def test_a_kind_that_changed_after_the_approval_is_refused() -> None:
    world = await held()
    await world.answer(await world.person())
    world.specs["sim.red"] = replace(SPECS["sim.red"], version=2)
    await world.reboot()
    await world.run()
    assert (world.deed().status, world.deed().decision) == ("denied", "known")
    assert world.effects.calls == []


async def test_a_stored_action_that_was_tampered_with_is_not_the_approved_one() -> None:
    world = await held()
    await world.answer(await world.person())
    key = ("action", world.deed().action.id)
    row: Any = world.disk.rows[key]
    body = {**row.body, "action": {**row.body["action"], "digest": "sha256:" + "0" * 64}}
    world.disk.rows[key] = replace(row, body=body)
    await world.run()
    assert (world.deed().status, world.deed().why) == ("held", "red: the action is not the one that was approved")
    assert world.effects.calls == []


async def test_a_freeze_after_the_approval_stops_it_and_a_thaw_lets_it_run() -> None:
    world = await held()
    emma = await world.person()
    freeze = await world.house.switch.freeze(emma, "target:web", "something smells")
    await world.answer(emma)
    await world.run(until_s=30)
    assert (world.deed().status, world.effects.calls) == ("held", [])
    await world.house.switch.thaw(emma, freeze.id, "it was the bin", 60.0)
    await world.run(until_s=10)
    assert world.deed().status == "done"
    assert world.names().count("freeze.set") == world.names().count("freeze.thawed") == 1
    check_log(world)


async def test_a_thaw_ends_by_itself() -> None:
    world = build(1, steps(propose("sim.green"), propose("sim.yellow"), finish("escalated")))
    emma = await world.person()
    freeze = await world.house.switch.freeze(emma, "kind:sim.yellow", "no restarts now")
    await world.house.switch.thaw(emma, freeze.id, "for a minute", 60.0)
    world.clock.at += 61.0
    await world.open()
    assert (world.deed(1).status, world.deed(2).status, world.deed(2).decision) == ("done", "held", "freeze")
    await world.house.switch.lift(emma, freeze.id, "over and done")
    await world.run(until_s=5)
    assert world.deed(2).status == "done"
    check_all(world)


async def test_a_freeze_between_intent_and_deed_stops_the_deed() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))

    def slip_in(change: Change) -> None:
        if any(entry.name == "action.intended" for entry in change.entries):
            world.freezer.freeze(Freeze(id="f1", scope="all", reason="stop", by="person:emma", at=world.clock.at))

    world.store.before_commit = slip_in
    await world.open()
    assert (world.deed().status, world.effects.calls) == ("failed", [])
    assert "frozen by person:emma" in world.deed().outcome.error
    check_all(world)


async def test_freezes_that_become_unreadable_between_intent_and_deed_stop_it() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))

    def slip_in(change: Change) -> None:
        world.freezer.broken = any(entry.name == "action.intended" for entry in change.entries)

    world.store.before_commit = slip_in
    await world.open()
    assert (world.deed().status, world.effects.calls) == ("failed", [])


async def test_freezes_that_cannot_be_read_deny() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))
    world.freezer.broken = True
    await world.open()
    assert (world.deed().status, world.deed().decision) == ("denied", "freeze")


@pytest.mark.parametrize("undoing", [False, True])
async def test_a_freeze_of_doing_lets_undo_and_a_freeze_of_undoing_does_not(undoing: bool) -> None:
    world = build(1, steps(propose("sim.green", verify=at_least(9)), finish("escalated")))

    def slip_in(change: Change) -> None:
        if any(entry.name == "action.refuted" for entry in change.entries):
            world.freezer.freeze(Freeze(id="f1", scope="all", reason="stop", by="person:emma", at=world.clock.at, undoing=undoing))

    world.store.before_commit = slip_in
    await world.open()
    assert world.deed().status == ("done" if undoing else "undone")
    world.freezer.lift("f1")
    await world.run(until_s=5)
    assert world.deed().status == "undone"
    check_all(world)


async def test_an_undo_that_a_crash_interrupted_waits_for_a_freeze_of_undoing() -> None:
    world = build(1, steps(propose("sim.green", verify=at_least(9)), finish("escalated")))
    world.tune = lambda one: setattr(one.kinds["sim.green"], "undo_fault", None)

    def slip_in(change: Change) -> None:
        world.freezer.broken = any(entry.name == "action.undoing" for entry in change.entries)
        world.life.dead = world.freezer.broken

    world.store.before_commit = slip_in
    with pytest.raises(BaseException, match="at commit"):
        await world.open()
    world.freezer.broken = False
    world.freezer.freeze(Freeze(id="f1", scope="agent:fixer", reason="stop", by="person:emma", at=world.clock.at, undoing=True))
    key = next(key for key, row in world.disk.rows.items() if key[0] == "action" and row.state == "done" and row.body["verified"] is False)
    row: Any = world.disk.rows[key]
    world.disk.rows[key] = replace(row, state="undoing", body={**row.body, "status": "undoing"})
    await world.reboot()
    await world.run(until_s=10)
    assert (world.deed().status, world.session().waiting) == ("undoing", "freeze")
    world.freezer.broken = True
    await world.run(until_s=10)
    assert (world.deed().status, world.session().waiting) == ("undoing", "freeze")
    world.freezer.broken = False
    world.freezer.lift("f1")
    await world.run(until_s=10)
    assert (world.deed().status, world.session().phase) == ("undone", "closed")


async def test_a_freeze_while_the_observer_looks_does_not_refute_a_good_fix() -> None:
    expect = Expect(kind="sim.read", at="/count", op="ge", value=1, within_s=5.0, every_s=1.0)
    world = build(1, steps(propose("sim.green", verify=(expect,)), finish()))

    def slip_in(change: Change) -> None:
        if any(entry.name == "action.done" and entry.action.endswith(".1") for entry in change.entries) and not world.freezer.on:
            world.freezer.freeze(Freeze(id="f1", scope="all", reason="stop", by="person:emma", at=world.clock.at))

    world.store.before_commit = slip_in
    await world.open()
    await world.run(until_s=30)
    assert (world.deed().status, world.deed().verified) == ("done", None)
    world.store.before_commit = None
    world.freezer.lift("f1")
    await world.run(until_s=10)
    assert (world.deed().verified, world.session().outcome) == (True, "fixed")
    check_all(world)


async def test_a_yellow_action_is_reviewed_and_an_overdue_review_makes_the_next_yellow_red() -> None:
    world = build(1, steps(propose("sim.yellow", verify=(UP,)), finish()))
    await world.open()
    review = world.store.rows("review")[0]
    assert (world.deed().status, review.state) == ("done", "waiting")
    world.clock.at += world.rules.review_s + 1
    await world.signal(name="Again")
    await world.run()
    second = next(row for row in world.store.rows("session") if row.state != "closed")
    deed = world.deed(session=second.id)
    assert (deed.status, deed.zone, deed.decision) == ("held", "red", "approval")
    emma = await world.person()
    with pytest.raises(BadInput):
        await world.house.approvals.review(review.id, emma, {"verdict": "great", "reason": REASON})
    await world.house.approvals.review(review.id, emma, {"verdict": "wrong", "reason": REASON, "correction": "restart the pool instead"})
    with pytest.raises(Moved):
        await world.house.approvals.review(review.id, emma, {"verdict": "fine", "reason": REASON})
    await world.house.advance(second.id)
    assert world.deed(session=second.id).status == "done"


async def test_a_failed_verification_is_undone_and_the_next_hypothesis_is_tried() -> None:
    world = build(
        1,
        steps(
            propose("sim.green", hypothesis="a", verify=at_least(5)),
            propose("sim.once", args={"by": 6}, hypothesis="b", verify=at_least(6)),
            finish(),
        ),
    )
    await world.open()
    assert (world.deed(1).status, world.deed(2).status, world.session().outcome) == ("undone", "done", "fixed")
    assert world.effects.count["web"] == 6
    assert world.store.find("record", "a").body == {"tried": 1, "worked": 0}
    assert world.store.find("record", "b").body == {"tried": 1, "worked": 1}
    check_all(world)


async def test_a_lying_executor_is_refuted_by_the_observer() -> None:
    world = build(1, steps(propose("sim.green", verify=at_least(1)), finish()))
    world.tune = lambda one: setattr(one.kinds["sim.green"], "twist", lying)
    world.boot()
    await world.open()
    assert (world.deed().outcome.ok, world.deed().verified, world.session().outcome) == (True, False, "unproven")


async def test_a_fix_without_a_postcondition_falls_back_on_the_kinds_own_probe() -> None:
    world = build(1, steps(propose("sim.green"), finish()))
    await world.open()
    assert world.deed().verified is True
    assert "no postcondition was stated" in world.deed().verify_note


async def test_an_undo_that_fails_is_shown_to_a_person() -> None:
    world = build(1, steps(propose("sim.green", verify=at_least(9)), finish("escalated")))
    world.tune = lambda one: setattr(one.kinds["sim.green"], "undo_fault", Outcome(ok=False, error="no such backup"))
    world.boot()
    await world.open()
    assert (world.deed().status, world.session().outcome) == ("stuck", "stuck")
    assert "no such backup" in world.session().summary
    emma = await world.person()
    await world.house.settle(emma, world.deed().action.id, "done", "I looked: the pool is as it was")
    assert "person:emma says done" in world.deed().why
    with pytest.raises(BadInput):
        await world.house.settle(emma, world.deed().action.id, "maybe", REASON)


async def test_fifty_at_once_on_a_budget_for_ten() -> None:
    specs = {"sim.paid": spec("sim.paid", Reach.WRITE, cost_micros=100)}
    world = build(1, steps(ask()))
    agent = replace(world.rules.agents["fixer"], budget_micros=1_000, max_steps=1_000, kinds=(*SPECS, "sim.paid"))
    world.rules = replace(world.rules, agents={"fixer": agent})
    world.specs |= specs
    world.policy.table["sim.paid"] = answer("allow", "green")
    world.boot()
    name = await world.open()
    visit = world.house.sessions.visit(world.session(name))
    done = await asyncio.gather(
        *(world.house.door.submit(proposal("sim.paid", args={"by": one}), visit, f"{name}.p{one}") for one in range(50))
    )
    assert sum(deed.status == "done" for deed in done) == 10
    assert {deed.decision for deed in done if deed.status == "denied"} <= {"budget", "race"}
    assert len(world.effects.log) == 10
    assert world.store.counter(f"budget:{world.session(name).grant}") == (1_000, 0)


async def test_a_grant_for_two_uses_is_used_twice() -> None:
    world = build(1, steps(propose("sim.green"), propose("sim.once"), propose("sim.yellow"), finish("escalated")))
    agent = replace(world.rules.agents["fixer"], max_steps=2)
    world.rules = replace(world.rules, agents={"fixer": agent})
    world.boot()
    await world.open()
    assert [world.deed(1).status, world.deed(2).status] == ["done", "done"]
    assert "2 steps without an end" in world.session().summary


async def test_a_pace_that_is_used_up_holds_and_goes_on_by_itself() -> None:
    world = build(
        1, steps(propose("sim.green"), propose("sim.green", args={"by": 2}), finish("escalated")), rates=Rates(default=(1.0, 10.0))
    )
    await world.open()
    assert (world.deed(2).status, world.session().waiting) == ("held", "pace")
    await world.run(until_s=11)
    assert world.deed(2).status == "done"
    check_all(world)


async def test_reads_share_a_pace_without_losing_one() -> None:
    world = build(1, steps(finish("escalated")), rates=Rates(default=(4.0, 1.0)))
    agent = replace(world.rules.agents["fixer"], brain="remote")
    world.rules = replace(world.rules, agents={"fixer": agent})
    world.boot()
    name = await world.open()
    visit = world.house.sessions.visit(world.session(name))
    done = await asyncio.gather(
        *(world.house.door.submit(proposal("sim.read", args={"by": one}), visit, f"{name}.r{one}") for one in range(8))
    )
    assert {deed.status for deed in done} == {"done"}
    assert world.clock.at > 1_790_000_000.0


async def test_a_process_that_was_taken_over_gets_no_intent_written() -> None:
    world = await held()
    await world.answer(await world.person())
    stale, name = world.house, world.session().id
    old_visit = stale.sessions.visit(world.session())
    world.life.dead = False
    first_store = world.store
    world.boot()
    await world.house.start()
    await world.house.sessions.claim(world.session())
    with pytest.raises(Fenced):
        await stale.door.record.write(world.deed(), (Entry(name="action.intended", who="agent:fixer"),), old_visit)
    stale_session = replace(world.session(), epoch=old_visit.session.epoch)
    stale.sessions.find = lambda _name: stale_session  # type: ignore[method-assign]  # what it had read before it was stopped
    await stale.advance(name)
    assert world.effects.calls == []
    assert first_store.commits
    await world.run()
    assert world.names().count("action.intended") == 1
    check_all(world)


async def test_a_process_that_gets_the_session_back_takes_it_over_anew() -> None:
    world = await held()
    first, name = world.house, world.session().id
    world.boot()
    await world.house.sessions.claim(world.session())
    await world.answer(await world.person())
    await first.advance(name)
    assert (world.deed().status, world.session().outcome) == ("done", "fixed")


async def test_a_paused_session_does_nothing_until_it_is_resumed_over_a_reboot() -> None:
    world = await held()
    emma, name = await world.person(), world.session().id
    await world.house.steer(emma, name, "pause", "wait for the release")
    await world.answer(emma)
    await world.run()
    assert (world.session().waiting, world.deed().status) == ("paused", "held")
    await world.reboot()
    await world.run()
    assert world.deed().status == "held"
    await world.house.steer(emma, name, "resume", "the release is out")
    await world.reboot()  # the wake is lost
    await world.run()
    assert world.session().outcome == "fixed"
    check_all(world)


async def test_a_cancelled_session_leaves_nothing_behind() -> None:
    world = await held()
    emma, name = await world.person(), world.session().id
    approval = world.deed().action.id
    await world.house.steer(emma, name, "cancel", "a false alarm, sorry")
    await world.run()
    assert (world.deed().status, world.deed().why) == ("denied", f"session {name} is closed")
    assert world.store.find("approval", approval).state == "void"
    with pytest.raises(Moved):
        await world.house.steer(emma, name, "pause", "too late for that")
    check_all(world)


async def test_a_session_cancelled_in_mid_deed_finds_out_what_happened() -> None:
    world = build(1, steps(propose("sim.green"), finish()))
    emma = await world.person()
    gate, there = asyncio.Event(), asyncio.Event()
    kind = world.kinds["sim.green"]
    do = kind.do

    async def slow(hands: Hands, recipe: Any) -> Outcome:
        there.set()
        await gate.wait()
        return await do(hands, recipe)

    kind.do = slow  # type: ignore[method-assign]  # the same deed, held up
    running = asyncio.create_task(world.open())
    await there.wait()
    name = world.session().id
    await world.house.steer(emma, name, "cancel", "stop it right now")
    gate.set()
    await running
    await world.run()
    assert (world.deed().status, world.session().outcome) == ("done", "cancelled")
    assert "action.unknown" in world.names()
    check_all(world)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (lambda _: "restart it", "str"),
        (lambda _: None, "NoneType"),
        (lambda _: finish("x" * 70_000), "cannot be written down"),
        (lambda _: propose("sim.green", why="x" * 70_000), "cannot be written down"),
    ],
)
async def test_a_brain_that_fails_hands_over_to_a_person(bad: Any, told: str) -> None:
    world = build(1, steps(bad))
    await world.open()
    if told == "cannot be written down" and world.session().phase != "closed":
        pytest.fail("the session is poisoned")
    assert world.session().outcome == "escalated"
    assert told in world.session().summary


async def test_a_brain_that_hangs_hands_over_to_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advance, "BRAIN_S", 0.01)

    class Hanging:
        literal_integrity = 2

        async def next(self, view: View) -> Any:
            await asyncio.Event().wait()

    world = build(1, Hanging())
    await world.open()
    assert world.session().outcome == "escalated"
    assert "no answer within" in world.session().summary


async def test_a_brain_that_gets_nowhere_is_stopped() -> None:
    world = build(1, steps(propose("sim.read", purpose=Purpose.DIAGNOSE)))
    await world.open()
    assert world.session().outcome == "escalated"
    assert "brought nothing new" in world.session().summary
    assert world.session().step <= 8


async def test_a_brain_whose_fixes_do_not_work_is_stopped() -> None:
    world = build(1, steps(*(propose("sim.green", args={"by": one}, hypothesis=str(one), verify=at_least(99)) for one in range(1, 9))))
    await world.open()
    assert "4 fixes did not work" in world.session().summary
    assert world.effects.count["web"] == 0
    check_all(world)


async def test_a_session_that_takes_too_long_is_stopped() -> None:
    world = await held()
    world.clock.at += 3_601.0
    await world.run()
    assert "3600 s have passed" in world.session().summary


async def test_a_question_that_nobody_answers_does_not_hold_its_target_for_ever() -> None:
    world = build(1, steps(ask()))
    await world.open()
    asked = world.session()
    assert (asked.waiting, asked.wake_at) == ("answer", asked.opened_at + 3_600.0)
    await world.reboot()  # the end of its time survives the process
    world.clock.at += 3_601.0
    await world.run()
    ended = world.session()
    assert (ended.phase.value, ended.outcome) == ("closed", "escalated")
    assert "3600 s have passed" in ended.summary
    lease = world.store.find("lease", "web")
    assert lease is None or lease.state != "held"


@pytest.mark.parametrize(
    "brain",
    [
        steps(finish("fixed")),
        steps(propose("sim.green", verify=at_least(9)), finish("fixed")),
        steps(propose("sim.read"), finish("fixed")),
        steps(finish("resolved")),
    ],
)
async def test_a_claim_without_proof_is_unproven(brain: Any) -> None:
    world = build(1, brain)
    await world.open()
    assert world.session().outcome == "unproven"


async def test_arguments_without_a_digest_deny_and_do_not_poison_the_session() -> None:
    bad = ({"by": float("inf")}, {"schön": 1}, {"text": "e\u0301"}, {"by": 2**60})
    world = build(1, steps(*(propose("sim.green", args=one) for one in bad), finish("escalated")))
    await world.open()
    assert [world.deed(step).decision for step in range(1, 5)] == ["schema", "admit", "admit", "admit"]  # JSON has no infinity: null
    assert world.session().outcome == "escalated"


async def test_two_hundred_duplicates_open_one_session_and_lose_none() -> None:
    world = build(1, steps(propose("sim.red"), finish()))
    await asyncio.gather(*(world.signal(delivery="same") for _ in range(100)))
    await world.run()
    for number in range(100):
        await world.signal(delivery=f"other{number}", summary=f"repeat {number}")
    await world.run()
    assert world.store.count("session") == 1
    assert world.store.find("signal", "sim:Down:web").body["seen"] == 101
    assert world.store.counter("seen:sim:same") == (100, 0)
    assert world.store.count("inbox", "taken") == 101


async def test_a_resolved_signal_proves_a_fix_and_a_new_firing_opens_a_new_session() -> None:
    resolved = Expect(kind="signal.resolved", within_s=60.0, every_s=1.0)
    world = build(1, steps(propose("sim.green", verify=(resolved,)), finish()))
    await world.open()
    assert world.session().waiting == "verify"
    await world.signal(firing=False)
    await world.run()
    assert world.session().outcome == "fixed"
    world.clock.at += 60
    await world.signal(delivery="it is back")
    await world.run()
    assert world.store.count("session") == 2


async def test_an_alert_that_never_resolves_refutes() -> None:
    resolved = Expect(kind="signal.resolved", within_s=60.0, every_s=1.0)
    world = build(1, steps(propose("sim.green", verify=(resolved,)), finish()))
    await world.open()
    await world.run(until_s=120)
    assert (world.deed().status, world.session().outcome) == ("undone", "unproven")


async def test_resolved_is_proven_by_the_signal() -> None:
    world = build(1, steps(ask(), finish("resolved")))
    name = await world.open()
    await world.signal(firing=False)
    emma = await world.person()
    with pytest.raises(BadInput):
        await world.house.reply(emma, name, "yes")
    await world.house.reply(emma, name, "yes, it has gone away by itself")
    await world.run()
    assert world.session().outcome == "resolved"
    with pytest.raises(Moved, match="asks nothing"):
        await world.house.reply(emma, name, "yes, once more please")


async def test_two_targets_are_two_sessions_and_one_target_is_one_at_a_time() -> None:
    world = build(1, steps(propose("sim.red"), finish("escalated")))
    await world.signal(target="web")
    await world.signal(target="db")
    await world.signal(name="Slow", target="web")
    await world.run()
    open_ones = [row.body["target"] for row in world.store.rows("session")]
    assert sorted(open_ones) == ["db", "web"]
    emma = await world.person()
    first = next(row.id for row in world.store.rows("session") if row.body["target"] == "web")
    await world.answer(emma, "reject", f"{first}.1")
    await world.run()
    assert world.store.count("session") == 3  # the one that waited for the target


async def test_a_poison_delivery_never_blocks_the_next() -> None:
    world = build(1, steps(finish("escalated")))
    who = world.service()
    for raw in (b"poison", b"bomb", b'{"name": "x"}'):
        await world.house.inbox.accept("sim", raw, {}, who)
    await world.signal()
    await world.run(until_s=30)
    assert world.store.count("session") == 1
    dead = {row.id for row in world.store.rows("inbox", state="dead")}
    assert len(dead) == 3
    emma = await world.person()
    await world.house.inbox.replay(min(dead), emma)
    await world.run(until_s=30)
    assert world.store.count("inbox", "dead") == 3


async def test_a_crash_never_blocks_a_later_signal() -> None:
    world = build(1, steps(finish("escalated")))
    await world.signal()
    await world.reboot()
    await world.signal(target="db")
    await world.run()
    assert world.store.count("session", "closed") == 2


async def test_a_session_waits_three_days_over_two_reboots_and_finishes() -> None:
    world = build(1, steps(red(), finish()), approve_s=4 * DAY_S)
    agent = replace(world.rules.agents["fixer"], max_s=7 * DAY_S)
    world.rules = replace(world.rules, agents={"fixer": agent})
    world.boot()
    await world.open()
    emma = await world.person()
    for _ in range(2):
        await world.run(until_s=1.4 * DAY_S)
        await world.reboot()
        await world.run()
        assert (world.session().waiting, world.session().epoch) == ("approval", 1)
    await world.run(until_s=0.2 * DAY_S)
    await world.answer(emma)
    await world.run()
    assert (world.session().outcome, world.effects.count["web"]) == ("fixed", 1)
    check_all(world)


async def test_an_answer_whose_wake_was_lost_in_a_crash_is_found_at_the_next_start() -> None:
    world = await held()
    await world.answer(await world.person())
    await world.reboot()
    await world.run()
    assert world.session().outcome == "fixed"


async def test_a_roll_back_by_a_person_and_one_that_a_crash_interrupts() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    emma, name = await world.person(), world.deed().action.id
    world.life.crash_at = len(world.life.points) + 3
    with pytest.raises(BaseException, match="undo"):
        await world.house.roll_back(emma, name, "it made things worse")
    assert world.deed().status == "undoing"
    await world.reboot()
    assert (world.deed().status, world.effects.count["web"]) == ("undone", 0)
    with pytest.raises(Moved):
        await world.house.roll_back(emma, name, "it made things worse")
    check_all(world)


async def test_a_roll_back_is_offered_only_as_long_as_the_undo_is_kept() -> None:
    world = build(1, steps(propose("sim.green", verify=(UP,)), finish()))
    await world.open()
    world.clock.at += world.rules.undo_keep_s + 60
    with pytest.raises(Moved, match="any more"):
        await world.house.roll_back(await world.person(), world.deed().action.id, "it made things worse")


async def test_a_kind_taken_out_of_the_configuration_leaves_its_intent_to_a_person() -> None:
    world = build(1, steps(propose("sim.green"), finish()))

    def slip_in(change: Change) -> None:
        world.life.dead = any(entry.name == "action.done" for entry in change.entries)

    world.store.before_commit = slip_in
    with pytest.raises(BaseException, match="at commit"):
        await world.open()
    del world.specs["sim.green"]
    await world.reboot()
    await world.run()
    assert (world.deed().status, world.session().outcome) == ("stuck", "stuck")


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), BadInput("no such service", "typo", "mend it")])
async def test_a_plan_that_fails_denies(fault: Exception) -> None:
    world = build(1, steps(propose("sim.green"), propose("sim.red"), finish("escalated")))

    def tune(one: World) -> None:
        one.kinds["sim.green"].plan_fault = one.kinds["sim.red"].plan_fault = fault

    world.tune = tune
    world.boot()
    await world.open()
    assert [(world.deed(step).status, world.deed(step).decision) for step in (1, 2)] == [("denied", "plan")] * 2
    assert str(fault) in world.deed().why
    check_all(world)


def shaped(kind: SimKind, hands: Hands) -> Outcome:
    kind.apply(hands)
    return Outcome(ok=True, result={"nonsense": True})


async def test_a_write_whose_result_breaks_its_contract_is_looked_at_not_believed() -> None:
    world = build(1, steps(propose("sim.green"), propose("sim.read"), finish("escalated")))
    contract = {"type": "object", "required": ["bumped"]}
    for name in ("sim.green", "sim.read"):
        world.specs[name] = replace(SPECS[name], result=contract)

    def tune(one: World) -> None:
        for name in ("sim.green", "sim.read"):
            one.kinds[name].twist = shaped if name == "sim.green" else lambda *_: Outcome(ok=True, result=float("nan"))

    world.tune = tune
    world.boot()
    await world.open()
    assert (world.deed(1).status, "action.unknown" in world.names()) == ("done", True)
    assert world.deed(1).result == ""
    assert (world.deed(2).status, "breaks its contract" in world.deed(2).outcome.error) == ("failed", True)


async def test_transient_faults_are_retried_where_that_is_harmless_and_never_for_red() -> None:
    calls: dict[str, int] = {}

    def flaky(kind: SimKind, hands: Hands) -> Outcome | None:
        calls[kind.spec.name] = calls.get(kind.spec.name, 0) + 1
        return Outcome(ok=False, error="try later", transient=True) if calls[kind.spec.name] < 3 else None

    world = build(1, steps(propose("sim.once"), propose("sim.read"), propose("sim.green"), propose("sim.red"), finish("escalated")))
    world.tune = lambda one: [setattr(kind, "twist", flaky) for kind in one.kinds.values()]
    world.specs["sim.red"] = replace(SPECS["sim.red"], idempotent=True)
    world.boot()
    await world.open()
    await world.answer(await world.person())
    await world.run(until_s=60)
    assert calls == {"sim.once": 3, "sim.read": 3, "sim.green": 1, "sim.red": 1}


async def test_a_deed_that_raises_or_hangs_is_looked_at() -> None:
    def bomb(kind: SimKind, hands: Hands) -> Outcome:
        kind.apply(hands)
        raise RuntimeError("connection reset")

    world = build(1, steps(propose("sim.green"), propose("sim.read"), finish("escalated")))
    world.tune = lambda one: [setattr(kind, "twist", bomb) for kind in one.kinds.values()]
    world.boot()
    await world.open()
    assert (world.deed(1).status, world.deed(2).status) == ("done", "failed")
    assert "connection reset" in world.deed(2).outcome.error


async def test_shadow_mode_changes_nothing_and_says_what_it_would_have_done() -> None:
    world = build(1, steps(propose("sim.read"), propose("sim.red"), finish("escalated")), shadow=True)
    await world.open()
    assert (world.deed(1).status, world.deed(2).decision, world.session().outcome) == ("done", "shadow", "shadow")
    decided = [one.entry for one in world.store.entries(action=world.deed(2).action.id, name="action.decided")]
    opinions: Any = decided[0].body["opinions"]
    assert ["hold", "approval"] in [one[:2] for one in opinions]


async def test_one_instance_that_recovers_does_not_clear_the_trouble_of_another() -> None:
    resolved = (Expect(kind="signal.resolved", within_s=30.0),)
    world = build(1, steps(propose("sim.green", verify=resolved), finish()))
    await world.signal(part="a", delivery="1")
    await world.signal(part="b", delivery="2")
    await world.run()
    await world.signal(part="a", firing=False, delivery="3")
    await world.run(until_s=5.0)
    row = world.store.find("signal", "sim:Down:web")
    assert row is not None
    assert (row.state, row.body["firing"], row.body["parts"]) == ("firing", True, ["b"])
    assert world.deed().verified is None
    await world.signal(part="b", firing=False, delivery="4")
    await world.run(until_s=5.0)
    assert world.deed().verified is True
    assert world.session().outcome == "fixed"
    check_all(world)
