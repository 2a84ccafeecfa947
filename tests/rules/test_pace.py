"""Never more than burst + rate * t calls in any stretch of t seconds; what was promised at once is given at once."""

import math

from hypothesis import given
from hypothesis import strategies as st

from flyball.model.money import Bucket
from flyball.rules.pace import SLACK_S, passes, take

START = 1_763_600_000.0


def run(times: list[float], burst: float, interval_s: float) -> list[float]:
    """The times at which a call passes."""
    bucket, passed = Bucket(id="b"), []
    for now in times:
        if passes(bucket, now, burst, interval_s):
            bucket = take(bucket, now, interval_s)
            passed.append(now)
    return passed


@given(
    gaps=st.lists(st.floats(0, 5), max_size=80),
    burst=st.floats(0, 10),
    interval_s=st.floats(0.01, 10),
)
def test_no_stretch_of_time_sees_more_than_burst_and_rate_allow(gaps: list[float], burst: float, interval_s: float) -> None:
    times = [START]
    for gap in gaps:
        times.append(times[-1] + gap)
    passed = run(times, burst, interval_s)
    rounding_s = SLACK_S * (burst + 2 * len(times))
    for first, since in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - since + rounding_s) / interval_s


@given(burst=st.integers(1, 100), interval_s=st.floats(0.001, 100))
def test_exactly_the_burst_passes_at_once(burst: int, interval_s: float) -> None:
    assert len(run([START] * (burst + 5), burst, interval_s)) == burst


@given(burst=st.integers(1, 20), interval_s=st.floats(0.01, 100))
def test_after_a_burst_one_more_passes_each_interval(burst: int, interval_s: float) -> None:
    later = [START + interval_s * (number + 1) * 1.001 for number in range(10)]
    assert len(run([START] * burst + later, burst, interval_s)) == burst + 10


@given(burst=st.floats(max_value=1, exclude_max=True), interval_s=st.floats(0, 10))
def test_a_burst_under_one_lets_nothing_pass(burst: float, interval_s: float) -> None:
    assert not passes(Bucket(id="b"), START, burst, interval_s)


def test_numbers_that_are_none_let_nothing_pass() -> None:
    for bad in (math.nan, math.inf, -math.inf):
        assert not passes(Bucket(id="b"), bad, 5, 1.0)
        assert not passes(Bucket(id="b"), START, bad, 1.0)
        assert not passes(Bucket(id="b"), START, 5, bad)
        assert not passes(Bucket(id="b", due_at=bad), START, 5, 1.0)
    assert not passes(Bucket(id="b"), START, 5, -1.0)


def test_an_interval_of_zero_has_no_limit() -> None:
    assert len(run([START] * 1000, 1, 0.0)) == 1000


def test_a_clock_set_back_does_not_give_tokens_anew() -> None:
    bucket = take(Bucket(id="b"), START, 10.0)
    assert not passes(bucket, START - 3600, 1, 10.0)
