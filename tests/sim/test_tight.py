"""What an attacker, a storm or a bad night would try at the edges: each case went through once and does not any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from flyball import wire
from flyball.errors import Denied, NotReady, StoreFull
from flyball.model.action import Outcome
from flyball.model.grant import Freeze, Standing
from flyball.model.log import Change, Put
from flyball.sources import alertmanager, schedule, spec
from sim.test_story import REASON
from sim.world import DAY_S, World, answer, ask, build, finish, proposal, propose, rules, steps

TOO_MUCH = b"""{"apiVersion": "flyball/v1", "kind": "Task", "metadata": {"name": "x"},
"spec": {"goal": "abc", "target": "web", "max_cost_micros": 9007199254740993}}"""


def instance(name: str, status: str) -> dict[str, Any]:
    labels = {"alertname": "DiskFull", "service": "web", "instance": name}
    return {"status": status, "labels": labels, "annotations": {}, "startsAt": "2026-11-20T00:00:00Z", "fingerprint": name}


async def deliver(world: World, source: Any, raw: bytes) -> None:
    world.house.plugs.sources[source.name] = source
    await world.house.inbox.accept(source.name, raw, {}, world.service())
    await world.run()


@pytest.mark.parametrize("order", [("firing", "resolved"), ("resolved", "firing")])
async def test_of_two_instances_in_one_notification_the_firing_one_counts(order: tuple[str, str]) -> None:
    world = build(1, steps(ask()))
    raw = orjson.dumps({"version": "4", "alerts": [instance("host1", order[0]), instance("host2", order[1])]})
    await deliver(world, alertmanager.SOURCE, raw)
    assert [row.state for row in world.store.rows("signal")] == ["firing"]


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        (schedule.SOURCE, b'{"name":"x","target":"web","tick":"nan"}'),
        (schedule.SOURCE, b'{"name":"x","target":{"a":1},"tick":1}'),
        (schedule.SOURCE, b'{"name":"x","target":"web","tick":1,"n":9007199254740993}'),
        (
            spec.SOURCE,
            TOO_MUCH,
        ),
    ],
    ids=["nan", "target", "integer", "spec"],
)
async def test_one_delivery_never_stops_the_next(source: Any, raw: bytes) -> None:
    world = build(1, steps(ask()))
    await deliver(world, source, raw)
    await world.signal(target="db")
    await world.run()
    assert [row.body["target"] for row in world.store.rows("session")] == ["db"]


async def test_a_yes_to_a_plan_covers_no_step_that_needs_other_people() -> None:
    plan = (proposal("sim.red"), proposal("sim.final", hypothesis="h2"))
    world = build(1, steps(propose("sim.red", plan=plan), propose("sim.final", hypothesis="h2"), finish("escalated")))
    world.policy.table["sim.final"] = answer("ask", "red", group="dba", quorum=2)
    await world.open()
    await world.answer(await world.person())
    await world.run()
    assert (world.deed(1).status, world.deed(2).status) == ("done", "held")


async def stood(by: str, *, policy: Any) -> World:
    world = build(1, steps(*(propose("sim.red", hypothesis=str(one), args={"by": one}) for one in (1, 2)), finish("escalated")))
    world.policy.table["sim.red"] = policy
    await world.person()
    standing = Standing(
        id="y1", agent="fixer", kind="sim.red", target="web", uses=1, expires_at=world.clock.at + DAY_S, by=by, reason=REASON
    )
    await world.store.commit(
        Change(puts=(Put(table="standing", id="fixer|sim.red|web", expect=0, body=wire.dump(standing), state="live"),))
    )
    await world.open()
    return world


@pytest.mark.parametrize(
    ("by", "policy"),
    [
        ("person:emma", answer("ask", "red", group="dba")),
        ("person:emma", answer("ask", "red", group="sre", quorum=2)),
        ("person:nobody", answer("ask", "red", group="sre")),
    ],
    ids=["group", "quorum", "giver"],
)
async def test_a_standing_yes_is_worth_no_more_than_its_givers_own(by: str, policy: Any) -> None:
    world = await stood(by, policy=policy)
    assert world.deed(1).status == "held"


async def test_a_standing_yes_is_counted_in_every_zone() -> None:
    world = await stood("person:emma", policy=answer("ask", "yellow", group="sre"))
    assert (world.deed(1).status, world.deed(2).status) == ("done", "held")
    assert world.store.counter("standing:y1") == (0, 1)


async def test_what_runs_is_what_the_card_showed() -> None:
    world = build(1, steps(propose("sim.red"), finish("escalated")))
    await world.open()
    await world.answer(await world.person())
    kind: Any = world.kinds["sim.red"]
    plan = kind.plan

    async def other(hands: Any) -> Any:
        return replace(await plan(hands), argv=(("rm", "-rf", "/srv"),), undo={})

    kind.plan = other
    await world.run()
    assert world.deed(1).status == "held"
    assert world.effects.log == []


async def test_a_factor_that_nobody_can_check_is_no_yes() -> None:
    world = build(1, steps(propose("sim.red"), finish("escalated")))
    world.policy.table["sim.red"] = answer("ask", "red", group="sre", factor="totp")
    await world.open()
    with pytest.raises(Denied, match="needs the factor 'totp'"):
        await world.answer(await world.person())


async def test_an_action_too_large_for_the_log_is_a_persons_and_frees_its_target() -> None:
    world = build(1, steps(propose("sim.green", args={"text": {"$ref": "s-0001.signal#/body"}}), finish()))
    await world.signal(delivery="big", body={"lines": ["x" * 40] * 2000})
    await world.run()
    assert [(row.state, row.body["outcome"]) for row in world.store.rows("session")] == [("closed", "escalated")]
    assert [row.state for row in world.store.rows("lease")] == ["free"]


async def test_a_storm_on_one_target_starves_no_other() -> None:
    world = build(1, steps(ask()))
    await world.open()
    for number in range(1000):
        await world.signal(name=f"A{number:04d}")
    await world.signal(name="Zed", target="db")
    await world.run()
    assert {row.body["target"] for row in world.store.rows("session")} == {"web", "db"}


async def test_a_backlog_is_read_to_its_end() -> None:
    world = build(1, steps(ask()))
    world.engine.wake = lambda *_args: None
    for number in range(1100):
        await world.signal(name=f"N{number}")
    world.boot()
    await world.house.start()
    await world.run()
    assert world.store.count("inbox", "new") == 0


async def test_a_session_whose_keys_could_not_be_written_goes_on_later() -> None:
    world = build(1, steps(propose("sim.green"), finish("escalated")))
    full = [True]

    def refuse(change: Change) -> None:
        if full[0] and any(one.name == "key.issued" for one in change.entries):
            raise StoreFull("disk full for a moment")

    world.store.before_commit = refuse
    await world.signal()
    with pytest.raises(StoreFull):
        await world.run()
    full[0] = False
    await world.run(until_s=60.0)
    assert world.session().phase == "closed"


async def test_a_session_of_an_agent_that_is_gone_is_a_persons() -> None:
    world = build(1, steps(propose("sim.red"), finish()))
    name = await world.open()
    world.rules = replace(world.rules, agents={"other": replace(world.rules.agents["fixer"], name="other")}, routes={"": "other"})
    await world.reboot()
    await world.house.advance(name)
    assert (world.session(name).phase, world.session(name).outcome) == ("closed", "escalated")


async def test_a_freeze_between_two_tries_stops_the_second() -> None:
    world = build(1, steps(propose("sim.once"), finish("escalated")))
    kind: Any = world.kinds["sim.once"]

    def flaky(_kind: Any, _hands: Any) -> Outcome | None:
        world.freezer.freeze(Freeze(id="f1", scope="all", reason=REASON, by="person:emma", at=world.clock.at))
        return Outcome(ok=False, error="try again", transient=True) if len(world.effects.calls) == 1 else None

    kind.twist = flaky
    await world.open()
    assert [call[0] for call in world.effects.calls].count("do") == 1


async def test_an_alert_without_a_route_opens_once_it_has_one() -> None:
    world = build(1, steps(ask()))
    world.rules = replace(world.rules, routes={})
    world.boot()
    await world.signal()
    await world.run()
    assert world.store.rows("session") == []
    world.rules = rules()
    await world.reboot()
    await world.signal(delivery="repeat")
    await world.run()
    assert len(world.store.rows("session")) == 1


async def test_a_kill_switch_that_cannot_be_read_stops_the_second_try() -> None:
    world = build(1, steps(propose("sim.once"), finish("escalated")))
    kind: Any = world.kinds["sim.once"]
    readable = world.freezer.freezes

    def unreadable() -> Any:
        raise NotReady("freezes cannot be read")

    def flaky(_kind: Any, _hands: Any) -> Outcome:
        world.freezer.freezes = unreadable
        return Outcome(ok=False, error="try again", transient=True)

    kind.twist = flaky
    await world.open()
    world.freezer.freezes = readable
    assert [call[0] for call in world.effects.calls].count("do") == 1


async def test_a_guesser_cannot_fill_the_disk_and_every_guess_is_counted() -> None:
    world = build(1)
    for _ in range(500):
        await world.house.keys.refused("", "http 127.0.0.1", "GET /v1/status")
    assert world.names().count("auth.refused") == 120
    world.clock.at += 61.0
    await world.house.keys.refused("fb_k1_x_0", "http 127.0.0.1", "GET /v1/status")
    last = world.store.entries(name="auth.refused")[-1].entry.body
    assert (last["claimed"], last["untold_before"]) == ("k1", 380)
