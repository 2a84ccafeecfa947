"""Comparison of any two values."""

from typing import Any

from flyball.rego.builtin.desk import builtin
from flyball.rego.type import ANY, BOOLEAN
from flyball.rego.value import compare, equal

_TWO = (ANY, ANY)
builtin("equal", _TWO, BOOLEAN)(equal)


@builtin("neq", _TWO, BOOLEAN)
def neq(left: Any, right: Any) -> bool:
    """Whether two values differ."""
    return not equal(left, right)


@builtin("lt", _TWO, BOOLEAN)
def lt(left: Any, right: Any) -> bool:
    """Whether `left` stands before `right`."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is str or kind is float):
        return bool(left < right)
    return compare(left, right) < 0


@builtin("lte", _TWO, BOOLEAN)
def lte(left: Any, right: Any) -> bool:
    """Whether `left` stands before or at `right`."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is str or kind is float):
        return bool(left <= right)
    return compare(left, right) <= 0


@builtin("gt", _TWO, BOOLEAN)
def gt(left: Any, right: Any) -> bool:
    """Whether `left` stands after `right`."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is str or kind is float):
        return bool(left > right)
    return compare(left, right) > 0


@builtin("gte", _TWO, BOOLEAN)
def gte(left: Any, right: Any) -> bool:
    """Whether `left` stands after or at `right`."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is str or kind is float):
        return bool(left >= right)
    return compare(left, right) >= 0
