"""Planted faults: each is put into the core for the length of one test, and a named part of the suite must notice it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from flyball.core import attempt, carry, recover, unwind
from flyball.core.advance import Advance
from flyball.core.approvals import Approvals
from flyball.core.attempt import Attempt
from flyball.core.gather import Gather
from flyball.core.keys import Keys
from flyball.core.record import Record
from flyball.core.recover import Recover
from flyball.core.sessions import Sessions
from flyball.core.unwind import Unwind
from flyball.core.verify import Verify
from flyball.model.action import Deed, Outcome, Recipe, Seen, Status
from flyball.model.decision import Decision, Judged, Verdict
from flyball.model.log import Change
from flyball.rules import decide as decide_module
from flyball.rules.approval import flaw
from flyball.rules.checks import approval as approval_check
from flyball.rules.checks import grant as grant_check
from flyball.rules.decide import CHECKS, opinions
from flyball.rules.grant import fault
from flyball.rules.lifecycle import IllegalMoveError
from flyball.rules.unwind import order
from rules.allowed import BREAKS, Case, cases, hold_against
from sim import test_crash as crash
from sim import test_story as story

NOTICED = (AssertionError, IllegalMoveError, ExceptionGroup, pytest.fail.Exception)


def noticed(tell: Callable[[], Any]) -> None:
    """A part of the suite fails. It is run as it stands; what it says does not matter here."""
    with pytest.raises(NOTICED):
        tell()


def noticed_in(tell: Callable[[], Any]) -> None:
    noticed(lambda: asyncio.run(tell()))


def noticed_in_a_crash(*, unsure: bool = False) -> None:
    """Some crash at one point of the story shows it."""

    def tell() -> None:
        for first in range(1, crash.points_of(unsure=unsure) + 1):
            crash.told(first, unsure=unsure)

    noticed(tell)


def test_the_suites_pass_without_a_fault() -> None:
    crash.told()
    hold_against("approval of another digest")
    asyncio.run(story.test_a_lying_executor_is_refuted_by_the_observer())


def test_fault_approval_not_bound_to_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(action: Any, facts: Any) -> str:
        bound = facts.approval and replace(facts.approval, digest=action.digest)
        return flaw(action, replace(facts, approval=bound))

    monkeypatch.setattr(approval_check, "flaw", loose)
    noticed(lambda: hold_against("action is another one"))
    noticed_in(story.test_a_stored_action_that_was_tampered_with_is_not_the_approved_one)


def test_fault_silence_of_policy_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def quiet(action: Any, facts: Any) -> Decision | None:
        from flyball.rules.checks import policy

        return None if facts.policy is None else policy.check(action, facts)

    monkeypatch.setattr(decide_module, "CHECKS", tuple(quiet if one.__module__.endswith(".policy") else one for one in CHECKS))
    noticed(lambda: hold_against("policy is silent"))


def test_fault_expired_grant_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        grant_check, "fault", lambda grant, action, target, zone, now: fault(replace(grant, expires_at=now + 1), action, target, zone, now)
    )
    noticed(lambda: hold_against("grant expired"))


def test_fault_the_first_opinion_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold that comes first masks the deny behind it."""

    def hasty(action: Any, facts: Any) -> Judged:
        asked = opinions(action, facts)
        passed = Decision(verdict=Verdict.ALLOW, check="all", why="every check passed")
        return Judged(action=action, facts=facts, decision=(*asked, passed)[0], opinions=asked)

    monkeypatch.setattr(decide_module, "judge", hasty)
    both = BREAKS["frozen: all"].change

    def tell() -> None:
        @settings(max_examples=30, deadline=None, database=None, phases=(Phase.generate,))
        @given(cases())
        def one(case: Case) -> None:
            after = BREAKS["policy denies"].change(both(case))
            assert decide_module.judge(after.action, after.facts).decision.verdict is Verdict.DENY

        one()

    noticed(tell)


def test_fault_intent_after_the_deed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Attempt._intend

    async def late(self: Attempt, deed: Deed, judged: Judged, visit: Any) -> Deed:
        kind = self.plugs.kinds[deed.action.kind]
        await kind.do(self.hands(deed), judged.facts.recipe or Recipe(before={}, undo={}))
        return await real(self, deed, judged, visit)

    async def nothing(self: Attempt, kind: Any, deed: Deed, recipe: Recipe) -> tuple[Outcome | None, str]:
        return Outcome(ok=True, result={}), ""

    look = Attempt._look

    async def read(self: Attempt, *args: Any) -> Deed:
        with pytest.MonkeyPatch.context() as back:
            back.setattr(Attempt, "_do", real_do)
            return await look(self, *args)

    real_do = Attempt._do
    monkeypatch.setattr(Attempt, "_intend", late)
    monkeypatch.setattr(Attempt, "_do", nothing)
    monkeypatch.setattr(Attempt, "_look", read)
    noticed_in_a_crash()


def test_fault_recipe_after_the_deed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of the intent does not hold the recipe: a crash before the outcome loses it."""
    real = Record.write

    async def without(self: Record, deed: Deed, entries: Any, visit: Any, *, more: Change | None = None) -> Deed:
        early = deed.status is Status.RUNNING
        written = await real(self, replace(deed, recipe=None) if early else deed, entries, visit, more=more)
        return replace(written, recipe=deed.recipe)

    monkeypatch.setattr(Record, "write", without)
    noticed_in_a_crash()


def test_fault_an_unsure_probe_is_taken_for_done(monkeypatch: pytest.MonkeyPatch) -> None:
    guess = {**attempt.SEEN_TO, Seen.UNSURE: Status.DONE}
    monkeypatch.setattr(recover, "SEEN_TO", guess)

    after = _after("action.intended")

    async def tell() -> None:
        world = await crash.play(*after, unsure=True)
        assert any(row.state == "stuck" for row in world.store.rows("action", limit=10**6))

    noticed_in(tell)


def _after(name: str) -> tuple[int]:
    """The first point after the commit of an entry."""
    points = crash.told().life.points
    return (next(number for number, point in enumerate(points, start=1) if point.startswith("after commit") and name in point),)


def test_fault_recovery_does_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def again(self: Recover, deed: Deed, visit: Any) -> Deed:
        kind = self.plugs.kinds[deed.action.kind]
        outcome = await kind.do(self.attempt.hands(deed), deed.recipe or Recipe(before={}, undo={}))
        return await self.attempt.settle(deed, outcome, visit)

    monkeypatch.setattr(Recover, "settle", again)
    noticed_in_a_crash()


def test_fault_recovery_forgets_an_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget(self: Recover, deed: Deed, visit: Any) -> Deed:
        return deed

    monkeypatch.setattr(Recover, "settle", forget)
    noticed_in_a_crash()


def test_fault_approval_is_not_consumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Approvals, "consumed", lambda self, approval, action: self._put(approval))
    noticed_in(story.test_an_approved_action_runs_once_and_uses_its_approval_up)
    noticed_in(story.test_a_step_of_a_plan_runs_once_and_then_asks)


def test_fault_no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Record.write

    async def open_gate(self: Record, deed: Deed, entries: Any, visit: Any, *, more: Change | None = None) -> Deed:
        row = self.plugs.store.find("session", visit.session.id)
        epoch: Any = row.body["epoch"] if row else 0
        return await real(self, deed, entries, replace(visit, session=replace(visit.session, epoch=epoch)), more=more)

    monkeypatch.setattr(Record, "write", open_gate)
    with pytest.raises((*NOTICED, Exception)):
        asyncio.run(story.test_a_process_that_was_taken_over_gets_no_intent_written())


def test_fault_the_undo_is_not_written_down_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hasty(self: Unwind, deed: Deed, visit: Any, why: str) -> Deed:
        kind = self.plugs.kinds[deed.action.kind]
        await kind.undo(self.attempt.hands(deed, undo=True), deed.recipe or Recipe(before={}, undo={}))
        undoing = replace(deed, status=Status.UNDOING)
        await self.door.record.write(undoing, (self.door.record.entry("action.undoing", undoing, visit, {"why": why}),), visit)
        return await self._end(replace(undoing, version=undoing.version + 1), visit, Outcome(ok=True))

    monkeypatch.setattr(Unwind, "undo", hasty)
    noticed_in_a_crash()


def test_fault_an_interrupted_undo_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "order", lambda deeds, name: tuple(one for one in order(deeds, name) if one.status is not Status.UNDOING))
    noticed_in_a_crash()


def test_fault_unwound_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "order", lambda deeds, name: tuple(reversed(order(deeds, name))))
    noticed(crash.test_the_story_without_a_crash_unwinds_latest_first)


def test_fault_the_executor_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def believe(self: Verify, deed: Deed, expect: Any, observer: Any, name: str) -> tuple[bool, str]:
        return bool(deed.outcome and deed.outcome.ok), "the executor says so"

    monkeypatch.setattr(Verify, "_one", believe)
    noticed_in(story.test_a_lying_executor_is_refuted_by_the_observer)


def test_fault_a_claim_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Advance._close

    async def believe(self: Advance, session: Any, finish: Any, steps: Any) -> Any:
        closed = await real(self, session, replace(finish, outcome="escalated"), steps)
        row: Any = self.plugs.store.find("session", closed.id)
        self.plugs.store.disk.rows["session", closed.id] = replace(row, body={**row.body, "outcome": finish.outcome})
        return closed

    monkeypatch.setattr(Advance, "_close", believe)
    noticed_in(lambda: story.test_a_claim_without_proof_is_unproven(story.steps(story.finish("fixed"))))


def test_fault_nothing_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Record.write

    async def free(self: Record, deed: Deed, entries: Any, visit: Any, *, more: Change | None = None) -> Deed:
        return await real(self, deed, entries, visit, more=replace(more, draws=()) if more else None)

    monkeypatch.setattr(Record, "write", free)
    noticed_in(story.test_fifty_at_once_on_a_budget_for_ten)


def test_fault_everybody_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gather, "may_vote", lambda self, approval, who: "")
    noticed_in(story.test_whoever_left_the_group_since_does_not_count)


def test_fault_a_freeze_after_the_intent_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "in_force", lambda *args, **more: None)
    noticed_in(story.test_a_freeze_between_intent_and_deed_stops_the_deed)


def test_fault_a_freeze_of_undoing_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwind, "in_force", lambda *args, **more: None)
    noticed_in(lambda: story.test_a_freeze_of_doing_lets_undo_and_a_freeze_of_undoing_does_not(undoing=True))


def test_fault_keys_outlive_their_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sessions, "ended_keys", lambda self, session, reason: ((), ()))
    noticed_in(story.test_a_green_fix_is_done_verified_and_closed_as_fixed)


def test_fault_a_broken_chain_of_grants_counts_as_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Keys.chain
    monkeypatch.setattr(Keys, "chain", lambda self, grant: (real(self, grant)[0], True))
    from sim import test_attack

    noticed_in(test_attack.test_attack_13_a_chain_with_a_missing_link_is_no_authority)


@pytest.mark.parametrize("check", CHECKS, ids=lambda one: one.__module__.rsplit(".", 1)[1])
def test_no_check_can_be_lost(check: decide_module.Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, one of its breaks is noticed by the suite, and one of them would really be allowed."""
    name = check.__module__.rsplit(".", 1)[1]
    mine = [label for label, one in BREAKS.items() if one.check == name]
    monkeypatch.setattr(decide_module, "CHECKS", tuple(one for one in CHECKS if one is not check))
    noticed(lambda: hold_against(mine[0]))
    assert any(Verdict.ALLOW in verdicts(label) for label in mine), f"{name} never stands alone: is it needed?"


def verdicts(label: str) -> set[Verdict]:
    """What is decided on a few cases with one break."""
    found: set[Verdict] = set()

    @settings(max_examples=3, deadline=None, database=None, phases=(Phase.generate,))
    @given(cases(by=BREAKS[label].by, reach=BREAKS[label].reach))
    def one(case: Case) -> None:
        after = BREAKS[label].change(case)
        found.add(decide_module.decide(after.action, after.facts).verdict)

    one()
    return found
