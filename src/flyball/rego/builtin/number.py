"""Arithmetic, and ranges of numbers.

Integers are exact. Decimals are reckoned as decimals and rounded to a float at the end, because OPA reckons with 64 bits where a float has
53: `0.1 + 0.2 == 0.3` holds there, and here. A result that is a whole number is an integer, as OPA writes it.
"""

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from flyball.rego.builtin.desk import BITS, MEMBERS, World, builtin, mistyped, too_large, unfit
from flyball.rego.error import BuiltinFault
from flyball.rego.type import NUMBER, SET, STRING, array, one_of
from flyball.rego.value import Set, name_of

_ONE, _TWO = (NUMBER,), (NUMBER, NUMBER)
_NUMBERS: Final = frozenset((int, float))
# Enough digits for any two floats that stand 40 powers of ten apart; no result of two floats leaves these exponents.
_EXACT: Final = decimal.Context(prec=60, Emax=99_999, Emin=-99_999, traps=[])


def is_number(value: Any) -> bool:
    """Whether `value` is a number of Rego; a boolean is none."""
    return type(value) in _NUMBERS


def exact(number: float) -> Decimal:
    """The decimal that the number is written as."""
    return Decimal(number) if type(number) is int else Decimal(repr(number))


def number(result: Decimal) -> int | float:
    """The value of a decimal: an integer if it is whole, otherwise the nearest float."""
    return int(result) if result == result.to_integral_value() else float(result)


def whole(value: Any) -> int | None:
    """The integer that the number is, or None where it is none."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else None


def integer(name: str, place: int, operand: Any) -> int:
    """The operand, which must be an integer.

    Raises:
        OperandFault: it is none.
    """
    if type(operand) is int:
        return operand
    if type(operand) is float:
        raise unfit(name, place, "must be integer number but got floating-point number")
    raise unfit(name, place, f"must be number but got {name_of(operand)}")


def small(name: str, *numbers: int) -> None:
    """Refuses integers so large that reckoning with them takes long.

    Raises:
        OverLimit: one has more than `BITS` bits.
    """
    for one in numbers:
        if one.bit_length() > BITS:
            raise too_large(name, BITS, "bits")


def _reckon(name: str, how: Callable[[Decimal, Decimal], Decimal], left: Any, right: Any) -> int | float:
    if not is_number(left) or not is_number(right):
        raise mistyped(name, left, right)
    one, other = whole(left), whole(right)
    if one is not None and other is not None:
        small(name, one, other)
    return number(how(exact(left), exact(right)))


def add(name: str, left: Any, right: Any) -> int | float:
    """The sum of two operands of the builtin `name`."""
    if type(left) is int and type(right) is int:
        return left + right
    return _reckon(name, _EXACT.add, left, right)


def multiply(name: str, left: Any, right: Any) -> int | float:
    """The product of two operands of the builtin `name`."""
    if type(left) is int and type(right) is int:
        small(name, left, right)
        return left * right
    return _reckon(name, _EXACT.multiply, left, right)


@builtin("plus", _TWO, NUMBER)
def plus(left: Any, right: Any) -> int | float:
    """The sum."""
    if type(left) is int and type(right) is int:
        return left + right
    return _reckon("plus", _EXACT.add, left, right)


@builtin("minus", (one_of(NUMBER, SET), one_of(NUMBER, SET)), one_of(NUMBER, SET))
def minus(left: Any, right: Any) -> Any:
    """The difference of two numbers or of two sets."""
    if type(left) is int and type(right) is int:
        return left - right
    if type(left) is Set and type(right) is Set:
        rest = Set()
        rest.held = {name: member for name, member in left.held.items() if name not in right.held}
        return rest
    if is_number(left) and is_number(right):
        return _reckon("minus", _EXACT.subtract, left, right)
    if not is_number(left) and type(left) is not Set:
        raise mistyped("minus", left, right)
    raise unfit("minus", 2, f"must be {'set' if is_number(right) else 'number'} but got {name_of(right)}")


@builtin("mul", _TWO, NUMBER)
def mul(left: Any, right: Any) -> int | float:
    """The product."""
    return multiply("mul", left, right)


@builtin("div", _TWO, NUMBER)
def div(left: Any, right: Any) -> int | float:
    """The quotient; an integer where it is whole."""
    if is_number(left) and right == 0 and is_number(right):
        raise BuiltinFault("div: divide by zero")
    if type(left) is int and type(right) is int:
        small("div", left, right)
        quotient, rest = divmod(left, right)
        if not rest:
            return quotient
    return _reckon("div", _EXACT.divide, left, right)


@builtin("rem", _TWO, NUMBER)
def rem(left: Any, right: Any) -> int:
    """The rest of an integer division. It has the sign of `left` as in Go, where Python's has the sign of `right`."""
    if not is_number(left) or not is_number(right):
        raise mistyped("rem", left, right)
    one, other = whole(left), whole(right)
    if one is None or other is None:
        raise BuiltinFault("rem: modulo on floating-point number")
    if other == 0:
        raise BuiltinFault("rem: modulo by zero")
    small("rem", one, other)
    rest = abs(one) % abs(other)
    return -rest if one < 0 else rest


@builtin("abs", _ONE, NUMBER)
def absolute(operand: Any) -> int | float:
    """The number without its sign."""
    if not is_number(operand):
        raise mistyped("abs", operand)
    found: int | float = abs(operand)
    return found


def _rounded(name: str, operand: Any, how: str) -> int:
    if type(operand) is int:
        return operand
    if type(operand) is not float:
        raise mistyped(name, operand)
    return int(exact(operand).to_integral_value(how))


@builtin("round", _ONE, NUMBER)
def nearest(operand: Any) -> int:
    """The nearest integer; a half goes away from zero as in Go, where Python's goes to the even one."""
    return _rounded("round", operand, decimal.ROUND_HALF_UP)


@builtin("ceil", _ONE, NUMBER)
def ceil(operand: Any) -> int:
    """The smallest integer that is not smaller."""
    return _rounded("ceil", operand, decimal.ROUND_CEILING)


@builtin("floor", _ONE, NUMBER)
def floor(operand: Any) -> int:
    """The largest integer that is not larger."""
    return _rounded("floor", operand, decimal.ROUND_FLOOR)


@builtin("numbers.range", _TWO, array(of=NUMBER))
def numbers_range(first: Any, last: Any) -> list[int]:
    """The integers from `first` to `last`, both included, upwards or downwards."""
    return _range("numbers.range", (first, last), 1)


@builtin("numbers.range_step", (NUMBER, NUMBER, NUMBER), array(of=NUMBER))
def numbers_range_step(first: Any, last: Any, step: Any) -> list[int]:
    """Every `step`-th integer from `first` towards `last`, which is included where it is met."""
    return _range("numbers.range_step", (first, last), step)


def _range(name: str, ends: tuple[Any, Any], step: Any) -> list[int]:
    found = []
    for place, operand in enumerate((*ends, step), 1):
        one = whole(operand)
        if one is None:
            fits = "number but got floating-point number" if is_number(operand) else f"but got {name_of(operand)}"
            raise unfit(name, place, f"must be integer {fits}")
        found.append(one)
    first, last, stride = found
    if stride <= 0:
        raise BuiltinFault(f"{name}: step must be a positive integer")
    if abs(last - first) // stride >= MEMBERS:
        raise too_large(name, MEMBERS, "numbers")
    return list(range(first, last + 1, stride) if first <= last else range(first, last - 1, -stride))


@builtin("rand.intn", (STRING, NUMBER), NUMBER, worldly=True)
def rand_intn(world: World, name: Any, limit: Any) -> int:
    """An integer from 0 up to `limit`, excluded; the same for the same name and limit throughout one evaluation."""
    if type(name) is not str:
        raise mistyped("rand.intn", name, limit)
    bound = abs(integer("rand.intn", 2, limit))
    return world.chance(f"rand.intn:{name}-{bound}").randrange(bound) if bound else 0
