"""Postconditions: does a result hold what was expected of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flyball.model.action import Expect
from flyball.model.ids import Json
from flyball.rules.pointer import MissingError, look


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def compare(op: str, found: Json, value: Json) -> bool:
    """Apply one of eq, ne, lt, le, gt, ge, in, contains. Unlike sorts never compare, an unknown op never holds."""
    if op == "eq":
        return (type(found) is type(value) and found == value) or (_number(found) is not None and _number(found) == _number(value))
    if op == "ne":
        return not compare("eq", found, value)
    if op == "in":
        return isinstance(value, Sequence) and not isinstance(value, str) and any(compare("eq", found, item) for item in value)
    if op == "contains":
        return isinstance(found, str) and isinstance(value, str) and value in found
    left, right = _number(found), _number(value)
    if left is None or right is None:
        return False
    return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}.get(op, False)


def holds(expect: Expect, result: Json) -> bool:
    """Say whether the result holds what is expected; a missing field never does."""
    try:
        return compare(expect.op, look(result, expect.at), expect.value)
    except MissingError:
        return False


def told(expect: Expect, result: Json) -> str:
    """Give one line: what was expected and what was seen."""
    try:
        seen: Json = look(result, expect.at)
    except MissingError:
        seen = "nothing"
    if isinstance(seen, Mapping) or (isinstance(seen, Sequence) and not isinstance(seen, str)):
        seen = "a structure"
    return f"{expect.kind} {expect.at or '/'} {expect.op} {expect.value!r}: saw {seen!r}"
