"""The decision: an allowed case with one broken fact is never allowed, whatever the order of the checks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flyball.model.action import Reach, Zone
from flyball.model.box import Level
from flyball.model.decision import Verdict
from flyball.model.ids import Digest
from flyball.rules import decide as decide_module
from flyball.rules.decide import CHECKS, decide, judge, opinions
from rules.allowed import BREAKS, NOW, Case, cases, hold_against, pre_state

WIDE = {ord(one): chr(ord(one) + 0xFEE0) for one in "abcdefghijklmnopqrstuvwxyz-."}
LOOKS_LIKE = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "i": "і"}  # noqa: RUF001 Cyrillic look-alikes are the point


@given(cases())
def test_a_drawn_case_is_allowed(case: Case) -> None:
    assert judge(case.action, case.facts).opinions == ()
    assert decide(case.action, case.facts).verdict is Verdict.ALLOW


@pytest.mark.parametrize("name", BREAKS)
def test_one_broken_fact_is_enough(name: str) -> None:
    hold_against(name)


@given(cases(by="approval"))
def test_a_target_that_changed_since_the_approval_holds_its_first_step(case: Case) -> None:
    assume(pre_state(case))
    said = judge(case.action, replace(case.facts, before_digest=Digest("sha256:now")))
    assert said.decision.verdict is Verdict.HOLD or not needs_person(case)
    assert "approval" in {one.check for one in said.opinions} or not needs_person(case)


@given(cases(reach=Reach.READ))
def test_a_read_passes_in_shadow_mode_and_at_the_read_only_level(case: Case) -> None:
    assert decide(case.action, replace(case.facts, shadow=True, level=Level.LANDLOCK.value)).verdict is Verdict.ALLOW


@st.composite
def broken_cases(draw: st.DrawFn, verdict: Verdict | None = None) -> Case:
    names = [name for name, one in BREAKS.items() if verdict is None or one.verdict is verdict]
    broken = BREAKS[draw(st.sampled_from(names))]
    return broken.change(draw(cases(by=broken.by, reach=broken.reach)))


@given(case=cases() | broken_cases(), order=st.permutations(CHECKS))
def test_the_order_of_the_checks_never_matters(case: Case, order: list[decide_module.Check]) -> None:
    before = decide(case.action, case.facts).verdict
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide_module, "CHECKS", tuple(order))
        assert decide(case.action, case.facts).verdict is before


@given(held=broken_cases(Verdict.HOLD), name=st.sampled_from([name for name, one in BREAKS.items() if one.verdict is Verdict.DENY]))
def test_a_hold_never_masks_a_deny(held: Case, name: str) -> None:
    broken = BREAKS[name]
    assume(
        (not broken.by or broken.by == held.by) and (broken.reach is None or (held.facts.spec and held.facts.spec.reach is broken.reach))
    )
    assume(not (name.startswith("approval") or "run out" in name) or held.facts.approval is not None)
    after = broken.change(held)
    said = judge(after.action, after.facts)
    assert said.decision.verdict is Verdict.DENY
    assert {Verdict.HOLD, Verdict.DENY} <= {one.verdict for one in said.opinions} or len(said.opinions) >= 1


def needs_person(case: Case) -> bool:
    """Say whether the case is red or asked for: an approval that it does not need is not looked at."""
    policy = case.facts.policy
    return case.facts.zone is Zone.RED or policy is None or policy.effect != "allow"


def _shrunk(case: Case, part: str) -> Case:
    facts = case.facts
    if part == "money":
        return case.but(budget_cap=0)
    if part == "time":
        return case.but(now=NOW + 10**9)
    if part == "uses":
        return case.but(uses_left=0)
    if part == "kinds":
        return case.but(chain=tuple(replace(one, kinds=()) for one in facts.chain))
    return case.but(approvers=())


@given(case=cases() | broken_cases(), part=st.sampled_from(["money", "time", "uses", "kinds", "approvers"]))
def test_less_of_anything_never_turns_a_no_into_a_yes(case: Case, part: str) -> None:
    before, less = decide(case.action, case.facts).verdict, _shrunk(case, part)
    after = decide(less.action, less.facts).verdict
    assert before is Verdict.ALLOW or after is not Verdict.ALLOW


def variants(name: str) -> st.SearchStrategy[str]:
    """Names that look like `name` and are not it."""
    at = st.integers(0, len(name))
    zero = st.sampled_from("\u200b\u200c\u200d\u2060\ufeff\u00ad \t\n\u202e")
    inserted = st.builds(lambda where, one: name[:where] + one + name[where:], at, zero)
    fixed = [name.upper(), name.title(), name.translate(WIDE), f"x.{name}", f"{name}.x", f"{name}*", "*", name[:-1], f"{name}\0", ""]
    alike = ["".join(LOOKS_LIKE.get(one, one) for one in name)]
    return (inserted | st.sampled_from(fixed + alike)).filter(lambda other: other != name)


@given(data=st.data(), case=cases(), field=st.sampled_from(["kind", "target", "agent"]))
def test_a_variant_of_a_name_is_denied(data: st.DataObject, case: Case, field: str) -> None:
    other = data.draw(variants(getattr(case.action, field)))
    assert decide(replace(case.action, **{field: other}), case.facts).verdict is Verdict.DENY


@given(cases())
def test_facts_that_are_all_missing_deny(case: Case) -> None:
    empty = type(case.facts)(now=NOW)
    said = {one.check for one in opinions(case.action, empty)}
    assert {"known", "schema", "key", "grant", "freeze", "policy", "isolation", "budget", "pace"} <= said
    assert decide(case.action, empty).verdict is Verdict.DENY
