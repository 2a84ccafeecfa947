"""Operations on the bits of integers, which have as many as they need (two's complement without an end)."""

from typing import Any

from flyball.rego.builtin.desk import BITS, builtin, too_large, unfit
from flyball.rego.builtin.number import is_number, whole
from flyball.rego.type import NUMBER
from flyball.rego.value import name_of

_TWO = (NUMBER, NUMBER)


def _bits(name: str, place: int, operand: Any) -> int:
    found = whole(operand)
    if found is not None:
        return found
    fits = "number but got floating-point number" if is_number(operand) else f"but got {name_of(operand)}"
    raise unfit(name, place, f"must be integer {fits}")


def _shift(name: str, operand: Any) -> int:
    found = _bits(name, 2, operand)
    if found < 0:
        raise unfit(name, 2, "must be an unsigned integer number but got a negative integer")
    return found


@builtin("bits.and", _TWO, NUMBER)
def bits_and(left: Any, right: Any) -> int:
    """The bits that are set in both."""
    return _bits("bits.and", 1, left) & _bits("bits.and", 2, right)


@builtin("bits.or", _TWO, NUMBER)
def bits_or(left: Any, right: Any) -> int:
    """The bits that are set in either."""
    return _bits("bits.or", 1, left) | _bits("bits.or", 2, right)


@builtin("bits.xor", _TWO, NUMBER)
def bits_xor(left: Any, right: Any) -> int:
    """The bits that are set in exactly one."""
    return _bits("bits.xor", 1, left) ^ _bits("bits.xor", 2, right)


@builtin("bits.negate", (NUMBER,), NUMBER)
def bits_negate(operand: Any) -> int:
    """Every bit turned over."""
    return ~_bits("bits.negate", 1, operand)


@builtin("bits.lsh", _TWO, NUMBER)
def bits_lsh(operand: Any, count: Any) -> int:
    """The bits moved up."""
    bits, places = _bits("bits.lsh", 1, operand), _shift("bits.lsh", count)
    if bits and bits.bit_length() + places > BITS:
        raise too_large("bits.lsh", BITS, "bits")
    return bits << places if bits else 0


@builtin("bits.rsh", _TWO, NUMBER)
def bits_rsh(operand: Any, count: Any) -> int:
    """The bits moved down; negative numbers stay negative."""
    return _bits("bits.rsh", 1, operand) >> _shift("bits.rsh", count)
