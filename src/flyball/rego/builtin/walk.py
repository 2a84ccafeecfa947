"""Every value inside a value."""

from typing import Any

from flyball.rego.builtin.desk import MEMBERS, builtin, too_large
from flyball.rego.limit import spend
from flyball.rego.type import ANY, ARRAY, array
from flyball.rego.value import Set, key, ordered, unkey


@builtin("walk", (ANY,), array(ARRAY, ANY), relation=True)
def walk(value: Any) -> list[list[Any]]:
    """`[path, value]` for the value itself and everything below it, outside in. A member of a set stands at itself."""
    found: list[list[Any]] = []
    waiting: list[tuple[list[Any], Any]] = [([], value)]
    while waiting:
        path, one = waiting.pop()
        found.append([path, one])
        spend(1 + len(path))
        if len(found) > MEMBERS:
            raise too_large("walk", MEMBERS, "values")
        waiting += [([*path, name], held) for name, held in reversed(_below(one))]
    return found


def _below(value: Any) -> list[tuple[Any, Any]]:
    kind = type(value)
    if kind is list:
        return list(enumerate(value))
    if kind is Set:
        return [(member, member) for member in ordered(value)]
    if kind is dict:
        return [(name, value[key(name)]) for name in ordered(map(unkey, value))]
    return []
