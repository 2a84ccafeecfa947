"""How much work compiling a policy, a plan or a query may be. Called by every stage of it.

Work is counted and never timed, so that the same text has the same answer on every machine. A unit is about what looking at one term takes:
a fraction of a microsecond. What a text may cost grows with its length, up to a limit: a long one may be long because there is much in it,
a short one that costs as much asks for the same again and again (a world in a world for each rule, every rule at every step).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from flyball.rego.error import NOWHERE, Mistake, Place, Refused

LEAST: Final = 500_000  # units that any text may cost
EACH: Final = 100  # more for each character
MOST: Final = 10_000_000  # and no text more than this
READ: Final = 2  # reading a character
JSON: Final = 3  # reading this power of two of characters of a plan is one unit
FOUND: Final = 10  # reading a statement of a plan
STMT: Final = 5  # planning a statement
MADE: Final = 25  # making one into Python
FUNC: Final = 120  # making a function
FLAG: Final = 20  # setting a variable on the way out of where a statement stands
WIDE: Final = 6  # copying this power of two of names is one unit


class _Now(threading.local):
    """The compilation that this thread is in."""

    left: int | None = None
    most: int = 0
    place: Place = NOWHERE


_NOW: Final = _Now()


def allowed(characters: int) -> int:
    """What a text of this many characters may cost, in units."""
    return min(MOST, LEAST + EACH * characters)


@contextmanager
def counted(characters: int) -> Iterator[None]:
    """Counts what is compiled meanwhile against what a text of this length may cost; what is counted already goes on as it is."""
    if _NOW.left is not None:
        yield
        return
    _NOW.left = _NOW.most = allowed(characters)
    _NOW.place = NOWHERE
    try:
        yield
    finally:
        _NOW.left = None


def spent() -> int:
    """What the compilation that this thread is in has cost so far, in units; 0 outside of any."""
    return 0 if _NOW.left is None else _NOW.most - _NOW.left


def at(place: Place) -> None:
    """Says which rule is worked on, for whoever has to shorten it."""
    _NOW.place = place


def spend(units: int) -> None:
    """Counts units, if something is being compiled.

    Raises:
        Refused: that is more than the text may cost.
    """
    if _NOW.left is not None:
        _NOW.left -= units
        if _NOW.left < 0:
            what = f"compiling takes more than the {_NOW.most} units of work that a text of this length may take"
            fix = (
                "split long bodies and nested closures, replace functions and rules by `with` in fewer ways, and put what is data into data"
            )
            raise Refused([Mistake(_NOW.place, "rego_compile_error", what, fix)])
