"""Bounded retry: only what is transient, harmless twice, few times, and never red."""

from hypothesis import given
from hypothesis import strategies as st

from flyball.model.action import Outcome, Reach, Zone
from flyball.model.kind import KindSpec
from flyball.rules.retry import ATTEMPTS, LONGEST_S, again, pause_s


def spec(reach: Reach, *, idempotent: bool) -> KindSpec:
    return KindSpec(name="k", title="k", reach=reach, args={}, result={}, idempotent=idempotent)


@given(
    reach=st.sampled_from(list(Reach)),
    idempotent=st.booleans(),
    zone=st.sampled_from(list(Zone)),
    ok=st.booleans(),
    transient=st.booleans(),
    attempt=st.integers(1, 5),
)
def test_the_same_deed_again_only_where_that_is_harmless(
    *, reach: Reach, idempotent: bool, zone: Zone, ok: bool, transient: bool, attempt: int
) -> None:
    allowed = again(spec(reach, idempotent=idempotent), zone, Outcome(ok=ok, transient=transient), attempt)
    harmless = reach is Reach.READ or idempotent
    assert allowed == (not ok and transient and harmless and zone is not Zone.RED and attempt < ATTEMPTS)


@given(st.integers(1, 40), st.floats(0, 1))
def test_the_pause_grows_and_is_bounded(attempt: int, jitter: float) -> None:
    assert 0 < pause_s(attempt, jitter) <= LONGEST_S
    assert pause_s(attempt, jitter) <= pause_s(attempt + 1, jitter)
    assert all(pause_s(one, jitter) < pause_s(one + 1, jitter) for one in range(1, ATTEMPTS)), "it grows as long as it is tried again"
    assert pause_s(attempt, 0) <= pause_s(attempt, jitter) <= pause_s(attempt, 1)
