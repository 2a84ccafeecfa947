"""When a person's yes is good, and that nothing but the whole of it is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from flyball.model.approval import ApprovalState
from flyball.rules.approval import flaw, settled_no, standing
from rules.allowed import NOW, Case, cases


@given(cases(by="approval"))
def test_a_good_approval_has_no_flaw(case: Case) -> None:
    assert flaw(case.action, case.facts) == ""
    assert settled_no(case.facts) == ""


@given(cases(by="none"))
def test_without_one_nobody_has_approved(case: Case) -> None:
    assert flaw(case.action, case.facts) == "nobody has approved it"
    assert settled_no(case.facts) == ""
    assert not standing(case.action, case.facts)


@given(cases(by="approval"), st.sampled_from(list(ApprovalState)), st.floats(-1e6, 1e6))
def test_only_an_approved_one_in_time_is_good(case: Case, state: ApprovalState, later: float) -> None:
    approval = case.facts.approval
    assert approval is not None
    facts = replace(case.facts, approval=replace(approval, state=state), now=NOW + later)
    good = flaw(case.action, facts) == ""
    assert good == (state is ApprovalState.APPROVED and facts.now < approval.expires_at)
    if settled_no(facts):
        assert not good
    final = state in {ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.EDITED, ApprovalState.CHANGES, ApprovalState.VOID}
    timed_out = state in {ApprovalState.WAITING, ApprovalState.APPROVED} and facts.now >= approval.expires_at
    assert bool(settled_no(facts)) == (final or timed_out)


@given(cases(by="approval"), st.lists(st.sampled_from(["person:emma", "person:otto", "agent:fixer", "agent:tidier"])), st.integers(0, 3))
def test_the_asker_never_counts_and_everybody_counts_once(case: Case, voters: list[str], quorum: int) -> None:
    approval = case.facts.approval
    assert approval is not None
    facts = replace(case.facts, approval=replace(approval, quorum=quorum, requester="person:emma"), approvers=tuple(voters))
    counted = set(voters) - {"person:emma", f"agent:{case.action.agent}"}
    assert (flaw(case.action, facts) == "") == (quorum >= 1 and len(counted) >= quorum)


@given(cases(by="standing"))
def test_a_standing_yes_covers_exactly_one_agent_kind_and_target(case: Case) -> None:
    assert standing(case.action, case.facts)
    assert not standing(case.action, replace(case.facts, spec=None))
    for field in ("agent", "kind", "target"):
        assert not standing(replace(case.action, **{field: "another"}), case.facts)
