"""Operations on arrays."""

from typing import Any

from flyball.rego.builtin.desk import MEMBERS, builtin, mistyped, too_large
from flyball.rego.builtin.number import integer
from flyball.rego.type import ARRAY, NUMBER


@builtin("array.concat", (ARRAY, ARRAY), ARRAY)
def concat(left: Any, right: Any) -> list[Any]:
    """The members of `left`, then those of `right`."""
    if type(left) is not list or type(right) is not list:
        raise mistyped("array.concat", left, right)
    if len(left) + len(right) > MEMBERS:
        raise too_large("array.concat", MEMBERS, "members")
    return left + right


@builtin("array.slice", (ARRAY, NUMBER, NUMBER), ARRAY)
def part(whole: Any, start: Any, stop: Any) -> list[Any]:
    """The members from `start` up to `stop`, excluded. Places outside of the array are moved to its ends."""
    if type(whole) is not list:
        raise mistyped("array.slice", whole, start, stop)
    first, last = max(integer("array.slice", 2, start), 0), integer("array.slice", 3, stop)
    return whole[first : max(first, last)]


@builtin("array.reverse", (ARRAY,), ARRAY)
def reverse(whole: Any) -> list[Any]:
    """The members in the opposite order."""
    if type(whole) is not list:
        raise mistyped("array.reverse", whole)
    return whole[::-1]


@builtin("array.flatten", (ARRAY,), ARRAY)
def flatten(whole: Any) -> list[Any]:
    """The array with the members of its arrays in their place; one level deep."""
    if type(whole) is not list:
        raise mistyped("array.flatten", whole)
    if sum(len(one) if type(one) is list else 1 for one in whole) > MEMBERS:
        raise too_large("array.flatten", MEMBERS, "members")
    return [member for one in whole for member in (one if type(one) is list else [one])]
