"""What generated code calls at run time: the slow half of look-ups, scans, changed documents, conflicts. The fast half stands in the code.

A **memory** is a list that belongs to one pair of input and data: the meter, the world, the memory it was forked from, input, data, the
input as a dict, the trace, then one place for every rule, `NEVER` until the rule has been asked.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from flyball.rego.error import Conflict, Place
from flyball.rego.limit import Meter, spend
from flyball.rego.value import UNDEFINED, Set, Value, equal, key, ordered, unkey

NEVER: Final = object()  # the place of a rule that has not been asked
METER, WORLD, PARENT, INPUT, DATA, VIEW, TRACE, FIRST = range(8)
Memory = list[Any]
Dispatch = dict[tuple[str, ...], tuple[Callable[..., Value], int, int]]  # path -> function, its place in a memory or 0, its operands


def dot(source: Value, name: Value) -> Value:
    """`source[name]`, or undefined."""
    kind = type(source)
    if kind is dict:
        return source.get(name if type(name) is str else key(name), UNDEFINED) if name is not UNDEFINED else UNDEFINED
    if kind is list:
        return source[name] if type(name) is int and 0 <= name < len(source) else UNDEFINED
    if kind is Set and name is not UNDEFINED:
        return source.held.get(key(name), UNDEFINED)
    return UNDEFINED


def base_dot(source: Value, name: Value) -> Value:
    """`source[name]` for a part of data, whose paths are text in OPA: 2 finds the key "2", and "2" the third member of an array."""
    found = dot(source, name)
    if found is not UNDEFINED:
        return found
    if type(source) is dict and type(name) is int:
        return source.get(str(name), UNDEFINED)
    if type(source) is list and type(name) is str and name.isascii() and name.isdigit():
        return dot(source, int(name))
    return UNDEFINED


def values(meter: Meter, source: Value) -> Any:
    """The members to go through, in any order; undefined for what has none."""
    kind = type(source)
    if kind is list:
        found = source
    elif kind is dict:
        found = source.values()
    elif kind is Set:
        found = source.held.values()
    else:
        return UNDEFINED
    meter.left -= len(found)
    if meter.left < 0:
        meter.refill()
    return found


def pairs(meter: Meter, source: Value) -> Any:
    """The keys and members to go through, in any order. Keys of objects come as `Key` where they are one."""
    kind = type(source)
    if kind is dict:
        found = source.items()
    elif kind is list:
        found = enumerate(source)
    elif kind is Set:
        found = [(member, member) for member in source.held.values()]
    else:
        return UNDEFINED
    meter.left -= len(source)
    if meter.left < 0:
        meter.refill()
    return found


def ordered_pairs(meter: Meter, source: Value) -> Any:
    """The keys and members in Rego's order."""
    kind = type(source)
    if kind is list:
        return pairs(meter, source)
    if kind is dict:
        meter.spend(2 * len(source))
        return [(name, source[key(name)]) for name in ordered(map(unkey, source))]
    if kind is Set:
        meter.spend(2 * len(source))
        return [(member, member) for member in ordered(source)]
    return UNDEFINED


def ordered_values(meter: Meter, source: Value) -> Any:
    """The members in Rego's order."""
    if type(source) is list:
        return values(meter, source)
    found = ordered_pairs(meter, source)
    return found if found is UNDEFINED else [member for _, member in found]


def length(source: Value) -> Value:
    """How many members there are; undefined for what has none."""
    return len(source) if type(source) in {str, list, dict, Set} else UNDEFINED


def conflict(what: str, place: Place) -> NoReturn:
    """Ends the evaluation."""
    raise Conflict(what, place)


def paid(meter: Meter, value: Value) -> Value:
    """What a builtin gave, its size counted as steps: what grows from call to call ends there."""
    kind = type(value)
    if kind is str:
        meter.spend(len(value) >> 6)
    elif kind is list or kind is dict or kind is Set:
        meter.spend(len(value))
    return value


def snapshot(found: Any) -> Any:
    """What is gone through, as it is now: the loop may add to it."""
    return found if found is UNDEFINED else list(found)


def made(mine: dict[int, Value], value: Value) -> Value:
    """Notes that this call made a value."""
    mine[id(value)] = value
    return value


def append_mine(mine: dict[int, Value], target: Value, value: Value, place: Place) -> None:
    """Adds to the end of an array that this call made."""
    if type(target) is not list or id(target) not in mine:
        raise Conflict("an array that was made elsewhere cannot be changed", place)
    target.append(value)


def add_mine(mine: dict[int, Value], target: Value, value: Value, place: Place) -> None:
    """Adds to a set that this call made, or that has the member already."""
    if type(target) is not Set or (id(target) not in mine and value not in target):
        raise Conflict("a set that was made elsewhere cannot be changed", place)
    target.add(value)


def insert_mine(mine: dict[int, Value], target: Value, name: Value, value: Value, place: Place) -> None:
    """Sets a key of an object that this call made; in any other, it must have the same value already."""
    if type(target) is dict and id(target) in mine:
        target[key(name)] = value
    elif type(target) is not dict or not equal(target.get(key(name), UNDEFINED), value):
        raise Conflict("object keys must be unique", place)


def insert_once_mine(mine: dict[int, Value], target: Value, name: Value, value: Value, place: Place) -> None:
    """Sets a key that an object does not have; where it has it, or another call made the object, it must have the same value already."""
    if type(target) is dict and id(target) in mine:
        insert_once(target, name, value, place)
    else:
        insert_mine(mine, target, name, value, place)


def insert(target: dict[Any, Value], name: Value, value: Value) -> None:
    """Sets a key of an object."""
    target[key(name)] = value


def insert_once(target: dict[Any, Value], name: Value, value: Value, place: Place) -> None:
    """Sets a key of an object that has none, or the same value."""
    found = target.setdefault(key(name), value)
    if found is not value and not equal(found, value):
        raise Conflict("object keys must be unique", place)


def merge(upper: Value, lower: Value) -> Value:
    """`upper` laid over `lower`; only objects that both have are copied."""
    if type(upper) is not dict or type(lower) is not dict:
        return upper
    spend(len(lower) + len(upper))
    merged = {**lower, **upper}
    for name in upper.keys() & lower.keys():
        merged[name] = merge(upper[name], lower[name])
    return merged


def overlay(document: Value, path: tuple[str, ...], value: Value) -> Value:
    """The document with `value` at the path, unchanged for an undefined one. Only the objects along the path are copied."""
    if not path:
        return value
    if value is UNDEFINED:
        return document
    copy = dict(document) if type(document) is dict else {}
    copy[path[0]] = overlay(copy.get(path[0]), path[1:], value)
    return copy


def fork(memory: Memory, given: Value, data: Value, never: Memory) -> Memory:
    """The memory for another input or data: that of a `with` around this one where both are the same again, else an empty one."""
    outer: Memory | None = memory
    while outer is not None:
        if outer[INPUT] is given and outer[DATA] is data:
            return outer
        outer = outer[PARENT]
    memory[METER].spend(1 + len(never) // 16)
    return [memory[METER], memory[WORLD], memory, given, data, view(given), memory[TRACE], *never]


def view(given: Value) -> dict[Any, Value]:
    """The input as a dict: what `get` finds in it is what `dot` finds, for a string."""
    kind = type(given)
    return given if kind is dict else given.held if kind is Set else {}


def dispatch(table: Dispatch, memory: Memory, path: Iterable[Value], args: tuple[Value, ...]) -> Value:
    """Calls the function with this path; undefined where there is none."""
    names = tuple(path)
    if any(type(name) is not str for name in names) or names not in table:
        return UNDEFINED
    func, place, operands = table[names]
    if len(args) != operands:
        return UNDEFINED
    found = memory[place] if place else NEVER
    return func(memory, *args) if found is NEVER else found
