"""What can be asked of types: keys, values, members, whether two may be the same. Called by `kind` and `schema`.

None is a type that is not known yet. Everything errs on the side of letting a policy through: only what can never hold is a mistake.
"""

from collections.abc import Iterable
from typing import Any, Final

from flyball.rego.type import ANY, BOOLEAN, NULL, NUMBER, STRING, Type, array, object_of, one_of, set_of
from flyball.rego.work import spend

LARGEST: Final = 1_000  # parts of a type
_LOOSE: Final = {"array": array(of=ANY), "object": object_of(ANY, ANY), "set": set_of(ANY)}
_SCALARS: Final = {str: STRING, bool: BOOLEAN, int: NUMBER, float: NUMBER, type(None): NULL}


def scalar(value: Any) -> Type:
    """The type of a scalar."""
    return _SCALARS[type(value)]


def join(types: Iterable[Type | None]) -> Type:
    """The type of a value that has one of these; anything where one is not known, or there is none."""
    kept: dict[int, Type] = {}
    for one in types:
        for branch in branches(one or ANY):
            if branch == ANY:
                return ANY
            spend(1)
            kept[id(branch)] = branch
    spend(len(kept))
    found = [*kept.values()] if len(kept) == 1 else [*dict.fromkeys(kept.values())]
    return found[0] if len(found) == 1 else one_of(*found) if found else ANY


def small(kind: Type) -> Type:
    """The type, or no more than its kind where it has too many parts: one that is written with few may have any number (`b := [a, a]`)."""
    waiting, left = [kind], LARGEST
    while waiting:
        one = waiting.pop()
        below = [*members(one), *properties(one).values(), *(part for part in (one.dynamic, one.names) if part)]
        left -= len(below)
        if left < 0:
            return _LOOSE.get(kind.kind, ANY)
        waiting += below
    return kind


def branches(kind: Type) -> tuple[Type, ...]:
    """The types that a union is made of; one that is no union by itself."""
    return tuple(one for one in kind.static if isinstance(one, Type)) if kind.kind == "union" else (kind,)


def members(kind: Type) -> tuple[Type, ...]:
    """The types of an array's first members."""
    return tuple(one for one in kind.static if isinstance(one, Type))


def properties(kind: Type) -> dict[Any, Type]:
    """The properties that an object is known to have."""
    return dict(one for one in kind.static if isinstance(one, tuple))


def keys(kind: Type) -> Type | None:
    """The type of what a value can be looked up by; None for a scalar."""
    found = [one for branch in branches(kind) if (one := _keys(branch)) is not None]
    return join(found) if found else None


def _keys(kind: Type) -> Type | None:
    if kind == ANY:
        return ANY
    if kind.kind == "array":
        return NUMBER
    if kind.kind == "set":
        return kind.dynamic
    if kind.kind == "object":
        return join([*map(scalar, properties(kind)), *([kind.names] if kind.names else [])])
    return None


def values(kind: Type) -> Type | None:
    """The type of what stands inside a value; None for a scalar."""
    found = [one for branch in branches(kind) if (one := _values(branch)) is not None]
    return join(found) if found else None


def _values(kind: Type) -> Type | None:
    if kind == ANY:
        return ANY
    more = [kind.dynamic] if kind.dynamic else []
    if kind.kind == "array":
        return join([*members(kind), *more])
    if kind.kind == "set":
        return kind.dynamic
    if kind.kind == "object":
        return join([*properties(kind).values(), *more])
    return None


def select(kind: Type, name: Any) -> Type | None:
    """The type of what stands at a constant; None where nothing can."""
    found = [one for branch in branches(kind) if (one := _select(branch, name)) is not None]
    return join(found) if found else None


def _select(kind: Type, name: Any) -> Type | None:  # noqa: PLR0911 - one for each kind of type
    if kind == ANY:
        return ANY
    if kind.kind == "object":
        known = properties(kind)
        if type(name) is str and name in known:
            return known[name]
        return kind.dynamic if kind.names is not None and unifies(kind.names, scalar(name)) else None
    if kind.kind == "array":
        first = members(kind)
        if type(name) is not int or name < 0:
            return None
        return first[name] if name < len(first) else kind.dynamic
    if kind.kind == "set":
        return kind.dynamic if kind.dynamic and unifies(kind.dynamic, scalar(name)) else None
    return None


def unifies(left: Type | None, right: Type | None) -> bool:  # noqa: PLR0911 - one for each kind of type
    """Whether a value can have both types."""
    if left is None or right is None or left is right:
        return True
    spend(2)
    if ANY in (left, right):
        return True
    if left.kind == "union" or right.kind == "union":
        return any(unifies(one, other) for one in branches(left) for other in branches(right))
    if left.kind != right.kind:
        return False
    if left.kind == "array":
        return _arrays(left, right)
    if left.kind == "object":
        return _objects(left, right)
    return left.kind != "set" or unifies(left.dynamic, right.dynamic)


def _arrays(left: Type, right: Type) -> bool:
    for one, other in ((left, right), (right, left)):
        for place, member in enumerate(members(one)):
            found = _select(other, place)
            if found is None or not unifies(member, found):
                return False
    return left.dynamic is None or right.dynamic is None or unifies(left.dynamic, right.dynamic)


def _objects(left: Type, right: Type) -> bool:
    """Properties need not be there, so one that only one side knows is no clash; but each side knowing what the other cannot have is."""
    known, others = properties(left), properties(right)
    spend(len(known) + len(others))
    if not all(unifies(held, others[name]) for name, held in known.items() if name in others):
        return False
    strange = any(name not in others and _select(right, name) is None for name in known)
    return not (strange and any(name not in known and _select(left, name) is None for name in others))


def of_value(value: Any) -> Type:
    """The type of a JSON value."""
    if isinstance(value, list):
        return array(*map(of_value, value)) if value else array(of=ANY)
    if isinstance(value, dict):
        return object_of(static={name: of_value(held) for name, held in value.items()}) if value else object_of(ANY, ANY)
    return scalar(value)
