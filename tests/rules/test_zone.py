"""Zones only ever escalate."""

from hypothesis import given
from hypothesis import strategies as st

from flyball.model.action import Reach, Zone
from flyball.model.grant import Target
from flyball.model.kind import KindSpec
from flyball.model.policy import PolicyAnswer
from flyball.rules.zone import zone_of

RANK = {Zone.GREEN: 0, Zone.YELLOW: 1, Zone.RED: 2}
SPEC = st.builds(
    lambda reach, reversible: KindSpec(name="k", title="k", reach=reach, args={}, result={}, reversible=reversible),
    st.sampled_from(list(Reach)),
    st.booleans(),
)
TARGET = Target(name="web", env="lab")


def said(zone: str) -> PolicyAnswer:
    return PolicyAnswer(effect="allow", zone=zone, reason="r", rule="r")


@given(SPEC, st.sampled_from(list(Zone)), st.integers(0, 3))
def test_a_zone_is_what_policy_says_or_higher(spec: KindSpec, zone: Zone, overdue: int) -> None:
    found = zone_of(spec, TARGET, said(zone.value), overdue=overdue)
    assert RANK[found] >= RANK[zone]
    assert RANK[zone_of(spec, TARGET, said(zone.value), overdue=overdue + 1)] >= RANK[found]
    if spec.reach is Reach.WRITE and not spec.reversible:
        assert found is not Zone.GREEN
    if overdue:
        assert found is not Zone.YELLOW


@given(SPEC, st.text(max_size=6).filter(lambda one: one not in {zone.value for zone in Zone}))
def test_whatever_is_missing_or_unknown_is_red(spec: KindSpec, word: str) -> None:
    assert zone_of(spec, TARGET, said(word), overdue=0) is Zone.RED
    assert zone_of(None, TARGET, said("green"), overdue=0) is Zone.RED
    assert zone_of(spec, None, said("green"), overdue=0) is Zone.RED
    assert zone_of(spec, TARGET, None, overdue=0) is Zone.RED
