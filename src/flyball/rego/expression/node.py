"""What a regular expression is made of. Made by `pattern`, matched by `machine`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]  # of code points, both ends included, in order and apart from each other
LAST: Final = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of these."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class At:
    """A place between characters: `start` and `end` of the text, `first` and `last` of a line, `edge` of a word or `inside` (no edge)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other; empty where there are none."""

    parts: "tuple[Node, ...]" = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The first of these that leads to a match."""

    ways: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """So many times, as often as possible, or as seldom. `most` is None where there is no limit."""

    part: "Node"
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What a number stands for in a replacement."""

    number: int
    part: "Node"


Node: TypeAlias = Chars | At | Row | Choice | Repeat | Group


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges in order, those that touch each other in one."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def others(ranges: Ranges) -> Ranges:
    """Every character but these."""
    found, at = [], 0
    for low, high in ranges:
        if low > at:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, LAST)) if at <= LAST else tuple(found)


def meet(one: Ranges, other: Ranges) -> bool:
    """Whether a character is in both."""
    return any(low <= last and first <= high for low, high in one for first, last in other)
