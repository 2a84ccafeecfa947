"""Postconditions: unlike sorts never compare, what is missing never holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.model.action import Expect
from flyball.rules.expect import compare, holds, told

SCALAR = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["", "a", "ab", "1"])


@pytest.mark.parametrize(
    ("op", "found", "value", "met"),
    [
        ("eq", 1, 1.0, True),
        ("eq", True, 1, False),
        ("eq", 0, False, False),
        ("eq", "1", 1, False),
        ("eq", [1], [1], True),
        ("eq", None, None, True),
        ("ne", "a", "b", True),
        ("ne", 1, 1, False),
        ("lt", 1, 2, True),
        ("lt", True, 2, False),
        ("le", 2, 2, True),
        ("gt", 3, 2, True),
        ("gt", "3", 2, False),
        ("ge", 2, 2.5, False),
        ("ge", None, 0, False),
        ("in", "a", ["a", "b"], True),
        ("in", 1, [True], False),
        ("in", "a", "abc", False),
        ("in", "a", 3, False),
        ("contains", "abc", "b", True),
        ("contains", ["b"], "b", False),
        ("contains", "abc", 3, False),
        ("equals", 1, 1, False),
        ("", 1, 1, False),
    ],
)
def test_the_table(op: str, found: Any, value: Any, met: bool) -> None:
    assert compare(op, found, value) is met


@given(SCALAR, SCALAR)
def test_not_equal_is_the_opposite_of_equal(found: Any, value: Any) -> None:
    assert compare("ne", found, value) is not compare("eq", found, value)


@given(st.integers(-5, 5) | st.floats(-5, 5), st.integers(-5, 5) | st.floats(-5, 5))
def test_numbers_are_ordered_one_way(left: float, right: float) -> None:
    assert compare("lt", left, right) is not compare("ge", left, right)
    assert compare("gt", left, right) is not compare("le", left, right)


def test_a_missing_field_never_holds_not_even_as_unequal() -> None:
    expect = Expect(kind="sim.read", at="/status", op="ne", value=500)
    assert holds(expect, {"status": 200})
    assert not holds(expect, {})
    assert told(expect, {}) == "sim.read /status ne 500: saw 'nothing'"
    assert told(expect, {"status": 500}) == "sim.read /status ne 500: saw 500"


@pytest.mark.parametrize("result", [{"a": 1}, [1, 2]])
def test_a_structure_is_not_told_in_full(result: Any) -> None:
    assert told(Expect(kind="sim.read", value=1), result) == "sim.read / eq 1: saw 'a structure'"
