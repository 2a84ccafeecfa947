"""Operations on objects."""

from typing import Any

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.error import OperandFault
from flyball.rego.limit import spend
from flyball.rego.type import ANY, ARRAY, BOOLEAN, OBJECT, SET, array, one_of
from flyball.rego.value import UNDEFINED, Set, equal, key, unkey

_NAMES = (OBJECT, one_of(OBJECT, SET, ARRAY))
_MANY = one_of(ARRAY, OBJECT, SET)


def step(value: Any, name: Any) -> Any:
    """What stands at `name` in an object, array or set; undefined where nothing does."""
    kind = type(value)
    if kind is dict or kind is Set:
        return (value if kind is dict else value.held).get(key(name), UNDEFINED)
    if kind is list and type(name) in {int, float} and 0 <= name < len(value) and name == int(name):
        return value[int(name)]
    return UNDEFINED


@builtin("object.get", (OBJECT, ANY, ANY), ANY)
def get(whole: Any, path: Any, default: Any) -> Any:
    """What stands at a key, or at the end of an array of keys; `default` where nothing does."""
    if type(whole) is not dict:
        raise mistyped("object.get", whole, path, default)
    if type(path) is not list:
        return whole.get(path if type(path) is str else key(path), default)
    found = whole
    for name in path:
        found = step(found, name)
        if found is UNDEFINED:
            return default
    return found


@builtin("object.keys", (OBJECT,), SET)
def keys(whole: Any) -> Set:
    """The keys."""
    if type(whole) is not dict:
        raise mistyped("object.keys", whole)
    found = Set()
    found.held = {name: unkey(name) for name in whole}
    return found


@builtin("object.remove", _NAMES, OBJECT)
def remove(whole: Any, names: Any) -> dict[Any, Any]:
    """The object without these keys: members of an array or set, or keys of an object."""
    unwanted = _names("object.remove", whole, names)
    return {name: value for name, value in whole.items() if name not in unwanted}


@builtin("object.filter", _NAMES, OBJECT)
def keep(whole: Any, names: Any) -> dict[Any, Any]:
    """The object with only these keys: members of an array or set, or keys of an object."""
    wanted = _names("object.filter", whole, names)
    return {name: value for name, value in whole.items() if name in wanted}


def _names(builtin_name: str, whole: Any, names: Any) -> Any:
    kind = type(names)
    if type(whole) is not dict or kind not in {dict, Set, list}:
        raise mistyped(builtin_name, whole, names)
    if kind is list:
        return set(map(key, names))
    return names if kind is dict else names.held


@builtin("object.union", (OBJECT, OBJECT), OBJECT)
def union(under: Any, over: Any) -> dict[Any, Any]:
    """Both objects in one. Where both hold an object at a key, those are united likewise; otherwise `over` wins."""
    if type(under) is not dict or type(over) is not dict:
        raise mistyped("object.union", under, over)
    return _united(under, over)


@builtin("object.union_n", (array(of=OBJECT),), OBJECT)
def union_n(objects: Any) -> dict[Any, Any]:
    """All objects of an array in one, as `object.union` unites two; later ones win."""
    if type(objects) is not list or any(type(one) is not dict for one in objects):
        raise mistyped("object.union_n", objects)
    found: dict[Any, Any] = {}
    for one in objects:
        _lay(found, one)
    return found


def _united(under: dict[Any, Any], over: dict[Any, Any]) -> dict[Any, Any]:
    spend(len(under))
    found = dict(under)
    _lay(found, over)
    return found


def _lay(found: dict[Any, Any], over: dict[Any, Any]) -> None:
    """Lays `over` on an object that this call made."""
    spend(len(over))
    for name, value in over.items():
        below = found.get(name)
        found[name] = _united(below, value) if type(below) is dict and type(value) is dict else value


@builtin("object.subset", (_MANY, _MANY), BOOLEAN)
def subset(whole: Any, part: Any) -> bool:
    """Whether `part` is in `whole`: keys with their values (nested likewise), members of a set, or a run of members of an array."""
    if type(whole) is list and type(part) is Set:
        return {key(member) for member in whole} >= part.held.keys()
    if type(whole) is not type(part) or type(whole) not in {dict, list, Set}:
        raise OperandFault("object.subset: both arguments object.subset must be of the same type or array and set")
    return _holds(whole, part)


def _holds(whole: Any, part: Any) -> bool:
    kind = type(whole)
    if kind is not type(part):
        return equal(whole, part)
    if kind is dict:
        spend(len(part))
        return all(name in whole and _holds(whole[name], value) for name, value in part.items())
    if kind is Set:
        return bool(part.held.keys() <= whole.held.keys())
    if kind is list:
        return _run([key(member) for member in whole], [key(member) for member in part])
    return equal(whole, part)


def _run(whole: list[Any], part: list[Any]) -> bool:
    """Whether `part` stands in `whole` without a gap (Knuth, Morris and Pratt: linear, where looking everywhere is not)."""
    if not part:
        return True
    back, seen = [0] * len(part), 0
    for place in range(1, len(part)):
        seen = _advance(part, back, seen, part[place])
        back[place] = seen
    seen = 0
    for one in whole:
        seen = _advance(part, back, seen, one)
        if seen == len(part):
            return True
    return False


def _advance(part: list[Any], back: list[int], seen: int, one: Any) -> int:
    while seen and part[seen] != one:
        seen = back[seen - 1]
    return seen + bool(part[seen] == one)
