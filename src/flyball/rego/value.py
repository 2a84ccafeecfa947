"""Values of Rego as plain Python, and what is asked of them: equality, order, keys. Called by generated code and by every builtin.

| Rego | Python |
|---|---|
| null, boolean, string | `None`, `bool`, `str` |
| number | `int` of any size, `float`; never NaN or infinite |
| array | `list`, never changed once it is visible |
| object | `dict` from the *keys* of its keys to its values |
| set | `Set`, from the *keys* of its members to its members |
| undefined | `UNDEFINED` |

Input and data are used as `json.loads` gives them, without a copy. A **key** is what a value is in a hash table: strings, numbers and
null are their own; everything else (a boolean too, because Python holds `True == 1`) is wrapped in a `Key`. `key` and `unkey` convert.

Whatever goes through a value member by member counts its steps, because a value may be far larger than what it was written with
(`b := [a, a]`, `c := [b, b]`, ...).
"""

import json
from collections.abc import Iterable, Iterator
from functools import cmp_to_key
from typing import Any, Final, final

from flyball.rego.error import Fault
from flyball.rego.limit import spend

Value = Any  # one of the table above
ORDER: Final = ("null", "boolean", "number", "string", "array", "object", "set")


@final
class Undefined:
    """The one value that says there is none. False as a condition; equal to nothing but itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()


@final
class Key:
    """A boolean, array, object or set as a key. `value` is the value itself; two keys are equal exactly if their values are."""

    __slots__ = ("form", "hashed", "value")

    def __init__(self, form: tuple[Any, ...], value: Value) -> None:
        self.form = form
        self.value = value
        self.hashed = hash(form)

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Key and self.hashed == other.hashed and self.form == other.form)

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


TRUE: Final = Key(("boolean", "true"), True)  # noqa: FBT003 - the value that it wraps
FALSE: Final = Key(("boolean", "false"), False)  # noqa: FBT003 - the value that it wraps


def key(value: Value) -> Any:
    """What `value` is as a key of a dict."""
    kind = type(value)
    if kind is str or kind is int or kind is float or value is None:
        return value
    if kind is bool:
        return TRUE if value else FALSE
    if kind is list:
        form: tuple[Any, ...] = ("array", *map(key, value))
    elif kind is dict:
        form = ("object", frozenset((name, key(held)) for name, held in value.items()))
    elif kind is Set:
        form = ("set", frozenset(value.held))
    else:
        raise Fault(f"{kind.__name__} is no value of Rego")
    spend(len(value))
    return Key(form, value)


def unkey(name: Any) -> Value:
    """The value that a key stands for."""
    return name.value if type(name) is Key else name


@final
class Set:
    """A set of values. `held` maps the key of each member to the member; built up by `add`, not changed once it is visible."""

    __slots__ = ("held",)

    def __init__(self, members: Iterable[Value] = ()) -> None:
        self.held: dict[Any, Value] = {key(member): member for member in members}

    def add(self, member: Value) -> None:
        """Takes a member in."""
        self.held.setdefault(key(member), member)

    def __contains__(self, member: Value) -> bool:
        return key(member) in self.held

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Value]:
        """The members in no order; `ordered` sorts them."""
        return iter(self.held.values())

    def __eq__(self, other: object) -> bool:
        return type(other) is Set and self.held.keys() == other.held.keys()

    __hash__ = None  # type: ignore[assignment]  # a mutable thing: `key` makes what can be hashed

    def __repr__(self) -> str:
        return f"Set({list(self.held.values())!r})"


def equal(left: Value, right: Value) -> bool:
    """Whether two values are the same: `1 == 1.0`, but never `1 == true`."""
    if left is right:
        return left is not UNDEFINED
    kind = type(left)
    if kind is not type(right):
        return kind is not bool and type(right) is not bool and isinstance(left, int | float) and bool(left == right)
    if kind is list:
        spend(len(left))
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        spend(len(left))
        return left.keys() == right.keys() and all(equal(held, right[name]) for name, held in left.items())
    return bool(left == right)


def name_of(value: Value) -> str:
    """The name of the value's type, as `type_name` gives it."""
    return ORDER[rank(value)]


_RANKS: Final = {type(None): 0, bool: 1, int: 2, float: 2, str: 3, list: 4, dict: 5, Set: 6}
_ARRAY, _OBJECT, _SET = 4, 5, 6


def rank(value: Value) -> int:
    """The place of the value's type in Rego's order of types."""
    found = _RANKS.get(type(value))
    if found is None:
        raise Fault(f"{type(value).__name__} is no value of Rego")
    return found


def compare(left: Value, right: Value) -> int:
    """Negative, zero or positive, as `left` stands before, at or after `right` in Rego's total order.

    Types first (`ORDER`), then numbers by size, strings by code point, arrays by member, objects by sorted keys and then their values, sets
    by their sorted members.
    """
    first, second = rank(left), rank(right)
    if first != second:
        return first - second
    if first == _ARRAY:
        return _compare_each(left, right)
    if first == _OBJECT:
        names, others = ordered(map(unkey, left)), ordered(map(unkey, right))
        for name, other in zip(names, others, strict=False):
            if found := compare(name, other) or compare(left[key(name)], right[key(other)]):
                return found
        return len(names) - len(others)
    if first == _SET:
        return _compare_each(ordered(left), ordered(right))
    return (left > right) - (left < right) if first else 0


def _compare_each(left: list[Value], right: list[Value]) -> int:
    spend(min(len(left), len(right)))
    for one, other in zip(left, right, strict=False):
        if found := compare(one, other):
            return found
    return len(left) - len(right)


_by_order = cmp_to_key(compare)


def ordered(values: Iterable[Value]) -> list[Value]:
    """The values in Rego's order."""
    held = list(values)
    kinds = set(map(type, held))
    if kinds == {str} or kinds <= {int, float}:
        return sorted(held)
    return sorted(held, key=_by_order)


def plain(value: Value) -> Any:
    """The value as JSON has it: sets become sorted arrays, keys that are no strings their JSON text (`dumped` in `builtin`)."""
    kind = type(value)
    if kind is list:
        spend(len(value))
        return [plain(one) for one in value]
    if kind is Set:
        spend(len(value))
        return [plain(one) for one in ordered(value)]
    if kind is dict:
        spend(len(value))
        return {name if type(name) is str else _text(unkey(name)): plain(held) for name, held in value.items()}
    return value


def _text(name: Value) -> str:
    return json.dumps(plain(name), separators=(",", ":"), ensure_ascii=False)
