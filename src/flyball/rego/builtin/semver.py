"""Semantic versions (semver.org, 2.0.0)."""

import re
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.error import BuiltinFault
from flyball.rego.type import ANY, BOOLEAN, NUMBER, STRING

_NUMBER: Final = r"(0|[1-9][0-9]*)"
_VERSION: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z.-]*))?(?:\+([0-9A-Za-z.-]*))?")
_LENGTH: Final = 4_000


@builtin("semver.is_valid", (ANY,), BOOLEAN)
def is_valid(text: Any) -> bool:
    """Whether it is a semantic version; false for what is no string."""
    return type(text) is str and _parsed(text) is not None


@builtin("semver.compare", (STRING, STRING), NUMBER)
def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1, as `left` comes before, with or after `right`. What was built (`+...`) does not count."""
    if type(left) is not str or type(right) is not str:
        raise mistyped("semver.compare", left, right)
    found = []
    for place, text in enumerate((left, right), 1):
        parts = _parsed(text)
        if parts is None:
            raise BuiltinFault(f'semver.compare: operand {place}: string "{text[:100]}" is not a valid SemVer')
        found.append(parts)
    return (found[0] > found[1]) - (found[0] < found[1])


def _parsed(text: str) -> tuple[Any, ...] | None:
    found = _VERSION.fullmatch(text) if len(text) <= _LENGTH else None
    if found is None:
        return None
    numbers = tuple(int(one) for one in found.groups()[:3])
    before = found[4]
    if before is not None and not all(before.split(".")):
        return None
    if found[5] is not None and not all(found[5].split(".")):
        return None
    marks = [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in before.split(".")] if before is not None else []
    return numbers, before is None, marks
