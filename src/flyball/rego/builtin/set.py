"""Operations on sets."""

from functools import reduce
from typing import Any

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.type import SET, set_of
from flyball.rego.value import Set

_TWO = (SET, SET)


def _made(held: dict[Any, Any]) -> Set:
    found = Set()
    found.held = held
    return found


def _both(left: dict[Any, Any], right: dict[Any, Any]) -> dict[Any, Any]:
    if len(right) < len(left):
        left, right = right, left
    return {name: member for name, member in left.items() if name in right}


@builtin("and", _TWO, SET)
def both(left: Any, right: Any) -> Set:
    """The members of both sets."""
    if type(left) is not Set or type(right) is not Set:
        raise mistyped("and", left, right)
    return _made(_both(left.held, right.held))


@builtin("or", _TWO, SET)
def either(left: Any, right: Any) -> Set:
    """The members of either set."""
    if type(left) is not Set or type(right) is not Set:
        raise mistyped("or", left, right)
    return _made({**left.held, **right.held})


@builtin("intersection", (set_of(SET),), SET)
def intersection(sets: Any) -> Set:
    """The members of every set of a set; none where there is no set."""
    return _made(reduce(_both, _helds("intersection", sets) or [{}]))


@builtin("union", (set_of(SET),), SET)
def union(sets: Any) -> Set:
    """The members of any set of a set."""
    return _made({name: member for held in _helds("union", sets) for name, member in held.items()})


def _helds(name: str, sets: Any) -> list[dict[Any, Any]]:
    if type(sets) is not Set or any(type(one) is not Set for one in sets):
        raise mistyped(name, sets)
    return [one.held for one in sets]
