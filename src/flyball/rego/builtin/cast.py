"""What a value is, and numbers from other values."""

import re
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped, unfit
from flyball.rego.builtin.number import is_number
from flyball.rego.error import BuiltinFault
from flyball.rego.type import ANY, BOOLEAN, NULL, NUMBER, STRING, one_of
from flyball.rego.value import Set, name_of

_ONE = (ANY,)
builtin("type_name", _ONE, STRING)(name_of)
builtin("is_number", _ONE, BOOLEAN)(is_number)


@builtin("is_string", _ONE, BOOLEAN)
def is_string(value: Any) -> bool:
    """Whether it is a string."""
    return type(value) is str


@builtin("is_boolean", _ONE, BOOLEAN)
def is_boolean(value: Any) -> bool:
    """Whether it is a boolean."""
    return type(value) is bool


@builtin("is_array", _ONE, BOOLEAN)
def is_array(value: Any) -> bool:
    """Whether it is an array."""
    return type(value) is list


@builtin("is_set", _ONE, BOOLEAN)
def is_set(value: Any) -> bool:
    """Whether it is a set."""
    return type(value) is Set


@builtin("is_object", _ONE, BOOLEAN)
def is_object(value: Any) -> bool:
    """Whether it is an object."""
    return type(value) is dict


@builtin("is_null", _ONE, BOOLEAN)
def is_null(value: Any) -> bool:
    """Whether it is null."""
    return value is None


# What Go's ParseFloat takes for a decimal; a hexadecimal one or one with underscores would be no number in JSON.
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
_DIGITS: Final = 4_000


@builtin("to_number", (one_of(NULL, BOOLEAN, NUMBER, STRING),), NUMBER)
def to_number(value: Any) -> int | float:
    """The number that a string writes; 1 for true, 0 for false and null."""
    if is_number(value):
        return value  # type: ignore[no-any-return]  # is_number says that it is a number
    if value is None or type(value) is bool:
        return int(bool(value))
    if type(value) is not str:
        raise mistyped("to_number", value)
    if value.lstrip("+-").lower() in {"inf", "infinity", "nan"}:
        raise unfit("to_number", 1, "must be valid number string but got string")
    return parsed("to_number", value)


def parsed(name: str, text: str) -> int | float:
    """The number that a text writes.

    Raises:
        BuiltinFault: it writes none, or one that no float holds.
    """
    if len(text) > _DIGITS or not _DECIMAL.fullmatch(text):
        raise BuiltinFault(f'{name}: strconv.ParseFloat: parsing "{text[:100]}": invalid syntax')
    found = float(text)
    if found in {float("inf"), float("-inf")}:
        raise BuiltinFault(f'{name}: strconv.ParseFloat: parsing "{text[:100]}": value out of range')
    return int(text) if text.lstrip("+-").isdigit() else found
