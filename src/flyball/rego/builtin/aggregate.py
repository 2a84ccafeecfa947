"""What a collection comes to: counts, sums, extremes, order, membership."""

from functools import partial, reduce
from typing import Any

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.builtin.number import add, is_number, multiply
from flyball.rego.type import ANY, ARRAY, BOOLEAN, NUMBER, OBJECT, SET, STRING, array, one_of, set_of
from flyball.rego.value import UNDEFINED, Set, compare, equal, key, ordered

_SEVERAL = (one_of(SET, ARRAY),)
_NUMBERS = (one_of(set_of(NUMBER), array(of=NUMBER)),)


@builtin("count", (one_of(ARRAY, OBJECT, SET, STRING),), NUMBER)
def count(collection: Any) -> int:
    """How many members, or characters, there are."""
    kind = type(collection)
    if kind is list or kind is Set or kind is dict or kind is str:
        return len(collection)
    raise mistyped("count", collection)


@builtin("sum", _NUMBERS, NUMBER)
def total(numbers: Any) -> int | float:
    """The sum; 0 where there are none."""
    found: int | float = _reduced("sum", add, numbers, 0)
    return found


@builtin("product", _NUMBERS, NUMBER)
def product(numbers: Any) -> int | float:
    """The product; 1 where there are none."""
    found: int | float = _reduced("product", multiply, numbers, 1)
    return found


def _reduced(name: str, how: Any, numbers: Any, start: int) -> Any:
    if type(numbers) not in {list, Set} or not all(map(is_number, numbers)):
        raise mistyped(name, numbers)
    return reduce(partial(how, name), numbers if type(numbers) is list else ordered(numbers), start)


@builtin("max", _SEVERAL, ANY)
def largest(collection: Any) -> Any:
    """The last member in Rego's order; undefined where there is none."""
    return _extreme("max", collection, 1)


@builtin("min", _SEVERAL, ANY)
def smallest(collection: Any) -> Any:
    """The first member in Rego's order; undefined where there is none."""
    return _extreme("min", collection, -1)


def _extreme(name: str, collection: Any, sign: int) -> Any:
    if type(collection) not in {list, Set}:
        raise mistyped(name, collection)
    best: Any = UNDEFINED
    for one in collection:
        if best is UNDEFINED or sign * compare(one, best) >= 0:
            best = one
    return best


@builtin("sort", _SEVERAL, ARRAY)
def sort(collection: Any) -> list[Any]:
    """The members in Rego's order."""
    if type(collection) not in {list, Set}:
        raise mistyped("sort", collection)
    return ordered(collection)


@builtin("internal.member_2", (ANY, ANY), BOOLEAN)
def member(value: Any, collection: Any) -> bool:
    """Whether `value` is a member of a set, an array or the values of an object: `value in collection`."""
    kind = type(collection)
    if kind is Set:
        return value in collection
    if kind is list:
        return any(equal(value, one) for one in collection)
    return kind is dict and any(equal(value, one) for one in collection.values())


@builtin("internal.member_3", (ANY, ANY, ANY), BOOLEAN)
def member_at(name: Any, value: Any, collection: Any) -> bool:
    """Whether `value` stands at `name`: `name, value in collection`. A member of a set stands at itself."""
    kind = type(collection)
    if kind is Set:
        return name in collection and equal(name, value)
    if kind is dict:
        place = key(name)
        return place in collection and equal(collection[place], value)
    if kind is list and is_number(name) and 0 <= name < len(collection) and name == int(name):
        return equal(collection[int(name)], value)
    return False
