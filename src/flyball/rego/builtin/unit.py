"""Numbers with units: `10Gi`, `100m`, `1.5MB`."""

import re
from fractions import Fraction
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.error import BuiltinFault
from flyball.rego.type import NUMBER, STRING

_LETTERS: Final = "kmgtpe"
_BYTES: Final = {
    "": 1,
    **{f"{letter}{end}": 1000**power for power, letter in enumerate(_LETTERS, 1) for end in ("", "b")},
    **{f"{letter}{end}": 1024**power for power, letter in enumerate(_LETTERS, 1) for end in ("i", "ib")},
}
# Small and capital first letters are the same here but for `m`, a thousandth, and `M`, a million.
_UNITS: Final[dict[str, Fraction]] = {
    "": Fraction(1),
    **{first: Fraction(1000**power) for power, letter in enumerate(_LETTERS, 1) for first in (letter, letter.upper())},
    **{f"{first}i": Fraction(1024**power) for power, letter in enumerate(_LETTERS, 1) for first in (letter, letter.upper())},
    "m": Fraction(1, 1000),
}
_AMOUNT: Final = re.compile(r"[0-9.+-]*(?:[eE][+-]?[0-9]+[0-9.+-]*)*", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_EXPONENT: Final = re.compile(r"[eE][+-]?([0-9]+)")
_DIGITS: Final = 4_000
_EXPONENT_DIGITS: Final = 3  # OPA takes six: a number too long to be reckoned with in a decision


@builtin("units.parse", (STRING,), NUMBER)
def parse(text: Any) -> int | float:
    """The number of a text with an SI unit (`k`, `M`, ..., `m` for a thousandth) or a binary one (`Ki`, `Mi`, ...)."""
    if type(text) is not str:
        raise mistyped("units.parse", text)
    amount, unit = _split("units.parse", text.replace('"', ""), "amount")
    unit = unit[:1] + unit[1:].lower()
    if unit not in _UNITS:
        raise BuiltinFault(f"units.parse: unit {unit} not recognized")
    found = _number("units.parse", amount, "amount") * _UNITS[unit]
    return int(found) if found.denominator == 1 else float(round(found, 10))


@builtin("units.parse_bytes", (STRING,), NUMBER)
def parse_bytes(text: Any) -> int:
    """The number of bytes, whole ones, of a text such as `10KB` (1000) or `10KiB` (1024); capitals do not count."""
    if type(text) is not str:
        raise mistyped("units.parse_bytes", text)
    amount, unit = _split("units.parse_bytes", text.lower().replace('"', ""), "byte amount")
    if unit not in _BYTES:
        raise BuiltinFault(f"units.parse_bytes: byte unit {unit} not recognized")
    return int(_number("units.parse_bytes", amount, "byte amount") * _BYTES[unit])


def _split(name: str, text: str, what: str) -> tuple[str, str]:
    if " " in text:
        raise BuiltinFault(f"{name}: spaces not allowed in resource strings")
    found = _AMOUNT.match(text)
    amount = found[0] if found else ""
    if not amount:
        raise BuiltinFault(f"{name}: no {what} provided")
    return amount, text[len(amount) :]


def _number(name: str, amount: str, what: str) -> Fraction:
    exponent = _EXPONENT.search(amount)
    if exponent and len(exponent[1]) > _EXPONENT_DIGITS:
        raise BuiltinFault(f"{name}: exponent too large")
    if len(amount) > _DIGITS or not _NUMBER.fullmatch(amount):
        raise BuiltinFault(f"{name}: could not parse {what} to a number")
    return Fraction(amount)
