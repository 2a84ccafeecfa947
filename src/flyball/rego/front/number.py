"""Numbers as written to numbers of Python, without loss."""

from decimal import Decimal, InvalidOperation
from typing import Final

_DIGITS: Final = 4000
_HELD: Final = 14  # whole numbers of so many digits are held by every float


def read_number(text: str) -> int | float:
    """An `int` where the number is written as one, or where it is whole and no float is equal to it; else the nearest float.

    Raises ValueError for what neither holds, and for more than 4,000 digits.
    """
    if text.lstrip("-").isdigit():
        if len(text) > _DIGITS:
            raise ValueError("number too big")
        return int(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError("number too big") from None
    size = exact.adjusted()
    if size > _DIGITS:
        raise ValueError("number too big")
    near = float(exact)
    if size > _HELD and exact == exact.to_integral_value() and Decimal(near) != exact:
        return int(exact)
    if abs(near) == float("inf"):
        raise ValueError("number too big")
    if exact and not near:
        raise ValueError("number too small to be told from 0")
    return near
